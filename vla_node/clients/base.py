"""What every client of a policy server promises."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from saccade.clock import perf_ns
from vla_node.policies.base import PolicyError

Array = npt.NDArray[Any]
Observation = Mapping[str, "Array | str | Observation"]
"""Arrays and texts by name, nested where a protocol nests them."""
_Answer = TypeVar("_Answer")
MOST_BYTES = 64 * 1024 * 1024
"""A message larger than this is refused, sent or received, unless told otherwise."""


class ServerError(PolicyError):
    """The server answered with an error of its own; its text is in the message."""


class Unreachable(PolicyError):
    """No answer in time, no connection, or not even bytes of that protocol."""


class BadAnswer(PolicyError):
    """The server answered in its protocol, but not with what may be executed: not finite, a wrong type or shape."""


@dataclass(slots=True)
class RoundTrips:
    """How the last calls went; milliseconds."""

    most: int = 512
    answered: int = 0
    failed: int = 0
    late: int = 0
    reconnected: int = 0
    _rtt_ns: deque[int] = field(default_factory=lambda: deque(maxlen=512))
    _newest_ns: int | None = None

    def took(self, rtt_ns: int) -> None:
        """Count an answer that came just now, `rtt_ns` after it was asked for."""
        self.answered += 1
        self._newest_ns = perf_ns()
        self._rtt_ns.append(rtt_ns)

    def judged(self, read: Callable[[object], _Answer], tree: object, begun_ns: int) -> _Answer:
        """What `read` gives of an answer to what was asked at `begun_ns`, counted; BadAnswer where it refuses it."""
        try:
            answer = read(tree)
        except BadAnswer:
            self.failed += 1
            raise
        self.took(perf_ns() - begun_ns)
        return answer

    @property
    def age_ms(self) -> float:
        """How long ago the newest answer came; infinite before the first."""
        return float("inf") if self._newest_ns is None else (perf_ns() - self._newest_ns) / 1e6

    def percentile_ms(self, percent: float) -> float:
        """Round trip below which so many per cent of the last calls stayed; NaN before the first."""
        return float(np.percentile(self._rtt_ns, percent)) / 1e6 if self._rtt_ns else float("nan")


class PolicyClient(Protocol):
    """One connection to one server. One thread at a time calls it; it connects by itself, and anew after a failure.

    Nothing that it does outlasts the timeout it was given, whatever the server does: a reply that comes later is
    dropped and counted, never taken for the answer to a later call.
    """

    trips: RoundTrips

    def infer(self, observation: Observation, timeout_ns: int) -> Mapping[str, Array]:
        """The server's answer: arrays by name. Unreachable, ServerError, BadAnswer."""

    def reset(self, timeout_ns: int) -> None:
        """Have the server forget the episode, where the protocol knows that; else nothing. Unreachable, ServerError."""

    def probe(self, timeout_ns: int) -> str:
        """What the server says of itself, in words or JSON. Unreachable where it does not answer."""

    def close(self) -> None:
        """Hang up; closing twice is allowed."""
