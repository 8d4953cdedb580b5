"""Whether the errand was flown, and how: by the true pose, the true gates and the true contacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saccade.clock import seconds
from saccade.geometry import F64, SE3
from sim.gates.layout import GROUND_M, Layout
from sim.gates.quad import RADIUS_M
from sim.travel import Safety, Travel

REACH_M = 1.2
"""So near to the post's edge, level, the robot's middle must come."""
RETURNED_M = 0.8


class Judge:
    """Follows the robot's middle: through which openings it went, then to the post, then back over the start."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._travel, self._safety = Travel(layout.start.t), Safety(layout.start.t, RADIUS_M)
        self._passed: dict[str, int] = {}
        self._astray: list[str] = []

    def see(self, T_world_from_base: SE3, lost: bool, told_m_s: float, elapsed_ns: int) -> None:
        """Note where it is, `elapsed_ns` after the start, and how fast it was told to go."""
        here, travel = T_world_from_base.t, self._travel
        self._pass(np.asarray(travel.here), here, elapsed_ns)
        travel.see(here, self._layout.goal.distance_m(float(here[0]), float(here[1])))
        travel.reached.note(self.through and travel.left_m <= REACH_M, elapsed_ns)
        travel.returned.note(self.through and travel.from_start_m <= RETURNED_M, elapsed_ns)
        length, width, height = GROUND_M
        free = min(length / 2 - abs(here[0]), width / 2 - abs(here[1]), height - here[2])
        gaps = (thing.gap_m(here) for thing in self._layout.things)
        self._safety.see(here, min(float(free), *gaps), lost, told_m_s, elapsed_ns)

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
            **self._travel.verdict(),
            "shortest_m": round(self._layout.shortest_m, 3),
            **self._safety.verdict(hits, 0),
        }

    def _pass(self, before: F64, here: F64, elapsed_ns: int) -> None:
        for gate in self._layout.gates:
            if not gate.through(before, here):
                continue
            order = self._layout.order
            if not self.through and gate is order[len(self._passed)]:
                self._passed[gate.name] = elapsed_ns
            elif gate.name not in self._passed:
                self._astray.append(gate.name)
