"""One question under way: until when, and whether it is still wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from saccade.clock import perf_ns, seconds
from saccade.errors import SaccadeError
from saccade.types import PlanKind
from vla_node.planner import Answer, Observation, make_plan

MOST_QUESTIONS = 4
"""About one observation, where the model answers that it wants to be asked again."""


class ReasonerError(SaccadeError):
    """The reasoner could not be asked, or did not answer with anything that may be read; the text says which.

    `again` says whether the same question may be asked once more, `wait_ns` how long the server wants to be left alone
    before that.
    """

    def __init__(self, text: str, *, again: bool = False, wait_ns: int = 0) -> None:
        super().__init__(text)
        self.again, self.wait_ns = again, wait_ns


class OutOfTime(ReasonerError):
    """The deadline of the whole call has passed."""


class Cancelled(ReasonerError):
    """Nobody wants the answer any more."""


class Call:
    """The deadline of a call, and how another thread ends it. `give_up` may come from any thread, at any time."""

    def __init__(self, timeout_ns: int) -> None:
        self._timeout_ns = timeout_ns
        self._end_ns = perf_ns() + timeout_ns
        self._given_up = threading.Event()
        self._lock = threading.Lock()
        self._hang_up: Callable[[], None] | None = None

    def left_ns(self) -> int:
        """Time that is left, more than 0. OutOfTime, Cancelled."""
        if self._given_up.is_set():
            raise Cancelled("the question was withdrawn")
        left_ns = self._end_ns - perf_ns()
        if left_ns <= 0:
            raise OutOfTime(f"no complete answer within {seconds(self._timeout_ns):g} s")
        return left_ns

    def left_s(self) -> float:
        """As `left_ns`, in seconds."""
        return seconds(self.left_ns())

    def wait(self, wait_ns: int) -> None:
        """Let so much time pass. OutOfTime, Cancelled."""
        self._given_up.wait(seconds(min(wait_ns, self.left_ns())))
        self.left_ns()

    def give_up(self) -> None:
        """End the call soon, however it ends: what it waits on is hung up."""
        self._given_up.set()
        with self._lock:
            if self._hang_up is not None:
                self._hang_up()

    @contextmanager
    def waiting_on(self, hang_up: Callable[[], None]) -> Iterator[None]:
        """For the time of this context, `hang_up` makes the call's thread stop waiting; it must not raise or block.

        Who waits in it looks at `left_ns` first: `give_up` may have come before.
        """
        with self._lock:
            self._hang_up = hang_up
        try:
            yield
        finally:
            with self._lock:
                self._hang_up = None


class Under:
    """The call under way of a reasoner, if any, so that `cancel` finds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._call: Call | None = None

    @contextmanager
    def way(self, timeout_ns: int) -> Iterator[Call]:
        """A call of this length."""
        call = Call(timeout_ns)
        with self._lock:
            self._call = call
        try:
            yield call
        finally:
            with self._lock:
                self._call = None

    def cancel(self) -> None:
        """End the call under way, if there is one."""
        with self._lock:
            if self._call is not None:
                self._call.give_up()


def ended(text: str, ends: tuple[str, ...]) -> int | None:
    """Where an answer ends that is complete with the first of these words; None where none of them has come."""
    return min((text.find(end) + len(end) for end in ends if end in text), default=None)


def stop(observation: Observation, why: SaccadeError, asked: str, answered: str) -> Answer:
    """The robot stops, because of this; what was asked and answered is kept for the record."""
    return Answer(make_plan(observation, PlanKind.STOP, f"planner failed: {why}"), asked, answered)
