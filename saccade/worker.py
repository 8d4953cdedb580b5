"""Where something slow runs, so that the fast loop need not wait: a thread live, a model of one in virtual time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from saccade.clock import perf_ns

J = TypeVar("J")
J_contra = TypeVar("J_contra", contravariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Worker(Protocol[J_contra, T_co]):
    """Does one job at a time; only the newest waits."""

    @property
    def busy(self) -> bool:
        """Whether a job is being done or its answer has not been taken."""

    def offer(self, job: J_contra, now_ns: int) -> None:
        """Do this next; never blocks. A job that has not begun is replaced."""

    def poll(self, now_ns: int) -> tuple[T_co, int] | None:
        """A finished answer and how many ns it took, once."""

    def cancel(self) -> None:
        """Forget what was offered; an answer that still comes is discarded."""

    def close(self) -> None:
        """Stop working."""


class ModelledWorker(Generic[J, T]):
    """Virtual time: does the job at once and releases the answer `latency_ns` after it was asked. Deterministic."""

    def __init__(self, do: Callable[[J], T], latency_ns: int) -> None:
        self._do = do
        self._latency_ns = latency_ns
        self._answer: tuple[int, T] | None = None

    @property
    def busy(self) -> bool:
        """See `Worker.busy`."""
        return self._answer is not None

    def offer(self, job: J, now_ns: int) -> None:
        """See `Worker.offer`."""
        self._answer = (now_ns + self._latency_ns, self._do(job))

    def poll(self, now_ns: int) -> tuple[T, int] | None:
        """See `Worker.poll`."""
        if self._answer is None or now_ns < self._answer[0]:
            return None
        answer, self._answer = self._answer[1], None
        return answer, self._latency_ns

    def cancel(self) -> None:
        """See `Worker.cancel`."""
        self._answer = None

    def close(self) -> None:
        """See `Worker.close`."""


class ThreadWorker(Generic[J, T]):
    """Live: works in its own thread. The lock is held only to hand things over, never while working.

    `prepare`, then `do`, are called with a job and must not raise; a job that is cancelled meanwhile is not done.
    `abandon` is called from outside the thread to make a `do` that is under way end soon.
    """

    def __init__(
        self, do: Callable[[J], T], name: str, abandon: Callable[[], None] = lambda: None,
        prepare: Callable[[J], None] = lambda job: None,
    ) -> None:  # fmt: skip
        self._do, self._abandon, self._prepare = do, abandon, prepare
        self._changed = threading.Condition()
        self._waiting: J | None = None
        self._working = False
        self._answer: tuple[T, int] | None = None
        self._round = 0
        self._open = True
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """See `Worker.busy`."""
        with self._changed:
            return self._working or self._waiting is not None or self._answer is not None

    def offer(self, job: J, now_ns: int) -> None:
        """See `Worker.offer`."""
        with self._changed:
            self._waiting = job
            self._changed.notify_all()

    def poll(self, now_ns: int) -> tuple[T, int] | None:
        """See `Worker.poll`."""
        with self._changed:
            answer, self._answer = self._answer, None
            return answer

    def cancel(self) -> None:
        """See `Worker.cancel`."""
        with self._changed:
            self._waiting = self._answer = None
            self._round += 1
            working = self._working
        if working:
            self._abandon()

    def close(self) -> None:
        """See `Worker.close`; a job that is under way is not waited for longer than a second."""
        self.cancel()
        with self._changed:
            self._open = False
            self._changed.notify_all()
        self._thread.join(timeout=1.0)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or not self._open)
                if not self._open:
                    return
                job, self._waiting, self._working, begun = self._waiting, None, True, self._round
            assert job is not None
            begin_ns = perf_ns()
            self._prepare(job)
            with self._changed:
                if begun != self._round:
                    self._working = False
                    continue
            answer = self._do(job)
            with self._changed:
                self._working = False
                if begun == self._round:
                    self._answer = (answer, perf_ns() - begin_ns)
