"""Kernels of the volume and of its distances for CUDA: each thread takes every n-th ray, tile, block, voxel or column.

The maths of one of each is that of the CPU's kernels, the same source. This module is imported where there
is a CUDA device, or CUDA's simulator. **It has not run on a GPU yet**: the tests run it in the simulator.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import cuda

from map_node.volume import esdf, kernels, marking
from map_node.volume.base import BLOCK, I32, I64, SURFACE, U16
from map_node.volume.kernels import TILE
from saccade.geometry import F32, F64
from saccade.kernel import buffer, f32, f64, i32, i64, source, u8, u16, void
from saccade.types import U8

_VOXELS = BLOCK**3
Function = TypeVar("Function", bound=Callable[..., Any])


def _kernel(*arguments: Any) -> Callable[[Function], Any]:
    """Compile for the device that is there, now, and not while a robot moves; all arrays are the device's."""
    made: Callable[[Function], Any] = cuda.jit(void(*arguments))
    return made


def _device(function: Function) -> Function:
    """A CPU kernel's source, to be called by kernels."""
    made: Function = cuda.jit(device=True)(source(function))
    return made


walk, interpolated = _device(marking.walk), _device(esdf.interpolated)
in_front, pixel, observed = _device(kernels.in_front), _device(kernels.pixel), _device(kernels.observed)
averaged, blended, labelled = _device(kernels.averaged), _device(kernels.blended), _device(kernels.labelled)


@_kernel(
    buffer(f32, 2), buffer(f64, 2), buffer(f64, 1), buffer(f64, 1), i64, f64, f64, f64, buffer(i64, 1), i64,
    buffer(i32, 3),
)  # fmt: skip
def mark(
    depth_m: F32, R: F64, t_blocks: F64, camera: F64, stride: int, block_m: float, reach_m: float, range_m: float,
    corner: I64, frame: int, marked: I32,
) -> None:  # fmt: skip
    """`walk` along the rays of every `stride`-th pixel of such rows; all threads that mark a block write the same."""
    first = stride // 2
    columns, rows = (depth_m.shape[1] - first - 1) // stride + 1, (depth_m.shape[0] - first - 1) // stride + 1
    for n in range(cuda.grid(1), rows * columns, cuda.gridsize(1)):
        v, u = first + n // columns * stride, first + n % columns * stride
        walk(depth_m, v, u, R, t_blocks, camera, block_m, reach_m, range_m, corner, frame, marked)


@_kernel(buffer(f32, 2), buffer(u8, 2), buffer(f32, 2), buffer(u8, 2))
def tile(depth_m: F32, confidence: U8, nearest_m: F32, least: U8) -> None:
    """Nearest depth and least confidence in each tile of the picture; 0 where a pixel has no depth."""
    rows, columns = nearest_m.shape
    for n in range(cuda.grid(1), rows * columns, cuda.gridsize(1)):
        i, j = n // columns, n % columns
        near, sure = np.float32(math.inf), np.uint8(255)
        for v in range(i * TILE, min(i * TILE + TILE, depth_m.shape[0])):
            for u in range(j * TILE, min(j * TILE + TILE, depth_m.shape[1])):
                d = depth_m[v, u]
                near = min(near, d if d > 0 and d < np.float32(math.inf) else np.float32(0))
                sure = min(sure, confidence[v, u])
        nearest_m[i, j], least[i, j] = near, sure


@_kernel(
    buffer(f64, 2), buffer(f64, 2), buffer(f32, 1), f64, f64, i64, i64, buffer(f32, 2), buffer(u8, 2), buffer(f32, 1)
)
def front(
    R: F64, first_m: F64, camera: F32, voxel_m: float, reach_m: float, height: int, width: int, nearest_m: F32,
    least: U8, sure: F32,
) -> None:  # fmt: skip
    """`in_front` of blocks whose first voxels are at first_m (n, 3)."""
    for n in range(cuda.grid(1), sure.shape[0], cuda.gridsize(1)):
        x, y, z = first_m[n, 0], first_m[n, 1], first_m[n, 2]
        sure[n] = in_front(R, x, y, z, camera, voxel_m, reach_m, height, width, nearest_m, least)


@_kernel(
    buffer(f32, 2), buffer(u8, 2), buffer(u8, 3), buffer(f32, 1), buffer(f64, 2), buffer(f32, 2), buffer(f32, 1),
    f32, f32, f32, f32, buffer(i32, 1), buffer(f32, 1), buffer(f32, 2), buffer(f32, 2), buffer(u16, 3),
)  # fmt: skip
def fuse(
    depth_m: F32, confidence: U8, rgb: U8, sure: F32, first_m: F64, offsets: F32, camera: F32, near_m: float,
    reach_m: float, max_weight: float, yielding: float, slots: I32, fade: F32, sdf_m: F32, weight: F32, colour: U16,
) -> None:  # fmt: skip
    """Average what the picture says into voxels, one a thread, see `integrate` in kernels.py; `sure`: see `front`.

    `rgb` is of another height than the picture where there are no colours: nothing on a device is empty.
    """
    height, width = depth_m.shape
    for m in range(cuda.grid(1), slots.shape[0] * _VOXELS, cuda.gridsize(1)):
        n, e = m // _VOXELS, m % _VOXELS
        slot = slots[n]
        before = weight[slot, e] * fade[n]
        s, w = reach_m, sure[n]
        if w < 0:
            z = np.float32(first_m[n, 2]) + offsets[2, e]
            x, y = np.float32(first_m[n, 0]) + offsets[0, e], np.float32(first_m[n, 1]) + offsets[1, e]
            at = pixel(x, y, z, camera, near_m, np.float32(height), np.float32(width))
            s, w = reach_m, np.float32(0)
            if at >= 0:
                v, u = at // width, at % width
                s, w = observed(depth_m[v, u], confidence[v, u], z, near_m, reach_m)
                if rgb.shape[0] == height and s < reach_m and w > 0:
                    for c in range(3):
                        colour[slot, e, c] = blended(colour[slot, e, c], rgb[v, u, c], w / (before + w))
        sdf_m[slot, e], weight[slot, e] = averaged(sdf_m[slot, e], before, s, w, reach_m, max_weight, yielding)


@_kernel(buffer(i32, 1), buffer(f32, 2), buffer(f32, 2), buffer(u16, 3))
def empty(slots: I32, sdf_m: F32, weight: F32, colour: U16) -> None:
    """Make nothing known in these slots."""
    for m in range(cuda.grid(1), slots.shape[0] * _VOXELS, cuda.gridsize(1)):
        slot, e = slots[m // _VOXELS], m % _VOXELS
        sdf_m[slot, e] = weight[slot, e] = 0
        for c in range(3):
            colour[slot, e, c] = 0


@_kernel(
    buffer(i32, 1), buffer(f32, 2), buffer(f32, 2), buffer(u16, 3), buffer(f32, 2), buffer(f32, 2), buffer(u16, 3), i64
)
def carry(
    slots: I32, sdf_m: F32, weight: F32, colour: U16, some_sdf_m: F32, some_weight: F32, some_colour: U16, into: int
) -> None:
    """Copy the voxels of slots into others, one after the other, or, where `into`, those into slots."""
    for m in range(cuda.grid(1), slots.shape[0] * _VOXELS, cuda.gridsize(1)):
        n, slot, e = m // _VOXELS, slots[m // _VOXELS], m % _VOXELS
        if into:
            sdf_m[slot, e], weight[slot, e] = some_sdf_m[n, e], some_weight[n, e]
        else:
            some_sdf_m[n, e], some_weight[n, e] = sdf_m[slot, e], weight[slot, e]
        for c in range(3):
            if into:
                colour[slot, e, c] = some_colour[n, e, c]
            else:
                some_colour[n, e, c] = colour[slot, e, c]


@_kernel(buffer(i32, 1), buffer(f32, 2), buffer(f32, 2), f32, f32, f32, buffer(u8, 2))
def label(slots: I32, sdf_m: F32, weight: F32, min_weight: float, near_m: float, reach_m: float, labels: U8) -> None:
    """What each voxel of these slots is: labels (n, 512)."""
    for m in range(cuda.grid(1), slots.shape[0] * _VOXELS, cuda.gridsize(1)):
        slot, e = slots[m // _VOXELS], m % _VOXELS
        labels[m // _VOXELS, e] = labelled(sdf_m[slot, e], weight[slot, e], min_weight, near_m, reach_m)


@_kernel(buffer(u8, 3), i64, buffer(u16, 3))
def columns(labels: U8, reach: int, squared: U16) -> None:
    """Squared distance within each column, one a thread."""
    depth = labels.shape[2]
    for n in range(cuda.grid(1), labels.shape[0] * labels.shape[1], cuda.gridsize(1)):
        x, y = n // labels.shape[1], n % labels.shape[1]
        steps = reach
        for z in range(depth):
            steps = 0 if labels[x, y, z] >= SURFACE else min(steps + 1, reach)
            squared[x, y, z] = steps * steps
        steps = reach
        for z in range(depth - 1, -1, -1):
            steps = 0 if labels[x, y, z] >= SURFACE else min(steps + 1, reach)
            squared[x, y, z] = min(steps * steps, squared[x, y, z])


@_kernel(buffer(u16, 3), i64, i64, buffer(u16, 3))
def minima(given: U16, axis: int, reach: int, squared: U16) -> None:
    """Minima along an axis, see minima.py, one value a thread: from the nearest outward, until no other can be less."""
    n0, n1, n2 = given.shape
    last = given.shape[axis] - 1
    for n in range(cuda.grid(1), n0 * n1 * n2, cuda.gridsize(1)):
        x, y, z = n // (n1 * n2), n // n2 % n1, n % n2
        at = x if axis == 0 else y
        least, step = np.int64(given[x, y, z]), 1
        while step < reach and step * step < least:
            low, high = max(at - step, 0), min(at + step, last)  # past the edge its last again: nearer, no less
            a = given[low, y, z] if axis == 0 else given[x, low, z]
            b = given[high, y, z] if axis == 0 else given[x, high, z]
            least = min(least, min(np.int64(a), np.int64(b)) + step * step)
            step += 1
        squared[x, y, z] = least


@_kernel(buffer(f64, 2), buffer(u8, 3), buffer(u16, 3), f64, f64, buffer(f32, 2))
def interpolate(places: F64, labels: U8, squared: U16, voxel_m: float, reach_m: float, found: F32) -> None:
    """`interpolated` at places (n, 3): found (n, 4), the distance and its gradient."""
    for n in range(cuda.grid(1), places.shape[0], cuda.gridsize(1)):
        x, y, z = places[n, 0], places[n, 1], places[n, 2]
        found[n, 0], found[n, 1], found[n, 2], found[n, 3] = interpolated(x, y, z, labels, squared, voxel_m, reach_m)
