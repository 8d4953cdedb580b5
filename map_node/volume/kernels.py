"""What a depth image says of one block and one voxel, and loops over slices of them, which threads on the CPU share.

Voxels look their pixel up (Curless and Levoy, SIGGRAPH 1996). The nearest depth of each tile of the picture tells which
blocks are wholly in front of everything: they need no look at pixels. What is done for each voxel has 32 bits, a
thousandth of a pixel, and selects where it could branch, so that compilers make vectors of it. It is compiled for CUDA
too (cuda_kernels.py): functions of one block or voxel call no others.
"""

from __future__ import annotations

import math

import numpy as np

from map_node.volume.base import BLOCK, FREE, I32, I64, SURFACE, U16, UNKNOWN
from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i32, i64, kernel, pair, u8, u16, void
from saccade.types import U8

TILE = 16
"""Pixels along the edge of a tile of the picture."""
_VOXELS = BLOCK**3


@kernel(
    f32, array(f64, 2), f64, f64, f64, array(f32, 1), f64, f64, i64, i64, array(f32, 2), array(u8, 2), counted=False
)
def in_front(
    R: F64, x0: float, y0: float, z0: float, camera: F32, voxel_m: float, reach_m: float, height: int, width: int,
    nearest_m: F32, least: U8,
) -> float:  # fmt: skip
    """Least confidence, 0 to 1, of the pixels that a block covers if all of it is free by all of them, otherwise -1.

    x0, y0, z0: its first voxel's centre from the camera; R turns odometry's axes to the camera's. `camera` as in
    `pixel`; nearest_m, least: of each tile.
    """
    hidden: float = np.float32(-1)
    low_u = low_v = math.inf
    high_u = high_v = far = -math.inf
    for corner in range(8):
        a, b, c = corner // 4 * 7 * voxel_m, corner // 2 % 2 * 7 * voxel_m, corner % 2 * 7 * voxel_m
        z = z0 + R[2, 0] * a + R[2, 1] * b + R[2, 2] * c
        if z < voxel_m:
            return hidden
        u = camera[0] * (x0 + R[0, 0] * a + R[0, 1] * b + R[0, 2] * c) / z + camera[2]
        v = camera[1] * (y0 + R[1, 0] * a + R[1, 1] * b + R[1, 2] * c) / z + camera[3]
        low_u, high_u, low_v, high_v, far = min(low_u, u), max(high_u, u), min(low_v, v), max(high_v, v), max(far, z)
    if low_u < 0 or low_v < 0 or high_u >= width or high_v >= height:
        return hidden
    sure = 255
    for i in range(int(low_v) // TILE, int(high_v) // TILE + 1):
        for j in range(int(low_u) // TILE, int(high_u) // TILE + 1):
            if nearest_m[i, j] < far + reach_m:
                return hidden
            sure = min(sure, int(least[i, j]))
    free: float = np.float32(sure) / np.float32(255)
    return free


@kernel(i32, f32, f32, f32, array(f32, 1), f32, f32, f32, counted=False)
def pixel(x: float, y: float, z: float, camera: F32, near_m: float, height: float, width: float) -> int:
    """Which pixel a point in the camera's axes falls on, row by row; -1 for none, or a point nearer than `near_m`.

    `camera`: fx, fy, and cx, cy from the picture's corner, which is half a pixel from the first pixel's centre.
    """
    per_z = np.float32(1) / max(z, near_m)
    u, v = camera[0] * x * per_z + camera[2], camera[1] * y * per_z + camera[3]
    inside = (z >= near_m) & (u >= 0) & (v >= 0) & (u < width) & (v < height)
    at: int = np.int32(v) * np.int32(width) + np.int32(u) if inside else np.int32(-1)
    return at


@kernel(pair(f32), f32, u8, f32, f32, f32, counted=False)
def observed(d: float, confidence: int, z: float, voxel_m: float, reach_m: float) -> tuple[float, float]:
    """Truncated signed distance of a voxel at depth z from the surface that its pixel has at d, and the weight of that.

    Weight 0 where nothing is known: no depth, or more than the truncation behind the surface.
    """
    s = d - z
    w = np.float32(confidence) * np.float32(1 / 255)
    # Less sure the farther behind: another side may be nearer there.
    behind = min((s + reach_m) / (reach_m - voxel_m), np.float32(1))
    known = (d > 0) & (s >= -reach_m) & (s < np.float32(math.inf))  # NaN compares false
    return min(s, reach_m), (w * behind if known else np.float32(0))


@kernel(pair(f32), f32, f32, f32, f32, f32, f32, f32, counted=False)
def averaged(
    known: float, before: float, s: float, w: float, reach_m: float, max_weight: float, yielding: float
) -> tuple[float, float]:
    """Distance and weight of a voxel after one more observation; a known surface that is seen to be free yields."""
    yields = (s >= reach_m) & (known < reach_m * np.float32(0.5))
    kept = before * yielding if yields else before
    total = kept + w
    mean = (known * kept + s * w) / total
    return (mean if w > 0 else known), (min(total, max_weight) if w > 0 else before)


@kernel(i32, u16, u8, f32, counted=False)
def blended(old: int, new: int, share: float) -> int:
    """A colour in 256ths after one more observation of it, in whole grey levels, has its share."""
    before = np.float32(old)
    after: int = np.int32(before + (np.float32(new) * np.float32(256) - before) * share + np.float32(0.5))
    return after


@kernel(u8, f32, f32, f32, f32, f32, counted=False)
def labelled(s: float, weight: float, min_weight: float, near_m: float, reach_m: float) -> int:
    """What a voxel is: UNKNOWN, FREE, SURFACE or more."""
    behind = min(max(-s / reach_m, np.float32(0)), np.float32(1)) * np.float32(253)
    surface = np.uint8(SURFACE) + np.uint8(behind)
    what: int = np.uint8(UNKNOWN) if weight < min_weight else (np.uint8(FREE) if s > near_m else surface)
    return what


@kernel(void, i64, i64, array(f32, 2), array(u8, 2), buffer(f32, 2), buffer(u8, 2))
def tile(begin: int, end: int, depth_m: F32, confidence: U8, nearest_m: F32, least: U8) -> None:
    """Nearest depth and least confidence in each tile of some rows of tiles; 0 where a pixel has no depth."""
    height, width = depth_m.shape
    near, sure = np.empty(width, np.float32), np.empty(width, np.uint8)
    for i in range(begin, end):
        near[:], sure[:] = math.inf, 255
        for v in range(i * TILE, min(i * TILE + TILE, height)):
            for u in range(width):
                d, c = depth_m[v, u], confidence[v, u]
                d = d if (d > 0) & (d < np.float32(math.inf)) else np.float32(0)
                near[u] = d if d < near[u] else near[u]
                sure[u] = c if c < sure[u] else sure[u]
        for j in range(nearest_m.shape[1]):
            nearest_m[i, j] = near[j * TILE : j * TILE + TILE].min()
            least[i, j] = sure[j * TILE : j * TILE + TILE].min()


@kernel(
    void, i64, i64, array(f32, 2), array(u8, 2), array(u8, 3), array(f32, 2), array(u8, 2), array(f64, 2),
    array(f32, 2), array(f32, 1), f64, f64, f64, f64, array(f64, 2), array(i32, 1), array(f32, 1),
    buffer(f32, 2), buffer(f32, 2), buffer(u16, 3),
)  # fmt: skip
def integrate(
    begin: int, end: int, depth_m: F32, confidence: U8, rgb: U8, nearest_m: F32, least: U8, R: F64, offsets: F32,
    camera: F32, voxel_m: float, reach_m: float, max_weight: float, yielding: float, first_m: F64, slots: I32,
    fade: F32, sdf_m: F32, weight: F32, colour: U16,
) -> None:  # fmt: skip
    """Average what the picture says into the voxels of blocks that are stored in `slots`; R turns odometry to camera.

    first_m, offsets, `fade`: see pool.py. `camera` as in `pixel`. `rgb` is empty where there are no colours.
    """
    height, width = depth_m.shape
    high, wide = np.float32(height), np.float32(width)
    near, reach, most, yields = np.float32(voxel_m), np.float32(reach_m), np.float32(max_weight), np.float32(yielding)
    depths, sures, colours = depth_m.reshape(-1), confidence.reshape(-1), rgb.reshape(-1)
    zs, at = np.empty(_VOXELS, np.float32), np.empty(_VOXELS, np.int32)
    ds, cs = np.empty(_VOXELS, np.float32), np.empty(_VOXELS, np.uint8)
    shares = np.empty(_VOXELS, np.float32)
    for n in range(begin, end):
        x, y, z = first_m[n]
        sdf, weights, fades = sdf_m[slots[n]], weight[slots[n]], fade[n]
        sure = in_front(R, x, y, z, camera, voxel_m, reach_m, height, width, nearest_m, least)
        if sure >= 0:
            for e in range(_VOXELS):
                sdf[e], weights[e] = averaged(sdf[e], weights[e] * fades, reach, sure, reach, most, yields)
            continue
        x0, y0, z0 = np.float32(x), np.float32(y), np.float32(z)
        for e in range(_VOXELS):
            zs[e] = z0 + offsets[2, e]
            at[e] = pixel(x0 + offsets[0, e], y0 + offsets[1, e], zs[e], camera, near, high, wide)
        for e in range(_VOXELS):
            ds[e] = depths[at[e]] if at[e] >= 0 else np.float32(0)
            cs[e] = sures[at[e]] if at[e] >= 0 else np.uint8(0)
        for e in range(_VOXELS):
            s, w = observed(ds[e], cs[e], zs[e], near, reach)
            shares[e] = w / (weights[e] * fades + w) if (s < reach) & (w > 0) else np.float32(0)
            sdf[e], weights[e] = averaged(sdf[e], weights[e] * fades, s, w, reach, most, yields)
        if len(colours):
            rgbs = colour[slots[n]].reshape(-1)
            for e in range(_VOXELS):
                if shares[e] > 0:
                    for c in range(3):
                        rgbs[e * 3 + c] = blended(rgbs[e * 3 + c], colours[at[e] * 3 + c], shares[e])


@kernel(
    void, i64, i64, array(i32, 2), array(i32, 1), array(f32, 2), array(f32, 2), array(i64, 1), f32, f32, f32,
    buffer(u8, 3),
)  # fmt: skip
def label(
    begin: int, end: int, at: I32, slots: I32, sdf_m: F32, weight: F32, corner: I64, min_weight: float, near_m: float,
    reach_m: float, labels: U8,
) -> None:  # fmt: skip
    """Label the voxels of blocks (see esdf.py); slot -1 is a block of which nothing is known."""
    for n in range(begin, end):
        slot = slots[n]
        x, y, z = (at[n, 0] - corner[0]) * BLOCK, (at[n, 1] - corner[1]) * BLOCK, (at[n, 2] - corner[2]) * BLOCK
        for i in range(BLOCK):
            for j in range(BLOCK):
                e = (i * BLOCK + j) * BLOCK
                for k in range(BLOCK):
                    labels[x + i, y + j, z + k] = (
                        labelled(sdf_m[slot, e + k], weight[slot, e + k], min_weight, near_m, reach_m)
                        if slot >= 0
                        else np.uint8(0)
                    )
