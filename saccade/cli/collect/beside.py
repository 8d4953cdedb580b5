"""What the robot's own map shows beside it: how wide the way is, and how much wall bounds it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from saccade.geometry import F64, SE3
from saccade.types import LocalMap

DOOR_M = 2.1
"""What leaves no more than this between left and right is a door, or as narrow as one."""
WALL_M = 2.2
"""So much wall stands at a door, both sides together: more than two crates or pillars that are not long ones."""
_OCCUPIED = 50
_STRIP_M, _NEAR_M, _FAR_M = 0.30, 2.0, 4.0
"""Thickness of the strip across the way in which is looked, how far for what bounds the way, and how far along that."""
_HOLE_M = 0.30
"""What may be missing between two occupied cells of one wall."""
_TURNS_RAD = tuple(math.radians(turn) for turn in (0, -10, 10, -20, 20, -30, 30))
"""How far from straight across the way a wall may stand."""


class Beside(NamedTuple):
    """Metres to the nearest obstacle on the left and on the right, inf for none near.

    `wall_m`: how far they go on away from the way and in one line across it, both sides together; 0 where one does not.
    """

    stamp_ns: int
    left_m: float
    right_m: float
    wall_m: float = 0.0

    @property
    def door(self) -> bool:
        """Whether it is as narrow as a door, and between two pieces of wall: a crate and a pillar are none."""
        return self.left_m + self.right_m <= DOOR_M and self.wall_m >= WALL_M


def look_beside(grid: LocalMap, pose: SE3) -> Beside:
    """What a map shows left and right of a body, whose pose is in the map's frame."""
    half = math.pi / 2
    left_m, right_m = (_nearest_m(*_strip(grid, pose, side)) for side in (half, -half))
    wall_m = 0.0
    if left_m + right_m <= DOOR_M:
        for turn in _TURNS_RAD:
            runs = [_run_m(*_strip(grid, pose, side + turn)) for side in (half, -half)]
            wall_m = max(wall_m, sum(runs) if min(runs) > 0.0 else 0.0)
    return Beside(grid.stamp_ns, left_m, right_m, wall_m)


def _strip(grid: LocalMap, pose: SE3, turn_rad: float) -> tuple[F64, npt.NDArray[np.bool_]]:
    """Metres (n,) from the body in a direction, and whether anything stands there in a strip's thickness."""
    step = grid.resolution_m / 2
    far, aside = np.arange(grid.resolution_m, _FAR_M, step), np.arange(-_STRIP_M / 2, _STRIP_M / 2 + 1e-9, step)
    yaw = pose.yaw + turn_rad
    ahead, across = np.array([math.cos(yaw), math.sin(yaw)]), np.array([-math.sin(yaw), math.cos(yaw)])
    points = pose.t[:2] + far[:, None, None] * ahead + aside[:, None] * across
    row, col = grid.cell(points[..., 0], points[..., 1])
    height, width = grid.occupancy.shape
    inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
    stands = np.zeros(row.shape, np.bool_)
    stands[inside] = grid.occupancy[row[inside], col[inside]] >= _OCCUPIED
    return far, np.asarray(stands.any(axis=1))


def _nearest_m(far: F64, stands: npt.NDArray[np.bool_]) -> float:
    """How far away the first thing of a strip is, inf where it is not near."""
    first = int(stands.argmax())
    return float(far[first]) if stands[first] and far[first] < _NEAR_M else math.inf


def _run_m(far: F64, stands: npt.NDArray[np.bool_]) -> float:
    """Length of the first thing of a strip that is near, 0 where none is."""
    at = far[stands]
    if not len(at) or at[0] >= _NEAR_M:
        return 0.0
    holes = np.flatnonzero(np.diff(at) > _HOLE_M)
    return float(at[holes[0] if len(holes) else -1] - at[0])
