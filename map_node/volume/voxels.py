"""What a depth image says of one ray, one block, one voxel: plain functions, compiled for the CPU and for CUDA alike.

Blocks are found by walking along rays (Amanatides and Woo, Eurographics 1987); voxels look their pixel up (Curless and
Levoy, SIGGRAPH 1996). The nearest depth of each tile of the picture tells which blocks are wholly in front of
everything: they need no look at pixels. What is done for each voxel has 32 bits, a thousandth of a pixel, and selects
where it could branch, so that compilers make vectors of it. None of them calls another: each is compiled by itself.
"""

from __future__ import annotations

import math

import numpy as np

from map_node.volume.base import I32, I64, U16
from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i32, i64, kernel, pair, quad, u8, u16, void
from saccade.types import U8

TILE = 16
"""Pixels along the edge of a tile of the picture."""
UNKNOWN, FREE, SURFACE = 0, 1, 2
"""Labels of voxels. SURFACE is from half a voxel in front of it; above, labels count how far behind it, in
`truncation / 253`."""


@kernel(
    void, array(f32, 2), i64, i64, array(f64, 2), array(f64, 1), array(f64, 1), f64, f64, f64, array(i64, 1), i64,
    buffer(i32, 3), counted=False,
)  # fmt: skip
def walk(
    depth_m: F32, v: int, u: int, R: F64, t_blocks: F64, camera: F64, block_m: float, reach_m: float, range_m: float,
    corner: I64, frame: int, marked: I32,
) -> None:  # fmt: skip
    """Mark the blocks with `frame` that the ray of a pixel passes, up to `reach_m` behind what it hits.

    `t_blocks`: the camera in blocks; R turns its axes to odometry's. `camera`: fx, fy, cx, cy.
    """
    d = depth_m[v, u]
    if not 0 < d < math.inf:
        return
    end = min(d + reach_m, range_m)
    x, y = (u - camera[2]) / camera[0], (v - camera[3]) / camera[1]
    ray0 = (R[0, 0] * x + R[0, 1] * y + R[0, 2]) / block_m
    ray1 = (R[1, 0] * x + R[1, 1] * y + R[1, 2]) / block_m
    ray2 = (R[2, 0] * x + R[2, 1] * y + R[2, 2]) / block_m
    at0, at1 = np.int64(math.floor(t_blocks[0])), np.int64(math.floor(t_blocks[1]))  # CUDA's floor is no integer
    at2 = np.int64(math.floor(t_blocks[2]))
    ahead0, ahead1, ahead2 = ray0 >= 0, ray1 >= 0, ray2 >= 0
    per0 = per1 = per2 = next0 = next1 = next2 = math.inf
    if abs(ray0) > 1e-12:
        per0, next0 = abs(1 / ray0), (at0 + (1 if ahead0 else 0) - t_blocks[0]) / ray0
    if abs(ray1) > 1e-12:
        per1, next1 = abs(1 / ray1), (at1 + (1 if ahead1 else 0) - t_blocks[1]) / ray1
    if abs(ray2) > 1e-12:
        per2, next2 = abs(1 / ray2), (at2 + (1 if ahead2 else 0) - t_blocks[2]) / ray2
    z = 0.0
    while z <= end:
        i, j, k = at0 - corner[0], at1 - corner[1], at2 - corner[2]
        if 0 <= i < marked.shape[0] and 0 <= j < marked.shape[1] and 0 <= k < marked.shape[2]:
            marked[i, j, k] = frame
        if next0 <= next1 and next0 <= next2:
            z, next0, at0 = next0, next0 + per0, at0 + (1 if ahead0 else -1)
        elif next1 <= next2:
            z, next1, at1 = next1, next1 + per1, at1 + (1 if ahead1 else -1)
        else:
            z, next2, at2 = next2, next2 + per2, at2 + (1 if ahead2 else -1)


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


@kernel(u8, f32, f32, f32, f32, f32, counted=False)
def labelled(s: float, weight: float, min_weight: float, near_m: float, reach_m: float) -> int:
    """What a voxel is: UNKNOWN, FREE, SURFACE or more."""
    behind = min(max(-s / reach_m, np.float32(0)), np.float32(1)) * np.float32(253)
    surface = np.uint8(SURFACE) + np.uint8(behind)
    what: int = np.uint8(UNKNOWN) if weight < min_weight else (np.uint8(FREE) if s > near_m else surface)
    return what


@kernel(i32, u16, u8, f32, counted=False)
def blended(old: int, new: int, share: float) -> int:
    """A colour in 256ths after one more observation of it, in whole grey levels, has its share."""
    before = np.float32(old)
    after: int = np.int32(before + (np.float32(new) * np.float32(256) - before) * share + np.float32(0.5))
    return after


@kernel(quad(f64), f64, f64, f64, array(u8, 3), array(u16, 3), f64, f64, counted=False)
def interpolated(
    x: float, y: float, z: float, labels: U8, squared: U16, voxel_m: float, reach_m: float
) -> tuple[float, float, float, float]:
    """Distance and its gradient (esdf.py) at a place, in voxels from the centre of the window's first; NaN outside."""
    i, j, k = np.int64(math.floor(x)), np.int64(math.floor(y)), np.int64(math.floor(z))
    if not (0 <= i < labels.shape[0] - 1 and 0 <= j < labels.shape[1] - 1 and 0 <= k < labels.shape[2] - 1):
        return math.nan, math.nan, math.nan, math.nan
    distance = along_x = along_y = along_z = 0.0
    for corner in range(8):
        a, b, c = corner // 4, corner // 2 % 2, corner % 2
        what = labels[i + a, j + b, k + c]
        d = math.sqrt(squared[i + a, j + b, k + c]) * voxel_m
        if what > SURFACE:
            d = (SURFACE - np.int64(what)) / 253 * reach_m
        fx, fy, fz = x - i if a else i + 1 - x, y - j if b else j + 1 - y, z - k if c else k + 1 - z
        distance += d * fx * fy * fz
        along_x += (2 * a - 1) * d * fy * fz / voxel_m
        along_y += (2 * b - 1) * d * fx * fz / voxel_m
        along_z += (2 * c - 1) * d * fx * fy / voxel_m
    return distance, along_x, along_y, along_z
