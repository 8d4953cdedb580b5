"""Anchors against farthest-point sampling over all views, which sees them all at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.errors import ConfigError
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3
from saccade.keyframes import Keyframes


def view(x, y=0.0, yaw=0.0):
    return SE3.from_rpy(0, 0, yaw, (x, y, 0)) @ SE3(R_BODY_FROM_OPTICAL, np.zeros(3))


def offered(views, budget):
    frames = Keyframes(budget)
    for n, T in enumerate(views):
        frames.put(n, T, lambda n=n: n)
    return frames


def farthest_points(apart, count):
    chosen, left = [0], apart[0].copy()
    while len(chosen) < count and left.max() > 0:
        chosen.append(int(left.argmax()))
        left = np.minimum(left, apart[chosen[-1]])
    return chosen


STEP = st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-0.8, 0.8))


@settings(max_examples=40)
@given(st.lists(STEP, min_size=2, max_size=60), st.integers(2, 8), st.booleans(), st.randoms(use_true_random=False))
def test_every_view_is_nearly_as_near_to_an_anchor_as_if_all_had_been_known(steps, budget, on_the_way, random):
    views = [view(*at) for at in np.cumsum(steps, axis=0)]
    if not on_the_way:
        random.shuffle(views)
    frames = offered(views, budget)
    anchors = frames.anchors()
    assert len(anchors) <= budget
    assert anchors[0].stamp_ns == 0
    assert sum(anchor.views for anchor in anchors) == len(views)
    apart = np.array([[frames.apart(a, b) for b in views] for a in views])
    ours = apart[:, [anchor.payload for anchor in anchors]].min(axis=1).max()
    theirs = apart[:, farthest_points(apart, budget)].min(axis=1).max()
    assert ours <= 2 * max(theirs, 1) + 1e-9  # what is less than 1 apart is taken for the same
    assert frames.radius() <= ours + 1e-9 <= max(frames.radius(), 1) + 1 + 1e-6


def test_views_that_all_fit_are_all_kept_and_doubles_are_counted():
    frames = offered([view(0), view(1), view(1), view(1.1), view(2), view(2, yaw=1), view(0)], 4)
    assert [(a.payload, a.views) for a in frames.anchors()] == [(0, 2), (1, 3), (4, 1), (5, 1)]


def test_a_turn_is_as_good_as_a_way():
    assert not Keyframes(2).apart(view(0), view(0, yaw=0.39)) >= 1
    assert Keyframes(2).apart(view(0), view(0, yaw=0.41)) >= 1
    assert Keyframes(2).apart(view(0), view(0, yaw=np.pi)) == pytest.approx(np.pi / 0.4)


def test_a_payload_is_only_made_for_what_is_kept():
    made = []
    frames = Keyframes(1)
    assert frames.put(0, view(0), lambda: made.append(0))
    assert not frames.put(1, view(9), lambda: made.append(1))
    assert made == [0]


def test_memory_is_bounded_on_a_long_way():
    frames = offered([view(0.5 * n, np.sin(n)) for n in range(500)], 4)
    xs = [anchor.T_odom_from_cam.t[0] for anchor in frames.anchors()]
    assert len(frames._places) <= 32 * 4
    assert max(np.diff([*xs, 250.0])) <= 167  # four anchors at best leave a third, twice that is allowed


def test_two_runs_choose_alike_and_forgetting_is_a_fresh_start():
    rng = np.random.default_rng(3)
    views = [view(*at) for at in rng.uniform(-5, 5, (80, 3))]
    frames = offered(views, 6)
    first = [anchor.payload for anchor in frames.anchors()]
    frames.clear()
    assert frames.anchors() == ()
    assert frames.radius() == 0
    for n, T in enumerate(views):
        frames.put(n, T, lambda n=n: n)
    assert [anchor.payload for anchor in frames.anchors()] == first


def test_what_is_no_pose_is_refused():
    frames = Keyframes(3)
    for bad in (SE3(np.eye(3), np.array([0, np.nan, 0])), SE3(np.full((3, 3), np.inf), np.zeros(3))):
        with pytest.raises(ValueError, match="not finite"):
            frames.put(0, bad, lambda: None)
    assert frames.anchors() == ()
    with pytest.raises(ConfigError, match="expected all positive"):
        Keyframes(0)
