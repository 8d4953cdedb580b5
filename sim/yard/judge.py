"""Whether the errand was done, and how: by the true pose, the true map and the true contacts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from saccade.clock import SEC, seconds
from saccade.geometry import SE3
from sim.scene import Place
from sim.yard.layout import REACH_M, ROBOT_RADIUS_M, YARD_M, YardLayout
from sim.yard.walkers import PERSON_RADIUS_M

RETURNED_M = 0.6
STUCK = (0.15, 0.05, 3)
"""Told to go at so many m/s, and not so many metres further after so many seconds."""
FAULT_M_S = 0.10
"""A person who meets a robot that moves towards it no faster than this has walked into it."""


class Judge:
    """Follows the robot's centre: within 1.0 m of the goal's edge it was reached, then within 0.6 m of the start."""

    def __init__(self, layout: YardLayout) -> None:
        self._layout = layout
        self._fixed = layout.things[: len(layout.things) - len(layout.walkers)]
        self._start = (float(layout.start.t[0]), float(layout.start.t[1]))
        self._last = self._start
        self._reached_ns: int | None = None
        self._returned_ns: int | None = None
        self._left_m = self._closest_m = self._clearance_m = math.inf
        self._travelled_m = 0.0
        self._fallen_ns: int | None = None
        self._stuck_ns: int | None = None
        self._push_from, self._push_ns = self._start, 0

    def see(
        self, T_world_from_base: SE3, people: Sequence[Place], fallen: bool, told_m_s: float, elapsed_ns: int
    ) -> None:  # fmt: skip
        """Note where everybody is, `elapsed_ns` after the start, and how fast the robot was told to go."""
        x, y = here = (float(T_world_from_base.t[0]), float(T_world_from_base.t[1]))
        self._travelled_m += math.dist(self._last, here)
        self._last = here
        goal = self._layout.goal
        self._left_m = math.dist(here, (goal.x, goal.y)) - goal.radius_m
        self._closest_m = min(self._closest_m, self._left_m)
        if self._reached_ns is None and self._left_m <= REACH_M:
            self._reached_ns = elapsed_ns
        home_m = math.dist(here, self._start)
        if self._reached_ns is not None and self._returned_ns is None and home_m <= RETURNED_M:
            self._returned_ns = elapsed_ns
        if fallen and self._fallen_ns is None:
            self._fallen_ns = elapsed_ns
        if told_m_s < STUCK[0] or math.dist(here, self._push_from) > STUCK[1]:
            self._push_from, self._push_ns = here, elapsed_ns
        elif self._stuck_ns is None and elapsed_ns - self._push_ns >= STUCK[2] * SEC:
            self._stuck_ns = elapsed_ns
        free = min(YARD_M[0] / 2 - abs(x), YARD_M[1] / 2 - abs(y), *(thing.distance_m(x, y) for thing in self._fixed))
        for person in people:
            free = min(free, math.dist(here, person[:2]) - PERSON_RADIUS_M)
        self._clearance_m = min(self._clearance_m, free - ROBOT_RADIUS_M)

    def verdict(self, hits: Sequence[tuple[str, float]]) -> dict[str, Any]:
        """What was achieved and met; times in s since the start or None, distances in metres.

        `collisions`: with things, and with people while the robot moved towards them; `struck`: people who walked
        into it. `clearance_m` is the least distance from the robot's disc to anything, negative within it.
        """
        people = {walker.thing.name for walker in self._layout.walkers}
        struck = [name for name, speed in hits if name in people and speed <= FAULT_M_S]
        ran_into = [name for name, speed in hits if not (name in people and speed <= FAULT_M_S)]
        return {
            "goal": self._layout.goal.name,
            "reached": self._reached_ns is not None,
            "reached_s": _s(self._reached_ns),
            "returned": self._returned_ns is not None,
            "returned_s": _s(self._returned_ns),
            "left_m": round(self._left_m, 3),
            "closest_m": round(self._closest_m, 3),
            "from_start_m": round(math.dist(self._last, self._start), 3),
            "travelled_m": round(self._travelled_m, 3),
            "shortest_m": round(self._layout.shortest_m, 3),
            "radius_m": ROBOT_RADIUS_M,
            "clearance_m": round(self._clearance_m, 3),
            "collisions": len(ran_into),
            "hit": ran_into,
            "struck": len(struck),
            "fallen_s": _s(self._fallen_ns),
            "stuck_s": _s(self._stuck_ns),
        }


def _s(ns: int | None) -> float | None:
    return None if ns is None else seconds(ns)
