"""Distance from every voxel of the window to the nearest surface, kept up to date where something changed.

Exact Euclidean distances, up to a limit: within columns first, then minima along y and along x (see minima.py), each
for the lines that something changed in. Where the window moved, all are worked out anew, which takes no longer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from map_node.volume.base import BLOCK, FREE, I32, SURFACE, U16, UNKNOWN, Change, Volume
from map_node.volume.minima import minima
from saccade.errors import ConfigError
from saccade.geometry import F32, F64
from saccade.kernel import array, b1, buffer, f32, f64, i64, kernel, quad, u8, u16, void
from saccade.slices import Slices
from saccade.types import U8

__all__ = ["FREE", "SURFACE", "UNKNOWN", "Esdf", "Labels"]


class Labels:
    """What each voxel of a volume's window is: labels (X, Y, Z) uint8, see SURFACE.

    Unknown voxels are no surface: whoever must not enter them looks at the labels (see clearance.py).
    """

    def __init__(self, volume: Volume) -> None:
        self.volume = volume
        x, y, z = volume.params.shape
        self.labels = np.zeros((x * BLOCK, y * BLOCK, z * BLOCK), np.uint8)
        self._corner = volume.corner

    @property
    def origin_m(self) -> F64:
        """Lowest corner (3,) of the first voxel, in the volume's frame."""
        return np.array(self.volume.corner) * (BLOCK * self.volume.params.voxel_m)

    def update(self, change: Change) -> None:
        """Follow a change of the volume; every change must be told, in order."""
        self._relabel(change)

    def _relabel(self, change: Change) -> tuple[I32, bool]:
        """Positions of the blocks labelled anew, and whether all else is as it was and where it was."""
        at, corner = change.at, self.volume.corner
        moved = tuple(now - then for now, then in zip(corner, self._corner, strict=True))
        self._corner = corner
        everything = change.everything or any(abs(d) >= n for d, n in zip(moved, self.volume.params.shape, strict=True))
        if everything:
            self.labels.fill(UNKNOWN)
            at = self.volume.blocks().at
        elif any(moved):
            _shift(self.labels, [d * BLOCK for d in moved])
        self.volume.label(at, self.labels)
        return at, not everything and not any(moved)


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
        self._make()

    def update(self, change: Change) -> None:
        """See `Labels.update`."""
        at, elsewhere_same = self._relabel(change)
        blocks = np.zeros(self.volume.params.shape[:2], np.uint8)
        x, y = (at[:, :2] - np.array(self.volume.corner[:2], np.int32)).T
        inside = (x >= 0) & (x < blocks.shape[0]) & (y >= 0) & (y < blocks.shape[1])
        blocks[x[inside], y[inside]] = 1
        if not elsewhere_same:
            blocks.fill(1)
        self._measure(blocks)

    def _make(self) -> None:
        none = self.reach_voxels**2
        self._along_z, self._along_y, self._along_x = (np.full(self.labels.shape, none, np.uint16) for _ in range(3))
        self._slices = Slices(self.volume.params.threads)

    @property
    def squared(self) -> U16:
        """See the class."""
        return self._along_x

    def _measure(self, blocks: U8) -> None:
        """Follow labels that changed in `blocks` (x, y), at any height."""
        changed = np.zeros(self.labels.shape[:2], np.uint8)

        def columns(begin: int, end: int) -> None:
            _within_columns(begin, end, self.labels, blocks, self.reach_voxels, self._along_z, changed)

        self._slices.run(columns, len(changed), BLOCK)
        changed = self._minima(1, self._along_z, changed, self._along_y)
        self._minima(0, self._along_y, changed, self._along_x)

    def _minima(self, axis: int, given: U16, moved: U8, squared: U16) -> U8:
        """Follow rows (X, Y) of `given` that are not as before; which of `squared` are not."""
        changed = np.zeros(self.labels.shape[:2], np.uint8)

        def some(begin: int, end: int) -> None:
            minima(begin, end, axis, given, moved, self.reach_voxels, squared, changed)

        self._slices.run(some, given.shape[1 - axis], BLOCK)
        return changed

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
        self._interpolate((points - self.origin_m) / self.volume.params.voxel_m - 0.5, distance, gradient)
        return distance, gradient

    def _interpolate(self, places: F64, distance: F32, gradient: F32) -> None:
        params = self.volume.params
        _interpolate(places, self.labels, self.squared, params.voxel_m, params.reach_m, distance, gradient)


def _shift(labels: U8, by: Sequence[int]) -> None:
    """Move what stays in a window that moves by so many voxels, in place; what comes into it is UNKNOWN."""
    then = labels.copy()
    labels.fill(UNKNOWN)
    sides = list(zip(labels.shape, by, strict=True))
    to = tuple(slice(max(-d, 0), n - max(d, 0)) for n, d in sides)
    labels[to] = then[tuple(slice(max(d, 0), n + min(d, 0)) for n, d in sides)]


@kernel(b1, array(u8, 1), i64, buffer(u16, 1), buffer(u16, 1), counted=False)
def _within_column(labels: U8, reach: int, above: U16, squared: U16) -> bool:
    """Squared distances within a column, and whether they are not as they were."""
    n, highest = len(labels), np.uint8(0)
    differs: int = np.uint16(0)
    for z in range(n):
        highest = labels[z] if labels[z] > highest else highest
    if highest < SURFACE:
        none = np.uint16(reach * reach)
        for z in range(n):
            differs = np.uint16(differs | (squared[z] ^ none))
            squared[z] = none
        return differs != 0
    steps = reach
    for z in range(n):
        steps = 0 if labels[z] >= SURFACE else min(steps + 1, reach)
        above[z] = steps
    steps = reach
    for z in range(n - 1, -1, -1):
        steps = 0 if labels[z] >= SURFACE else min(steps + 1, reach)
        nearest = min(steps, np.int64(above[z]))
        value = np.uint16(nearest * nearest)
        differs = np.uint16(differs | (squared[z] ^ value))
        squared[z] = value
    return differs != 0


@kernel(void, i64, i64, array(u8, 3), array(u8, 2), i64, buffer(u16, 3), buffer(u8, 2))
def _within_columns(begin: int, end: int, labels: U8, blocks: U8, reach: int, squared: U16, changed: U8) -> None:
    """Squared distances within the columns of `blocks` (x, y) from the begin-th to the end-th x; marks what changed."""
    above = np.empty(labels.shape[2], np.uint16)
    for x in range(begin, end):
        for y in range(labels.shape[1]):
            if blocks[x // BLOCK, y // BLOCK] and _within_column(labels[x, y], reach, above, squared[x, y]):
                changed[x, y] = 1


@kernel(quad(f64), f64, f64, f64, array(u8, 3), array(u16, 3), f64, f64, counted=False)
def interpolated(
    x: float, y: float, z: float, labels: U8, squared: U16, voxel_m: float, reach_m: float
) -> tuple[float, float, float, float]:
    """Distance and its gradient at a place, in voxels from the centre of the window's first; NaN outside."""
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


@kernel(void, array(f64, 2), array(u8, 3), array(u16, 3), f64, f64, buffer(f32, 1), buffer(f32, 2))
def _interpolate(
    places: F64, labels: U8, squared: U16, voxel_m: float, reach_m: float, distance_m: F32, gradient: F32
) -> None:
    """`interpolated` at places (n, 3)."""
    for n in range(len(places)):
        x, y, z = places[n]
        distance_m[n], gradient[n, 0], gradient[n, 1], gradient[n, 2] = interpolated(
            x, y, z, labels, squared, voxel_m, reach_m
        )
