"""The arm under the pilot: what it hears, asks of the gate, and where that leads."""

from dataclasses import replace

import numpy as np
import pytest
from arm_scene import ARM, HOME

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.node import Sample
from saccade.types import Plan, PlanKind, RobotState
from saccade.wire.commands import encode_joint_state, encode_joint_trajectory
from saccade.wire.convert import encode_odom
from vla_node.params import VlaParams
from vla_node.pilot import Pilot
from vla_node.senses import Senses

pytest.importorskip("mink")
TICK = 50 * MS
PARAMS = replace(
    VlaParams(), embodiment="arm", planner=replace(VlaParams().planner, worker="modelled")
)  # fmt: skip


def plan(point):
    return Plan(
        1, 1, "", PlanKind.WAYPOINTS, 0, SE3.identity(), 0, 100 * SEC, "odom", np.array([point], float), np.zeros(0),
        1.0, True, "",
    )  # fmt: skip


class Cell:
    """Joints that obey at once: the gate's positions are where the speeds that it was asked for lead."""

    def __init__(self, point=(0.5, 0.1, 0.05)):
        self.pilot, self.senses, self.at = Pilot(PARAMS), Senses(), HOME.copy()
        self.pilot.begin(1)
        self.pilot.adopt(plan(point))
        self.chunks, self.path = [], [self.at.copy()]

    def tick(self, k, joints=True):
        now = k * TICK
        state = RobotState(now, "odom", SE3.identity(), np.zeros(6))
        self.senses.take(Sample("odom", now, encode_odom(state)))
        if joints:
            self.senses.take(Sample("joint_states", now, encode_joint_state(now, ARM.axes, self.at)))
            self.senses.take(Sample("joint_trajectory", now, encode_joint_trajectory(ARM.axes, self.at, 10 * MS)))
        chunk = self.pilot.act(now, self.senses, False)
        self.chunks.append(chunk)
        for i in range(5):
            speeds = chunk.at(now + i * 10 * MS) if chunk else None
            self.at = self.at + (0.0 if speeds is None else speeds * 0.01)
            self.path.append(self.at.copy())


def test_it_takes_hold_of_what_the_plan_points_to_within_every_limit():
    cell = Cell()
    for k in range(1, 240):
        cell.tick(k)
    assert cell.pilot.why == ""
    goal = cell.pilot._acting.policy._rows[-1]
    np.testing.assert_allclose(cell.at, goal, atol=2e-3)
    assert cell.at[-1] == pytest.approx(ARM.gripper.closed, abs=1e-3)
    path = np.array(cell.path)
    limits = ARM.by_axis()
    assert (path >= limits.low - 1e-6).all()
    assert (path <= limits.high + 1e-6).all()
    speeds = np.diff(path, axis=0) / 0.01
    assert (np.abs(speeds) <= limits.speed * (1 + 1e-6)).all()
    assert (np.abs(np.diff(speeds, axis=0)) <= limits.accel * 0.01 * (1 + 1e-6)).all()


def test_it_needs_no_map_but_its_joints():
    assert {"joint_states", "joint_trajectory"} <= Pilot(PARAMS).reads
    cell = Cell()
    cell.tick(1, joints=False)
    assert cell.chunks == [None]
    assert cell.pilot.why == "joint_states missing"


def test_joints_that_fall_silent_stop_it():
    cell = Cell()
    for k in range(1, 30):
        cell.tick(k)
    assert np.abs(cell.chunks[-1].actions).max() > 0.05
    for k in range(30, 60):
        cell.tick(k, joints=False)
    assert "joint_states" in cell.pilot.why
    assert cell.chunks[-1] is None or not cell.chunks[-1].actions.any()


def test_what_is_out_of_reach_moves_nothing():
    cell = Cell((2.5, 0.0, 0.3))
    for k in range(1, 5):
        cell.tick(k)
    assert "out of reach" in cell.pilot.why
    assert not any(chunk is not None and chunk.actions.any() for chunk in cell.chunks)
