"""Newest value per topic, with its age: freshness is a value you must look at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from saccade.clock import MS, SEC
from saccade.topics import topic


class Freshness(Enum):
    """Whether a value may be acted on; only FRESH may."""

    FRESH = "fresh"
    MISSING = "missing"
    STALE = "stale"
    FROZEN = "frozen"
    FUTURE = "from the future"


class Arrival(Enum):
    """What became of a message; only ACCEPTED changes the newest value."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate stamp"
    LATE = "older than the newest"
    CLOCK_BACK = "clock went back"


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A topic's newest value and how far it can be trusted. `age_ns` is counted from the header stamp."""

    name: str
    value: Any
    stamp_ns: int
    age_ns: int
    state: Freshness

    @property
    def fresh(self) -> bool:
        """Whether the value may be acted on."""
        return self.state is Freshness.FRESH

    def why(self) -> str:
        """The reason not to use it, for people: topic, state, age in ms."""
        if self.state is Freshness.MISSING:
            return f"{self.name} missing"
        return f"{self.name} {self.state.value} ({self.age_ns / MS:.0f} ms)"


@dataclass(slots=True, eq=False)
class _Slot:
    value: Any
    stamp_ns: int
    heard_ns: int


class Inbox:
    """Keeps the newest value of each topic.

    A header stamp that stands still while messages keep coming is FROZEN, as unusable as silence. A stamp more than
    `clock_back_ns` behind the newest means that the source's clock was set back: everything known of that topic is
    forgotten, so that it reads MISSING until the next message, instead of refusing all that comes after.
    """

    def __init__(
        self, stale_ns: dict[str, int] | None = None, future_ns: int = 100 * MS, clock_back_ns: int = SEC
    ) -> None:
        self._stale_ns = dict(stale_ns or {})
        self._future_ns = future_ns
        self._clock_back_ns = clock_back_ns
        self._slots: dict[str, _Slot] = {}
        self.refused: dict[tuple[str, Arrival], int] = {}

    def put(self, name: str, stamp_ns: int, heard_ns: int, value: Any) -> Arrival:
        """Offer a message: header stamp, time of arrival on the bus' clock, decoded value."""
        slot = self._slots.get(name)
        if slot is None or stamp_ns > slot.stamp_ns:
            self._slots[name] = _Slot(value, stamp_ns, heard_ns)
            return Arrival.ACCEPTED
        if stamp_ns == slot.stamp_ns:
            arrival = Arrival.DUPLICATE
        elif slot.stamp_ns - stamp_ns > self._clock_back_ns:
            arrival = Arrival.CLOCK_BACK
            del self._slots[name]
        else:
            arrival = Arrival.LATE
        slot.heard_ns = heard_ns
        self.refused[name, arrival] = self.refused.get((name, arrival), 0) + 1
        return arrival

    def get(self, name: str, now_ns: int) -> Reading:
        """The newest value with its age and state at `now_ns`; limits come from the topic table unless given."""
        slot = self._slots.get(name)
        if slot is None:
            return Reading(name, None, 0, 0, Freshness.MISSING)
        age_ns = now_ns - slot.stamp_ns
        stale_ns = self._stale_ns.get(name) or topic(name).stale_ns
        if age_ns < -self._future_ns:
            state = Freshness.FUTURE
        elif stale_ns and age_ns > stale_ns:
            state = Freshness.FROZEN if now_ns - slot.heard_ns <= stale_ns else Freshness.STALE
        else:
            state = Freshness.FRESH
        return Reading(name, slot.value, slot.stamp_ns, age_ns, state)

    def forget(self) -> None:
        """Drop everything, as after a reset or a seek."""
        self._slots.clear()
