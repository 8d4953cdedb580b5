"""Take something on the table, and put it on the tray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

LIMIT_S = 60.0
"""Three tries to take hold of it and one to put it down, with time to look between them."""
_PUT = (
    "put the {goal} on the {tray}",
    "take the {goal} and put it on the {tray}",
    "pick up the {goal}, then place it onto the {tray}",
)
_TAKE = ("take the {goal}", "pick up the {goal}", "lift the {goal}")
_TOLD = ("goal", "lifted", "held", "on_tray", "pushed", "collisions", "hit")


@dataclass(frozen=True, slots=True)
class Reach:
    """See `Errand`. The judge's `goal` is to be put on the tray, or with `take` only to be lifted and held."""

    world: ClassVar[str] = "table"
    take: bool = False
    robot: str = "table"

    def words(self, verdict: dict[str, Any]) -> str:
        """See `Errand.words`: one of three ways to say it, by the seed."""
        said = _TAKE if self.take else _PUT
        return said[verdict["seed"] % len(said)].format(**verdict)

    def limit_s(self, verdict: dict[str, Any]) -> float:
        """See `Errand.limit_s`."""
        return LIMIT_S

    def figures(self, verdict: dict[str, Any], said_done: bool) -> dict[str, Any]:
        """See `Errand.figures`."""
        there = verdict["held" if self.take else "on_tray"] == [verdict["goal"]]
        alone = list(verdict["lifted"]) == [verdict["goal"]] and not verdict["collisions"]
        return {"success": bool(said_done and there and alone), **{key: verdict[key] for key in _TOLD}}

    def missed(self, verdict: dict[str, Any]) -> str:
        """See `Errand.missed`."""
        lists = {"lifted": verdict["lifted"], "on the tray": verdict["on_tray"], "pushed": verdict["pushed"]}
        return "; ".join(f"{what}: {', '.join(names) or 'nothing'}" for what, names in lists.items())
