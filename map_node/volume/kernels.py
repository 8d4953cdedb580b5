"""Kernels of the volume: which blocks the rays of a depth image pass, and what it says about their voxels.

Blocks are found by walking along rays (Amanatides and Woo, Eurographics 1987); voxels look their pixel up (Curless and
Levoy, SIGGRAPH 1996). The nearest depth of each tile of the picture tells which blocks are wholly in front of
everything: they need no look at pixels.
"""

from __future__ import annotations

import math

import numpy as np

from map_node.volume.base import BLOCK, I32, I64, U16
from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i32, i64, kernel, u8, u16, void
from saccade.types import U8

TILE = 16
"""Pixels along the edge of a tile."""


@kernel(
    i64, array(f32, 2), array(f64, 2), array(f64, 1), array(f64, 1), i64, f64, f64, f64, array(i64, 1),
    buffer(i32, 3), i64, buffer(i32, 2),
)  # fmt: skip
def mark(
    depth_m: F32, R: F64, t_blocks: F64, camera: F64, stride: int, block_m: float, reach_m: float, range_m: float,
    corner: I64, marked: I32, frame: int, found: I32,
) -> int:  # fmt: skip
    """Find the blocks that rays pass up to `reach_m` behind what they hit; returns how many, positions in `found`.

    `t_blocks`: the camera in blocks. `camera`: fx, fy, cx, cy. `marked` holds the last frame that passed each entry.
    """
    n0, n1, n2 = marked.shape
    count = 0
    at, step = np.empty(3, np.int64), np.empty(3, np.int64)
    following, per_block, ray = np.empty(3), np.empty(3), np.empty(3)
    for v in range(stride // 2, depth_m.shape[0], stride):
        for u in range(stride // 2, depth_m.shape[1], stride):
            d = depth_m[v, u]
            if not 0 < d < math.inf:
                continue
            end = min(d + reach_m, range_m)
            x, y = (u - camera[2]) / camera[0], (v - camera[3]) / camera[1]
            for k in range(3):
                ray[k] = (R[k, 0] * x + R[k, 1] * y + R[k, 2]) / block_m
                at[k] = math.floor(t_blocks[k])
                step[k] = 1 if ray[k] >= 0 else -1
                if abs(ray[k]) < 1e-12:
                    following[k] = per_block[k] = math.inf
                else:
                    per_block[k] = abs(1 / ray[k])
                    following[k] = (at[k] + (1 if ray[k] >= 0 else 0) - t_blocks[k]) / ray[k]
            z = 0.0
            while z <= end:
                i, j, k = at[0] - corner[0], at[1] - corner[1], at[2] - corner[2]
                if 0 <= i < n0 and 0 <= j < n1 and 0 <= k < n2 and marked[i, j, k] != frame:
                    marked[i, j, k] = frame
                    found[count, 0], found[count, 1], found[count, 2] = at[0], at[1], at[2]
                    count += 1
                axis = 0
                if following[1] < following[axis]:
                    axis = 1
                if following[2] < following[axis]:
                    axis = 2
                z = following[axis]
                following[axis] += per_block[axis]
                at[axis] += step[axis]
    return count


@kernel(void, array(f32, 2), array(u8, 2), buffer(f32, 2), buffer(u8, 2))
def tile(depth_m: F32, confidence: U8, nearest_m: F32, least: U8) -> None:
    """Nearest depth and least confidence in each tile of the picture; 0 where a pixel has no depth."""
    nearest_m[:] = math.inf
    least[:] = 255
    for v in range(depth_m.shape[0]):
        for u in range(depth_m.shape[1]):
            i, j = v // TILE, u // TILE
            d = depth_m[v, u]
            if not 0 < d < math.inf:
                d = np.float32(0)
            nearest_m[i, j] = min(nearest_m[i, j], d)
            least[i, j] = min(least[i, j], confidence[v, u])


@kernel(
    f64, array(f64, 2), array(f64, 1), array(f64, 1), f64, f64, i64, i64, array(f32, 2), array(u8, 2), counted=False
)
def _in_front(
    R: F64, first: F64, camera: F64, voxel_m: float, reach_m: float, height: int, width: int, nearest_m: F32, least: U8
) -> float:
    """Least confidence of the pixels that a block covers if all of it is free by all of them, otherwise -1.

    `first`: its first voxel's centre from the camera; R takes odometry's axes to the camera's.
    """
    low_u = low_v = math.inf
    high_u = high_v = far = -math.inf
    for corner in range(8):
        a, b, c = corner // 4 * 7 * voxel_m, corner // 2 % 2 * 7 * voxel_m, corner % 2 * 7 * voxel_m
        z = first[2] + R[2, 0] * a + R[2, 1] * b + R[2, 2] * c
        if z < voxel_m:
            return -1.0
        u = camera[0] * (first[0] + R[0, 0] * a + R[0, 1] * b + R[0, 2] * c) / z + camera[2] + 0.5
        v = camera[1] * (first[1] + R[1, 0] * a + R[1, 1] * b + R[1, 2] * c) / z + camera[3] + 0.5
        low_u, high_u, low_v, high_v, far = min(low_u, u), max(high_u, u), min(low_v, v), max(high_v, v), max(far, z)
    if low_u < 0 or low_v < 0 or high_u >= width or high_v >= height:
        return -1.0
    sure = 255
    for i in range(int(low_v) // TILE, int(high_v) // TILE + 1):
        for j in range(int(low_u) // TILE, int(high_u) // TILE + 1):
            if nearest_m[i, j] < far + reach_m:
                return -1.0
            sure = min(sure, least[i, j])
    return float(sure)


@kernel(void, buffer(f32, 2), buffer(f32, 2), i64, i64, f64, f64, f64, f64, f64, counted=False)
def _add(
    sdf_m: F32, weight: F32, slot: int, e: int, s: float, w: float, reach_m: float, max_weight: float, yielding: float
) -> None:
    """Average one observation into a voxel; where it says free and a surface was known, that counts for less."""
    before = float(weight[slot, e])
    known = float(sdf_m[slot, e])
    if s >= reach_m and known < reach_m / 2:
        before *= yielding
    if w > 0:
        sdf_m[slot, e] = (known * before + s * w) / (before + w)
        weight[slot, e] = min(before + w, max_weight)


@kernel(
    void, array(f32, 2), array(u8, 2), array(u8, 3), array(f32, 2), array(u8, 2), array(f64, 2), array(f64, 1),
    array(f64, 1), f64, f64, f64, f64, array(i32, 2), array(i32, 1), array(f32, 1),
    buffer(f32, 2), buffer(f32, 2), buffer(u16, 3),
)  # fmt: skip
def integrate(
    depth_m: F32, confidence: U8, rgb: U8, nearest_m: F32, least: U8, R: F64, t: F64, camera: F64, voxel_m: float,
    reach_m: float, max_weight: float, yielding: float, found: I32, slots: I32, fade: F32,
    sdf_m: F32, weight: F32, colour: U16,
) -> None:  # fmt: skip
    """Average what the picture says into the voxels of blocks `found`, stored in `slots`; R, t: odometry to camera.

    `fade`: what is left of each block's weights since it was last seen. `rgb` is empty where there are no colours.
    """
    height, width = depth_m.shape
    coloured = rgb.shape[0] > 0
    first = np.empty(3)
    for n in range(len(slots)):
        slot = slots[n]
        for k in range(3):
            first[k] = t[k]
            for axis in range(3):
                first[k] += R[k, axis] * (found[n, axis] * BLOCK + 0.5) * voxel_m
        if fade[n] < 1:
            for e in range(BLOCK**3):
                weight[slot, e] *= fade[n]
        sure = _in_front(R, first, camera, voxel_m, reach_m, height, width, nearest_m, least)
        if sure >= 0:
            for e in range(BLOCK**3):
                _add(sdf_m, weight, slot, e, reach_m, sure / 255, reach_m, max_weight, yielding)
            continue
        for i in range(BLOCK):
            for j in range(BLOCK):
                x = first[0] + (R[0, 0] * i + R[0, 1] * j) * voxel_m
                y = first[1] + (R[1, 0] * i + R[1, 1] * j) * voxel_m
                z = first[2] + (R[2, 0] * i + R[2, 1] * j) * voxel_m
                for k in range(BLOCK):
                    if z >= voxel_m:
                        per_z = 1 / z
                        u = camera[0] * x * per_z + camera[2] + 0.5
                        v = camera[1] * y * per_z + camera[3] + 0.5
                        if 0 <= u < width and 0 <= v < height:
                            row, column = int(v), int(u)
                            d = depth_m[row, column]
                            s = d - z
                            # NaN compares false.
                            if -reach_m <= s < math.inf and d > 0:
                                e = (i * BLOCK + j) * BLOCK + k
                                w = confidence[row, column] / 255
                                if s < -voxel_m:  # less sure the farther behind: another side may be nearer there
                                    w *= (s + reach_m) / (reach_m - voxel_m)
                                before = weight[slot, e]
                                _add(sdf_m, weight, slot, e, min(s, reach_m), w, reach_m, max_weight, yielding)
                                if coloured and s < reach_m and w > 0:
                                    share = w / (before + w)
                                    for c in range(3):
                                        old = float(colour[slot, e, c])
                                        colour[slot, e, c] = int(
                                            old + (rgb[row, column, c] * 256.0 - old) * share + 0.5
                                        )
                    x, y, z = x + R[0, 2] * voxel_m, y + R[1, 2] * voxel_m, z + R[2, 2] * voxel_m


@kernel(void, array(i32, 2), array(i32, 1), array(f32, 2), array(f32, 2), array(i64, 1), f64, f64, f64, buffer(u8, 3))
def label(
    at: I32, slots: I32, sdf_m: F32, weight: F32, corner: I64, min_weight: float, near_m: float, reach_m: float,
    labels: U8,
) -> None:  # fmt: skip
    """Label the voxels of blocks (see esdf.py); slot -1 is a block of which nothing is known."""
    for n in range(len(slots)):
        slot = slots[n]
        x, y, z = (at[n, 0] - corner[0]) * BLOCK, (at[n, 1] - corner[1]) * BLOCK, (at[n, 2] - corner[2]) * BLOCK
        for i in range(BLOCK):
            for j in range(BLOCK):
                for k in range(BLOCK):
                    e = (i * BLOCK + j) * BLOCK + k
                    what = 0
                    if slot >= 0 and weight[slot, e] >= min_weight:
                        s = sdf_m[slot, e]
                        what = 1 if s > near_m else 2 + int(min(max(-s / reach_m, 0.0), 1.0) * 253)
                    labels[x + i, y + j, z + k] = what
