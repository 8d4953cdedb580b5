"""Whether the errand was flown, and how: by the true pose, the true gates and the true contacts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from saccade.clock import SEC, seconds
from saccade.geometry import F64, SE3
from sim.gates.layout import GROUND_M, Layout
from sim.gates.quad import RADIUS_M

REACH_M = 1.2
"""So near to the post's edge, level, the robot's middle must come."""
RETURNED_M = 0.8
STUCK = (0.15, 0.05, 3)
"""Told to go at so many m/s, and not so many metres further after so many seconds."""


class Judge:
    """Follows the robot's middle: through which openings it went, then to the post, then back over the start."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._start = self._last = self._push_from = layout.start.t
        self._passed: dict[str, int] = {}
        self._astray: list[str] = []
        self._reached_ns: int | None = None
        self._returned_ns: int | None = None
        self._left_m = self._closest_m = self._clearance_m = math.inf
        self._travelled_m = 0.0
        self._lost_ns: int | None = None
        self._stuck_ns: int | None = None
        self._push_ns = 0

    def see(self, T_world_from_base: SE3, lost: bool, told_m_s: float, elapsed_ns: int) -> None:
        """Note where it is, `elapsed_ns` after the start, and how fast it was told to go."""
        here = T_world_from_base.t
        self._travelled_m += math.dist(self._last, here)
        self._pass(here, elapsed_ns)
        self._last = here
        goal = self._layout.goal
        self._left_m = goal.distance_m(float(here[0]), float(here[1]))
        self._closest_m = min(self._closest_m, self._left_m)
        if self._reached_ns is None and self.through and self._left_m <= REACH_M:
            self._reached_ns = elapsed_ns
        if self.through and self._returned_ns is None and self._from_start_m() <= RETURNED_M:
            self._returned_ns = elapsed_ns
        if lost and self._lost_ns is None:
            self._lost_ns = elapsed_ns
        if told_m_s < STUCK[0] or math.dist(here, self._push_from) > STUCK[1]:
            self._push_from, self._push_ns = here, elapsed_ns
        elif self._stuck_ns is None and elapsed_ns - self._push_ns >= STUCK[2] * SEC:
            self._stuck_ns = elapsed_ns
        length, width, height = GROUND_M
        free = min(length / 2 - abs(here[0]), width / 2 - abs(here[1]), height - here[2])
        gaps = (thing.gap_m(here) for thing in self._layout.things)
        self._clearance_m = min(self._clearance_m, float(free) - RADIUS_M, min(gaps) - RADIUS_M)

    @property
    def through(self) -> bool:
        """Whether all gates of the errand were flown through in their order."""
        return len(self._passed) == len(self._layout.order)

    def verdict(self, hits: Sequence[str]) -> dict[str, Any]:
        """What was achieved and met; times in s since the start or None, distances in metres.

        `order`: the gates of the errand; `passed`: seconds by name, of those flown through in their order; `astray`:
        gates that were flown through when it was not their turn. `reached` and `returned` count when all are passed.
        `left_m`, `closest_m` (to the post's edge) and `from_start_m` are level. `clearance_m` is the least distance
        from the robot's ball to anything but the ground. `fallen_s`: when it turned over, or broke a rotor.
        """
        return {
            "goal": self._layout.goal.name,
            "order": [gate.name for gate in self._layout.order],
            "passed": {name: seconds(at_ns) for name, at_ns in self._passed.items()},
            "astray": list(self._astray),
            "reached": self._reached_ns is not None,
            "reached_s": _s(self._reached_ns),
            "returned": self._returned_ns is not None,
            "returned_s": _s(self._returned_ns),
            "left_m": round(self._left_m, 3),
            "closest_m": round(self._closest_m, 3),
            "from_start_m": round(self._from_start_m(), 3),
            "travelled_m": round(self._travelled_m, 3),
            "shortest_m": round(self._layout.shortest_m, 3),
            "radius_m": RADIUS_M,
            "clearance_m": round(self._clearance_m, 3),
            "collisions": len(hits),
            "hit": list(hits),
            "struck": 0,
            "fallen_s": _s(self._lost_ns),
            "stuck_s": _s(self._stuck_ns),
        }

    def _pass(self, here: F64, elapsed_ns: int) -> None:
        for gate in self._layout.gates:
            if not gate.through(self._last, here):
                continue
            order = self._layout.order
            if not self.through and gate is order[len(self._passed)]:
                self._passed[gate.name] = elapsed_ns
            elif gate.name not in self._passed:
                self._astray.append(gate.name)

    def _from_start_m(self) -> float:
        return math.hypot(*(self._last - self._start)[:2])


def _s(ns: int | None) -> float | None:
    return None if ns is None else seconds(ns)
