"""The window of keyframes: how many it keeps, of which points, and how sure a chain of them is."""

from dataclasses import replace

import numpy as np
import pytest
from odometry_scenes import CAMERA, Room

from perception_node.odometry.view import View
from perception_node.odometry.visual import VisualOdometry
from perception_node.odometry.window import KEYFRAMES, Keyframe, Window, _chained
from saccade.geometry import SE3

GREY = np.zeros((CAMERA.height, CAMERA.width), np.uint8)


def test_it_keeps_the_last_five_keyframes_and_only_their_points():
    room, odometry, keyframes = Room(0), VisualOdometry(), 0
    for i in range(9):
        found = odometry.update(room.stereo(SE3.from_rpy(0.0, 0.14 * i, 0.0), i))
        keyframes += found.keyframe
    window = odometry._window
    assert keyframes > KEYFRAMES
    assert len(window.keyframes) == KEYFRAMES == 5
    seen = np.unique(np.concatenate([k.ids for k in window.keyframes]))
    assert np.array_equal(window._ids, seen)
    assert len(window._points) == len(seen)


def test_points_begin_where_the_disparity_is_a_pixel_at_least():
    corners = np.array([[50, 50], [60, 50], [70, 50], [80, 50]], np.float32)
    view = View(0, GREY, CAMERA, 30.0, lambda points: np.array([0.5, np.nan, 1.5, 30.0]))
    window = Window()
    assert window.anchor(view, SE3.identity(), corners) == 2
    assert window.points(window.newest.ids)[:, 2] == pytest.approx([20.0, 1.0])


def test_a_sighting_that_does_not_fit_is_left_out_of_what_it_becomes():
    rng = np.random.default_rng(0)
    corners = rng.uniform((20, 20), (300, 220), (60, 2)).astype(np.float32)
    disparity = rng.uniform(4.0, 20.0, 60)
    view, window = View(0, GREY, CAMERA, 30.0, lambda points: disparity), Window()
    window.anchor(view, SE3.identity(), corners)
    ids, moved = window.newest.ids, SE3(np.eye(3), np.array([0.05, 0.0, 0.1]))
    local = moved.inverse().apply(window.points(ids))
    seen = np.column_stack([CAMERA.project(local), 30.0 / local[:, 2]])
    seen[:4, 1] += 8.0
    joined = window.join(Keyframe(view, moved, np.zeros((6, 6)), ids, seen))
    assert not np.isin(ids[:4], joined.newest.ids).any()
    assert np.isin(ids[4:], joined.newest.ids).all()
    assert joined.newest.pose.t == pytest.approx(moved.t, abs=0.01)


def test_an_error_of_a_rotation_swings_what_is_chained_to_it():
    nothing = View(0, GREY, CAMERA, 30.0, lambda points: np.empty(0))
    sure = np.zeros((6, 6))
    sure[5, 5] = 0.01  # of the turn about z alone
    first = Keyframe(nothing, SE3.identity(), sure, np.empty(0, np.int64), np.empty((0, 3)))
    own = np.diag([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    chained = _chained(first, SE3(np.eye(3), np.array([2.0, 0.0, 0.0])), own)
    assert np.diag(chained) == pytest.approx([1.0, 2.04, 3.0, 4.0, 5.0, 6.01])
    assert chained[1, 5] == pytest.approx(0.02)
    still = replace(first, pose=SE3(np.eye(3), np.array([2.0, 0.0, 0.0])))
    assert np.diag(_chained(still, still.pose, own)) == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0, 6.01])
