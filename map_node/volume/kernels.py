"""Kernels of the volume on the CPU: loops over slices of rays, tiles and blocks, which threads can share.

The maths of one ray, one block and one voxel is in voxels.py.
"""

from __future__ import annotations

import math

import numpy as np

from map_node.volume.base import BLOCK, I32, I64, U16
from map_node.volume.voxels import TILE, averaged, blended, in_front, labelled, observed, pixel, walk
from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i32, i64, kernel, u8, u16, void
from saccade.types import U8

_VOXELS = BLOCK**3


@kernel(
    void, i64, i64, array(f32, 2), array(f64, 2), array(f64, 1), array(f64, 1), i64, f64, f64, f64, array(i64, 1), i64,
    buffer(i32, 3),
)  # fmt: skip
def mark(
    begin: int, end: int, depth_m: F32, R: F64, t_blocks: F64, camera: F64, stride: int, block_m: float,
    reach_m: float, range_m: float, corner: I64, frame: int, marked: I32,
) -> None:  # fmt: skip
    """`walk` along the rays of every `stride`-th pixel, in the begin-th to the end-th of every `stride`-th row."""
    for row in range(begin, end):
        for u in range(stride // 2, depth_m.shape[1], stride):
            walk(
                depth_m, stride // 2 + row * stride, u, R, t_blocks, camera, block_m, reach_m, range_m, corner, frame,
                marked,
            )  # fmt: skip


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
