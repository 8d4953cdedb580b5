"""What a robot does that is held as its way is not known to be free: look around, step back, try again, give up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from saccade.geometry import F64
from vla_node.planner import Observation
from vla_node.reasoners.embedded.routes import facing, route

SEARCH_STEP_RAD = math.radians(110)
"""How far ahead of the robot the heading to turn to is set; below 180 degrees so that the side is never in doubt."""
RETREAT_RADII = 2.5
"""How far to step back, in radii of the robot with its margin: from there, the camera sees the floor it left."""
TRIES = 3


@dataclass(slots=True)
class Recovery:
    """One mission's. Floor right before the robot is below the camera's view: only distance shows if it is free."""

    tries: int = 0
    _looked_from_rad: float | None = None
    _retreat: F64 | None = None

    @property
    def active(self) -> bool:
        """Whether it has begun and not ended."""
        return self._looked_from_rad is not None

    def end(self) -> None:
        """A way was found, or there is nothing more to try."""
        self._looked_from_rad = self._retreat = None

    def step(self, obs: Observation, turned_rad: float, radius_m: float) -> F64 | None:
        """Waypoints (n, 3) of the next move; None when it has ended. `turned_rad` counts all turning of the step."""
        if self._looked_from_rad is None:
            self._looked_from_rad = turned_rad
            self.tries += 1
        pose = obs.state.T_odom_from_body
        if self._retreat is None and abs(turned_rad - self._looked_from_rad) < math.tau:
            return facing(pose.t, obs.yaw_then + SEARCH_STEP_RAD)
        if self._retreat is None:
            self._retreat = _back_along(obs, radius_m)
        if self._retreat is None or np.hypot(*(self._retreat - pose.t)[:2]) < 0.5 * radius_m:
            self.end()
            return None
        return route(obs, self._retreat, 0.0, None, radius_m, strict=True)


def _back_along(obs: Observation, radius_m: float) -> F64 | None:
    """The point (3,) a little way back to the start, over floor that is known to be free; None when there is no way."""
    way = route(obs, obs.start.t, 0.0, obs.start.yaw, radius_m, strict=True)
    if way is None:
        return None
    left_m = RETREAT_RADII * radius_m
    for begin, end in pairwise(way):
        length_m = float(np.hypot(*(end - begin)[:2]))
        if length_m >= left_m:
            point: F64 = begin + (end - begin) * (left_m / length_m)
            return point
        left_m -= length_m
    last: F64 = way[-1]
    return last
