"""Whether the errand was done: there, and back again, by the true pose."""

from __future__ import annotations

import math
from typing import Any

from saccade.clock import seconds
from saccade.geometry import SE3
from sim.hall.layout import GOAL, Layout

REACHED_M = 1.0
RETURNED_M = 0.5


class Judge:
    """Follows the robot's centre: within 1.0 m of the red box's edge it was reached, then within 0.5 m of the start."""

    def __init__(self, layout: Layout) -> None:
        self._goal = layout.thing(GOAL)
        self._start = layout.start.t
        self._last = (float(self._start[0]), float(self._start[1]))
        self._reached_ns: int | None = None
        self._returned_ns: int | None = None
        self._left_m = self._closest_m = math.inf
        self._home_m = 0.0
        self._travelled_m = 0.0

    def see(self, T_hall_from_base: SE3, elapsed_ns: int) -> None:
        """Note where the robot is, `elapsed_ns` after the start."""
        x, y = float(T_hall_from_base.t[0]), float(T_hall_from_base.t[1])
        self._travelled_m += math.dist(self._last, (x, y))
        self._last = (x, y)
        self._left_m = self._goal.distance_m(x, y)
        self._closest_m = min(self._closest_m, self._left_m)
        self._home_m = math.dist((x, y), (float(self._start[0]), float(self._start[1])))
        if self._reached_ns is None and self._closest_m <= REACHED_M:
            self._reached_ns = elapsed_ns
        if self._reached_ns is not None and self._returned_ns is None and self._home_m <= RETURNED_M:
            self._returned_ns = elapsed_ns

    def verdict(self) -> dict[str, Any]:
        """goal, reached, returned (bool), when (s since the start or None), distances in metres."""
        return {
            "goal": self._goal.name,
            "reached": self._reached_ns is not None,
            "reached_s": None if self._reached_ns is None else seconds(self._reached_ns),
            "returned": self._returned_ns is not None,
            "returned_s": None if self._returned_ns is None else seconds(self._returned_ns),
            "left_m": round(self._left_m, 3),
            "closest_m": round(self._closest_m, 3),
            "from_start_m": round(self._home_m, 3),
            "travelled_m": round(self._travelled_m, 3),
        }
