import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saccade.clock import MS
from saccade.types import ActionChunk
from vla_node.executor import Executor, ramped, scheduler
from vla_node.params import ExecutorParams
from vla_node.schedulers.base import splice, trim
from vla_node.schedulers.ensemble import Ensemble
from vla_node.schedulers.guard import Guard
from vla_node.schedulers.hold import Hold
from vla_node.schedulers.rtc import Rtc
from vla_node.schedulers.swap import Swap

DT = 50 * MS
SCHEDULERS = [Hold(), Swap(), Ensemble(0.3), Rtc(4), Guard(3)]


def chunk(t0, values, epoch=1, plan_id=1, dt=DT, obs=0):
    actions = np.asarray(values, np.float64).reshape(-1, 1)
    return ActionChunk(obs, t0 * dt, dt, ("vx",), actions, plan_id, epoch)


def executor(scheduler):
    out = Executor(scheduler, DT)
    out.begin(1)
    return out


def moving(scheduler):
    """An executor of a robot that moves already, from long before until a while after all deliveries."""
    out = executor(scheduler)
    assert out.offer(chunk(-40, [7000 + i for i in range(130)], plan_id=70), -40 * DT)
    return out


@st.composite
def deliveries(draw):
    """(arrival in ns, chunk) with arbitrary latency: chunk k predicts 100 (k + 1) + absolute row."""
    out, tick = [], 0
    for k in range(draw(st.integers(1, 8))):
        tick += draw(st.integers(0, 5))
        length = draw(st.integers(1, 12))
        late = draw(st.integers(0, 14 * DT))
        out.append((tick * DT + late, chunk(tick, [100 * (k + 1) + tick + i for i in range(length)], plan_id=k)))
    return sorted(out, key=lambda item: item[0])


@given(deliveries())
def test_swap_lets_the_newest_rule_from_now_on(items):
    ex = moving(Swap())
    for now, c in items:
        if ex.at(now - DT) is None:
            return  # a cold start: see test_schedulers_latency
        if ex.offer(c, now):
            for t in range(now, c.end_ns, DT // 2):
                assert ex.at(t) == c.at(t)


@given(deliveries())
def test_hold_never_changes_what_is_running(items):
    ex = moving(Hold())
    for now, c in items:
        held = ex.output(now)
        running = held.plan_id if held else None
        first = ex._chunks[0] if ex._chunks and ex._chunks[0].end_ns > now else None
        ex.offer(c, now)
        if running is not None and first is not None:
            for t in range(now, first.end_ns, DT // 2):
                assert ex.at(t) == first.at(t)


@given(deliveries(), st.floats(0.0, 2.0))
def test_ensemble_is_the_weighted_mean_with_the_oldest_weighing_most(items, m):
    ex = moving(Ensemble(m))
    taken = list(ex._chunks)
    for now, c in items:
        if ex.offer(c, now):
            taken.append(c)
        for t in range(now, now + 15 * DT, DT):
            action = ex.at(t)
            values = [o.at(t)[0] for o in taken if o.end_ns > now and o.at(t) is not None]
            if action is not None:
                w = np.exp(-m * np.arange(len(values)))
                assert action[0] == pytest.approx(float(w @ values / w.sum()))


def test_ensemble_leans_towards_the_oldest():
    ex = executor(Ensemble(0.5))
    ex.offer(chunk(0, [0.0] * 5), 0)
    ex.offer(chunk(0, [1.0] * 5), 0)
    assert 0.0 < ex.at(DT)[0] < 0.5


@given(deliveries(), st.sampled_from(SCHEDULERS))
def test_continuity_chunks_that_agree_are_executed_as_one(items, scheduler):
    """Where every chunk predicts the same curve, no hand-over may show: the output is that curve, row by row."""
    ex = executor(scheduler)
    assert ex.offer(chunk(-40, [np.sin(0.3 * i + 0.1) for i in range(-40, 90)]), -40 * DT)
    for now, c in items:
        if ex.at(now - DT) is None:
            return
        row = c.t0_ns // DT
        same = chunk(row, [np.sin(0.3 * (row + i) + 0.1) for i in range(len(c.actions))])
        ex.offer(same, now)
        out = ex.output(now)
        if out is not None:
            rows = out.t0_ns // DT + np.arange(len(out.actions))
            np.testing.assert_allclose(out.actions[:, 0], np.sin(0.3 * rows + 0.1), atol=1e-12)
            assert out.t0_ns + DT > now


@pytest.mark.parametrize("scheduler", [Swap(), Rtc(0)])
def test_a_late_chunk_is_trimmed_by_absolute_time(scheduler):
    ex = executor(scheduler)
    assert ex.offer(chunk(9, [5] * 9), 9 * DT)
    assert ex.offer(chunk(10, range(10)), 13 * DT)
    out = ex.output(13 * DT)
    assert out.t0_ns == 13 * DT
    np.testing.assert_array_equal(out.actions[:, 0], range(3, 10))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_what_may_not_be_executed_is_not_taken(scheduler):
    ex = executor(scheduler)
    ex.begin(7)
    good, now = chunk(10, [1, 2], epoch=7), 10 * DT
    assert not ex.offer(chunk(10, [1, 2], epoch=6), now), "older epoch"
    assert not ex.offer(chunk(10, [1, 2], epoch=8), now), "epoch that has not begun"
    assert not ex.offer(good, now, expires_ns=11 * DT - 1), "of an expired plan"
    assert not ex.offer(chunk(10, [1, np.nan], epoch=7), now), "not finite"
    assert not ex.offer(chunk(10, [], epoch=7), now), "empty"
    assert not ex.offer(chunk(10, [1, 2], epoch=7, dt=DT // 2), now), "another dt"
    shifted = ActionChunk(0, 10 * DT + 1, DT, ("vx",), np.ones((2, 1)), 1, 7)
    assert not ex.offer(shifted, now + 1), "off the grid"
    assert not ex.offer(good, now - 1), "begins later"
    assert ex.output(now) is None
    assert ex.offer(good, now)
    other = ActionChunk(0, 10 * DT, DT, ("wz",), np.ones((2, 1)), 1, 7)
    assert not ex.offer(other, now), "other axes"
    assert not ex.offer(chunk(9, [1, 2, 3], epoch=7), now), "from an older look"
    assert not ex.offer(chunk(10, [3], epoch=7), now + DT), "wholly past"
    assert not ex.offer(chunk(13, [3], epoch=7), now + DT), "begins after what runs has ended"


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_new_epoch_forgets_what_was_running(scheduler):
    ex = executor(scheduler)
    ex.offer(chunk(0, [1] * 20), 0)
    ex.begin(2)
    assert ex.at(DT) is None
    assert ex.offer(chunk(1, [0.5], epoch=2), DT)
    assert ex.at(DT)[0] == 0.5
    assert ex.at(2 * DT) is None


def test_splice_leaves_no_gap():
    a, b = chunk(0, [0, 1, 2], plan_id=1), chunk(5, [5, 6], plan_id=2)
    joined = splice(a, b, 5 * DT)  # b begins too late
    assert joined.plan_id == 1
    np.testing.assert_array_equal(joined.actions[:, 0], [0, 1, 2])


def test_trim_of_a_future_chunk_changes_nothing():
    c = chunk(5, [1, 2])
    assert trim(c, 0) is c
    assert trim(c, 7 * DT) is None


def test_schedulers_by_name():
    assert scheduler(ExecutorParams("hold")) == Hold()
    assert scheduler(ExecutorParams("swap")) == Swap()
    assert scheduler(ExecutorParams("ensemble", ensemble_m=0.7)) == Ensemble(0.7)
    assert scheduler(ExecutorParams("rtc", overlap_rows=5)) == Rtc(5)
    assert scheduler(ExecutorParams("rtc", overlap_rows=5), takes_promised=True) == Rtc(0)
    assert scheduler(ExecutorParams("guard", guard_rows=6)) == Guard(6)


@given(st.integers(1, 10), st.integers(1, 8), st.floats(-1, 1))
def test_a_ramped_chunk_meets_every_row_at_its_end_and_never_jumps(parts, count, before):
    rows = np.cumsum(np.linspace(0.01, 0.04, count))[:, None] + before
    chunk = ActionChunk(0, 0, parts * MS, ("vx",), rows, 1, 1)
    fine = ramped(chunk, np.array([before]), parts)
    assert (fine.t0_ns, fine.end_ns) == (chunk.t0_ns, chunk.end_ns)
    assert np.allclose(fine.actions[parts - 1 :: parts], rows)
    steps = np.diff(np.concatenate([[before], fine.actions[:, 0]]))
    coarse = np.diff(np.concatenate([[before], rows[:, 0]]))
    assert np.allclose(steps, np.repeat(coarse / parts, parts))


def test_a_chunk_that_was_taken_over_from_does_not_come_back():
    ex = executor(Swap())
    assert ex.offer(ActionChunk(0, 0, DT, ("vx",), np.array([[1.0], [1.0], [1.0]]), 0, 1), 0)
    assert ex.offer(ActionChunk(0, 0, DT, ("vx",), np.array([[2.0]]), 1, 1), 0)
    assert ex.at(0) == 2.0
    assert ex.at(DT) is None
