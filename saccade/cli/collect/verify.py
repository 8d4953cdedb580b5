"""What it takes to say whether a stage was done: one interface, and how far two verifiers agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from saccade.cli.collect.rollout import Rollout
from saccade.cli.collect.stages import Stage
from saccade.cli.episodes import fly, nav
from saccade.clock import MS, seconds
from saccade.geometry import F64

NEARER_M = 0.3
"""A way is good that leads so much nearer, or higher."""
STANDING_M_S, HOVERING_M_S, _STOP_NS = 0.10, 0.30, 200 * MS
"""No faster over so long, a body stands, or hovers: the end of a stop, however short the stop is."""


def there_m(flies: bool) -> float:
    """So near to a thing's edge or to the start a stage must end that is to end there: the bar of the whole errand."""
    return fly.THERE_M if flies else nav.THERE_M


def at_rest(place: Callable[[int], F64], at_ns: int, flies: bool) -> bool:
    """Whether a body whose place (2,) at an instant is known stands then, or hovers where it `flies`."""
    way_m = math.dist(place(at_ns - _STOP_NS), place(at_ns))
    return way_m / seconds(_STOP_NS) <= (HOVERING_M_S if flies else STANDING_M_S)


@dataclass(frozen=True, slots=True)
class Opinion:
    """Whether a stage was done, None where it cannot be told, and why; `sure` is 0 to 1."""

    good: bool | None
    why: str
    sure: float = 1.0

    def row(self) -> dict[str, Any]:
        """As values for JSON."""
        good = None if self.good is None else bool(self.good)  # comparisons of numpy's numbers are numpy's
        return {"good": good, "why": self.why, "sure": round(float(self.sure), 3)}


class Verifier(Protocol):
    """One way to tell whether a stage was done."""

    @property
    def name(self) -> str:
        """What it is called in records."""

    def judge(self, stage: Stage, rollout: Rollout) -> Opinion:
        """Its opinion; it raises nothing for a stage that it cannot judge."""


@dataclass(slots=True)
class Agreement:
    """How often one verifier said what another one, taken for the truth, said: counts of stages."""

    both_good: int = 0
    both_bad: int = 0
    wrongly_good: int = 0
    wrongly_bad: int = 0
    unknown: int = 0

    def add(self, said: bool | None, true: bool | None) -> None:
        """One more stage."""
        if said is None or true is None:
            self.unknown += 1
        elif said:
            self.both_good, self.wrongly_good = self.both_good + true, self.wrongly_good + (not true)
        else:
            self.both_bad, self.wrongly_bad = self.both_bad + (not true), self.wrongly_bad + true

    def row(self) -> dict[str, Any]:
        """As values for JSON; `precision`: of what it called good, what was; `recall`: of what was, what it found."""
        told = self.both_good + self.both_bad + self.wrongly_good + self.wrongly_bad
        return {
            "both_good": self.both_good, "both_bad": self.both_bad, "wrongly_good": self.wrongly_good,
            "wrongly_bad": self.wrongly_bad, "unknown": self.unknown,
            "agree": _share(self.both_good + self.both_bad, told),
            "precision": _share(self.both_good, self.both_good + self.wrongly_good),
            "recall": _share(self.both_good, self.both_good + self.wrongly_bad),
        }  # fmt: skip


def agreements(stages: Iterable[dict[str, Any]], name: str, truth: str = "truth") -> dict[str, Agreement]:
    """By kind of stage, "all" last: verifier `name` against `truth`, over records with their `opinions`."""
    out: dict[str, Agreement] = {}
    for stage in stages:
        opinions = stage["opinions"]
        if name in opinions and truth in opinions:
            for key in (stage["kind"], "all"):
                out.setdefault(key, Agreement()).add(opinions[name]["good"], opinions[truth]["good"])
    total = out.pop("all", None)
    return {**out, "all": total} if total else out


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None
