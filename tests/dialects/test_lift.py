"""Pixels lifted through depth: places in the odometry frame, and every way in which there is none."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from dialect_world import CAMERA, FACE_M, HEIGHT_M, POSE, T_BODY_FROM_CAM, depth_image, look
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.geometry import SE3
from saccade.types import Image
from vla_node.lift import FAR_M, LiftError, goal_at, spot_at


def with_depth(depth_m, pose=POSE):
    return look(pose, depth_m=depth_m.astype(np.float32))


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 156), st.integers(80, 115), st.floats(-3.1, 3.1), st.floats(-5, 5))
def test_a_floor_pixel_is_its_own_place_in_odom_from_any_pose(u, v, yaw, x):
    pose = SE3.from_rpy(0, 0, yaw, (x, 1.0, 0.3))
    depth_m = HEIGHT_M * CAMERA.fy / (v - CAMERA.cy)
    true = (pose @ T_BODY_FROM_CAM).apply(CAMERA.unproject(np.array([u, v]), np.float64(depth_m)))
    goal = goal_at(look(pose), u, v, 0.6)
    assert goal.spot.on_floor
    np.testing.assert_allclose(goal.spot.point, true, atol=0.02 * depth_m)
    np.testing.assert_allclose(goal.point[:2], goal.spot.point[:2], atol=1e-9)
    assert goal.point[2] == pytest.approx(0.3)
    assert goal.yaw == pytest.approx(math.atan2(true[1] - 1.0, true[0] - x), abs=0.05)


@given(st.integers(64, 95), st.integers(34, 70), st.floats(0.0, 3.0))
def test_a_thing_is_stood_before_and_faced(u, v, standoff_m):
    goal = goal_at(look(), u, v, standoff_m)
    assert not goal.spot.on_floor
    assert goal.spot.depth_m == pytest.approx(FACE_M, abs=1e-3)
    body = POSE.inverse()
    spot, stand = body.apply(goal.spot.point), body.apply(goal.point)
    assert spot[0] == pytest.approx(2.0, abs=1e-3)
    assert np.hypot(*(spot - stand)[:2]) == pytest.approx(min(standoff_m, np.hypot(*spot[:2])), rel=0.02) or (
        standoff_m > np.hypot(*spot[:2]) and np.allclose(stand, 0.0, atol=1e-9)
    )
    assert abs(stand[0] * spot[1] - stand[1] * spot[0]) < 1e-6  # on the straight way there


def test_a_goal_nearer_than_the_stand_off_is_where_the_robot_is():
    goal = goal_at(look(), 70, 50, 5.0)
    np.testing.assert_allclose(goal.point, POSE.t, atol=1e-9)


def test_noise_and_a_few_wild_values_do_not_move_it():
    rng = np.random.default_rng(3)
    depth = depth_image()
    depth[30:78, 60:100] *= 1 + 0.01 * rng.standard_normal((48, 40))
    depth[51, 81], depth[49, 79] = 0.3, np.nan
    assert spot_at(with_depth(depth), 80, 50).depth_m == pytest.approx(FACE_M, rel=0.02)


def test_the_one_wild_value_may_be_the_pixel_itself():
    depth = depth_image()
    depth[50, 80] = 0.4
    assert spot_at(with_depth(depth), 80, 50).depth_m == pytest.approx(FACE_M, rel=0.02)
    depth[50, 80] = np.nan
    assert spot_at(with_depth(depth), 80, 50).depth_m == pytest.approx(FACE_M, rel=1e-3)


@pytest.mark.parametrize("u", [59, 60, 99.4, 100])
def test_an_edge_between_two_surfaces_is_no_place(u):
    depth = depth_image()
    depth[:, :60] = depth[:, 100:] = 4.0
    with pytest.raises(LiftError, match=r"pixel \(\d+, 75\) is on an edge: surfaces from"):
        spot_at(with_depth(depth), u, 75)


@pytest.mark.parametrize(("u", "v"), [(80, 10), (10, 20)])
def test_a_hole_is_no_place(u, v):
    with pytest.raises(LiftError, match="only 0% of the pixels around it have a depth"):
        spot_at(look(), u, v)


@pytest.mark.parametrize(
    ("u", "v"), [(-1, 50), (160, 50), (80, -1), (80, 120), (math.nan, 50), (80, math.inf), (1e12, 3)]
)
def test_outside_the_picture_is_no_place(u, v):
    with pytest.raises(LiftError, match="is outside the picture of 160x120"):
        spot_at(look(), u, v)


def test_the_corners_of_the_picture_are_inside():
    depth = np.full((CAMERA.height, CAMERA.width), 0.9)
    for u, v in ((0, 0), (159, 0), (-0.5, 0)):
        assert spot_at(with_depth(depth), u, v).depth_m == pytest.approx(0.9)


def test_a_picture_of_another_size_than_its_depth_is_refused():
    image = Image(0, "left_optical", np.zeros((240, 320, 3), np.uint8))
    with pytest.raises(LiftError, match="the picture is 320x240 and its depth 160x120"):
        spot_at(look(image=image), 80, 50)


@pytest.mark.parametrize("missing", ["image", "depth_m", "camera", "T_odom_from_cam"])
def test_without_depth_there_is_no_place(missing):
    with pytest.raises(LiftError, match="has no depth: the lens is covered"):
        spot_at(look(blind="the lens is covered", **{missing: None}), 80, 50)


def test_too_far_is_no_place():
    with pytest.raises(LiftError, match=r"is 15.5 m away; at most 15 m"):
        spot_at(with_depth(np.full((CAMERA.height, CAMERA.width), FAR_M + 0.5)), 80, 50)


def test_below_the_floor_is_no_place():
    depth = depth_image()
    depth[90:] *= 1.6  # the way down of a staircase
    with pytest.raises(LiftError, match="below the floor"):
        spot_at(with_depth(depth), 80, 110)


def test_a_slanted_wall_is_one_surface():
    columns = np.arange(CAMERA.width)
    wall = 2.0 / (1.0 + 0.8 * (columns - CAMERA.cx) / CAMERA.fx)  # a plane has an affine inverse depth
    depth = np.repeat(wall[None, :], CAMERA.height, axis=0)
    assert spot_at(with_depth(depth), 40, 30).depth_m == pytest.approx(wall[40], rel=1e-4)


def test_zero_and_negative_depths_are_unknown():
    depth = np.full((CAMERA.height, CAMERA.width), 2.0)
    depth[:, ::2] = 0.0
    depth[::2] = -1.0
    with pytest.raises(LiftError, match="have a depth"):
        spot_at(with_depth(depth), 80, 50)


def test_the_stand_off_does_not_depend_on_where_the_robot_is_now():
    """The goal follows from the pose of the picture alone."""
    observation = look()
    turned = replace(observation, held_ns=10**9)
    np.testing.assert_array_equal(goal_at(observation, 80, 50, 0.6).point, goal_at(turned, 80, 50, 0.6).point)
