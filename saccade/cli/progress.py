"""What the terminal shows while something runs: a bar over bus time, with the speed relative to real time."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from saccade.clock import SEC, perf_ns, seconds

ShownT = TypeVar("ShownT", bound="Shown")


class Shown:
    """A context manager, in which `_progress` is on the terminal."""

    _progress: Progress

    def __enter__(self: ShownT) -> ShownT:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


class Bar(Shown):
    """Shows how far a run has come, at most ten times a second; called with the bus' time in ns."""

    def __init__(self, name: str, start_ns: int, end_ns: int, shown: bool) -> None:
        self._start_ns, self._total_s = start_ns, max(1e-9, seconds(end_ns - start_ns))
        self._began_ns = self._shown_ns = perf_ns()
        columns = (
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]:.1f} s"),
            TextColumn("{task.fields[speed]:.1f}x real time"), TimeElapsedColumn(), TextColumn("{task.fields[note]}"),
        )  # fmt: skip
        self._progress = Progress(*columns, console=Console(stderr=True), disable=not shown)
        self._task = self._progress.add_task(name, total=self._total_s, done=0.0, speed=0.0, note="")
        self.note = ""

    def __call__(self, now_ns: int) -> None:
        """Move the bar to this bus time."""
        clock = perf_ns()
        if self._progress.disable or clock - self._shown_ns < SEC // 10:
            return
        self._shown_ns = clock
        done = seconds(now_ns - self._start_ns)
        speed = done / max(1e-9, seconds(clock - self._began_ns))
        self._progress.update(self._task, completed=done, done=done, speed=speed, note=self.note)
