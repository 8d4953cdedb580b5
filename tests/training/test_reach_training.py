"""The learned motion's training: the expert knows the arm, gets there from anywhere, and labels what was met."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mink", reason="arms need mink (an extra, in requirements-dev.txt)")

from training.reach.chain import Chain
from training.reach.expert import Expert
from training.reach.rollouts import arrivals, placed, places, rollouts
from vla_node.arms.kinematics import Kinematics
from vla_node.arms.mover import off_by
from vla_node.arms.reach import facing
from vla_node.embodiments.arm import ArmParams

ARM = ArmParams()
LIMITS, HOME = ARM.by_axis(), np.array(ARM.home)
EXPERT = Expert(Chain(ARM), 0.5 * LIMITS.speed[:6], 0.5 * LIMITS.accel[:6], ARM.grasp.turn_rad, 0.05)


def act(q, v, off):
    """The expert, told the goal by how far the tool is off it."""
    t, _, _ = EXPERT.chain.tool(q)
    bearing, far = np.arctan2(t[:, 1], t[:, 0]), np.hypot(t[:, 0], t[:, 1])
    bearing, far = bearing + off[:, 1] / far, far + off[:, 0]
    return EXPERT.step(q, v, np.stack([far * np.cos(bearing), far * np.sin(bearing), t[:, 2] + off[:, 2]], axis=1))


def test_many_arms_are_where_one_is_and_move_as_their_jacobians_say():
    kinematics, q = Kinematics(ARM), HOME + np.random.default_rng(0).normal(0.0, 0.5, (4, 6))
    t, R, J = EXPERT.chain.tool(q)
    for i, one in enumerate(q):
        T = kinematics.pose(one)
        np.testing.assert_allclose(t[i], T.t, atol=1e-9)
        np.testing.assert_allclose(R[i], T.R, atol=1e-9)
        moved, turned, _ = EXPERT.chain.tool(one + 1e-6 * np.eye(6))
        np.testing.assert_allclose((moved - t[i]).T / 1e-6, J[i, :3], atol=1e-5)
        W = (turned @ R[i].T - np.eye(3)) / 1e-6
        np.testing.assert_allclose(np.stack([W[:, 2, 1], W[:, 0, 2], W[:, 1, 0]]), J[i, 3:], atol=1e-5)


def test_a_tool_that_is_as_a_grasp_wants_it_is_not_off_and_turning_the_arm_changes_nothing():
    point, goal = np.array([0.4, 0.2, 0.1]), np.array([0.45, -0.1, 0.3])
    T = facing(point, "down", ARM.grasp.turn_rad)
    np.testing.assert_allclose(off_by(T.t, T.R, point, ARM.grasp.turn_rad), 0.0, atol=1e-12)
    off = off_by(T.t, T.R, goal, ARM.grasp.turn_rad)
    assert off[1] < -0.1
    assert off[2] == pytest.approx(0.2)
    c, s = np.cos(0.7), np.sin(0.7)
    Q = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    np.testing.assert_allclose(off_by(Q @ T.t, Q @ T.R, Q @ goal, ARM.grasp.turn_rad), off, atol=1e-12)


def test_the_expert_gets_there_within_the_limits():
    came, after_s = arrivals(EXPERT, HOME, act, 60, 5.0, 1)
    assert came > 0.95
    assert after_s < 2.5
    q = placed(EXPERT, HOME, places(np.random.default_rng(2), 30), np.random.default_rng(3))
    rows = EXPERT.rows(q, np.zeros_like(q), places(np.random.default_rng(4), len(q)), 30)
    assert (np.abs(rows) <= EXPERT.speed + 1e-9).all()
    assert (np.abs(np.diff(rows, axis=1, prepend=0.0)) <= EXPERT.accel * EXPERT.dt_s + 1e-9).all()


def test_it_goes_straight_down_on_what_it_is_over():
    q = placed(EXPERT, HOME, np.array([[0.4, 0.1, 0.2]]), np.random.default_rng(0))
    t, _, _ = EXPERT.chain.tool(q)
    rows = EXPERT.rows(q, np.zeros_like(q), t - np.array([0.0, 0.0, 0.12]), 60)[0]
    way, _, _ = EXPERT.chain.tool(q + np.cumsum(rows, axis=0) * EXPERT.dt_s)
    assert np.abs(way[:, :2] - t[:, :2]).max() < 0.008
    assert way[-1, 2] == pytest.approx(t[0, 2] - 0.12, abs=0.002)


def test_what_was_met_is_labelled_by_the_expert_and_the_same_twice():
    one, two = (rollouts(EXPERT, HOME, lambda q, v, off: 0.0 * v, 4, 5, 6, 3) for _ in range(2))
    assert one.joints.shape == one.speeds.shape == (30, 6)
    assert one.rows.shape == (30, 4, 6)
    np.testing.assert_array_equal(one.rows, two.rows)
    assert not one.speeds.any()
    assert np.abs(one.rows[:, 0]).max() > 0.01
