"""Epochs: a new instruction, a stop or a reset begins a new one, and what belongs to an older one is void."""

from __future__ import annotations


class Epochs:
    """The current epoch, uint32 as on the wire, wrapping around."""

    def __init__(self) -> None:
        self.current = 0

    def begin(self) -> int:
        """Begin the next epoch and return it."""
        self.current = (self.current + 1) % 2**32
        return self.current

    def accepts(self, epoch: int) -> bool:
        """Whether something made in `epoch` may still be acted on."""
        return epoch == self.current
