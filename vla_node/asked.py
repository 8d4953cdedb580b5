"""What the robot was asked for, and whether it does it."""

from __future__ import annotations

import numpy as np

from saccade.geometry import F64
from saccade.inbox import Reading
from saccade.types import ActionChunk
from vla_node.embodiments.base import BaseLimits, Embodiment

_MISMATCH = 0.4
"""Speeds of the odometry that differ from those asked for by this share of the limits: the robot does not obey."""


class Asked:
    """Remembers the chunks that were published: the newest, and the one before an earlier tick."""

    def __init__(self, embodiment: Embodiment) -> None:
        self._embodiment = embodiment
        self._last: ActionChunk | None = None
        self._prior: ActionChunk | None = None

    def put(self, chunk: ActionChunk) -> None:
        """This is executed from now on."""
        if self._last is not None and self._last.t0_ns < chunk.t0_ns:
            self._prior = self._last  # a map within a tick revises the chunk, not what was done before the tick
        self._last = chunk

    def moves(self, at_ns: int) -> bool:
        """Whether it still moves the robot at or after an instant."""
        return self._last is not None and self._last.end_ns > at_ns and bool(self._last.actions.any())

    def before(self, t0_ns: int, odom: Reading, limits: BaseLimits, held: bool) -> tuple[F64, bool]:
        """The row (d,) that is executed until `t0_ns`, and whether the robot does what it is asked for.

        Where it is held, or moves otherwise than it was asked to, the row is what it does.
        """
        axes = self._embodiment
        measured = np.zeros(len(axes.axes))
        if held:
            return measured, False
        if odom.fresh:
            measured[axes.forward], measured[axes.turn] = odom.value.twist[0], odom.value.twist[5]
        asked = self._at(t0_ns - 1)
        if asked is None:
            return measured, True
        off = np.abs(asked - measured)
        if odom.fresh and max(off[axes.forward] / limits.v_m_s, off[axes.turn] / limits.w_rad_s) > _MISMATCH:
            return measured, False
        return asked, True

    def _at(self, at_ns: int) -> F64 | None:
        for chunk in (self._last, self._prior):
            action = chunk.at(at_ns) if chunk else None
            if action is not None:
                return action
        return None
