"""Integer nanoseconds and the absolute tick grid; besides the wires, nothing else asks for the time."""

from __future__ import annotations

import time

MS = 1_000_000
"""One millisecond in ns."""
SEC = 1_000_000_000
"""One second in ns."""


def perf_ns() -> int:
    """Monotonic time for measuring how long work took, never for deciding anything."""
    return time.perf_counter_ns()


def seconds(ns: int) -> float:
    """Nanoseconds as float seconds, for arithmetic in SI units and for people."""
    return ns / SEC


def nanoseconds(s: float) -> int:
    """Seconds as integer nanoseconds, rounded to the nearest."""
    return round(s * SEC)


class LiveClock:
    """UTC nanoseconds that run smoothly and follow the system clock only when it is stepped.

    Between steps the clock advances with CLOCK_MONOTONIC, whose rate NTP slews as it does the system clock's, so that
    stamps of other processes fit; when the two differ by more than `step_ns`, it is re-anchored and counted.
    """

    def __init__(self, step_ns: int = 50 * MS) -> None:
        self._step_ns = step_ns
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self.steps = 0

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        mono, wall = time.monotonic_ns(), time.time_ns()
        if abs(mono + self._offset_ns - wall) > self._step_ns:
            self._offset_ns = wall - mono
            self.steps += 1
        return mono + self._offset_ns


class TickGrid:
    """Deadlines at `phase + n * period`: a missed tick is counted and skipped, never fired in a burst."""

    def __init__(self, period_ns: int, phase_ns: int = 0) -> None:
        if period_ns <= 0:
            raise ValueError(f"tick period must be positive, got {period_ns} ns")
        self.period_ns = period_ns
        self.phase_ns = phase_ns % period_ns
        self.next_ns: int | None = None
        self.missed = 0

    def start(self, now_ns: int) -> int:
        """Set and return the first deadline strictly after `now_ns`; counts nothing."""
        self.next_ns = self._after(now_ns)
        return self.next_ns

    def due(self, now_ns: int) -> int:
        """The next deadline; set anew where there is none yet, and after a clock that went back.

        Else nothing would be due until the clock has come again to where it was.
        """
        if self.next_ns is None or self.next_ns - now_ns > self.period_ns:
            return self.start(now_ns)
        return self.next_ns

    def advance(self, now_ns: int) -> int:
        """Move to the first deadline after `now_ns` and return how many deadlines were skipped on the way.

        The tick that is being served is not a skipped one. A clock that went back re-anchors the grid.
        """
        due, self.next_ns = self.next_ns, self._after(now_ns)
        skipped = 0 if due is None else max(0, (self.next_ns - due) // self.period_ns - 1)
        self.missed += skipped
        return skipped

    def _after(self, now_ns: int) -> int:
        n = (now_ns - self.phase_ns) // self.period_ns + 1
        return self.phase_ns + n * self.period_ns
