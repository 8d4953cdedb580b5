"""The node's diagnostics: each stage's state at 1 Hz and whenever it changes."""

from __future__ import annotations

from collections.abc import Mapping

from saccade.clock import SEC
from saccade.node import Out
from saccade.stages import Stages
from saccade.wire.diagnostics import Level, encode_diagnostics
from saccade.wire.flow import Flow, timing

MAKES = {"planner": "plan", "policy": "chunk"}
"""What a stage makes; each is timed under its own name."""


class Health:
    """Collects each stage's state and knows which of them must be said now."""

    def __init__(self, node: str, times: Stages, period_ns: int = SEC) -> None:
        self._node, self._times = node, times
        self._period_ns = period_ns
        self._flows = {stage: Flow(topic) for stage, topic in MAKES.items()}
        self.judged = False
        """Whether stages owe what they make at its rate: they do while there is an instruction to carry out."""
        self._now: dict[str, tuple[Level, str, Mapping[str, object]]] = {}
        self._said: dict[str, tuple[int, Level, str]] = {}

    def set(self, stage: str, level: Level, message: str, **values: object) -> None:
        """The state of a stage; `values` are details that change too often to be worth a message of their own."""
        self._now[stage] = (level, message, values)

    def made(self, stage: str, stamp_ns: int, now_ns: int) -> None:
        """The stage made one, of an observation at `stamp_ns`."""
        self._flows[stage].put(stamp_ns, now_ns)

    def due(self, now_ns: int) -> list[Out]:
        """Messages for stages whose level or message changed, or that were last spoken of a period ago."""
        outs = []
        for stage, (level, message, _) in self._now.items():
            said = self._said.get(stage)
            changed = said is None or said[1:] != (level, message)
            if changed or said is None or not 0 <= now_ns - said[0] < self._period_ns:
                self._said[stage] = (now_ns, level, message)
                outs.append(self._out(stage, now_ns))
        return outs

    def _out(self, stage: str, now_ns: int) -> Out:
        level, message, details = self._now[stage]
        values = dict(details)
        if stage in self._flows:
            slow, text, numbers = self._flows[stage].look(now_ns)
            values |= {**numbers, **timing(self._times, (stage,))}
            if self.judged and level is Level.OK and slow is not Level.OK:
                level, message = slow, text
        return Out("diagnostics", encode_diagnostics(now_ns, f"{self._node}/{stage}", level, message, values))
