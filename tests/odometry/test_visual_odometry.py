"""Visual odometry in a rendered room with the truth known, and what it says of pictures that tell nothing."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from odometry_scenes import CAMERA, FRAME_NS, Room, off, walk

from perception_node.odometry.estimate import State
from perception_node.odometry.view import stereo_view
from perception_node.odometry.visual import Plausible, VisualOdometry
from saccade.clock import MS, SEC
from saccade.errors import DataError
from saccade.geometry import SE3

POSES = walk(16)
PATH_M = sum(float(np.linalg.norm(b.t - a.t)) for a, b in pairwise(POSES))


@pytest.fixture(scope="module")
def pairs():
    """The walk's stereo pairs, rendered once."""
    room = Room(0)
    return [room.pair(T, SEC + i * FRAME_NS) for i, T in enumerate(POSES)]


def fed(pairs, odometry=None):
    odometry = odometry or VisualOdometry()
    return [odometry.update(stereo_view(pair)) for pair in pairs]


@pytest.fixture(scope="module")
def estimates(pairs):
    return fed(pairs)


def at(pair, i):
    """The same pictures at another instant."""
    return replace(pair, stamp_ns=SEC + i * FRAME_NS)


def test_a_walk_is_followed_within_one_percent(estimates):
    assert [e.state for e in estimates] == [State.ANCHORED] + [State.TRACKING] * 15
    assert {e.segment for e in estimates} == {0}
    for estimate, T in zip(estimates, POSES, strict=True):
        metres, radians = off(estimate, T)
        assert metres < 0.01 * PATH_M
        assert radians < 0.005
    assert min(e.health.score for e in estimates) > 0.9


def test_the_covariance_covers_the_error_and_grows(estimates):
    e = estimates[-1].T_start_from_camera.t - POSES[-1].t
    variance = np.diag(estimates[-1].covariance)[:3]
    assert (np.abs(e) < 4 * np.sqrt(variance)).all()
    assert np.sqrt(variance.sum()) < 0.05
    assert np.trace(estimates[1].covariance) < np.trace(estimates[-1].covariance)
    assert not estimates[0].covariance.any()


def test_two_runs_are_the_same_to_the_bit(pairs, estimates):
    for one, other in zip(estimates[:8], fed(pairs[:8]), strict=True):
        assert one.T_start_from_camera.t.tobytes() == other.T_start_from_camera.t.tobytes()
        assert one.covariance.tobytes() == other.covariance.tobytes()


@pytest.mark.slow
def test_depth_and_colour_do_as_well():
    room, odometry = Room(1), VisualOdometry()
    found = [odometry.update(room.rgbd(T, i)) for i, T in enumerate(POSES)]
    assert off(found[-1], POSES[-1])[0] < 0.015 * PATH_M
    assert all(e.state is State.TRACKING for e in found[1:])


def test_where_it_starts_is_where_it_is_told_to(pairs, estimates):
    start = SE3.from_rpy(0.3, -0.2, 1.0, (5.0, -3.0, 1.0))
    found = fed(pairs[:4], VisualOdometry(start))[-1]
    expected = start @ estimates[3].T_start_from_camera
    assert found.T_start_from_camera.t == pytest.approx(expected.t, abs=1e-5)


@pytest.mark.slow
def test_a_camera_that_stands_stands_exactly():
    room, odometry = Room(2), VisualOdometry()
    for i, T in enumerate(POSES[:4]):
        before = odometry.update(room.stereo(T, i))
    held = [odometry.update(room.stereo(POSES[3], i)) for i in range(4, 12)]
    assert all(e.state is State.STANDING for e in held)
    assert all(np.array_equal(e.T_start_from_camera.t, before.T_start_from_camera.t) for e in held)
    onward = odometry.update(room.stereo(POSES[4], 12))
    assert onward.state is State.TRACKING
    assert off(onward, POSES[4])[0] < 0.01


def test_standing_for_longer_than_a_second_begins_nothing_anew():
    room, odometry = Room(0), VisualOdometry()
    moving = [odometry.update(room.stereo(T, i)) for i, T in enumerate(POSES[:3])]
    held = [odometry.update(room.stereo(POSES[2], i)) for i in (3, 7, 11, 15)]
    assert [e.state for e in held] == [State.STANDING] * 4
    assert {e.segment for e in held} == {0}
    assert all(np.array_equal(e.T_start_from_camera.t, moving[-1].T_start_from_camera.t) for e in held)


def test_a_turn_that_grows_faster_is_expected_and_keyframes_keep_up_with_it():
    """Steps of up to half of what could be followed unawares; none strays further than keyframes are kept for."""
    room, odometry, steps = Room(0), VisualOdometry(), [0.0, 0.05, 0.05, 0.06, 0.07, 0.13, 0.2, 0.27]
    turns = [SE3.from_rpy(0.0, angle, 0.0) for angle in np.cumsum(steps)]
    found = [odometry.update(room.stereo(T, i)) for i, T in enumerate(turns)]
    assert [e.state for e in found[1:]] == [State.TRACKING] * 7
    assert off(found[-1], turns[-1])[1] < 0.005
    for estimate, step in zip(found, steps, strict=True):
        assert estimate.health.parallax_px < 0.1 * CAMERA.width + step * CAMERA.fx * 1.2 + 1


def test_a_centimetre_is_no_standing_though_what_is_far_does_not_move():
    room, odometry, step = Room(0), VisualOdometry(), SE3(np.eye(3), np.array([0.01, 0.0, 0.0]))
    odometry.update(room.stereo(SE3.identity(), 0))
    found = odometry.update(room.stereo(step, 1))
    assert found.state is State.TRACKING
    assert off(found, step)[0] < 0.003


@pytest.mark.parametrize("kind", ["blank", "noise", "frozen", "another place"])
def test_a_bad_picture_is_lost_and_the_next_good_one_is_found(pairs, kind):
    odometry = VisualOdometry()
    last = fed(pairs[:3], odometry)[-1]
    good, noise = pairs[3], np.random.default_rng(0).integers(0, 256, (2, CAMERA.height, CAMERA.width), np.uint8)
    bad = {
        "blank": replace(good, left=np.full_like(good.left, 80), right=np.full_like(good.right, 80)),
        "noise": replace(good, left=noise[0], right=noise[1]),
        "frozen": at(pairs[2], 3),
        "another place": Room(7).pair(POSES[3], good.stamp_ns),
    }[kind]
    lost = odometry.update(stereo_view(bad))
    assert lost.state is State.LOST
    assert lost.T_start_from_camera is None
    assert np.isnan(lost.covariance).all()
    assert lost.reason
    assert lost.health.score == 0
    again = odometry.update(stereo_view(pairs[4]))
    assert (again.state, again.segment) == (State.TRACKING, last.segment)
    assert off(again, POSES[4])[0] < 0.01


@pytest.mark.parametrize("sigma", [2.0, 5.0, 12.0])
def test_a_blurred_picture_is_lost_or_right(pairs, sigma):
    odometry = VisualOdometry()
    fed(pairs[:3], odometry)
    blurred = {side: cv2.GaussianBlur(getattr(pairs[3], side), (0, 0), sigma) for side in ("left", "right")}
    found = odometry.update(stereo_view(replace(pairs[3], **blurred)))
    assert found.state is State.LOST or off(found, POSES[3])[0] < 0.03


def test_swapped_pictures_never_give_a_pose(pairs):
    """Not even where the left one was followed before: it would be seen from a baseline away."""
    odometry = VisualOdometry()
    fed(pairs[:2], odometry)
    (swapped,) = fed([replace(pairs[2], left=pairs[2].right, right=pairs[2].left)], odometry)
    assert swapped.state is State.LOST
    assert "have a disparity" in swapped.reason
    assert fed(pairs[3:4], odometry)[0].state is State.TRACKING
    for found in fed([replace(pair, left=pair.right, right=pair.left) for pair in pairs[:4]]):
        assert found.state is State.LOST
        assert "left and right are not a rectified pair" in found.reason


@pytest.mark.slow
def test_a_cut_begins_a_new_segment_where_the_last_pose_was(pairs):
    odometry, other = VisualOdometry(), Room(7)
    last = fed(pairs[:4], odometry)[-1]
    after = [odometry.update(stereo_view(other.pair(POSES[i], SEC + i * FRAME_NS))) for i in range(4, 11)]
    assert [e.state for e in after] == [State.LOST] * 5 + [State.ANCHORED, State.TRACKING]
    assert [e.segment for e in after[5:]] == [1, 1]
    assert after[5].T_start_from_camera is last.T_start_from_camera


def test_a_second_without_pictures_begins_a_new_segment(pairs):
    odometry = VisualOdometry()
    fed(pairs[:3], odometry)
    found = odometry.update(stereo_view(at(pairs[3], 20)))
    assert (found.state, found.segment) == (State.ANCHORED, 1)


def test_time_that_goes_back(pairs):
    odometry = VisualOdometry()
    fed([at(pair, 50 + i) for i, pair in enumerate(pairs[:3])], odometry)
    late = odometry.update(stereo_view(at(pairs[3], 51)))
    assert (late.state, late.segment) == (State.LOST, 0)
    assert "stamp" in late.reason
    assert odometry.update(stereo_view(at(pairs[3], 53))).state is State.TRACKING
    restarted = odometry.update(stereo_view(at(pairs[4], 0)))
    assert (restarted.state, restarted.segment) == (State.ANCHORED, 1)


def test_a_motion_that_cannot_be_is_no_pose(pairs):
    slow = VisualOdometry(plausible=Plausible(speed_m_s=0.3))
    found = fed(pairs[:2], slow)[-1]
    assert found.state is State.LOST
    assert "not plausible" in found.reason


@pytest.mark.parametrize(("rate", "state"), [(0.0, State.TRACKING), (1.5, State.LOST)])
def test_the_gyroscope_has_a_veto(pairs, rate, state):
    odometry = VisualOdometry()
    for stamp_ns in range(SEC - 20 * MS, SEC + 3 * FRAME_NS, 5 * MS):
        odometry.put_gyro(stamp_ns, np.array([0.0, rate, 0.0]))
    found = fed(pairs[:3], odometry)[-1]
    assert found.state is state
    assert rate == 0 or "gyroscope" in found.reason


def test_a_gyroscope_that_is_off_is_believed_again_after_standing():
    room, odometry = Room(0), VisualOdometry()
    for stamp_ns in range(SEC - 20 * MS, SEC + 5 * FRAME_NS, 5 * MS):
        odometry.put_gyro(stamp_ns, np.array([0.0, 1.0, 0.0]))
    for i in range(3):
        odometry.update(room.stereo(SE3.identity(), i))
    onward = odometry.update(room.stereo(SE3(np.eye(3), np.array([0.0, 0.0, 0.1])), 3))
    assert onward.state is State.TRACKING


def test_the_gyroscope_finds_a_turn_that_is_too_fast_to_follow():
    """A jerk of a third of the view: with the gyroscope's turn the points are looked for where they are."""
    turn, room = SE3.from_rpy(0.0, 0.3, 0.0), Room(3)
    odometry = VisualOdometry()
    for stamp_ns in range(SEC, SEC + FRAME_NS + 5 * MS, 5 * MS):
        odometry.put_gyro(stamp_ns, np.array([0.0, 3.0, 0.0]))
    odometry.update(room.stereo(SE3.identity(), 0))
    found = odometry.update(room.stereo(turn, 1))
    assert found.state is State.TRACKING
    assert off(found, turn)[0] < 0.02


def test_another_size_begins_anew_and_a_wrong_one_is_named(pairs):
    with pytest.raises(DataError, match="expected one size"):
        stereo_view(replace(pairs[0], right=pairs[0].right[:-2]))
    with pytest.raises(DataError, match="calibration"):
        stereo_view(replace(pairs[0], camera=CAMERA.scaled(640, 480)))
    odometry = VisualOdometry()
    fed(pairs[:2], odometry)
    half = {
        side: cv2.resize(getattr(pairs[2], side), (160, 120), interpolation=cv2.INTER_AREA)
        for side in ("left", "right")
    }
    lens = CAMERA.scaled(160, 120)
    found = odometry.update(stereo_view(replace(pairs[2], **half, camera=lens, cx_right=lens.cx)))
    assert (found.state, found.segment) == (State.ANCHORED, 1)
