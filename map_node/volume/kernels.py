"""Kernels of the volume on the CPU: loops over slices of rays, tiles and blocks, which threads can share.

The maths of one ray, one block and one voxel is in voxels.py.
"""

from __future__ import annotations

import math

import numpy as np

from map_node.volume.base import BLOCK, I32, I64, U16
from map_node.volume.voxels import TILE, averaged, in_front, labelled, observed, pixel, walk
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
    array(f64, 1), array(f32, 1), f64, f64, f64, f64, array(i32, 2), array(i32, 1), array(f32, 1),
    buffer(f32, 2), buffer(f32, 2), buffer(u16, 3),
)  # fmt: skip
def integrate(
    begin: int, end: int, depth_m: F32, confidence: U8, rgb: U8, nearest_m: F32, least: U8, R: F64, t: F64,
    camera: F32, voxel_m: float, reach_m: float, max_weight: float, yielding: float, found: I32, slots: I32,
    fade: F32, sdf_m: F32, weight: F32, colour: U16,
) -> None:  # fmt: skip
    """Average what the picture says into the voxels of blocks `found`, stored in `slots`; R, t: odometry to camera.

    `camera` as in `pixel`. `fade`: what is left of each block's weights since it was last seen. `rgb` is empty where
    there are no colours.
    """
    height, width = depth_m.shape
    high, wide = np.float32(height), np.float32(width)
    near, reach, most, yields = np.float32(voxel_m), np.float32(reach_m), np.float32(max_weight), np.float32(yielding)
    depths, sures, colours = depth_m.reshape(-1), confidence.reshape(-1), rgb.reshape(-1)
    ex, ey, ez = np.empty(_VOXELS, np.float32), np.empty(_VOXELS, np.float32), np.empty(_VOXELS, np.float32)
    zs, at = np.empty(_VOXELS, np.float32), np.empty(_VOXELS, np.int32)
    ds, cs = np.empty(_VOXELS, np.float32), np.empty(_VOXELS, np.uint8)
    shares = np.empty(_VOXELS, np.float32)
    for e in range(_VOXELS):  # each voxel from the first of its block, in the camera's axes
        i, j, k = e // (BLOCK * BLOCK), e // BLOCK % BLOCK, e % BLOCK
        ex[e] = (R[0, 0] * i + R[0, 1] * j + R[0, 2] * k) * voxel_m
        ey[e] = (R[1, 0] * i + R[1, 1] * j + R[1, 2] * k) * voxel_m
        ez[e] = (R[2, 0] * i + R[2, 1] * j + R[2, 2] * k) * voxel_m
    for n in range(begin, end):
        a, b, c = ((found[n, 0] * BLOCK + 0.5) * voxel_m, (found[n, 1] * BLOCK + 0.5) * voxel_m,
                   (found[n, 2] * BLOCK + 0.5) * voxel_m)  # fmt: skip
        x0 = t[0] + R[0, 0] * a + R[0, 1] * b + R[0, 2] * c
        y0 = t[1] + R[1, 0] * a + R[1, 1] * b + R[1, 2] * c
        z0 = t[2] + R[2, 0] * a + R[2, 1] * b + R[2, 2] * c
        sdf, weights, fades = sdf_m[slots[n]], weight[slots[n]], fade[n]
        sure = in_front(R, x0, y0, z0, camera, voxel_m, reach_m, height, width, nearest_m, least)
        if sure >= 0:
            for e in range(_VOXELS):
                sdf[e], weights[e] = averaged(sdf[e], weights[e] * fades, reach, sure, reach, most, yields)
            continue
        fx, fy, fz = np.float32(x0), np.float32(y0), np.float32(z0)
        for e in range(_VOXELS):
            zs[e] = fz + ez[e]
            at[e] = pixel(fx + ex[e], fy + ey[e], zs[e], camera, near, high, wide)
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
                    share, a, b = shares[e], e * 3, at[e] * 3
                    for c in range(3):
                        old, new = np.float32(rgbs[a + c]), np.float32(colours[b + c])
                        rgbs[a + c] = np.int32(old + (new * np.float32(256) - old) * share + np.float32(0.5))


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
