"""Joints: within limits whatever is asked, there where it can be done, and no further."""

import numpy as np
import pytest
from action_robots import DT, HOME, LIMITS, TWO, at_the_end, finite_rows, shares, standing, within_limits
from hypothesis import given, settings

from saccade.errors import ConfigError
from vla_node.actions.bounds import stopping_speed
from vla_node.actions.joint_position import JointPosition
from vla_node.actions.joint_velocity import JointVelocity
from vla_node.policies.base import PolicyError

KINDS = (JointPosition, JointVelocity)
EDGE = 1e-9


def start_of(at: np.ndarray, speed: np.ndarray):
    """Anywhere in the range, at any speed from which it can still stop there."""
    middle, half = 0.5 * (TWO.low + TWO.high), 0.5 * (TWO.high - TWO.low)
    position = middle + half * at
    room = np.where(speed > 0, TWO.high - position, position - TWO.low)
    fastest = np.minimum(TWO.speed, np.maximum(0.0, stopping_speed(room, TWO.accel, DT) - TWO.accel * DT))
    return standing(TWO, positions=position, speeds=fastest * speed)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(rows=finite_rows(2), at=shares(2), speed=shares(2))
def test_no_limit_is_ever_exceeded(kind, rows, at, speed):
    start = start_of(at, speed)
    speeds = kind(TWO.axes, TWO).speeds(rows, start, DT)
    assert speeds.shape == rows.shape
    within_limits(speeds, start, TWO)
    positions = at_the_end(speeds, start)
    assert (positions <= TWO.high + EDGE).all()
    assert (positions >= TWO.low - EDGE).all()


@settings(max_examples=20)
@given(target=shares(2), at=shares(2))
def test_a_position_is_reached_exactly_and_not_passed(target, at):
    start = start_of(at, np.zeros(2))
    goal = start_of(target, np.zeros(2)).positions
    speeds = JointPosition(TWO.axes, TWO).speeds(np.tile(goal, (200, 1)), start, DT)
    positions = at_the_end(speeds, start)
    np.testing.assert_allclose(positions[-1], goal, atol=1e-9)
    np.testing.assert_allclose(speeds[-1], 0.0, atol=1e-9)
    side = np.sign(goal - start.positions)
    assert (side * (positions - goal) <= EDGE).all()
    within_limits(speeds, start, TWO)


def test_it_is_as_fast_as_the_limits_allow():
    """A trapezoid over 2 m at 0.5 and 1.0 per s takes 4.5 s."""
    start = standing(TWO, positions=np.array([-1.0, 0.0]))
    speeds = JointPosition(TWO.axes, TWO).speeds(np.tile([1.0, 0.0], (120, 1)), start, DT)
    moving = int((np.abs(speeds[:, 0]) > 1e-9).sum())
    assert 89 <= moving <= 91


@settings(max_examples=20)
@given(speed=shares(2))
def test_rows_within_limits_are_followed_row_by_row(speed):
    t = np.arange(1, 101) * DT
    swing = 0.5 * (1 - np.cos(2 * np.pi * np.clip(t, 0, 5) / 5))[:, None]
    rows = swing * speed * TWO.speed * 0.5
    start = standing(TWO)
    speeds = JointPosition(TWO.axes, TWO).speeds(rows, start, DT)
    np.testing.assert_allclose(at_the_end(speeds, start), rows, atol=1e-9)


def test_a_position_out_of_range_is_gone_to_as_far_as_the_range_goes():
    for side, end in ((1.0, TWO.high), (-1.0, TWO.low)):
        speeds = JointPosition(TWO.axes, TWO).speeds(np.full((200, 2), side * 1e300), standing(TWO), DT)
        np.testing.assert_allclose(at_the_end(speeds, standing(TWO))[-1], end, atol=1e-9)


def test_what_cannot_be_braked_for_any_more_is_braked_as_hard_as_may_be():
    start = standing(TWO, positions=np.array([1.99, 0.0]), speeds=np.array([0.5, 0.0]))
    for kind, rows in ((JointPosition, [[2.0, 0.0]] * 8), (JointVelocity, [[0.5, 0.0]] * 8)):
        speeds = kind(TWO.axes, TWO).speeds(np.array(rows), start, DT)
        np.testing.assert_allclose(speeds[:5, 0], [0.45, 0.4, 0.35, 0.3, 0.25])
        within_limits(speeds, start, TWO)


def test_joints_go_by_name_and_the_others_stay():
    start = standing(LIMITS, positions=HOME)
    speeds = JointPosition(("gripper", "elbow"), LIMITS).speeds(np.array([[0.04, 2.0]] * 40), start, DT)
    end = at_the_end(speeds, start)[-1]
    expected = HOME.copy()
    expected[[6, 2]] = [0.04, 2.0]
    np.testing.assert_allclose(end, expected, atol=1e-9)
    speeds = JointVelocity(("elbow",), LIMITS).speeds(np.array([[0.3]] * 4), start, DT)
    assert (speeds[:, [0, 1, 3, 4, 5, 6]] == 0).all()
    np.testing.assert_allclose(speeds[:, 2], [0.1, 0.2, 0.3, 0.3])


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_none_are_refused_with_the_reason(kind):
    convert = kind(TWO.axes, TWO)
    start = standing(TWO)
    with pytest.raises(PolicyError, match=r"action 1 has elbow = nan; expected a finite number"):
        convert.speeds(np.array([[0.0, 0.0], [0.0, np.nan]]), start, DT)
    for rows in (np.zeros((3, 1)), np.zeros((0, 2)), np.zeros(2)):
        with pytest.raises(PolicyError, match="expected rows of 2: shoulder, elbow"):
            convert.speeds(rows, start, DT)
    for positions in (np.zeros(0), np.array([0.0, np.nan])):
        with pytest.raises(PolicyError, match="joint_states is missing"):
            convert.speeds(np.zeros((1, 2)), standing(TWO, positions=positions), DT)
    with pytest.raises(ConfigError, match=r"an axis 'ellbow' that the robot lacks; did you mean 'elbow'"):
        kind(("ellbow",), TWO)
    with pytest.raises(ConfigError, match="each once"):
        kind(("elbow", "elbow"), TWO)
