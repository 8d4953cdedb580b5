"""Whether the errand was done, and how: by the true pose, the true map and the true contacts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from saccade.geometry import SE3
from sim.scene import Place
from sim.travel import Safety, Travel
from sim.yard.dog import Hit
from sim.yard.layout import REACH_M, ROBOT_RADIUS_M, YARD_M, YardLayout
from sim.yard.walkers import PERSON_RADIUS_M

RETURNED_M = 0.6
FAULT_M_S = 0.10
"""A person who meets a robot that moves towards it no faster than this has walked into it."""


class Judge:
    """Follows the robot's centre: within 1.0 m of the goal's edge it was reached, then within 0.6 m of the start."""

    def __init__(self, layout: YardLayout) -> None:
        self._layout = layout
        self._fixed = layout.things[: len(layout.things) - len(layout.walkers)]
        start = (float(layout.start.t[0]), float(layout.start.t[1]))
        self._travel, self._safety = Travel(start), Safety(start, ROBOT_RADIUS_M)

    def see(
        self, T_world_from_base: SE3, people: Sequence[Place], fallen: bool, told_m_s: float, elapsed_ns: int
    ) -> None:  # fmt: skip
        """Note where everybody is, `elapsed_ns` after the start, and how fast the robot was told to go."""
        x, y = here = (float(T_world_from_base.t[0]), float(T_world_from_base.t[1]))
        goal, travel = self._layout.goal, self._travel
        travel.see(here, math.dist(here, (goal.x, goal.y)) - goal.radius_m)
        travel.reached.note(travel.left_m <= REACH_M, elapsed_ns)
        travel.returned.note(bool(travel.reached) and travel.from_start_m <= RETURNED_M, elapsed_ns)
        free = min(YARD_M[0] / 2 - abs(x), YARD_M[1] / 2 - abs(y), *(thing.distance_m(x, y) for thing in self._fixed))
        for person in people:
            free = min(free, math.dist(here, person[:2]) - PERSON_RADIUS_M)
        self._safety.see(here, free, fallen, told_m_s, elapsed_ns)

    def verdict(self, hits: Sequence[Hit]) -> dict[str, Any]:
        """What was achieved and met; times in s since the start or None, distances in metres.

        `collisions`: with things, and with people while the robot moved towards them; `struck`: people who walked
        into it; `pushed`: whatever they pushed it against. `clearance_m` is the least distance from the robot's disc to
        anything, negative within it.
        """
        people = {walker.thing.name for walker in self._layout.walkers}
        own = [hit for hit in hits if not hit.pushed]
        struck = [hit for hit in own if hit.name in people and hit.towards_m_s <= FAULT_M_S]
        ran_into = [hit.name for hit in own if hit not in struck]
        return {
            "goal": self._layout.goal.name, **self._travel.verdict(), "pushed": len(hits) - len(own),
            "shortest_m": round(self._layout.shortest_m, 3), **self._safety.verdict(ran_into, len(struck)),
        }  # fmt: skip
