"""From a camera's pose to the base's: axes, lever and segments."""

import numpy as np
import pytest

from perception_node.odometry.body import APART_M, Body
from perception_node.odometry.estimate import Estimate, Health, State
from saccade.clock import MS, SEC
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3
from saccade.tf import TransformError

T_BASE_FROM_CAM = SE3(R_BODY_FROM_OPTICAL, np.array([2.0, 0.0, 0.5]))


def estimate(i, T, segment=0, covariance=None, relative=None):
    nothing = np.zeros((6, 6))
    return Estimate(
        SEC + i * 100 * MS, State.TRACKING, segment, T, nothing if covariance is None else covariance,
        nothing if relative is None else relative, Health(),
    )  # fmt: skip


def body():
    made = Body("odom", "base_link")
    made.poses.tf.set_static("base_link", "cam", T_BASE_FROM_CAM)
    return made


def test_an_error_of_the_cameras_heading_swings_the_base_behind_it():
    """0.1 rad about the camera's downward axis: the base, two metres behind, errs sideways by 0.2 m."""
    made, unsure = body(), np.zeros((6, 6))
    unsure[4, 4] = 0.01
    assert made.tell(estimate(0, SE3.identity()), "cam") is None
    told = made.tell(estimate(1, SE3.identity(), covariance=unsure, relative=unsure), "cam")
    assert np.diag(told.pose_covariance) == pytest.approx([0.0, 0.04, 0.0, 0.0, 0.0, 0.01], abs=1e-12)
    assert told.pose_covariance[1, 5] == pytest.approx(-0.02)
    assert np.diag(told.twist_covariance) == pytest.approx([0.0, 4.0, 0.0, 0.0, 0.0, 1.0], abs=1e-9)


def test_forward_for_the_camera_is_forward_for_the_base():
    made = body()
    made.tell(estimate(0, SE3.identity()), "cam")
    told = made.tell(estimate(1, SE3(np.eye(3), np.array([0.0, 0.0, 0.3]))), "cam")
    assert told.state.T_odom_from_body.t == pytest.approx([0.3, 0.0, 0.0])
    assert told.state.twist == pytest.approx([3.0, 0.0, 0.0, 0.0, 0.0, 0.0])


def test_a_new_segment_begins_apart_with_the_last_heading_and_without_a_twist_across():
    made, turned = body(), SE3.from_rpy(0.0, 0.4, 0.0)  # to the right, by optical axes
    made.tell(estimate(0, SE3.identity()), "cam")
    last = made.tell(estimate(1, turned), "cam").state.T_odom_from_body
    assert made.tell(estimate(2, turned, segment=1), "cam") is None
    told = made.tell(estimate(3, turned, segment=1), "cam").state
    assert told.T_odom_from_body.t - last.t == pytest.approx([APART_M, 0.0, 0.0], abs=1e-9)
    assert told.T_odom_from_body.yaw == pytest.approx(last.yaw) == pytest.approx(-0.4)
    assert told.twist == pytest.approx(np.zeros(6), abs=1e-9)


def test_without_the_cameras_place_there_is_no_pose_and_later_there_is():
    made = Body("odom", "base_link")
    with pytest.raises(TransformError, match="expected its place on the robot"):
        made.tell(estimate(0, SE3.identity()), "cam")
    made.poses.tf.set_static("base_link", "cam", T_BASE_FROM_CAM)
    assert made.tell(estimate(1, SE3.identity()), "cam") is None
    assert made.tell(estimate(2, SE3.identity()), "cam").state.T_odom_from_body.t == pytest.approx(
        np.zeros(3), abs=1e-12
    )
