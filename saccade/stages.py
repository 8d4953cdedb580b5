"""How long each stage of a node took: measured always, decided on never, so that replay stays deterministic."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from saccade.clock import perf_ns

_FRAME_SPANS = 256
"""Spans kept when nobody takes them, as on virtual time."""


class Stages:
    """Durations by stage name, the newest `keep` of each in full, and the spans of the frame being worked on."""

    def __init__(self, keep: int = 10_000) -> None:
        self._keep = keep
        self.live = False
        """Whether durations may be told on the bus: on virtual time they may not, or no two runs would be equal."""
        self._histories: dict[str, _History] = {}
        self.frame: list[tuple[str, int, int]] = []
        """(stage, begin, end) on `perf_ns` since somebody last took them; live processes do after each event."""

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Measure the body of a `with`."""
        begin = perf_ns()
        try:
            yield
        finally:
            self.add(stage, begin, perf_ns())

    def add(self, stage: str, begin_ns: int, end_ns: int) -> None:
        """Record one span measured elsewhere on `perf_ns`."""
        history = self._histories.get(stage)
        if history is None:
            history = self._histories[stage] = _History(self._keep)
        history.add(end_ns - begin_ns)
        if len(self.frame) >= _FRAME_SPANS:
            self.frame.clear()
        self.frame.append((stage, begin_ns, end_ns))

    def summary(self) -> dict[str, dict[str, float]]:
        """For each stage: count and total of all spans, and p50, p95 and p99 of the newest, in milliseconds."""
        return {stage: history.summary() for stage, history in self._histories.items()}


class _History:
    """The newest durations, in a ring that is made once: a robot that runs for a month uses what it used at first."""

    def __init__(self, keep: int) -> None:
        self._newest_ns = array("q", bytes(8 * keep))
        self._count = self._total_ns = 0

    def add(self, duration_ns: int) -> None:
        self._newest_ns[self._count % len(self._newest_ns)] = duration_ns
        self._count += 1
        self._total_ns += duration_ns

    def summary(self) -> dict[str, float]:
        newest_ms = np.frombuffer(self._newest_ns, np.int64)[: self._count] / 1e6
        p50, p95, p99 = np.percentile(newest_ms, [50, 95, 99])
        return {
            "count": float(self._count), "p50_ms": float(p50), "p95_ms": float(p95), "p99_ms": float(p99),
            "total_ms": self._total_ns / 1e6,
        }  # fmt: skip
