"""From joint speeds to joint positions: what a position controller is told; held still when the gate stops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from saccade.clock import seconds
from saccade.geometry import F64
from saccade.inbox import Reading
from saccade.types import Decision, Verdict
from safety_node.limits import TICK_NS, Limits


class Joints:
    """Where each joint was sent last, in the order of the axes: rad, or m of a sliding joint.

    The gate decides on speeds, and a speed granted for a tick moves the goal by its share of a tick. A stop therefore
    holds the last goal: the zero of a position. A goal taken from the measured position instead would sag, tick by
    tick, by what the controller lets the load pull it down.
    """

    def __init__(self, limits: Limits) -> None:
        self._axes = limits.axes
        self._low, self._high = np.array(limits.position_min), np.array(limits.position_max)
        self._max_lag = np.array(limits.max_lag)
        self._lost: dict[int, str] = {}
        """In which epoch the joints were last lost, and why."""
        self.goal: F64 | None = None
        """(d,), None until the joints have said where they are."""

    def follow(self, verdict: Verdict, measured: Reading, epoch: int) -> Verdict:
        """Move the goal by what was granted, or turn the verdict into a stop that leaves it where it is.

        A joint further than `max_lag` from its goal is blocked, or was moved by hand: its goal is where it is now, and
        nothing moves until another epoch begins.
        """
        if measured.fresh:
            if self.goal is None:
                self.goal = measured.value
            self._watch(measured.value, epoch)
        refusal = self._lost.get(epoch) or self._beyond(verdict.granted)
        if refusal:
            why = "; ".join(filter(None, [refusal, verdict.reason if verdict.decision is Decision.STOP else ""]))
            nothing = np.zeros(len(self._axes))
            verdict = replace(verdict, decision=Decision.STOP, reason=why, granted=nothing, ratio=0.0)
        if self.goal is not None:
            self.goal = self.goal + verdict.granted * seconds(TICK_NS)
        return verdict

    def _watch(self, measured: F64, epoch: int) -> None:
        assert self.goal is not None
        lag = np.abs(measured - self.goal)
        i = int(np.argmax(lag / self._max_lag))
        if lag[i] > self._max_lag[i]:
            text = f"{self._axes[i]} is {lag[i]:.3f} from where it was sent, more than {self._max_lag[i]:g}: "
            self._lost, self.goal = {epoch: text + "free it and give the instruction again"}, measured

    def _beyond(self, granted: F64) -> str:
        """The joint that these speeds would take further past its range, in words, or empty."""
        if self.goal is None:
            return ""
        after = self.goal + granted * seconds(TICK_NS)
        past = ((after > self._high) & (granted > 0)) | ((after < self._low) & (granted < 0))
        if not past.any():
            return ""
        i = int(np.argmax(past))
        return f"{self._axes[i]} would leave its range of {self._low[i]:g} to {self._high[i]:g}"
