import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from saccade.geometry import SE3
from saccade.node import Sample
from vla_node.history import APART_M, APART_RAD, History


def walk(history, path):
    """Offer a picture at each (x, yaw); the numbers of those that were kept at their time."""
    kept = []
    for k, (x, yaw) in enumerate(path):
        if history.offer(k, Sample("left/image_rect", k, b"%d" % k), SE3.from_rpy(0, 0, yaw, (x, 0, 0))):
            kept.append(k)
    return kept


def stamps(history):
    return [kept.stamp_ns for kept in history.before(10**9)]


def test_a_keyframe_is_worth_moving_or_turning_for():
    step, turn = 1.01 * APART_M, 1.01 * APART_RAD
    path = [(0, 0), (0.9 * APART_M, 0), (step, 0), (step, 0.9 * turn), (step, turn), (step, turn)]
    assert walk(History(9), path) == [0, 2, 4]


def test_turning_past_half_a_turn_is_no_leap():
    assert walk(History(9), [(0, math.pi - 0.05), (0, -math.pi + 0.05)]) == [0]


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-3, 3)), min_size=1, max_size=40), st.integers(2, 6))
def test_memory_is_bounded_and_keeps_both_ends_in_order(path, most):
    history = History(most)
    kept = walk(history, path)
    have = stamps(history)
    assert len(have) <= most
    assert have == sorted(set(have))
    assert have[0] == kept[0]
    assert have[-1] == kept[-1]


def test_a_long_straight_way_stays_covered():
    history = History(5)
    walk(history, [(0.5 * k, 0) for k in range(41)])
    xs = [kept.T_odom_from_body.t[0] for kept in history.before(10**9)]
    assert (xs[0], xs[-1]) == (0, 20)
    assert max(b - a for a, b in pairwise(xs)) <= 10


def test_what_is_come_back_to_is_kept_once():
    history = History(9)
    walk(history, [(k % 4, 0) for k in range(20)])
    assert stamps(history) == [0, 1, 2, 3, 19]


def test_only_what_was_before_and_nothing_of_an_older_instruction():
    history = History(5)
    walk(history, [(float(k), 0) for k in range(4)])
    assert [kept.stamp_ns for kept in history.before(2)] == [0, 1]
    history.clear()
    assert stamps(history) == []


def test_none_are_kept_where_none_are_wanted():
    assert walk(History(0), [(0, 0), (9, 0)]) == []


def test_one_is_the_newest():
    history = History(1)
    walk(history, [(0, 0), (9, 0), (18, 0)])
    assert stamps(history) == [2]
