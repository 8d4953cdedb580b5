"""Go to something, and perhaps come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

THERE_M = 1.05
"""From the goal's edge, or from the start: so near it must be when it says that it is done."""
_TOLD = ("left_m", "from_start_m", "clearance_m", "collisions", "hit", "struck", "pushed", "fallen_s", "stuck_s")


@dataclass(frozen=True, slots=True)
class Nav:
    """See `Errand`: to what the judge calls the goal. `back`: the errand ends where it began."""

    back: bool = False
    world: str = "yard"
    robot: str = "yard"

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
        success = bool(said_done and there and not verdict["collisions"] and verdict.get("fallen_s") is None)
        path_m = verdict["travelled_m"]
        figures = {"success": success, "path_m": path_m, **{key: verdict[key] for key in _TOLD if key in verdict}}
        if "shortest_m" not in verdict:
            return figures
        shortest_m = self._shortest_m(verdict)
        spl = round(success * shortest_m / max(shortest_m, path_m), 4)
        return {**figures, "shortest_m": round(shortest_m, 3), "spl": spl}

    def missed(self, verdict: dict[str, Any]) -> str:
        """See `Errand.missed`."""
        return f"{verdict['left_m']:.1f} m from the goal, {verdict['from_start_m']:.1f} m from the start"

    def _shortest_m(self, verdict: dict[str, Any]) -> float:
        return float(verdict["shortest_m"]) * (2 if self.back else 1)
