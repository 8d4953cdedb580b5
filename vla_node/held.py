"""Whether the robot is held at a standstill, by what, and for how long."""

from __future__ import annotations

import numpy as np

from saccade.types import Decision, Verdict


class Held:
    """Fed with each verdict of the gate, and at each tick with whether the policy sees no way."""

    def __init__(self) -> None:
        self.stopped = False
        """The gate stands the robot still, whatever is asked for."""
        self.standing = False
        """Nothing but a standstill is granted."""
        self._refused = False
        self._since_ns: int | None = None

    def judged(self, verdict: Verdict) -> None:
        """The gate's newest verdict."""
        self.stopped = verdict.decision is Decision.STOP
        self._refused = self.stopped and bool(np.nan_to_num(verdict.requested).any())
        self.standing = not verdict.granted.any()

    def tick(self, blocked: bool, now_ns: int) -> None:
        """Whether the policy is `blocked` now: it sees no way to where it should go."""
        if not (self._refused or blocked):
            self._since_ns = None
        elif self._since_ns is None:
            self._since_ns = now_ns

    def for_ns(self, now_ns: int) -> int:
        """For how long it has been held against a wish to move; 0 when it is not."""
        return 0 if self._since_ns is None else now_ns - self._since_ns

    @property
    def by(self) -> str:
        """What holds it."""
        return "stopped by the gate" if self._refused else "the policy sees no way"
