"""What the robot was asked for, and whether it does it."""

from __future__ import annotations

import numpy as np

from saccade.geometry import F64
from saccade.inbox import Reading
from saccade.types import ActionChunk
from vla_node.bodies import Body

_MISMATCH = 0.4
"""Speeds of the odometry that differ from those asked for by this share of the limits: the robot does not obey."""


class Asked:
    """Remembers the chunks that were published: the newest, and the one before an earlier tick."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._last: ActionChunk | None = None
        self._prior: ActionChunk | None = None

    @property
    def stamp_ns(self) -> int:
        """Of the look that the newest was made from; 0 before any."""
        return self._last.obs_stamp_ns if self._last else 0

    def put(self, chunk: ActionChunk) -> None:
        """This is executed from now on."""
        if self._last is not None and self._last.t0_ns < chunk.t0_ns:
            self._prior = self._last  # a map within a tick revises the chunk, not what was done before the tick
        self._last = chunk

    def forget(self) -> None:
        """Nothing is known of what was executed."""
        self._last = self._prior = None

    def moves(self, at_ns: int) -> bool:
        """Whether it still moves the robot at or after an instant."""
        return self._last is not None and self._last.end_ns > at_ns and bool(self._last.actions.any())

    def before(self, t0_ns: int, odom: Reading, held: bool) -> tuple[F64, bool]:
        """The row (d,) that is executed until `t0_ns`, and whether the robot does what it is asked for.

        Where it is held, or moves otherwise than it was asked to, the row is what it does.
        """
        nothing, measured = np.zeros(len(self._body.axes)), self._body.measured(odom)
        if held:
            return nothing, False
        asked = self._at(t0_ns - 1)
        if asked is None:
            return nothing if measured is None else measured, measured is None
        if measured is not None and (np.abs(asked - measured) > _MISMATCH * self._body.limits.speed).any():
            return measured, False
        return asked, True

    def _at(self, at_ns: int) -> F64 | None:
        for chunk in (self._last, self._prior):
            action = chunk.at(at_ns) if chunk else None
            if action is not None:
                return action
        return None
