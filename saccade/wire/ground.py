"""Where the ground is under a camera of which nobody says how it was mounted, from a depth image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from saccade.geometry import F32, F64, Pinhole

_POINTS, _FEW = 4000, 100
"""Depth pixels looked at, and how few of them are too few."""
_TRIES, _FITS = 500, 4
_SEED = 0
"""Of the one random choice here: a recording must play the same every time."""
_HEIGHT_M = (0.1, 3.0)
_DOWN_RAD, _ROLL_RAD = (math.radians(-15), math.radians(60)), math.radians(25)
"""How far a camera that is carried or driven about looks down, and how far it leans."""
_TOLERANCE_M, _TOLERANCE_PER_M = 0.015, 0.01
"""What a depth camera is off by, near and for each metre further."""
_LEAST_SHARE, _MOST_BELOW = 0.12, 0.02
"""Of all points: on the ground at least, and below it at most. A table is no ground where the floor shows beside it."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A plane below the camera: `up` (3,) its unit normal in optical axes, and how high above it the camera is.

    `share` of the depth pixels are on it.
    """

    up: F64
    height_m: float
    share: float

    def __str__(self) -> str:
        down, roll = (math.degrees(float(v[0])) for v in _attitude(self.up[None]))
        return f"looks {down:.0f} degrees down with {roll:.0f} of roll; {self.share:.0%} of its depth image are ground"

    @property
    def R_base_from_camera(self) -> F64:
        """Rotation (3, 3) from optical axes to those of a level base that heads where the camera looks."""
        ahead = np.array([0.0, 0.0, 1.0]) - self.up[2] * self.up
        forward = ahead / np.linalg.norm(ahead)
        return np.stack([forward, np.cross(self.up, forward), self.up])


def find_ground(depth_m: F32, camera: Pinhole) -> Ground | None:
    """The ground in a depth image (H, W) metres, NaN = none, or None where no plane is plausible as one.

    RANSAC (Fischler and Bolles 1981) over planes that lie below an about upright camera and have next to nothing below
    them; of these the one with the most points, fitted to them by least squares. The same image gives the same answer.
    """
    points = _points(depth_m, camera)
    if len(points) < _FEW:
        return None
    tolerance_m = _TOLERANCE_M + _TOLERANCE_PER_M * points[:, 2]
    rng = np.random.default_rng(_SEED)
    a, b, c = (points[rng.integers(0, len(points), _TRIES)] for _ in range(3))
    ups, heights_m = _planes(np.cross(b - a, c - a), a)
    best, most = None, _LEAST_SHARE * len(points)
    for up, height_m in zip(ups, heights_m, strict=True):
        above_m = points @ up + height_m
        on = np.abs(above_m) < tolerance_m
        if on.sum() > most and (above_m < -2 * tolerance_m).mean() <= _MOST_BELOW:
            best, most = on, float(on.sum())
    if best is None:
        return None
    for _ in range(_FITS):
        ups, heights_m = _fitted(points[best])
        if not len(ups):
            return None
        best = np.abs(points @ ups[0] + heights_m[0]) < tolerance_m / 2  # closer, without the feet of the walls
    return Ground(ups[0], float(heights_m[0]), most / len(points))


def _fitted(points: F64) -> tuple[F64, F64]:
    """The plane that fits best, as `_planes`: none when it cannot be the ground."""
    if len(points) < _FEW:
        return np.zeros((0, 3)), np.zeros(0)
    middle = points.mean(axis=0)
    return _planes(np.linalg.svd(points - middle, full_matrices=False)[2][2:], middle[None])


def _points(depth_m: F32, camera: Pinhole) -> F64:
    """Optical-frame points (n, 3) of pixels spread evenly over the image."""
    step = max(1, round(math.sqrt(depth_m.size / _POINTS)))
    v, u = np.mgrid[step // 2 : depth_m.shape[0] : step, step // 2 : depth_m.shape[1] : step]
    z = depth_m[v, u].astype(np.float64)
    known = np.isfinite(z)
    uv = np.stack([u[known], v[known]], axis=-1).astype(np.float64)
    return camera.unproject(uv, z[known])


def _planes(normals: F64, through: F64) -> tuple[F64, F64]:
    """(ups (k, 3), heights (k,) m) of those planes that may be the ground; normals (n, 3) need no length or sign."""
    length = np.linalg.norm(normals, axis=1)
    up = normals[length > 0] / length[length > 0, None]
    up = np.where(up[:, 1:2] > 0, -up, up)  # optical y points down
    height_m = -np.einsum("ij,ij->i", up, through[length > 0])
    down, roll = _attitude(up)
    plausible = (_HEIGHT_M[0] < height_m) & (height_m < _HEIGHT_M[1])
    plausible &= (_DOWN_RAD[0] < down) & (down < _DOWN_RAD[1]) & (np.abs(roll) < _ROLL_RAD)
    return up[plausible], height_m[plausible]


def _attitude(up: F64) -> tuple[F64, F64]:
    """How far cameras with these normals (n, 3) look down, and how far they lean, positive to their right; rad."""
    return np.arcsin(np.clip(-up[:, 2], -1.0, 1.0)), np.arctan2(-up[:, 0], -up[:, 1])
