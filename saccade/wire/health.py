"""A node's own word on how it is: one status a stage, sent when it changes and once a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from saccade.errors import SaccadeError
from saccade.node import Out
from saccade.stages import Stages
from saccade.wire.diagnostics import Level, encode_diagnostics
from saccade.wire.flow import Flow, timing

_RESTS = "rests"


class Refused(SaccadeError):
    """A frame that is not used: the stage that says so, a short name that stays the same, and the words for people."""

    def __init__(self, stage: str, name: str, text: str, level: Level = Level.ERROR) -> None:
        super().__init__(text)
        self.stage, self.name, self.level = stage, name, level


class _Status(NamedTuple):
    level: Level
    name: str
    text: str


class Stage(NamedTuple):
    """A stage as people see it: the topic whose row of the table it is judged by, and its parts that are timed."""

    topic: str
    timed: tuple[str, ...] = ()


class Health:
    """Keeps the status of every stage. A warning stays at least until the next `tick`, so that it does not flicker.

    `node` stands before the stage in the names of its statuses, separator included.
    """

    def __init__(self, node: str, times: Stages, stages: Mapping[str, Stage]) -> None:
        self._node, self._times, self._stages = node, times, stages
        self._status = {stage: _Status(Level.STALE, "waiting", "nothing seen yet") for stage in stages}
        self._flows = {stage: Flow(row.topic) for stage, row in stages.items()}
        self._changed: list[str] = []
        self._held: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.drops: Counter[str] = Counter()
        """By stage, what came in and was not used."""
        self._notes: dict[str, dict[str, str]] = {}

    def made(self, stage: str, stamp_ns: int, now_ns: int, heard: str = "") -> None:
        """The stage handed on what was captured at `stamp_ns`, and came as `heard` where its row is one of several."""
        self._flows[stage].put(stamp_ns, now_ns, heard)

    def ok(self, stage: str) -> None:
        """The stage did its work."""
        if stage not in self._held:
            self._set(stage, _Status(Level.OK, "ok", "ok"))

    def expect(self, stage: str, rate_hz: float) -> None:
        """How often the stage is asked to make what it makes; see `Flow.expect`, and `rest` where it is not at all."""
        self._flows[stage].expect(rate_hz)
        if not rate_hz:
            self.rest(stage)

    def rest(self, stage: str) -> None:
        """The stage has nothing to do: it is not judged until it works again."""
        self._set(stage, _Status(Level.OK, _RESTS, "nothing to do"))

    def note(self, stage: str, details: dict[str, str]) -> None:
        """Details of a stage, to be told with its status from now on."""
        self._notes[stage] = details

    def drop(self, fault: Refused) -> None:
        """The stage could not use what it was given: `refuse`, and counted as dropped."""
        self.drops[fault.stage] += 1
        self.refuse(fault)

    def refuse(self, fault: Refused) -> None:
        """The stage cannot work; counted by name."""
        self.counts[fault.name] += 1
        self._held.add(fault.stage)
        self._set(fault.stage, _Status(fault.level, fault.name, str(fault)))

    def changes(self, now_ns: int) -> Iterator[Out]:
        """Statuses that changed since the last call."""
        changed, self._changed = self._changed, []
        return (self._out(stage, now_ns) for stage in dict.fromkeys(changed))

    def tick(self, now_ns: int) -> list[Out]:
        """Every status; to be called once a second."""
        self._changed.clear()
        self._held.clear()
        return [self._out(stage, now_ns) for stage in self._status]

    def _set(self, stage: str, status: _Status) -> None:
        before = self._status[stage]
        self._status[stage] = status
        if (before.level, before.name) != (status.level, status.name):
            self._changed.append(stage)

    def _out(self, stage: str, now_ns: int) -> Out:
        level, name, text = self._status[stage]
        judged, slow, values = self._flows[stage].look(now_ns)
        if level is Level.OK and judged is not Level.OK and name != _RESTS:
            level, name, text = judged, "slow" if judged < Level.STALE else "stale", slow
        message = text if level is Level.OK else f"{name}: {text}"
        values |= {"dropped": str(self.drops[stage]), **self._notes.get(stage, {})}
        values |= timing(self._times, self._stages[stage].timed)
        values |= {key: str(count) for key, count in sorted(self.counts.items())}
        return Out("diagnostics", encode_diagnostics(now_ns, f"{self._node}{stage}", level, message, values))
