import threading
from functools import partial

import numpy as np
from vla_world import BLUE, Box, chart

from saccade.clock import MS, SEC
from saccade.errors import DataError
from saccade.geometry import SE3
from saccade.types import PlanKind, RobotState
from saccade.worker import ModelledWorker, ThreadWorker
from vla_node.planner import Answer, Job, Observation, make_plan, think

GRID = chart(0, 0, 0, [Box(9, 9, 1, 1, 1, BLUE)], size_m=2)


def job(epoch=1, stamp=0):
    state = RobotState(stamp, "odom", SE3.identity(), np.zeros(6))
    observation = Observation(stamp, epoch, "turn left", state, SE3.identity(), None, None, None, None, GRID, "", 0)
    return Job(epoch, lambda: observation)


class Thinker:
    """Waits for `go` before each answer; `error` is raised instead of one."""

    def __init__(self, error=None):
        self.go, self.begun, self.error = threading.Event(), threading.Event(), error
        self.seen, self.cancelled = [], 0

    def refuses(self, instruction):
        return ""

    def cancel(self):
        self.cancelled += 1

    def plan(self, observation):
        self.begun.set()
        assert self.go.wait(10)
        self.seen.append(observation.epoch)
        if self.error:
            raise self.error
        return Answer(make_plan(observation, PlanKind.TEXT, "thought"))


def wait_for(condition):
    done = threading.Event()
    for _ in range(2000):
        if condition():
            return
        done.wait(0.005)
    raise AssertionError("waited 10 s in vain")


def test_modelled_answers_after_its_latency_and_once():
    thinker = Thinker()
    thinker.go.set()
    worker = ModelledWorker(partial(think, thinker), 400 * MS)
    worker.offer(job(), 10 * SEC)
    assert worker.busy
    assert worker.poll(10 * SEC + 399 * MS) is None
    done = worker.poll(10 * SEC + 400 * MS)
    assert done is not None
    assert done[1] == 400 * MS
    assert worker.poll(20 * SEC) is None
    assert not worker.busy


def test_modelled_cancel_forgets():
    thinker = Thinker()
    thinker.go.set()
    worker = ModelledWorker(partial(think, thinker), 0)
    worker.offer(job(), 0)
    worker.cancel()
    assert worker.poll(SEC) is None


def test_thread_never_blocks_and_takes_only_the_newest():
    thinker = Thinker()
    worker = ThreadWorker(partial(think, thinker), "planner", thinker.cancel)
    worker.offer(job(1), 0)
    assert thinker.begun.wait(10)
    worker.offer(job(2), 0)
    worker.offer(job(3), 0)
    assert worker.poll(0) is None
    assert worker.busy
    thinker.go.set()
    wait_for(lambda: thinker.seen == [1, 3])
    wait_for(lambda: not worker._working)
    done = worker.poll(0)
    assert done is not None
    assert done[0].plan.epoch == 3
    assert done[1] > 0
    assert not worker.busy
    worker.close()
    assert not worker._thread.is_alive()


def test_thread_cancel_discards_an_answer_that_still_comes():
    thinker = Thinker()
    worker = ThreadWorker(partial(think, thinker), "planner", thinker.cancel)
    worker.offer(job(1), 0)
    assert thinker.begun.wait(10)
    worker.cancel()
    assert thinker.cancelled == 1
    thinker.go.set()
    wait_for(lambda: not worker.busy)
    assert thinker.seen == [1]
    assert worker.poll(0) is None
    worker.close()


def test_a_reasoner_that_fails_is_a_stop_plan_with_the_reason():
    for error in (DataError("no such thing"), ZeroDivisionError("by zero")):
        thinker = Thinker(error)
        thinker.go.set()
        worker = ModelledWorker(partial(think, thinker), 0)
        worker.offer(job(), 0)
        done = worker.poll(0)
        assert done is not None
        assert done[0].plan.kind is PlanKind.STOP
        assert str(error) in done[0].plan.text


def test_a_job_that_is_cancelled_while_it_is_decoded_is_not_done():
    decoding, go, done = threading.Event(), threading.Event(), []

    def prepare(job):
        decoding.set()
        assert go.wait(10)

    worker = ThreadWorker(done.append, "planner", prepare=prepare)
    worker.offer(1, 0)
    assert decoding.wait(10)
    worker.cancel()
    go.set()
    wait_for(lambda: not worker.busy)
    worker.offer(2, 0)
    wait_for(lambda: done == [2])
    worker.close()
