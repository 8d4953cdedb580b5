"""What every scheduler keeps to, whatever the connection to the policy does."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheduler_world import DT, MOST_NS, SCHEDULERS, connections, marked, play

from saccade.types import ActionChunk
from vla_node.executor import Executor
from vla_node.schedulers.ensemble import Ensemble
from vla_node.schedulers.guard import Guard
from vla_node.schedulers.hold import Hold
from vla_node.schedulers.rtc import Rtc, soft_mask
from vla_node.schedulers.swap import Swap

LOOKS = 6
each = pytest.mark.parametrize("scheduler", SCHEDULERS, ids=repr)


def shares(action):
    """{k: (weight, index of the row)} of the answers that an executed action is made of."""
    return {k: (action[k], action[LOOKS + k] / action[k]) for k in range(LOOKS) if action[k] != 0.0}


def one(t0_row, rows, epoch=1, plan=1):
    return ActionChunk(t0_row * DT, t0_row * DT, DT, ("a",), np.asarray(rows, float).reshape(-1, 1), plan, epoch)


@each
@given(data=st.data())
@settings(max_examples=20)
def test_nothing_of_an_older_epoch_or_of_an_expired_plan_is_ever_executed(scheduler, data):
    events = data.draw(connections(marked, LOOKS))
    answers = {event.answer.k: event.answer for event in events if event.answer}
    for now, action, epoch, _ in play(Executor(scheduler, DT), events):
        for k in shares(action) if action is not None else ():
            assert answers[k].chunk.epoch == epoch
            assert now < answers[k].expires_ns


@each
@given(data=st.data())
@settings(max_examples=20)
def test_each_row_has_one_instant_its_own_or_if_the_robot_stood_that_of_action_0(scheduler, data):
    """Time-indexed: row i of a chunk only ever on [anchor + i dt, + dt), the anchor its t0, or, at a cold start, the
    row in which it came; whatever is executed adds up to exactly one action."""
    events = data.draw(connections(marked, LOOKS))
    anchors, stood, begun = {}, 0, 1
    for now, action, epoch, taken in play(Executor(scheduler, DT), events):
        arrivals = {answer.k: (answer.chunk.t0_ns, at) for answer, at in reversed(taken)}  # the first of doubles
        if epoch != begun:
            begun, stood = epoch, now
        if action is None:
            stood = now
            continue
        assert sum(w for w, _ in shares(action).values()) == pytest.approx(1.0)
        for k, (w, row) in shares(action).items():
            assert w > 0.0
            t0, at = arrivals[k]
            anchor = now // DT * DT - round(row) * DT
            assert row == pytest.approx(round(row))
            assert anchors.setdefault(k, anchor) == anchor
            if anchor != t0:
                assert anchor == at // DT * DT, "shifted, and not to its arrival"
                assert t0 <= stood + DT, "shifted although the robot had moved since the look"


@pytest.mark.parametrize("scheduler", [s for s in SCHEDULERS if not isinstance(s, Ensemble)], ids=repr)
@given(data=st.data())
@settings(max_examples=20)
def test_looks_never_go_back(scheduler, data):
    """Monotone: what has been taken over from does not come back. (An ensemble averages whoever has a prediction.)"""
    events = data.draw(connections(marked, LOOKS))
    newest, last_epoch = -1, 1
    for _, action, epoch, taken in play(Executor(scheduler, DT), events):
        assert all(a[0].k <= b[0].k for a, b in pairwise(taken) if a[0].chunk.epoch == b[0].chunk.epoch)
        if epoch != last_epoch:
            newest, last_epoch = -1, epoch
        if action is not None:
            assert max(shares(action)) >= newest
            newest = max(shares(action))


@each
@settings(max_examples=20)
@given(late=st.integers(0, MOST_NS), number=st.integers(1, 60), epoch=st.integers(1, 3))
def test_a_cold_start_begins_with_action_0_and_skips_nothing(scheduler, late, number, epoch):
    ex = Executor(scheduler, DT)
    for e in range(1, epoch + 1):
        ex.begin(e)
    now = 10 * DT + late
    assert ex.offer(one(10, range(1, number + 1), epoch), now)
    rows = [ex.at(t)[0] for t in range(now, now // DT * DT + number * DT, DT)]
    assert rows == list(range(1, number + 1))
    assert ex.at(now // DT * DT + number * DT) is None


@each
def test_after_standing_still_it_begins_with_action_0_again(scheduler):
    """A policy that takes longer than its chunk lasts gets the robot on its way time and again, and never mid-way."""
    ex = Executor(scheduler, DT)
    ex.begin(1)
    assert ex.offer(one(0, [1, 2, 3]), 5 * DT)
    assert not ex.offer(one(6, [9], plan=2), 7 * DT), "the robot was moving at the look, and it is past"
    assert ex.offer(one(20, [4, 5, 0, 0]), 27 * DT)
    assert [ex.at(t * DT)[0] for t in range(27, 31)] == [4, 5, 0, 0]


@each
@given(data=st.data())
@settings(max_examples=20)
def test_the_same_events_give_the_same_bytes(scheduler, data):
    events = data.draw(connections(lambda k, n, _: np.sin(np.arange(n * 2.0) + k).reshape(n, 2), LOOKS))
    runs = []
    for _ in range(2):
        out = [(now, action) for now, action, *_ in play(Executor(scheduler, DT), events)]
        runs.append([(now, None if action is None else action.tobytes()) for now, action in out])
    assert runs[0] == runs[1]


@settings(max_examples=30)
@given(st.lists(st.integers(0, 100), min_size=1, max_size=30), st.integers(1, 10))
def test_the_delay_is_the_most_of_the_last_few_and_is_forgotten(rows, delays):
    ex = Executor(Swap(), DT, delays=delays)
    ex.begin(1)
    assert ex.delay_rows == 0
    for i, late in enumerate(rows):
        ex.offer(one(200 * i, [0.0] * 150), (200 * i + late) * DT)
        assert ex.delay_rows == max(rows[max(0, i + 1 - delays) : i + 1])


def test_a_row_that_has_begun_counts_as_consumed():
    ex = Executor(Swap(), DT)
    ex.begin(1)
    ex.offer(one(0, [1.0] * 20), 2 * DT + 1)
    assert ex.delay_rows == 3


def test_an_answer_that_comes_too_late_to_be_executed_still_tells_the_delay():
    ex = Executor(Swap(), DT)
    ex.begin(1)
    assert ex.offer(one(0, [1.0] * 50), 0)
    assert not ex.offer(one(2, [2.0] * 5), 20 * DT)
    assert ex.delay_rows == 18


@given(
    st.sampled_from([s for s in SCHEDULERS if not isinstance(s, Ensemble)]), st.integers(0, 15), st.integers(0, 15 * DT)
)
def test_a_promise_is_kept(scheduler, delay, late):
    """The rows that a policy was told of are those that are executed, if it answers within the delay it was told."""
    ex = Executor(scheduler, DT)
    ex.begin(1)
    assert ex.offer(one(0, range(100, 160)), delay * DT)
    now = (delay + 2) * DT
    promise = ex.promise(now)
    assert promise.t0_ns == now
    assert promise.delay_rows == delay
    np.testing.assert_array_equal(promise.rows[:, 0], np.arange(102, 160))
    ex.offer(one(delay + 2, range(500, 560), plan=2), now + late)
    for i in range(-(-late // DT), delay):
        assert ex.at(now + i * DT) == promise.rows[i]


def test_a_look_between_two_rows_is_answered_on_the_nearest():
    ex = Executor(Swap(), DT)
    ex.begin(1)
    assert ex.promise(10 * DT - DT // 2).t0_ns == 10 * DT
    assert ex.promise(10 * DT + DT // 2 - 1).t0_ns == 10 * DT


def test_nothing_is_promised_where_nothing_runs():
    ex = Executor(Rtc(), DT)
    ex.begin(1)
    assert ex.promise(5 * DT).delay_rows == len(ex.promise(5 * DT).rows) == 0
    ex.offer(one(6, [1, 2]), 9 * DT)
    assert len(ex.promise(6 * DT).rows) == 0, "the look was before the first row"
    assert ex.promise(10 * DT).rows[:, 0].tolist() == [2]
    assert ex.promise(10 * DT).delay_rows == 1
    ex.begin(2)
    assert len(ex.promise(10 * DT).rows) == 0


@settings(max_examples=40)
@given(st.integers(0, 20), st.integers(2, 60), st.integers(0, 60))
def test_the_policy_is_asked_again_in_time(delay, horizon, least):
    """d <= s <= H - d: never before `least` rows unless what is left is used up while the answer is under way."""
    ex = Executor(Rtc(), DT)
    ex.begin(1)
    assert ex.due(0, least)
    ex.offer(one(0, [1.0] * (2 * horizon)), delay * DT)
    for s in range(delay, delay + 2 * horizon):
        left = delay + 2 * horizon - s
        assert ex.due(s * DT, least) == (s >= least or left <= delay)


@given(st.integers(1, 30))
def test_the_soft_mask_is_the_papers(n):
    """Black et al., equation 5, with d = 3 and H - s = 3 + n: between 1 for frozen rows and 0 for uncovered ones."""
    d, end = 3, 3 + n
    c = [(end - i) / (end - d + 1) for i in range(d, end)]
    np.testing.assert_allclose(soft_mask(n), [x * (np.e**x - 1) / (np.e - 1) for x in c])
    assert all(1 > a > b > 0 for a, b in pairwise([*soft_mask(n), 1e-9]))


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, DT - 1))
def test_real_time_chunking_freezes_then_blends_then_swaps(late, overlap, part):
    ex = Executor(Rtc(overlap), DT)
    ex.begin(1)
    ex.offer(one(0, [0.0] * 29 + [1e-12]), 0)
    now = (10 + late) * DT + part
    ex.offer(one(10, [1.0] * 30, plan=2), now)
    first = -(-now // DT)
    n = min(overlap, 30 - first)
    got = [ex.at(max(now, t * DT))[0] for t in range(now // DT, 40)]
    want = [0.0] * (first - now // DT) + list(1.0 - soft_mask(n)) + [1.0] * (40 - first - n)
    np.testing.assert_allclose(got, want, atol=1e-9)


@given(data=st.data())
@settings(max_examples=50)
def test_a_guard_once_begun_is_never_changed(data):
    """Rows change their mind only where a guard ends; guards are as long as answers take, and at least `rows`."""
    rows = data.draw(st.integers(1, 6))
    ex = Executor(Guard(rows), DT)
    ex.begin(1)
    ex.offer(one(0, [1.0] * 80), 0)
    end, now = rows, 0
    for k in range(2, 8):
        now += data.draw(st.integers(1, 8))
        if now >= 70:
            return
        before = ex.output(now * DT).actions[:, 0].copy()
        late = data.draw(st.integers(0, 4))
        delay = max(ex.delay_rows, late)
        if not ex.offer(one(now - late, [float(k)] * 80, plan=k), now * DT):
            continue
        while end < now:
            end += max(rows, delay)
        after = ex.output(now * DT).actions[:, 0]
        np.testing.assert_array_equal(after[: end - now], before[: end - now])
        assert (after[end - now :] == k).all()


def test_a_hold_runs_to_its_end():
    ex = Executor(Hold(), DT)
    ex.begin(1)
    ex.offer(one(0, [1.0] * 10), 0)
    ex.offer(one(4, [2.0] * 10, plan=2), 5 * DT)
    assert [ex.at(t * DT)[0] for t in range(5, 14)] == [1.0] * 5 + [2.0] * 4
