"""When to ask again: exponential backoff within a call, a circuit breaker between calls."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from random import Random

MOST_NS = 30_000_000_000
"""No single wait is longer."""


def backoff(first_ns: int, random: Random) -> Iterator[int]:
    """Waits, ns: each up to twice the one before, between half of that and all of it ("equal jitter", Brooker 2015)."""
    most_ns = first_ns
    while True:
        yield round(most_ns * random.uniform(0.5, 1.0))
        most_ns = min(2 * most_ns, MOST_NS)


class State(Enum):
    """Of a circuit breaker (Nygard, Release It!)."""

    CLOSED = "closed"
    """The server is asked."""
    OPEN = "open"
    """It failed so often that it is left alone."""
    HALF_OPEN = "half open"
    """One call may find out whether it works again."""


class Breaker:
    """Opens after `failures` calls in a row have failed, for `open_ns`; then one call decides."""

    def __init__(self, failures: int, open_ns: int) -> None:
        self._most, self._open_ns = failures, open_ns
        self._failed = 0
        self._until_ns: int | None = None
        self.why = ""
        """Of the last failure."""

    def state(self, now_ns: int) -> State:
        """Its state at this instant."""
        if self._until_ns is None:
            return State.CLOSED
        return State.OPEN if now_ns < self._until_ns else State.HALF_OPEN

    def wait_ns(self, now_ns: int) -> int:
        """How long the server is still left alone; 0 when it may be asked."""
        return max(0, self._until_ns - now_ns) if self._until_ns is not None else 0

    def succeeded(self) -> None:
        """A call was answered."""
        self._failed, self._until_ns = 0, None

    def failed(self, now_ns: int, why: str, wait_ns: int = 0) -> None:
        """A call was not; `wait_ns` is how long the server itself wants to be left alone, which opens at once."""
        self._failed, self.why = self._failed + 1, why
        open_ns = self._open_ns if self._failed >= self._most else 0
        if max(open_ns, wait_ns):
            self._until_ns = now_ns + max(open_ns, wait_ns)
