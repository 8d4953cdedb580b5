import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.clock import MS
from saccade.types import ActionChunk
from vla_node.executor import Ensemble, Executor, Hold, Swap, ramped, scheduler, splice, trim

DT = 50 * MS
SCHEDULERS = [Hold(), Swap(), Ensemble(0.3)]


def chunk(t0, values, epoch=1, plan_id=1, dt=DT, obs=0):
    actions = np.asarray(values, np.float64).reshape(-1, 1)
    return ActionChunk(obs, t0 * dt, dt, ("vx",), actions, plan_id, epoch)


def executor(scheduler):
    out = Executor(scheduler, DT)
    out.begin(1)
    return out


@st.composite
def deliveries(draw):
    """(arrival in ns, chunk) with arbitrary latency: chunk k predicts 100 k + absolute row."""
    out, tick = [], 0
    for k in range(draw(st.integers(1, 8))):
        tick += draw(st.integers(0, 5))
        length = draw(st.integers(1, 12))
        late = draw(st.integers(-3 * DT, 14 * DT))
        out.append((tick * DT + late, chunk(tick, [100 * k + tick + i for i in range(length)], plan_id=k)))
    return sorted(out, key=lambda item: item[0])


@given(deliveries(), st.sampled_from(SCHEDULERS))
@settings(max_examples=300)
def test_never_reads_past_an_end_nor_before_a_beginning(items, scheduler):
    ex = executor(scheduler)
    offered = []
    for now, c in items:
        offered.append(c)
        ex.offer(c, now)
        for t in range(now, now + 30 * DT, DT // 3):
            if ex.at(t) is not None:
                assert any(o.at(t) is not None for o in offered)


@given(deliveries(), st.sampled_from([Hold(), Swap()]))
@settings(max_examples=300)
def test_every_row_is_read_at_its_own_instant(items, scheduler):
    """Rows carry their absolute index: whatever arrives however late, none is shifted, skipped or repeated."""
    ex = executor(scheduler)
    for now, c in items:
        ex.offer(c, now)
        for t in range(now - now % DT + DT, now + 20 * DT, DT):
            action = ex.at(t)
            assert action is None or action[0] % 100 == t // DT


@given(deliveries())
def test_swap_lets_the_newest_rule_from_now_on(items):
    ex = executor(Swap())
    for now, c in items:
        if ex.offer(c, now):
            for t in range(max(now, c.t0_ns), c.end_ns, DT // 2):
                assert ex.at(t) == c.at(t)


@given(deliveries())
def test_swap_runs_on_until_a_future_chunk_begins(items):
    ex = executor(Swap())
    for now, c in items:
        before = {t: ex.at(t) for t in range(now, max(now, c.t0_ns), DT // 2)}
        if ex.offer(c, now):
            for t, action in before.items():
                assert ex.at(t) == action


@given(deliveries())
def test_hold_never_changes_what_is_running(items):
    ex = executor(Hold())
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
    ex = executor(Ensemble(m))
    taken = []
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
    for now, c in items:
        row = c.t0_ns // DT
        same = chunk(row, [np.sin(0.3 * (row + i)) for i in range(len(c.actions))])
        ex.offer(same, now)
        out = ex.output(now)
        if out is not None:
            rows = out.t0_ns // DT + np.arange(len(out.actions))
            np.testing.assert_allclose(out.actions[:, 0], np.sin(0.3 * rows), atol=1e-12)
            assert out.t0_ns + DT > now


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_late_chunk_is_trimmed_by_absolute_time(scheduler):
    ex = executor(scheduler)
    assert ex.offer(chunk(10, range(10)), 13 * DT + 7)
    out = ex.output(13 * DT + 7)
    assert out.t0_ns == 13 * DT
    np.testing.assert_array_equal(out.actions[:, 0], range(3, 10))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_what_may_not_be_executed_is_not_taken(scheduler):
    ex = executor(scheduler)
    ex.begin(7)
    good = chunk(10, [1, 2], epoch=7)
    assert not ex.offer(chunk(10, [1, 2], epoch=6), 0), "older epoch"
    assert not ex.offer(chunk(10, [1, 2], epoch=8), 0), "epoch that has not begun"
    assert not ex.offer(good, 12 * DT), "wholly past"
    assert not ex.offer(chunk(10, [1, np.nan], epoch=7), 0), "not finite"
    assert not ex.offer(chunk(10, [], epoch=7), 0), "empty"
    assert not ex.offer(chunk(10, [1, 2], epoch=7, dt=DT // 2), 0), "another dt"
    shifted = ActionChunk(0, 10 * DT + 1, DT, ("vx",), np.ones((2, 1)), 1, 7)
    assert not ex.offer(shifted, 0), "off the grid"
    assert ex.output(0) is None
    assert ex.offer(good, 0)
    other = ActionChunk(0, 10 * DT, DT, ("wz",), np.ones((2, 1)), 1, 7)
    assert not ex.offer(other, 0), "other axes"


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
    joined = splice(a, b, 5 * DT)
    assert joined.plan_id == 1
    np.testing.assert_array_equal(joined.actions[:, 0], [0, 1, 2])


def test_trim_of_a_future_chunk_changes_nothing():
    c = chunk(5, [1, 2])
    assert trim(c, 0) is c
    assert trim(c, 7 * DT) is None


def test_schedulers_by_name():
    assert scheduler("hold", 0.1) == Hold()
    assert scheduler("swap", 0.1) == Swap()
    assert scheduler("ensemble", 0.7) == Ensemble(0.7)


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
