"""Kernels of the clearance field: what is free, what was just hit, and the distance to what is neither."""

from __future__ import annotations

import math

import numpy as np

from map_node.volume.base import I64, U16
from map_node.volume.esdf import FREE, SURFACE, UNKNOWN
from saccade.geometry import F32, F64
from saccade.kernel import array, b1, buffer, f32, f64, i64, kernel, u8, u16, void
from saccade.types import U8

HELD, STRUCK = 1, 2
"""Marks of cells: free though not in sight; hit by a picture, and not seen through since."""
_SURE = 128
"""Confidence from which on a pixel counts, as a hit or as a look through a cell."""


@kernel(
    void, array(f32, 2), array(u8, 2), array(f64, 2), array(f64, 1), array(f64, 1), i64, buffer(u8, 3), counted=False
)
def hit(depth_m: F32, confidence: U8, R: F64, t: F64, camera: F64, stride: int, hits: U8) -> None:
    """Count the pixels that hit each cell, up to 255; `R` and `t` take the camera's metres to cells of the box."""
    hits[:] = 0
    for v in range(stride // 2, depth_m.shape[0], stride):
        for u in range(stride // 2, depth_m.shape[1], stride):
            z = depth_m[v, u]
            if not (0 < z < math.inf and confidence[v, u] >= _SURE):
                continue
            x, y = (u - camera[2]) / camera[0] * z, (v - camera[3]) / camera[1] * z
            i = math.floor(R[0, 0] * x + R[0, 1] * y + R[0, 2] * z + t[0])
            j = math.floor(R[1, 0] * x + R[1, 1] * y + R[1, 2] * z + t[1])
            k = math.floor(R[2, 0] * x + R[2, 1] * y + R[2, 2] * z + t[2])
            if 0 <= i < hits.shape[0] and 0 <= j < hits.shape[1] and 0 <= k < hits.shape[2]:
                hits[i, j, k] = min(hits[i, j, k] + 1, 255)


@kernel(
    void, array(f32, 2), array(u8, 2), array(f64, 2), array(f64, 1), array(f64, 1), f64, array(u8, 3), i64,
    buffer(u8, 3), counted=False,
)  # fmt: skip
def strike(
    depth_m: F32, confidence: U8, R: F64, t: F64, camera: F64, cell_m: float, hits: U8, pixels: int, marks: U8
) -> None:  # fmt: skip
    """Mark cells with `pixels` hits or more; a mark goes where the picture's depth is more than a cell behind it.

    A depth that is not sure enough for a hit does not take one away either.
    """
    for i in range(marks.shape[0]):
        for j in range(marks.shape[1]):
            for k in range(marks.shape[2]):
                if hits[i, j, k] >= pixels:
                    marks[i, j, k] = STRUCK
                if marks[i, j, k] != STRUCK or hits[i, j, k] >= pixels:
                    continue
                x, y, z = i + 0.5 - t[0], j + 0.5 - t[1], k + 0.5 - t[2]
                # R is a rotation over cell_m, and its transpose times cell_m squared its inverse.
                ahead = (R[0, 2] * x + R[1, 2] * y + R[2, 2] * z) * cell_m**2
                if ahead <= 0:
                    continue
                right = (R[0, 0] * x + R[1, 0] * y + R[2, 0] * z) * cell_m**2
                down = (R[0, 1] * x + R[1, 1] * y + R[2, 1] * z) * cell_m**2
                u = math.floor(camera[0] * right / ahead + camera[2] + 0.5)
                v = math.floor(camera[1] * down / ahead + camera[3] + 0.5)
                inside = 0 <= u < depth_m.shape[1] and 0 <= v < depth_m.shape[0]
                if inside and confidence[v, u] >= _SURE and ahead + cell_m < depth_m[v, u] < math.inf:
                    marks[i, j, k] = 0


@kernel(i64, array(u8, 3), i64, i64, i64, i64, counted=False)
def _label(labels: U8, voxels: int, x: int, y: int, z: int) -> int:
    """What a cell is whose lowest voxel is (x, y, z): UNKNOWN, FREE if all its voxels are, SURFACE if one is."""
    inside = 0 <= x < labels.shape[0] and 0 <= y < labels.shape[1] and 0 <= z < labels.shape[2]
    if not inside:
        return UNKNOWN
    what = FREE
    for a in range(voxels):
        for b in range(voxels):
            for c in range(voxels):
                label = labels[x + a, y + b, z + c]
                if label >= SURFACE:
                    return SURFACE
                if label == UNKNOWN:
                    what = UNKNOWN
    return what


@kernel(f64, i64, i64, i64, array(f64, 1), counted=False)
def _away(i: int, j: int, k: int, place: F64) -> float:
    """How far a cell's centre is from a place, both in cells."""
    return math.sqrt((i + 0.5 - place[0]) ** 2 + (j + 0.5 - place[1]) ** 2 + (k + 0.5 - place[2]) ** 2)


@kernel(
    void, array(u8, 3), i64, array(i64, 1), array(f64, 1), array(f64, 1), f64, f64, f64, b1, buffer(u8, 3),
    buffer(u8, 3), counted=False,
)  # fmt: skip
def free(
    labels: U8, voxels: int, low: I64, centre: F64, start: F64, blind: float, body: float, below: float, begin: bool,
    marks: U8, out: U8,
) -> None:  # fmt: skip
    """Whether each cell is free, and what is to be remembered of it; lengths in cells, the robot at `centre`.

    `low`: the box's lowest cell from that of the labels. `begin`: whether what is not known within `blind` of `start`
    is vouched for. Marks other than STRUCK are gone beyond `blind` of the robot.
    """
    for i in range(marks.shape[0]):
        for j in range(marks.shape[1]):
            for k in range(marks.shape[2]):
                what = _label(labels, voxels, (low[0] + i) * voxels, (low[1] + j) * voxels, (low[2] + k) * voxels)
                out[i, j, k] = what == FREE and marks[i, j, k] != STRUCK
                if marks[i, j, k] == STRUCK:
                    continue
                away = _away(i, j, k, centre)
                if away > blind or what == SURFACE:
                    marks[i, j, k] = 0
                    continue
                own = away <= body and k >= centre[2] - below - 1e-6
                vouched = begin and _away(i, j, k, start) <= blind and k >= start[2] - below - 1e-6
                if what == FREE or own or vouched:
                    marks[i, j, k] = HELD
                out[i, j, k] = marks[i, j, k] == HELD


@kernel(i64, i64, counted=False)
def _gap(cells: int) -> int:
    """Squared half cells from the centre of a cell to the nearest point of one that is so many cells further on."""
    return (2 * cells - 1) ** 2 if cells > 0 else 0


@kernel(void, array(u8, 3), i64, buffer(u16, 3), counted=False)
def _columns(free: U8, most: int, squared: U16) -> None:
    """Squared distance within each column along z, at most `most`."""
    n = free.shape[2]
    for i in range(free.shape[0]):
        for j in range(free.shape[1]):
            steps = 0
            for k in range(n):
                steps = steps + 1 if free[i, j, k] else 0
                squared[i, j, k] = steps
            steps = 0
            for k in range(n - 1, -1, -1):
                steps = steps + 1 if free[i, j, k] else 0
                squared[i, j, k] = min(_gap(min(steps, squared[i, j, k])), most)


@kernel(void, array(u16, 3), i64, buffer(u16, 3))
def _rows(given: U16, axis: int, out: U16) -> None:
    """Minima along x (`axis` 0) or y (1) of `given` plus the squared step."""
    last, row = given.shape[axis] - 1, np.empty(given.shape[2], np.uint16)
    for i in range(given.shape[0]):
        for j in range(given.shape[1]):
            at, here = (i if axis == 0 else j), given[i, j]
            outside, highest = np.uint16(_gap(min(at + 1, last + 1 - at))), np.uint16(0)
            for k in range(len(row)):
                row[k] = min(here[k], outside)
                highest = max(highest, row[k])
            for step in range(1, last + 1):
                gap = np.uint16(_gap(step))
                if gap >= highest:
                    break
                # Past the box's edge the last row is taken again: nearer than `step`, so it changes nothing.
                low, high = max(at - step, 0), min(at + step, last)
                below, above = (given[low, j], given[high, j]) if axis == 0 else (given[i, low], given[i, high])
                highest = np.uint16(0)
                for k in range(len(row)):
                    row[k] = min(row[k], np.uint16(min(below[k], above[k]) + gap))
                    highest = max(highest, row[k])
            out[i, j] = row


@kernel(void, array(u8, 3), array(u8, 1), buffer(u16, 3), buffer(u16, 3), buffer(u8, 3))
def distances(free: U8, units: U8, squared: U16, along: U16, out: U8) -> None:
    """From each cell's centre to the nearest point of a cell that is not free, or of what is outside of the box.

    Exact, by minima along one axis after the other (Saito and Toriwaki, Pattern Recognition 1994). The nearest point of
    a cell n cells along is 2 n - 1 half cells away. `units` is the answer by squared half cells, its length the reach.
    """
    _columns(free, len(units) - 1, squared)
    _rows(squared, 0, along)
    _rows(along, 1, squared)
    for i in range(free.shape[0]):
        for j in range(free.shape[1]):
            for k in range(free.shape[2]):
                out[i, j, k] = units[squared[i, j, k]]
