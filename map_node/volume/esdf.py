"""Distance from every voxel of the window to the nearest surface, kept up to date where something changed.

Exact Euclidean distances, up to a limit, by minima along one axis after the other (Saito and Toriwaki, Pattern
Recognition 1994): squared distances are whole numbers, so an update in parts gives the same bits as one of everything.
A row is worked out anew only if a row within reach changed in the pass before (compare FIESTA, IROS 2019, which follows
single voxels).
"""

from __future__ import annotations

import math

import numpy as np

from map_node.volume.base import BLOCK, I32, U16, Change, Volume
from saccade.errors import ConfigError
from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i64, kernel, u8, u16, void
from saccade.types import U8

UNKNOWN, FREE, SURFACE = 0, 1, 2
"""Labels of voxels. SURFACE is from half a voxel in front of it; above, labels count how far behind it, in
`truncation / 253`."""


class Labels:
    """What each voxel of a volume's window is: labels (X, Y, Z) uint8, see SURFACE.

    Unknown voxels are no surface: whoever must not enter them looks at the labels (see clearance.py).
    """

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        self.labels = np.zeros(tuple(n * BLOCK for n in volume.params.shape), np.uint8)
        self._rolling: list[tuple[U8 | U16, int]] = [(self.labels, UNKNOWN)]
        """Arrays that follow the window, and what is put where it comes to."""
        self._corner = volume.corner

    @property
    def origin_m(self) -> F64:
        """Lowest corner (3,) of the first voxel, in the volume's frame."""
        return np.array(self.volume.corner) * (BLOCK * self.volume.params.voxel_m)

    def update(self, change: Change) -> None:
        """Follow a change of the volume; every change must be told, in order."""
        self._relabel(change)

    def _relabel(self, change: Change) -> tuple[I32, tuple[int, ...], bool]:
        """Positions of the blocks labelled anew, by how many voxels the window moved, and whether all was replaced."""
        at, corner = change.at, self.volume.corner
        moved = tuple((now - then) * BLOCK for now, then in zip(corner, self._corner, strict=True))
        self._corner = corner
        everything = change.everything or any(abs(d) >= n for d, n in zip(moved, self.labels.shape, strict=True))
        if everything:
            self.labels.fill(UNKNOWN)
            at = self.volume.blocks().at
        elif any(moved):
            self._move(moved)
        self.volume.label(at, self.labels)
        return at, moved, everything

    def _move(self, voxels: tuple[int, ...]) -> None:
        """Follow the window: what stays in it is moved, the rest is unknown."""
        kept = tuple(slice(max(d, 0), n + min(d, 0)) for d, n in zip(voxels, self.labels.shape, strict=True))
        to = tuple(slice(max(-d, 0), n + min(-d, 0)) for d, n in zip(voxels, self.labels.shape, strict=True))
        for grid, nothing in self._rolling:
            moved = grid[kept].copy()
            grid.fill(nothing)
            grid[to] = moved


class Esdf(Labels):
    """Labels and distances of a volume's window.

    squared (X, Y, Z) uint16: squared distance in voxels from the voxel's centre to that of the nearest voxel labelled
    SURFACE or more, at most `reach_voxels` squared.
    """

    def __init__(self, volume: Volume, reach_m: float = 2.0) -> None:
        super().__init__(volume)
        self.reach_voxels = math.ceil(reach_m / volume.params.voxel_m - 1e-9)
        if not 1 <= self.reach_voxels <= 180:  # sums of two squares are kept in 16 bits
            raise ConfigError(
                f"distances up to {reach_m} m are {self.reach_voxels} voxels of {volume.params.voxel_m} m; "
                "expected 1 to 180"
            )
        farthest = self.reach_voxels**2
        self._along_z, self._along_y, self.squared = (np.full(self.labels.shape, farthest, np.uint16) for _ in range(3))
        self._rolling += [(self._along_z, farthest), (self._along_y, farthest), (self.squared, farthest)]

    def update(self, change: Change) -> None:
        """See `Labels.update`."""
        at, moved, everything = self._relabel(change)
        corner, reach = self.volume.corner, self.reach_voxels
        changed = np.zeros(self.labels.shape[:2], np.uint8)
        if everything or moved[2]:
            changed.fill(1)
        for x, y in {(int(x), int(y)) for x, y in at[:, :2] - np.array(corner[:2], np.int32)}:
            changed[max(x, 0) * BLOCK : (x + 1) * BLOCK, max(y, 0) * BLOCK : (y + 1) * BLOCK] = 1
        _columns(self.labels, changed, reach, self._along_z)
        _edges(changed.T, moved[1])
        _rows(self._along_z, _near(changed, 1, reach), 1, reach, self._along_y, changed)
        _edges(changed, moved[0])
        _rows(self._along_y, _near(changed, 0, reach), 0, reach, self.squared, changed)

    def distance_m(self, points: F64) -> F32:
        """Signed distance (n,) to the nearest surface at points (n, 3) of the volume's frame; trilinear between voxels.

        Negative behind surfaces, as far as the truncation. At most the reach. NaN outside of the window.
        """
        return self._read(points)[0]

    def gradient(self, points: F64) -> F32:
        """Gradient (n, 3) of the distance at points (n, 3): away from the nearest surface, length about 1; NaN outside.

        Zero where every surface is out of reach.
        """
        return self._read(points)[1]

    def _read(self, points: F64) -> tuple[F32, F32]:
        points = np.ascontiguousarray(points, np.float64).reshape(-1, 3)
        distance, gradient = np.empty(len(points), np.float32), np.empty((len(points), 3), np.float32)
        params = self.volume.params
        _interpolate(
            (points - self.origin_m) / params.voxel_m - 0.5, self.labels, self.squared, params.voxel_m,
            params.reach_m, distance, gradient,
        )  # fmt: skip
        return distance, gradient


@kernel(void, array(u8, 3), buffer(u8, 2), i64, buffer(u16, 3))
def _columns(labels: U8, changed: U8, reach: int, squared: U16) -> None:
    """Squared distance within each column that may have `changed`; leaves there which really did."""
    n = labels.shape[2]
    column = np.empty(n, np.int64)
    for x in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            if not changed[x, y]:
                continue
            steps = reach
            for z in range(n):
                steps = 0 if labels[x, y, z] >= SURFACE else min(steps + 1, reach)
                column[z] = steps
            steps, changed[x, y] = reach, 0
            for z in range(n - 1, -1, -1):
                steps = 0 if labels[x, y, z] >= SURFACE else min(steps + 1, reach)
                nearest = min(steps, column[z]) ** 2
                if squared[x, y, z] != nearest:
                    squared[x, y, z], changed[x, y] = nearest, 1


def _edges(changed: U8, moved: int) -> None:
    """Mark the first and last rows where the window moved across them: what was in reach beyond is gone."""
    if moved:
        changed[0], changed[-1] = 1, 1
        changed[max(len(changed) - moved, 0) if moved > 0 else 0 : len(changed) if moved > 0 else -moved] = 1


def _near(changed: U8, axis: int, reach: int) -> U8:
    """Where something within `reach` along an axis has changed."""
    counts = np.cumsum(np.pad(changed, [(1, 0) if a == axis else (0, 0) for a in (0, 1)]), axis=axis, dtype=np.int32)
    n = np.arange(changed.shape[axis])
    low, high = np.maximum(n - reach, 0), np.minimum(n + reach + 1, len(n))
    return np.asarray(counts.take(high, axis) > counts.take(low, axis), np.uint8)


@kernel(void, array(u16, 3), array(u8, 2), i64, i64, buffer(u16, 3), buffer(u8, 2))
def _rows(given: U16, near: U8, axis: int, reach: int, squared: U16, out: U8) -> None:
    """Minima along x (`axis` 0) or y (1) of `given` plus the squared step, of rows along z that are `near` a change.

    `out` says which rows differ from before.
    """
    row = np.empty(given.shape[2], np.uint16)
    last_x, last_y = given.shape[0] - 1, given.shape[1] - 1
    out[:] = 0
    for x in range(last_x + 1):
        for y in range(last_y + 1):
            if not near[x, y]:
                continue
            row[:] = given[x, y]
            highest = reach * reach
            for k in range(1, reach):
                if k * k >= highest:
                    break
                # Past the window's edge the last row is taken again: nearer than k, so it changes nothing.
                below = given[max(x - k, 0), y] if axis == 0 else given[x, max(y - k, 0)]
                above = given[min(x + k, last_x), y] if axis == 0 else given[x, min(y + k, last_y)]
                step, highest = np.uint16(k * k), 0
                for z in range(len(row)):
                    row[z] = min(row[z], np.uint16(min(below[z], above[z]) + step))
                    highest = max(highest, row[z])
            for z in range(len(row)):
                if squared[x, y, z] != row[z]:
                    squared[x, y, z], out[x, y] = row[z], 1


@kernel(void, array(f64, 2), array(u8, 3), array(u16, 3), f64, f64, buffer(f32, 1), buffer(f32, 2))
def _interpolate(
    places: F64, labels: U8, squared: U16, voxel_m: float, reach_m: float, distance_m: F32, gradient: F32
) -> None:
    """Distance and gradient at places (n, 3), in voxels from the centre of the first."""
    for n in range(len(places)):
        x, y, z = places[n]
        i, j, k = math.floor(x), math.floor(y), math.floor(z)
        inside = 0 <= i < labels.shape[0] - 1 and 0 <= j < labels.shape[1] - 1 and 0 <= k < labels.shape[2] - 1
        distance_m[n] = 0.0 if inside else math.nan
        gradient[n] = 0.0 if inside else math.nan
        if not inside:
            continue
        for corner in range(8):
            a, b, c = corner // 4, corner // 2 % 2, corner % 2
            what = labels[i + a, j + b, k + c]
            if what > SURFACE:
                d = -(what - SURFACE) / 253 * reach_m
            else:
                d = math.sqrt(squared[i + a, j + b, k + c]) * voxel_m
            fx, fy, fz = x - i if a else i + 1 - x, y - j if b else j + 1 - y, z - k if c else k + 1 - z
            distance_m[n] += d * fx * fy * fz
            gradient[n, 0] += (2 * a - 1) * d * fy * fz / voxel_m
            gradient[n, 1] += (2 * b - 1) * d * fx * fz / voxel_m
            gradient[n, 2] += (2 * c - 1) * d * fx * fy / voxel_m
