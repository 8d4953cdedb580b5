"""How a stage is doing, in numbers for `/diagnostics`: rate and age of what it makes, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterable

from saccade.clock import MS, SEC, seconds
from saccade.stages import Stages
from saccade.topics import topic
from saccade.wire.diagnostics import Level

_LOOK_NS = SEC // 2
"""Rates over less than this say nothing, nor do those over less than two periods, or in which nothing came."""


class Flow:
    """Counts what a stage makes, by the bus' clock, and judges it by a row of the topic table.

    STALE: the newest is older than the row's stale-after, or there is none. ERROR: they come so slowly that each goes
    stale before the next. WARN: at less than half the row's rate, and so slowly that one lost makes it stale.
    """

    def __init__(self, name: str) -> None:
        row = topic(name)
        self.name = name
        self._row = row
        self.expect(row.rate_hz)
        self._stamp_ns: int | None = None
        self._put_ns = 0
        self._since_ns: int | None = None
        """Since when it is counted; None after a silence, until the next."""
        self._count = 0
        self._rate_hz: float | None = None

    def expect(self, rate_hz: float) -> None:
        """Judge it by this rate, where that is less than its row's; what comes less often goes stale later."""
        self._expected_hz, self._stale_ns = self._row.rate_hz, self._row.stale_ns
        if 0 < rate_hz < self._row.rate_hz:
            self._expected_hz, self._stale_ns = rate_hz, round(self._row.stale_ns * self._row.rate_hz / rate_hz)
        self._look_ns = max(_LOOK_NS, round(2 * SEC / self._expected_hz)) if self._expected_hz else _LOOK_NS

    def put(self, stamp_ns: int, now_ns: int, heard: str = "") -> None:
        """One more was made, of this header stamp; of the topic `heard`, where the row is only one of several."""
        self.name = heard or self.name
        if self._since_ns is None:
            self._since_ns, self._count = now_ns, 0
        else:
            self._count += 1
        self._stamp_ns, self._put_ns = stamp_ns, now_ns

    def look(self, now_ns: int) -> tuple[Level, str, dict[str, str]]:
        """(level, what is wrong or empty, rate and age for people); the rate is that since the last look."""
        if now_ns < self._put_ns:  # the clock went back: nothing has been made since
            self._stamp_ns = self._since_ns = self._rate_hz = None
        if self._stamp_ns is None:
            return Level.STALE, f"no {self.name} yet", {}
        age_ns = now_ns - self._stamp_ns
        if age_ns > self._stale_ns:
            self._since_ns = self._rate_hz = None
        elif self._since_ns is not None and now_ns < self._since_ns:
            self._rate_hz, self._since_ns, self._count = None, now_ns, 0
        elif self._since_ns is not None and self._count and (passed_ns := now_ns - self._since_ns) >= self._look_ns:
            self._rate_hz = self._count / seconds(passed_ns)
            self._since_ns, self._count = now_ns, 0
        values = {"age ms": f"{age_ns / MS:.0f}", "expected Hz": f"{self._expected_hz:g}"}
        if self._rate_hz is not None:
            values["rate Hz"] = f"{self._rate_hz:.1f}"
        return *self._judge(age_ns), values

    def _judge(self, age_ns: int) -> tuple[Level, str]:
        stale_hz = SEC / self._stale_ns
        if age_ns > self._stale_ns:
            return Level.STALE, f"{self.name} is {age_ns / MS:.0f} ms old; stale after {self._stale_ns / MS:.0f} ms"
        if self._rate_hz is None or self._rate_hz >= min(self._expected_hz / 2, 2 * stale_hz):
            return Level.OK, ""
        slow = f"{self.name} comes at {self._rate_hz:.1f} Hz; expected {self._expected_hz:g} Hz"
        return (Level.ERROR if self._rate_hz < stale_hz else Level.WARN), slow


def timing(stages: Stages, names: Iterable[str]) -> dict[str, str]:
    """Percentiles in ms of what these stages took; empty but on live buses, as replays must repeat byte by byte."""
    if not stages.live:
        return {}
    took = stages.summary()
    return {
        f"{name} {which} ms": f"{took[name][f'{which}_ms']:.2f}"
        for name in names
        if name in took
        for which in ("p50", "p95", "p99")
    }
