"""Which blocks the rays of a depth image pass: walking along them (Amanatides and Woo, Eurographics 1987)."""

from __future__ import annotations

import math

import numpy as np

from map_node.volume.base import I32, I64
from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i32, i64, kernel, void


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
