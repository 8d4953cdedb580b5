"""Which converter a policy gets on which robot, and what each robot is."""

import numpy as np
import pytest
from action_robots import DT, standing

from saccade.clock import MS
from saccade.errors import ConfigError
from vla_node.actions.choose import converter
from vla_node.embodiments import arm, diff_drive, uav
from vla_node.params import VlaParams
from vla_node.policies.base import ActionKind, PolicySpec

JOINTS = arm.ArmParams().axes


def spec(kind: ActionKind, *axes: str) -> PolicySpec:
    return PolicySpec("mine", kind, axes, 50 * MS, 8)


@pytest.mark.parametrize(
    ("embodiment", "policy", "axes"),
    [
        ("diff_drive", spec(ActionKind.VELOCITY, "vx", "wz"), ("vx", "wz")),
        ("diff_drive", spec(ActionKind.WAYPOINTS, "x", "y"), ("vx", "wz")),
        ("uav", spec(ActionKind.VELOCITY, "vx", "vz"), uav.AXES),
        ("uav", spec(ActionKind.WAYPOINTS, "x", "y", "z"), uav.AXES),
        ("arm", spec(ActionKind.JOINT_POSITION, *JOINTS), JOINTS),
        ("arm", spec(ActionKind.JOINT_VELOCITY, *JOINTS), JOINTS),
    ],
)
def test_rows_become_speeds_by_the_robots_axes(embodiment, policy, axes):
    convert = converter(policy, VlaParams(embodiment=embodiment))
    assert convert.limits.axes == axes
    rows = np.tile(0.1 * np.arange(1, policy.horizon + 1)[:, None], len(policy.axes))
    speeds = convert.speeds(rows, standing(convert.limits), DT)
    assert speeds.shape == (8, len(axes))
    assert np.isfinite(speeds).all()
    assert speeds.any()


def test_poses_of_a_tool_are_for_arms():
    pytest.importorskip("mink", reason="arms need mink (an extra, in requirements-dev.txt)")
    policy = spec(ActionKind.END_EFFECTOR, "x", "y", "z", "rx", "ry", "rz", "gripper")
    assert converter(policy, VlaParams(embodiment="arm")).limits.axes == JOINTS


@pytest.mark.parametrize(
    ("embodiment", "kind"),
    [
        ("diff_drive", ActionKind.JOINT_POSITION),
        ("diff_drive", ActionKind.END_EFFECTOR),
        ("uav", ActionKind.JOINT_VELOCITY),
        ("arm", ActionKind.VELOCITY),
        ("arm", ActionKind.WAYPOINTS),
    ],
)
def test_what_a_robot_cannot_execute_is_told_when_it_is_set_up(embodiment, kind):
    with pytest.raises(ConfigError, match=f"{kind.value}, which embodiment '{embodiment}' cannot execute"):
        converter(spec(kind, "x"), VlaParams(embodiment=embodiment))


def test_examples_have_the_axes_of_their_robots():
    mine = arm.ArmParams()
    for axes, example in (
        (diff_drive.AXES, diff_drive.DIFF_DRIVE.example), (uav.AXES, uav.UAV.example), (mine.axes, arm.example(mine)),
    ):  # fmt: skip
        assert example.axes == axes
        assert example.actions.shape == (2, len(axes))
        assert example.actions.any()


def test_a_uav_without_speed_is_told():
    with pytest.raises(ValueError, match=r"uav\.vz_m_s is 0"):
        uav.UavLimits(vz_m_s=0)
