"""Velocities and waypoints of bases and UAVs."""

import numpy as np
import pytest
from action_robots import DT, UAV, finite_rows, place, shares, standing, within_limits
from hypothesis import assume, example, given, settings

from saccade.errors import ConfigError
from vla_node.actions.velocity import Velocity
from vla_node.actions.waypoints import DriveWaypoints, FlyWaypoints
from vla_node.embodiments.base import BaseLimits, twist_limits
from vla_node.embodiments.diff_drive import DIFF_DRIVE
from vla_node.policies.base import PolicyError
from vla_node.rollout import Style

BASE = BaseLimits()
DRIVE = twist_limits(DIFF_DRIVE.axes, (BASE.v_m_s, BASE.w_rad_s), (BASE.a_m_s2, BASE.aw_rad_s2))
STYLE = Style(cruise_m_s=0.6, turn_rad_s=1.0, reached_m=0.08, reached_rad=0.06, lookahead_m=0.3, lookahead_s=0.5)


def drive(axes=("x", "y")):
    return DriveWaypoints(axes, DIFF_DRIVE, BASE, STYLE)


@given(rows=finite_rows(4), speed=shares(4))
def test_velocities_keep_to_the_limits(rows, speed):
    start = standing(UAV, speeds=speed * UAV.speed)
    within_limits(Velocity(UAV.axes, UAV).speeds(rows, start, DT), start, UAV)


def test_velocities_go_by_name_and_what_is_not_spoken_of_stands_still():
    start = standing(UAV)
    speeds = Velocity(("wz", "vx"), UAV).speeds(np.tile([0.1, 0.5], (40, 1)), start, DT)
    np.testing.assert_allclose(speeds[-1], [0.5, 0.0, 0.0, 0.1])
    fast = Velocity(("vx", "vy"), UAV).speeds(np.tile([4.0, 2.0], (60, 1)), start, DT)
    np.testing.assert_allclose(fast[-1], [2.0, 1.0, 0.0, 0.0])  # one ratio for all: the direction stays
    with pytest.raises(ConfigError, match=r"axis 'vy' that the robot lacks.*Valid: vx, wz"):
        Velocity(("vx", "vy"), DRIVE)


@pytest.mark.parametrize(
    "convert",
    [Velocity(("vx", "wz"), DRIVE), drive(), FlyWaypoints(("x", "y"), UAV)],
    ids=lambda convert: type(convert).__name__,
)
def test_rows_that_are_none_are_refused(convert):
    start = standing(convert.limits)
    with pytest.raises(PolicyError, match=r"action 0 has \w+ = inf"):
        convert.speeds(np.array([[0.1, np.inf]]), start, DT)
    for rows in (np.zeros((2, 3)), np.zeros((0, 2)), np.zeros(2)):
        with pytest.raises(PolicyError, match="expected rows of 2"):
            convert.speeds(rows, start, DT)


@settings(max_examples=40)
@given(rows=finite_rows(3, 1000.0), speed=shares(2), pose=shares(3))
def test_a_base_follows_any_waypoints_within_limits(rows, speed, pose):
    start = standing(DRIVE, speeds=speed * DRIVE.speed, T_look_from_body=place(*pose))
    within_limits(drive(("x", "y", "yaw")).speeds(rows, start, DT), start, DRIVE)


@settings(max_examples=40)
@given(rows=finite_rows(4, 1000.0), speed=shares(4), pose=shares(3))
def test_a_uav_flies_any_waypoints_within_limits(rows, speed, pose):
    start = standing(UAV, speeds=speed * UAV.speed, T_look_from_body=place(*pose))
    within_limits(FlyWaypoints(("x", "y", "z", "yaw"), UAV).speeds(rows, start, DT), start, UAV)


@settings(max_examples=20)
@given(rows=finite_rows(2))
def test_waypoints_beyond_a_kilometre_are_refused(rows):
    assume(np.abs(rows).max() > 1000.0)
    for convert in (drive(), FlyWaypoints(("x", "y"), UAV)):
        with pytest.raises(PolicyError, match="at most 1000"):
            convert.speeds(rows, standing(convert.limits), DT)


def driven(speeds, pose=(0.0, 0.0, 0.0)):
    x, y, yaw = pose
    for v, w in speeds:
        x, y, yaw = x + v * DT * np.cos(yaw + w * DT / 2), y + v * DT * np.sin(yaw + w * DT / 2), yaw + w * DT
    return np.array([x, y, yaw])


@settings(max_examples=12)
@given(way=shares(2), pose=shares(3))
def test_a_base_comes_to_the_last_waypoint_and_stands(way, pose):
    """The pursuit plans again and again in a robot; here one long answer must lead all the way."""
    end = np.array([1.5, 0.0]) + way
    begin = 0.1 * pose
    rows = np.linspace(0, 1, 120)[1:, None] * end
    rows = np.vstack([rows, np.tile(end, (60, 1))])
    start = standing(DRIVE, T_look_from_body=place(*begin))
    speeds = drive().speeds(rows, start, DT)
    assert np.hypot(*(driven(speeds, begin)[:2] - end)) < 1.5 * STYLE.reached_m
    np.testing.assert_allclose(speeds[-1], 0.0, atol=1e-6)


def test_a_base_faces_as_the_last_waypoint_says_or_as_it_comes():
    rows = np.zeros((200, 3))
    rows[:, 0], rows[:, 2] = np.clip(np.arange(1, 201) * 0.02, 0, 1.0), 1.2
    x, _, yaw = driven(drive(("x", "y", "yaw")).speeds(rows, standing(DRIVE), DT))
    assert abs(yaw - 1.2) < 0.1
    assert abs(x - 1.0) < 0.12
    assert abs(driven(drive().speeds(rows[:, :2], standing(DRIVE), DT))[2]) < 0.05
    still = drive().speeds(np.tile([1e-3, -2e-3], (20, 1)), standing(DRIVE), DT)
    assert not still.any()  # a trembling answer turns nothing


def test_waypoints_set_the_pace():
    slow = np.zeros((100, 2))
    slow[:, 0] = np.arange(1, 101) * 0.01  # 0.2 m/s
    speeds = drive().speeds(slow, standing(DRIVE), DT)
    assert 0.19 < speeds[:, 0].max() <= 0.2 + 1e-9


def flown(speeds, pose=(0.0, 0.0, 0.0, 0.0)):
    at, out = np.array(pose, float), []
    for vx, vy, vz, w in speeds:
        yaw = at[3] + w * DT / 2
        at = at + DT * np.array([vx * np.cos(yaw) - vy * np.sin(yaw), vx * np.sin(yaw) + vy * np.cos(yaw), vz, w])
        out.append(at)
    return np.array(out)


@settings(max_examples=15)
@example(end=np.ones(4))
@given(end=shares(4))
def test_a_uav_comes_to_the_last_waypoint_and_hovers(end):
    end = end * [3.0, 3.0, 2.0, 2.5]
    convert = FlyWaypoints(("x", "y", "z", "yaw"), UAV)
    speeds = convert.speeds(np.tile(end, (240, 1)), standing(UAV), DT)
    path = flown(speeds)
    np.testing.assert_allclose(path[-1], end, atol=1e-3)
    np.testing.assert_allclose(speeds[-1], 0.0, atol=1e-2)
    beyond = np.linalg.norm(path[:, :3], axis=1) - np.linalg.norm(end[:3])
    assert beyond.max() < 0.02


def test_a_uav_keeps_heading_and_height_where_nothing_is_said():
    start = standing(UAV, T_look_from_body=place(0.2, 0.1, 0.5))
    path = flown(FlyWaypoints(("x", "y"), UAV).speeds(np.tile([1.0, 1.0], (200, 1)), start, DT), (0.2, 0.1, 0.0, 0.5))
    np.testing.assert_allclose(path[-1], [1.0, 1.0, 0.0, 0.5], atol=1e-3)


def test_a_uav_follows_rows_that_it_can_follow():
    t = np.arange(1, 121) * DT
    rows = np.stack([0.5 * t, np.sin(0.5 * t), 0.2 * t], axis=1)
    path = flown(FlyWaypoints(("x", "y", "z"), UAV).speeds(rows, standing(UAV), DT))
    assert np.linalg.norm(path[20:90, :3] - rows[20:90], axis=1).max() < 0.05


def test_other_axes_are_refused_when_the_policy_is_set_up():
    with pytest.raises(ConfigError, match="expected one of x y, x y yaw"):
        drive(("y", "x"))
    with pytest.raises(ConfigError, match="expected one of x y, x y yaw"):
        FlyWaypoints(("x",), UAV)
    with pytest.raises(ConfigError, match="vx, vy, vz and wz"):
        FlyWaypoints(("x", "y"), DRIVE)
