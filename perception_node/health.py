"""The node's own word on how it is: one status a stage, sent when it changes and once a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from saccade.errors import SaccadeError
from saccade.node import Out
from saccade.wire.diagnostics import Level, encode_diagnostics


class Refused(SaccadeError):
    """A frame that is not used: the stage that says so, a short name that stays the same, and the words for people."""

    def __init__(self, stage: str, name: str, text: str, level: Level = Level.ERROR) -> None:
        super().__init__(text)
        self.stage, self.name, self.level = stage, name, level


class _Status(NamedTuple):
    level: Level
    name: str
    text: str


class Health:
    """Keeps the status of every stage. A warning stays at least until the next `tick`, so that it does not flicker."""

    def __init__(self, node: str, stages: tuple[str, ...]) -> None:
        self._node = node
        self._status = {stage: _Status(Level.STALE, "waiting", "nothing seen yet") for stage in stages}
        self._changed: list[str] = []
        self._held: set[str] = set()
        self.counts: Counter[str] = Counter()

    def ok(self, stage: str, text: str = "ok") -> None:
        """The stage did its work."""
        if stage not in self._held:
            self._set(stage, _Status(Level.OK, "ok", text))

    def refuse(self, fault: Refused) -> None:
        """The stage could not use what it was given; counted by name."""
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
        message = text if level is Level.OK else f"{name}: {text}"
        values = dict(sorted(self.counts.items()))
        return Out("diagnostics", encode_diagnostics(now_ns, f"{self._node}: {stage}", level, message, values))
