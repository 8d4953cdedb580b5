"""The gate's word: a command counts when the verdict of the same tick grants just that."""

from __future__ import annotations

import numpy as np

from bridge_node.driver import AXES
from saccade.geometry import F64
from saccade.types import Command, Verdict

_FUTURE_NS = 100_000_000


class Granted:
    """Pairs commands with verdicts by stamp and value, in whatever order they come; anybody can send on `cmd_vel`.

    `strangers` counts commands that no verdict was heard for before the next one came.
    """

    def __init__(self, silence_ns: int) -> None:
        self._silence_ns = silence_ns
        self._command: Command | None = None
        self._verdict: Verdict | None = None
        self._newest: Command | None = None
        self.strangers = 0

    def put_command(self, command: Command) -> None:
        """A command was heard."""
        if self._command is not None and (self._newest is None or self._newest.stamp_ns != self._command.stamp_ns):
            self.strangers += 1
        self._command = command
        self._pair()

    def put_verdict(self, verdict: Verdict) -> None:
        """A verdict was heard."""
        self._verdict = verdict
        self._pair()

    def at(self, now_ns: int) -> F64 | None:
        """The command (6,) of `AXES` to follow now; None when there is none of an age to be followed."""
        if self._newest is None or not -_FUTURE_NS <= self.age_ns(now_ns) <= self._silence_ns:
            return None
        return self._newest.values

    def age_ns(self, now_ns: int) -> int:
        """Time since the newest command's stamp; since ever when there was none."""
        return now_ns - (self._newest.stamp_ns if self._newest else 0)

    def _pair(self) -> None:
        command, verdict = self._command, self._verdict
        if command is None or verdict is None or command.stamp_ns != verdict.stamp_ns:
            return
        granted = dict(zip(verdict.axes, verdict.granted.tolist(), strict=True))
        if np.array_equal(command.values, [granted.get(axis, 0.0) for axis in AXES]):
            self._newest = command
