"""Buses on virtual time: one loop for recordings, simulators and tests. Nothing happens between two calls of `recv`."""

from __future__ import annotations

import heapq
import time
from collections.abc import Mapping
from typing import Protocol

from saccade.errors import SaccadeError
from saccade.node import NEVER_NS, BusEnd, Sample


class Source(Protocol):
    """A world that produces samples as virtual time passes: a recording, a simulator."""

    start_ns: int

    def next_ns(self) -> int | None:
        """When the next sample is due, without producing it; None when there will be no more."""

    def take(self) -> Sample | None:
        """Produce that sample, or None when nothing came of it; only called at its time."""

    def advance(self, to_ns: int) -> None:
        """Let time pass up to `to_ns`, never beyond `next_ns()`."""

    def heard(self, topic: str, cdr: bytes | memoryview, now_ns: int) -> None:
        """A node sent this; a simulator obeys, a recording ignores it."""

    def close(self) -> None:
        """Release what the source holds."""


class VirtualBus:
    """A bus whose time jumps from event to event. What is sent comes back through `recv` after the topic's latency.

    `latency_ns` models, per topic, how long the work behind a message takes on a robot, deterministically. `pace` runs
    at that multiple of real time instead of as fast as possible.
    """

    def __init__(
        self,
        source: Source | None = None,
        *,
        start_ns: int = 0,
        latency_ns: Mapping[str, int] | None = None,
        pace: float | None = None,
    ) -> None:
        self._source = source
        self._now_ns = source.start_ns if source else start_ns
        self._latency_ns = dict(latency_ns or {})
        self._queue: list[tuple[int, int, Sample]] = []
        self._count = 0
        self._pace = pace
        self._anchor = (time.monotonic_ns(), self._now_ns)
        self._closed = False

    def now_ns(self) -> int:
        """Virtual time, ns."""
        return self._now_ns

    def recv(self, deadline_ns: int) -> Sample | None:
        """See `Bus.recv`. At equal times: what nodes sent first, then the source, then the deadline."""
        while True:
            queued = self._queue[0][0] if self._queue else NEVER_NS
            upcoming = self._source.next_ns() if self._source else None
            if not self._queue and upcoming is None and (self._source is not None or deadline_ns == NEVER_NS):
                raise BusEnd
            event = min(queued, NEVER_NS if upcoming is None else upcoming)
            self._pass_until(max(self._now_ns, min(event, deadline_ns)))
            if event > deadline_ns:
                return None
            if queued <= event:
                return heapq.heappop(self._queue)[2]
            assert self._source is not None
            if (sample := self._source.take()) is not None:
                return sample

    def send(self, topic: str, cdr: bytes | memoryview) -> None:
        """See `Bus.send`."""
        if self._closed:
            raise SaccadeError(f"cannot send {topic!r}: the bus is closed")
        if self._source:
            self._source.heard(topic, cdr, self._now_ns)
        self.push(Sample(topic, self._now_ns + self._latency_ns.get(topic, 0), cdr))

    def push(self, sample: Sample) -> None:
        """Schedule a sample from outside, at its own stamp; tests script whole scenes with it."""
        heapq.heappush(self._queue, (sample.stamp_ns, self._count, sample))
        self._count += 1

    def close(self) -> None:
        """See `Bus.close`."""
        if self._source and not self._closed:
            self._source.close()
        self._closed = True

    def _pass_until(self, to_ns: int) -> None:
        if self._source:
            self._source.advance(to_ns)
        if self._pace:
            due = self._anchor[0] + (to_ns - self._anchor[1]) / self._pace
            time.sleep(max(0.0, (due - time.monotonic_ns()) / 1e9))
        self._now_ns = to_ns


class LocalBus(VirtualBus):
    """A virtual bus with no world behind it, for tests and for nodes that only talk to each other."""
