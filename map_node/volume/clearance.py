"""How far one can go: in every direction, and along a candidate motion. What is not known to be free is not free."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from map_node.volume.esdf import FREE, SURFACE, UNKNOWN, Esdf
from saccade.clock import seconds
from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, kernel, u8, void
from saccade.types import U8


class Rays(NamedTuple):
    """Per direction, how far all is known to be free, and what ends it.

    free_m (n,) float32; ends (n,) uint8: FREE where the range ended first, SURFACE, or UNKNOWN (also past the window).
    `age_s`: since the newest depth image of the volume; infinity before the first.
    """

    free_m: F32
    ends: U8
    age_s: float


class Sweep(NamedTuple):
    """Along a motion, how far the robot's hull stays from surfaces.

    clearance_m (n,) float32: distance to the nearest surface less the robot's radius, negative in collision, NaN
    outside of the window; known (n,) bool: whether the robot's centre is where all is known to be free; `age_s` as in
    `Rays`.
    """

    clearance_m: F32
    known: npt.NDArray[np.bool_]
    age_s: float


def rays(esdf: Esdf, from_m: F64, directions: F64, range_m: float, now_ns: int, blind_m: float = 0.0) -> Rays:
    """Free distance from a point (3,) along unit vectors (n, 3) of the volume's frame, at most `range_m`.

    Voxels nearer than `blind_m` that were never seen, such as the robot's own, count as free. A ray ends where it
    enters the voxel that ends it, and surfaces begin half a voxel in front: never more than a voxel beyond the truth.
    """
    directions = np.ascontiguousarray(directions, np.float64).reshape(-1, 3)
    free_m, ends = np.empty(len(directions), np.float32), np.empty(len(directions), np.uint8)
    voxel_m = esdf.volume.params.voxel_m
    start = (np.asarray(from_m, np.float64) - esdf.origin_m) / voxel_m
    if np.isfinite(start).all() and np.isfinite(directions).all():
        _walk(esdf.labels, start, directions, range_m / voxel_m, blind_m / voxel_m, voxel_m, free_m, ends)
    else:
        free_m[:], ends[:] = 0, UNKNOWN
    return Rays(free_m, ends, _age_s(esdf, now_ns))


def sweep(esdf: Esdf, path_m: F64, radius_m: float, now_ns: int, blind_m: float = 0.0) -> Sweep:
    """Clearance at the points (n, 3) of a motion of the robot's centre, taken for a ball.

    Unknown places within `blind_m` of the first point count as known.
    """
    path_m = np.ascontiguousarray(path_m, np.float64).reshape(-1, 3)
    clearance_m = esdf.distance_m(path_m) - np.float32(radius_m)
    known = np.zeros(len(path_m), np.bool_)
    inside = np.isfinite(clearance_m)
    at = np.floor((path_m[inside] - esdf.origin_m) / esdf.volume.params.voxel_m).astype(np.intp)
    labels = esdf.labels[tuple(at.T)]
    near = np.linalg.norm(path_m[inside] - path_m[:1], axis=1) < blind_m
    known[inside] = (labels == FREE) | ((labels == UNKNOWN) & near)
    return Sweep(clearance_m, known, _age_s(esdf, now_ns))


def _age_s(esdf: Esdf, now_ns: int) -> float:
    stamp_ns = esdf.volume.stamp_ns
    return seconds(now_ns - stamp_ns) if stamp_ns else math.inf


@kernel(void, array(u8, 3), array(f64, 1), array(f64, 2), f64, f64, f64, buffer(f32, 1), buffer(u8, 1))
def _walk(
    labels: U8, start: F64, directions: F64, range_voxels: float, blind: float, voxel_m: float, free_m: F32, ends: U8
) -> None:
    """Walk each ray from voxel to voxel (Amanatides and Woo) until one is not free; lengths in voxels."""
    at, step = np.empty(3, np.int64), np.empty(3, np.int64)
    following, per_voxel = np.empty(3), np.empty(3)
    for n in range(len(directions)):
        for k in range(3):
            along = directions[n, k]
            at[k] = math.floor(start[k])
            step[k] = 1 if along >= 0 else -1
            per_voxel[k] = abs(1 / along) if abs(along) > 1e-12 else math.inf
            ahead = at[k] + 1 - start[k] if along >= 0 else start[k] - at[k]
            following[k] = ahead * per_voxel[k] if abs(along) > 1e-12 else math.inf
        gone, end = 0.0, FREE
        while gone < range_voxels:
            what = UNKNOWN
            if 0 <= at[0] < labels.shape[0] and 0 <= at[1] < labels.shape[1] and 0 <= at[2] < labels.shape[2]:
                what = min(labels[at[0], at[1], at[2]], SURFACE)
            if what == SURFACE or (what == UNKNOWN and gone >= blind):
                end = what
                break
            axis = 0
            if following[1] < following[axis]:
                axis = 1
            if following[2] < following[axis]:
                axis = 2
            gone = following[axis]
            following[axis] += per_voxel[axis]
            at[axis] += step[axis]
        free_m[n], ends[n] = min(gone, range_voxels) * voxel_m, end
