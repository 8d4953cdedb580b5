"""Where the slow reasoner runs, so that the fast loop never waits for it: a thread live, a model of one in replay."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from saccade.clock import perf_ns
from saccade.errors import SaccadeError
from saccade.types import Plan, PlanKind
from vla_node.planner import Observation, Reasoner, make_plan


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One observation to think about. `observe` decodes its picture, so that this too happens in the worker."""

    epoch: int
    observe: Callable[[], Observation]


class Worker(Protocol):
    """Thinks about one observation at a time; only the newest waits."""

    @property
    def busy(self) -> bool:
        """Whether a job is being thought about or its answer has not been taken."""

    def offer(self, job: Job, now_ns: int) -> None:
        """Think about this next; never blocks. A job that has not begun is replaced."""

    def poll(self, now_ns: int) -> Plan | None:
        """A finished answer, once; its `inference_ns` is set, its id is not."""

    def cancel(self) -> None:
        """Forget what was offered; an answer that still comes is discarded."""

    def close(self) -> None:
        """Stop working."""


class ModelledWorker:
    """Virtual time: thinks at once and releases the answer `latency_ns` after it was asked. Deterministic."""

    def __init__(self, reasoner: Reasoner, latency_ns: int) -> None:
        self._reasoner = reasoner
        self._latency_ns = latency_ns
        self._answer: tuple[int, Plan] | None = None

    @property
    def busy(self) -> bool:
        """See `Worker.busy`."""
        return self._answer is not None

    def offer(self, job: Job, now_ns: int) -> None:
        """See `Worker.offer`."""
        plan = replace(_think(self._reasoner, job), inference_ns=self._latency_ns)
        self._answer = (now_ns + self._latency_ns, plan)

    def poll(self, now_ns: int) -> Plan | None:
        """See `Worker.poll`."""
        if self._answer is None or now_ns < self._answer[0]:
            return None
        plan, self._answer = self._answer[1], None
        return plan

    def cancel(self) -> None:
        """See `Worker.cancel`."""
        self._answer = None

    def close(self) -> None:
        """See `Worker.close`."""


class ThreadWorker:
    """Live: thinks in its own thread. The lock is held only to hand things over, never while thinking."""

    def __init__(self, reasoner: Reasoner) -> None:
        self._reasoner = reasoner
        self._changed = threading.Condition()
        self._waiting: Job | None = None
        self._thinking = False
        self._answer: Plan | None = None
        self._round = 0
        self._open = True
        self._thread = threading.Thread(target=self._work, name="planner", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """See `Worker.busy`."""
        with self._changed:
            return self._thinking or self._waiting is not None or self._answer is not None

    def offer(self, job: Job, now_ns: int) -> None:
        """See `Worker.offer`."""
        with self._changed:
            self._waiting = job
            self._changed.notify_all()

    def poll(self, now_ns: int) -> Plan | None:
        """See `Worker.poll`."""
        with self._changed:
            plan, self._answer = self._answer, None
            return plan

    def cancel(self) -> None:
        """See `Worker.cancel`."""
        with self._changed:
            self._waiting = self._answer = None
            self._round += 1

    def close(self) -> None:
        """See `Worker.close`; a thought that is under way is not waited for longer than a second."""
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
                job, self._waiting, self._thinking, begun = self._waiting, None, True, self._round
            assert job is not None
            begin_ns = perf_ns()
            plan = _think(self._reasoner, job)
            with self._changed:
                self._thinking = False
                if begun == self._round:
                    self._answer = replace(plan, inference_ns=perf_ns() - begin_ns)


def _think(reasoner: Reasoner, job: Job) -> Plan:
    """The reasoner's plan; whatever goes wrong becomes a STOP plan that says so, for a robot must not drive on."""
    observation = job.observe()
    try:
        return reasoner.plan(observation)
    except SaccadeError as error:
        return make_plan(observation, PlanKind.STOP, f"planner failed: {error}")
    except Exception as error:  # a reasoner may be any model; its bugs stop the robot, not the process
        return make_plan(observation, PlanKind.STOP, f"planner failed: {type(error).__name__}: {error}")
