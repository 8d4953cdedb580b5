"""TensorRT's Python package: found, held to the versions that are known, and its messages collected."""

from __future__ import annotations

import threading
from collections import deque
from functools import lru_cache
from typing import Any

from engines.compiler import Progress
from engines.engine import EngineError

KNOWN = (8, 10, 11)
"""Major versions whose calls are known (see tests/engines/data/tensorrt_api.yaml); of 8, only 8.6."""


def tensorrt() -> Any:
    """The module `tensorrt`. EngineError where it is missing, or of a version that is not known."""
    try:
        import tensorrt as trt
    except ImportError as error:
        raise EngineError(
            f"TensorRT's Python package cannot be imported ({error}). On Jetson it comes with JetPack (sudo apt "
            "install python3-libnvinfer), elsewhere: pip install 'saccade[gpu]'; see docs/platforms.md"
        ) from None
    if major_of(trt) not in KNOWN or (major_of(trt) == 8 and not trt.__version__.startswith("8.6")):
        raise EngineError(f"TensorRT {trt.__version__} is not known here; expected 8.6, 10.x or 11.x")
    return trt


def major_of(trt: Any) -> int:
    """The first number of TensorRT's version."""
    return int(trt.__version__.split(".")[0])


class Messages:
    """The last errors and warnings that TensorRT had; `mark` before a call, and ask what came `since`."""

    def __init__(self) -> None:
        self._last: deque[tuple[int, str]] = deque(maxlen=64)
        self._count = 0

    def add(self, message: str) -> None:
        """Keep one more."""
        self._count += 1
        self._last.append((self._count, message))

    def mark(self) -> int:
        """A place to ask from."""
        return self._count

    def since(self, mark: int) -> str:
        """The last three of what was said after `mark`, for an error."""
        said = [message for number, message in self._last if number > mark]
        return "; ".join(said[-3:]) or "it says nothing"


@lru_cache(maxsize=1)
def logger_of(trt: Any) -> tuple[Any, Messages]:
    """The one logger of this process, for TensorRT keeps the first it is given for good, and what it collects."""
    messages = Messages()
    errors = (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR)

    class Logger(trt.ILogger):  # type: ignore[misc]  # its base is known only now
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            if severity in errors:
                messages.add(msg)

    return Logger(), messages


def monitor_of(trt: Any, progress: Progress) -> Any:
    """What TensorRT 10 and later tells of a build, passed on; an exception of `progress` ends the build.

    It is kept in the monitor's `stopped_by`: exceptions cannot go through TensorRT.
    """

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # its base is known only now
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.stopped_by: BaseException | None = None
            self._phases, self._lock = Phases(), threading.Lock()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                self._phases.start(phase_name, parent_phase or "", num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                self._phases.step(phase_name, step)
                try:
                    progress(phase_name, self._phases.fraction)
                except BaseException as error:  # whatever it is, the thread that builds raises it again
                    self.stopped_by = self.stopped_by or error
                return self.stopped_by is None

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                self._phases.finish(phase_name)

    return Monitor()


class Phases:
    """How much of a build is over, from phases within phases; it never goes back."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[str, int, int]] = {}  # name: parent, steps, steps that are over
        self.fraction = 0.0

    def start(self, name: str, parent: str, steps: int) -> None:
        """A phase of so many steps begins within another one, or within none ("")."""
        self._running[name] = (parent, max(steps, 1), 0)

    def step(self, name: str, step: int) -> None:
        """A phase has finished step number `step`, counted from 0."""
        if name in self._running:
            parent, steps, _ = self._running[name]
            self._running[name] = (parent, steps, step + 1)
        self.fraction = max(self.fraction, min(1.0, self._of("")))

    def finish(self, name: str) -> None:
        """A phase is over."""
        self._running.pop(name, None)

    def _of(self, parent: str) -> float:
        """The furthest of the phases within another, 0..1."""
        return max(
            ((done + self._of(name) * (done < steps)) / steps
             for name, (within, steps, done) in self._running.items() if within == parent),
            default=0.0,
        )  # fmt: skip
