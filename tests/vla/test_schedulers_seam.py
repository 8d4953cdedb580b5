"""The bound on what changes from row to row, at seams and everywhere else, and the rest where nothing follows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheduler_world import DT, MOST_NS, SCHEDULERS, connections, play

from saccade.clock import seconds
from saccade.types import ActionChunk
from vla_node.executor import Executor
from vla_node.schedulers.swap import Swap
from vla_node.seam import Bounds, Reach, bridge, rest, standstill

DT_S = seconds(DT)
BOUNDS = Bounds(np.array([False, True, False, True]), np.array([0.8, 3.0, 2.5, 0.5]), np.array([1.0, 1.2, 1.0, 0.3]))
MOVES = BOUNDS.position
EPS = 1e-9
each = pytest.mark.parametrize("scheduler", SCHEDULERS, ids=repr)
numbers = st.floats(-2.0, 2.0)


def wild(k, number, _):
    """Answers that have nothing to do with each other."""
    rng = np.random.default_rng(k)
    return rng.uniform(-2, 2, 4) + np.cumsum(rng.uniform(-1, 1, (number, 4)) * 0.3, axis=0)


def chunk(t0_row, rows, epoch=1, plan=1):
    rows = np.asarray(rows, float)
    axes = tuple(f"a{i}" for i in range(rows.shape[1]))
    return ActionChunk(t0_row * DT, t0_row * DT, DT, axes, rows, plan, epoch)


def obeys(rows, before=None, bounds=BOUNDS):
    """The bound of `Bounds`, word by word, on rows (k, d) executed one after another from standstill at `before`."""
    start = np.zeros(rows.shape[1]) if before is None else before
    e = np.concatenate([[start, start], rows])
    steps, a = np.diff(e, axis=0), bounds.accel * DT_S
    velocity = np.abs(steps) <= a + EPS
    moved = np.abs(steps) <= bounds.speed * DT_S + EPS
    changed = np.abs(np.diff(steps, axis=0, prepend=0)) / DT_S <= a + EPS
    return bool(np.where(bounds.position, moved & changed, velocity).all())


class Robot(Executor):
    """An executor that is told at each offer where a robot that does as it is told stands."""

    def __init__(self, scheduler):
        super().__init__(scheduler, DT, BOUNDS)
        self.stands = np.zeros(4)

    def offer(self, chunk, now_ns, expires_ns=None, before=None):
        here = standstill(self.stands) if self.at(now_ns) is None else None
        return super().offer(chunk, now_ns, expires_ns, here)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_velocities_alone_are_bridged_as_beside_positions(seed):
    """To the last bit; and within the bound."""
    rows, axes = wild(seed, 12, 0), ~MOVES
    alone = Bounds(MOVES[axes], BOUNDS.accel[axes], BOUNDS.speed[axes])
    beside, _ = bridge(standstill(np.zeros(4)), rows, DT_S, BOUNDS)
    found, end = bridge(standstill(np.zeros(2)), rows[:, axes], DT_S, alone)
    assert found.tobytes() == beside[:, axes].tobytes()
    assert not end.rate.any()
    assert obeys(found, bounds=alone)


@each
@given(data=st.data())
@settings(max_examples=15)
def test_the_bound_holds_whatever_arrives_ends_or_is_revoked(scheduler, data):
    """Executed as a function of time: within a row nothing changes, from row to row only what the bound allows."""
    robot, rows, now = Robot(scheduler), {}, 0
    for now, action, *_ in play(robot, data.draw(connections(wild)), DT // 2):
        if action is not None:
            assert rows.setdefault(now // DT, action).tobytes() == action.tobytes(), "a row changed that had begun"
            robot.stands = np.where(MOVES, action, 0.0)
    executed = [rows.get(k) for k in range(now // DT)]
    value = np.zeros(4)
    for k, row in enumerate(executed):  # where nothing is executed, the robot is at rest
        executed[k] = value = np.where(MOVES, value, 0.0) if row is None else row
    assert not executed or obeys(np.array(executed))


@each
@given(data=st.data())
@settings(max_examples=15)
def test_after_the_last_chunk_it_comes_to_rest_without_a_stall(scheduler, data):
    """Velocities fall to 0, none grows again; positions end at rest; only then is there nothing more to execute."""
    robot = Robot(scheduler)
    for _, action, *_ in play(robot, data.draw(connections(wild)), DT):
        if action is not None:
            robot.stands = np.where(MOVES, action, 0.0)
    if robot._done is None or len(robot._done.chunk.actions) < 3:
        return
    tail = robot._done.chunk.actions[-3:]
    assert (tail[-1][~MOVES] == 0.0).all()
    assert np.abs(np.diff(tail, axis=0))[-1][MOVES].max() <= BOUNDS.accel.max() * DT_S**2


@given(late=st.integers(0, MOST_NS), expires=st.integers(1, 40), value=st.floats(0.1, 2.0))
def test_when_the_plan_expires_only_the_way_to_a_rest_is_left(late, expires, value):
    bounds = Bounds(np.array([False]), np.array([0.8]), np.array([1.0]))
    ex = Executor(Swap(), DT, bounds)
    ex.begin(1)
    if not ex.offer(chunk(0, [[value]] * 60), late, expires * DT):
        return
    rows = [float(ex.at(t * DT)[0]) for t in range(expires, 200) if ex.at(t * DT) is not None]
    top = float(ex.output((expires - 1) * DT).actions[0, 0])
    steps = -np.diff([top, *rows])
    assert (steps > 0).all()
    np.testing.assert_allclose(steps[:-1], 0.8 * DT_S)
    assert top == pytest.approx(steps.sum())


def test_a_new_epoch_brakes_at_once_and_in_its_own_name():
    ex = Executor(Swap(), DT, BOUNDS)
    ex.begin(1)
    ex.offer(chunk(0, np.linspace(0, [1.0, 1.0, -1.0, 0.2], 40)), 0, before=standstill(np.zeros(4)))
    moving, rate = ex.at(20 * DT), (ex.at(20 * DT) - ex.at(19 * DT)) / DT_S
    ex.begin(2)
    out = ex.output(21 * DT)
    assert (out.epoch, out.plan_id) == (2, 0)
    assert not ex.offer(chunk(10, np.ones((40, 4)), epoch=1), 21 * DT)
    speeds = np.abs(np.diff(np.concatenate([[moving], out.actions]), axis=0) / DT_S)
    assert (np.diff(np.abs(out.actions[:, ~MOVES]), axis=0) <= 0).all()
    assert (np.diff(np.concatenate([[np.abs(rate)], speeds]), axis=0)[:, MOVES] <= EPS).all()
    assert (out.actions[-1][~MOVES] == 0).all()


@given(st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=1, max_size=40))
@settings(max_examples=50)
def test_positions_are_approached_to_the_last_and_held(rows):
    out, at = bridge(standstill(np.zeros(4)), np.array(rows), DT_S, BOUNDS)
    tail = rest(at, np.array(rows[-1]), DT_S, BOUNDS)
    whole = np.concatenate([out, tail])
    assert obeys(whole)
    np.testing.assert_allclose(whole[-1], np.where(MOVES, rows[-1], 0.0), atol=1e-8)


@given(st.tuples(numbers, numbers, numbers, numbers), st.floats(-0.5, 0.5), st.floats(-0.9, 0.9))
@settings(max_examples=50)
def test_a_chunk_within_the_limits_is_met_and_then_followed_exactly(start, speed, level):
    """The bridge ends: behind it the rows are the policy's own."""
    rows = np.tile(np.array([level, 0.0, level, 0.0]), (400, 1))
    rows[:, MOVES] = np.outer(np.arange(400) * DT_S, speed * BOUNDS.speed[MOVES]) + level
    out, _ = bridge(standstill(0.3 * np.array(start)), rows, DT_S, BOUNDS)
    np.testing.assert_allclose(out[-40:], rows[-40:], atol=1e-7)


@given(st.floats(-0.5, 0.5), st.floats(0.0, 1.0))
def test_rows_that_keep_the_bound_pass_unchanged(start, share):
    k = np.arange(1, 60)
    rows = np.stack([start + share * np.sin(0.05 * k) * 0.5] * 4, axis=1)
    drift = (rows[1] - rows[0]) / DT_S
    first = Reach(rows[0] - drift * DT_S, np.where(MOVES, drift, 0.0))
    slow = Bounds(MOVES, np.full(4, 50.0), np.full(4, 50.0))
    out, _ = bridge(first, rows, DT_S, slow)
    np.testing.assert_allclose(out, rows, atol=1e-9)


def test_positions_need_to_be_told_where_they_are():
    ex = Executor(Swap(), DT, BOUNDS)
    ex.begin(1)
    with pytest.raises(ValueError, match="before"):
        ex.offer(chunk(0, np.ones((3, 4))), 0)


def test_bounds_are_checked():
    with pytest.raises(ValueError, match="above 0"):
        Bounds(np.array([False]), np.array([0.0]), np.array([1.0]))
    with pytest.raises(ValueError, match="number of axes"):
        Bounds(np.array([False]), np.array([1.0, 1.0]), np.array([1.0]))
