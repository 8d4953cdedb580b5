"""The next goal: what is rare among the good stages so far, or fails, of what is in the world and was seen there.

Each world is visited twice at most. The first errand goes to what the world promises can be found, in that one of the
next few worlds where it is needed most; the second to what is needed most of what the robot saw from there, if any. A
goal's need falls with the good stages that name it and rises with the bad ones; a way through a door adds the need for
doors. An errand ends where it began while good returns are rarer than good arrivals. The same records give the same
proposal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, NamedTuple

from saccade.cli.collect.doors import passed
from saccade.cli.collect.rollout import Assignment
from saccade.errors import ConfigError, choices

VISITS, AHEAD = 2, 4
Record = dict[str, Any]


class Goal(NamedTuple):
    """A thing to go to or to take, and whether the true way to it goes through a door."""

    name: str
    door: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """What a world of a seed has: things that can be named, and those of them that can surely be found."""

    goals: tuple[Goal, ...]
    sure: tuple[Goal, ...]


def propose(world: str, seed: int, records: Sequence[Record], options: str = "") -> tuple[Assignment, str]:
    """The next errand and why, after these episodes; worlds from `seed` on. ConfigError for an unknown world."""
    if world not in OFFERS:
        raise ConfigError(f"no errands are known for the world {world!r}; {choices(world, OFFERS)}")
    need = _Need(records)
    last = records[-1] if records else None
    if last is not None and _visits(records, last["seed"]) < VISITS:
        tried = {record["goal"] for record in records if record["seed"] == last["seed"]}
        offered = [goal for goal in OFFERS[world](last["seed"]).goals if goal.name not in tried]
        if chosen := need.most([goal for goal in offered if goal.name in last.get("seen_at_start", ())]):
            return _errand(world, last["seed"], chosen, need, options), f"seen from the start, {need.why(chosen)}"
    used = {record["seed"] for record in records}
    fresh = list(islice((s for s in count(seed) if s not in used), AHEAD))
    best = [(need.most(OFFERS[world](s).sure), s) for s in fresh]
    goal, at = max(((g, s) for g, s in best if g), key=lambda pair: (need.of(pair[0]), -pair[1]))
    return _errand(world, at, goal, need, options), f"a new world, {need.why(goal)}"


def _visits(records: Sequence[Record], seed: int) -> int:
    return sum(record["seed"] == seed for record in records)


class _Need:
    """How much more of each goal and kind of stage is wanted, by what has come of them."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._good: Counter[str] = Counter()
        self._bad: Counter[str] = Counter()
        for record in records:
            goal = record.get("goal", "")
            for stage in record.get("stages", ()):
                counts = self._good if stage["kept"] else self._bad
                counts.update({stage["kind"], goal})

    def more(self, key: str) -> float:
        """Of one goal or kind: 1 where nothing was tried."""
        return (1.0 + 0.5 * self._bad[key]) / (1.0 + self._good[key])

    def of(self, goal: Goal) -> float:
        """Of an errand to a goal."""
        return self.more(goal.name) + (self.more("pass") if goal.door else 0.0)

    def most(self, goals: Sequence[Goal]) -> Goal | None:
        """The goal that is needed most, of like ones the first; None of none."""
        return max(goals, key=self.of, default=None)

    def back(self) -> bool:
        """Whether the robot is to come back."""
        return self._good["return"] < self._good["arrive"]

    def why(self, goal: Goal) -> str:
        """In words."""
        door = ", behind a door" if goal.door else ""
        return f"{goal.name} has {self._good[goal.name]} good stages and {self._bad[goal.name]} bad ones{door}"


def _errand(world: str, seed: int, goal: Goal, need: _Need, options: str) -> Assignment:
    if world == "table":
        return Assignment(world, seed, goal.name, f"put the {goal.name} on the purple tray", options)
    back = ", then come back" if need.back() else ""
    if world == "gates":
        ways = ", then ".join(f"fly through the {name}" for name in goal.name.split(" and "))
        return Assignment(world, seed, goal.name, f"{ways}{back or ', then go to the orange post'}", options)
    return Assignment(world, seed, goal.name, f"go to the {goal.name}{back}", options)


def _yard(seed: int) -> Offer:
    from sim.yard.layout import furnish

    layout = furnish(seed)
    door = bool(passed(layout.things, layout.way))
    goals = tuple(Goal(t.name, door and t is layout.goal) for t in layout.things if t.name in _NAMED)
    return Offer(goals, tuple(goal for goal in goals if goal.name == layout.goal.name))


def _hall(seed: int) -> Offer:
    from sim.hall.layout import GOAL, furnish

    goals = tuple(Goal(thing.name) for thing in furnish(seed).things if thing.name in _NAMED)
    return Offer(goals, (Goal(GOAL),))


def _gates(seed: int) -> Offer:
    from sim.gates.layout import furnish

    order = (Goal(" and ".join(gate.name for gate in furnish(seed).order)),)
    return Offer(order, order)


def _table(seed: int) -> Offer:
    from sim.table.layout import lay

    goals = tuple(Goal(item.name) for item in lay(seed).items)
    return Offer(goals, goals)


_NAMED = frozenset(
    f"{colour} {shape}" for colour in ("red", "blue", "green", "yellow") for shape in ("box", "cylinder", "ball")
)
OFFERS: dict[str, Callable[[int], Offer]] = {"yard": _yard, "hall": _hall, "gates": _gates, "table": _table}
