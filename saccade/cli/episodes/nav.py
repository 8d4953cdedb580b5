"""Go to something in the yard, and perhaps come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

THERE_M = 1.05
"""From the goal's edge, or from the start: so near it must be when it says that it is done."""
_TOLD = ("left_m", "from_start_m", "clearance_m", "collisions", "hit", "struck", "fallen_s", "stuck_s")


@dataclass(frozen=True, slots=True)
class Nav:
    """See `Errand`. `back`: the errand ends where it began."""

    world: ClassVar[str] = "yard"
    robot: ClassVar[str] = "yard"
    back: bool = False

    def words(self, verdict: dict[str, Any]) -> str:
        """See `Errand.words`."""
        return f"go to the {verdict['goal']}" + (", then come back" if self.back else "")

    def limit_s(self, verdict: dict[str, Any]) -> float:
        """See `Errand.limit_s`: 30 s and 6 s a metre of the shortest way."""
        return 30.0 + 6.0 * self._shortest_m(verdict)

    def figures(self, verdict: dict[str, Any], said_done: bool) -> dict[str, Any]:
        """See `Errand.figures`."""
        home = verdict["returned"] and verdict["from_start_m"] <= THERE_M
        there = home if self.back else verdict["left_m"] <= THERE_M
        success = bool(said_done and there and not verdict["collisions"] and verdict["fallen_s"] is None)
        shortest_m, path_m = self._shortest_m(verdict), verdict["travelled_m"]
        spl = round(success * shortest_m / max(shortest_m, path_m), 4)
        figures = {"success": success, "path_m": path_m, "shortest_m": round(shortest_m, 3), "spl": spl}
        return {**figures, **{key: verdict[key] for key in _TOLD}}

    def missed(self, verdict: dict[str, Any]) -> str:
        """See `Errand.missed`."""
        return f"{verdict['left_m']:.1f} m from the goal, {verdict['from_start_m']:.1f} m from the start"

    def _shortest_m(self, verdict: dict[str, Any]) -> float:
        return float(verdict["shortest_m"]) * (2 if self.back else 1)
