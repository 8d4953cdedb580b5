"""Epochs: a new instruction, a stop or a reset begins a new one, and what belongs to an older one is void."""

from __future__ import annotations

from saccade.clock import SEC


class Epochs:
    """The current epoch, uint32 as on the wire, wrapping around; 0 before the first.

    An epoch is the second in which it began, or the one after its predecessor if that is more: those of a process that
    was started again are newer than any before, so the gate hears it at once.
    """

    def __init__(self) -> None:
        self.current = 0

    def begin(self, now_ns: int) -> int:
        """Begin the next epoch and return it."""
        self.current = max(self.current + 1, now_ns // SEC) % 2**32
        return self.current

    def accepts(self, epoch: int) -> bool:
        """Whether something made in `epoch` may still be acted on."""
        return epoch == self.current
