"""Distance from every voxel of the window to the nearest surface, kept up to date where something changed.

Exact Euclidean distances, up to a limit: within columns first, then minima along y and along x (see minima.py).
"""

from __future__ import annotations

import math

import numpy as np

from map_node.volume.base import BLOCK, I32, I64, U16, Change, Volume
from map_node.volume.minima import Minima, Rows, Voxels, leaving, shift
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

    def _relabel(self, change: Change) -> tuple[I32, Voxels, bool]:
        """Positions of the blocks labelled anew, by how many voxels the window moved, and whether all was replaced."""
        at, corner = change.at, self.volume.corner
        dx, dy, dz = ((now - then) * BLOCK for now, then in zip(corner, self._corner, strict=True))
        self._corner = corner
        everything = change.everything or any(abs(d) >= n for d, n in zip((dx, dy, dz), self.labels.shape, strict=True))
        if everything:
            self.labels.fill(UNKNOWN)
            at = self.volume.blocks().at
        else:  # by twos: blocks are of even size
            shift(self.labels.view(np.uint16), (dx, dy, dz // 2), UNKNOWN)
        self.volume.label(at, self.labels)
        return at, (dx, dy, dz), everything


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
        self._along_z = np.full(self.labels.shape, self.reach_voxels**2, np.uint16)
        self._along_y, self._along_x = (Minima(self.labels.shape, axis, self.reach_voxels) for axis in (1, 0))

    @property
    def squared(self) -> U16:
        """See the class."""
        return self._along_x.squared

    def update(self, change: Change) -> None:
        """See `Labels.update`."""
        at, moved, everything = self._relabel(change)
        none = self.reach_voxels**2
        candidates = np.zeros(self.labels.shape[:2], np.uint8)
        for x, y in {(int(x), int(y)) for x, y in at[:, :2] - np.array(self.volume.corner[:2], np.int32)}:
            candidates[max(x, 0) * BLOCK : (x + 1) * BLOCK, max(y, 0) * BLOCK : (y + 1) * BLOCK] = 1
        if everything or moved[2]:  # columns differ almost everywhere
            candidates.fill(1)
            moved = (0, 0, 0)
            self._along_y.spoil()
            self._along_x.spoil()
        gone_y, gone_x = leaving(self._along_z, 1, moved, none), leaving(self._along_y.squared, 0, moved, none)
        shift(self._along_z, moved, none)
        self._along_y.move(moved)
        self._along_x.move(moved)
        changed = self._columns(candidates)
        changed = self._along_y.update(self._along_z, changed.and_(gone_y))
        self._along_x.update(self._along_y.squared, changed.and_(gone_x))

    def _columns(self, candidates: U8) -> Rows:
        """Work out these columns anew; those that are not as before."""
        at = np.ascontiguousarray(np.argwhere(candidates))
        before = np.empty((len(at), self.labels.shape[2]), np.uint16)
        n = _within_columns(self.labels, self.reach_voxels, self._along_z, at, before)
        return Rows(at[:n], before[:n])

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


@kernel(i64, array(u8, 3), i64, buffer(u16, 3), buffer(i64, 2), buffer(u16, 2))
def _within_columns(labels: U8, reach: int, squared: U16, at: I64, before: U16) -> int:
    """Squared distance within each column of `at`; moves those that changed to the front, with what they were."""
    n, kept = labels.shape[2], 0
    column = np.empty(n, np.int64)
    for i in range(len(at)):
        x, y = at[i, 0], at[i, 1]
        steps, differs = reach, False
        for z in range(n):
            before[kept, z] = squared[x, y, z]
            steps = 0 if labels[x, y, z] >= SURFACE else min(steps + 1, reach)
            column[z] = steps
        steps = reach
        for z in range(n - 1, -1, -1):
            steps = 0 if labels[x, y, z] >= SURFACE else min(steps + 1, reach)
            squared[x, y, z] = min(steps, column[z]) ** 2
            differs |= squared[x, y, z] != before[kept, z]
        if differs:
            at[kept, 0], at[kept, 1] = x, y
            kept += 1
    return kept


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
