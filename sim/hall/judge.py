"""Whether the errand was done: there, and back again, by the true pose."""

from __future__ import annotations

from typing import Any

from saccade.geometry import SE3
from sim.hall.layout import GOAL, Layout
from sim.travel import Travel

REACHED_M = 1.0
RETURNED_M = 0.5


class Judge:
    """Follows the robot's centre: within 1.0 m of the red box's edge it was reached, then within 0.5 m of the start."""

    def __init__(self, layout: Layout) -> None:
        self._goal = layout.thing(GOAL)
        self._travel = Travel((float(layout.start.t[0]), float(layout.start.t[1])))

    def see(self, T_hall_from_base: SE3, elapsed_ns: int) -> None:
        """Note where the robot is, `elapsed_ns` after the start."""
        x, y = float(T_hall_from_base.t[0]), float(T_hall_from_base.t[1])
        travel = self._travel
        travel.see((x, y), self._goal.distance_m(x, y))
        travel.reached.note(travel.left_m <= REACHED_M, elapsed_ns)
        travel.returned.note(bool(travel.reached) and travel.from_start_m <= RETURNED_M, elapsed_ns)

    def verdict(self) -> dict[str, Any]:
        """goal, reached, returned (bool), when (s since the start or None), distances in metres."""
        return {"goal": self._goal.name, **self._travel.verdict()}
