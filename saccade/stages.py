"""How long each stage of a node took: measured always, decided on never, so that replay stays deterministic."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from saccade.clock import perf_ns

_FRAME_SPANS = 256
"""Spans kept when nobody takes them, as on virtual time."""


class Stages:
    """Durations by stage name, newest `keep` of each, and the spans of the frame being worked on."""

    def __init__(self, keep: int = 10_000) -> None:
        self._keep = keep
        self.live = False
        """Whether durations may be told on the bus: on virtual time they may not, or no two runs would be equal."""
        self._durations_ns: dict[str, deque[int]] = {}
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
        if stage not in self._durations_ns:
            self._durations_ns[stage] = deque(maxlen=self._keep)
        self._durations_ns[stage].append(end_ns - begin_ns)
        if len(self.frame) >= _FRAME_SPANS:
            self.frame.clear()
        self.frame.append((stage, begin_ns, end_ns))

    def summary(self) -> dict[str, dict[str, float]]:
        """For each stage: count, and p50, p95, p99 and total in milliseconds."""
        out: dict[str, dict[str, float]] = {}
        for stage, durations in self._durations_ns.items():
            ms = np.fromiter(durations, np.float64) / 1e6
            p50, p95, p99 = np.percentile(ms, [50, 95, 99])
            out[stage] = {
                "count": float(len(ms)), "p50_ms": float(p50), "p95_ms": float(p95), "p99_ms": float(p99),
                "total_ms": float(ms.sum()),
            }  # fmt: skip
        return out
