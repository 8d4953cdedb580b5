"""Fly through gates in their order, then to something, or back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

THERE_M = 1.5
"""From the post's edge, or from above the start: so near it must be when it says that it is done."""
_TOLD = (
    "order", "passed", "astray", "left_m", "from_start_m", "clearance_m", "collisions", "hit", "struck", "fallen_s",
    "stuck_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fly:
    """See `Errand`: through the gates that the judge names, then to its goal. `back`: to where it began instead."""

    back: bool = False
    world: str = "gates"
    robot: str = "gates"

    def words(self, verdict: dict[str, Any]) -> str:
        """See `Errand.words`."""
        gates = ", then ".join(f"fly through the {name}" for name in verdict["order"])
        return f"{gates}, then " + ("come back" if self.back else f"go to the {verdict['goal']}")

    def limit_s(self, verdict: dict[str, Any]) -> float:
        """See `Errand.limit_s`: 40 s and 6 s a metre of the straight lines, twice that for there and back."""
        return 40.0 + 6.0 * float(verdict["shortest_m"]) * (2 if self.back else 1)

    def figures(self, verdict: dict[str, Any], said_done: bool) -> dict[str, Any]:
        """See `Errand.figures`; a `spl` only of errands that end at the post, to which the shortest way is known."""
        through = len(verdict["passed"]) == len(verdict["order"])
        there = verdict["from_start_m" if self.back else "left_m"] <= THERE_M
        well = not verdict["collisions"] and verdict["fallen_s"] is None
        success, path_m = bool(said_done and through and there and well), verdict["travelled_m"]
        figures = {"success": success, "path_m": path_m, **{key: verdict[key] for key in _TOLD}}
        if self.back:
            return figures
        shortest_m = verdict["shortest_m"]
        return {**figures, "shortest_m": shortest_m, "spl": round(success * shortest_m / max(shortest_m, path_m), 4)}

    def missed(self, verdict: dict[str, Any]) -> str:
        """See `Errand.missed`."""
        passed = f"{len(verdict['passed'])} of {len(verdict['order'])} gates passed"
        return f"{passed}, {verdict['left_m']:.1f} m from the post, {verdict['from_start_m']:.1f} m from the start"
