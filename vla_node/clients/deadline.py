"""The end of a call, and addresses that are checked before it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from urllib.parse import SplitResult, urlsplit

from saccade.clock import SEC, perf_ns
from saccade.errors import ConfigError
from vla_node.clients.base import Unreachable


class Deadline:
    """When a call has to be over; every wait within it gets what is left."""

    __slots__ = ("_end_ns", "begun_ns", "timeout_ns")

    def __init__(self, timeout_ns: int) -> None:
        self.begun_ns = perf_ns()
        self.timeout_ns = timeout_ns
        self._end_ns = self.begun_ns + timeout_ns

    def left_s(self) -> float:
        """Seconds left, above 0. Unreachable when there are none."""
        left_ns = self._end_ns - perf_ns()
        if left_ns <= 0:
            raise Unreachable(f"no answer within {self.timeout_ns / 1e6:.0f} ms")
        return left_ns / SEC

    def waiting_on(self, hang_up: Callable[[], None]) -> AbstractContextManager[None]:
        """See `Until.waiting_on`; no other thread ends a policy's call."""
        return nullcontext()


def parsed(address: str, example: str, *schemes: str) -> SplitResult:
    """An address `scheme://host:port`, checked before anything is opened. ConfigError."""
    try:
        url = urlsplit(address)
        host = re.fullmatch(r"[A-Za-z0-9._:-]+", url.hostname or "")
        good = url.scheme in schemes and bool(host) and url.port is not None and url.username is None
    except ValueError:
        good = False
    if not good or url.query or url.fragment or (url.path and url.scheme == "tcp"):
        raise ConfigError(
            f"address {address!r}; expected {'://HOST:PORT or '.join(schemes)}://HOST:PORT such as {example}"
        )
    return url
