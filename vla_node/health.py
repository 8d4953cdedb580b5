"""The node's diagnostics: each stage's state at 1 Hz and whenever it changes."""

from __future__ import annotations

from collections.abc import Mapping

from saccade.clock import SEC
from saccade.node import Out
from saccade.wire.diagnostics import Level, encode_diagnostics


class Health:
    """Collects each stage's state and knows which of them must be said now."""

    def __init__(self, node: str, period_ns: int = SEC) -> None:
        self._node = node
        self._period_ns = period_ns
        self._now: dict[str, tuple[Level, str, Mapping[str, object]]] = {}
        self._said: dict[str, tuple[int, Level, str]] = {}

    def set(self, stage: str, level: Level, message: str, **values: object) -> None:
        """The state of a stage; `values` are details that change too often to be worth a message of their own."""
        self._now[stage] = (level, message, values)

    def due(self, now_ns: int) -> list[Out]:
        """Messages for stages whose level or message changed, or that were last spoken of a period ago."""
        outs = []
        for stage, (level, message, values) in self._now.items():
            said = self._said.get(stage)
            changed = said is None or said[1:] != (level, message)
            if changed or said is None or not 0 <= now_ns - said[0] < self._period_ns:
                self._said[stage] = (now_ns, level, message)
                outs.append(
                    Out("diagnostics", encode_diagnostics(now_ns, f"{self._node}/{stage}", level, message, values))
                )
        return outs
