"""The learned motion in the arm's policy: it gets there, closes there and not before, and says where it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from arm_scene import T0, look_of, observed

pytest.importorskip("mink", reason="arms need mink (an extra, in requirements-dev.txt)")

from engines.engine import EngineError
from saccade import params
from saccade.clock import MS, SEC, seconds
from saccade.errors import ConfigError
from saccade.geometry import SE3
from saccade.robots import robot_file
from saccade.types import PlanKind
from vla_node.arms.kinematics import Kinematics
from vla_node.arms.learned import LearnedGrasp
from vla_node.arms.mover import Mover, load_mover
from vla_node.arms.target import grasp_plan
from vla_node.params import VlaParams
from vla_node.planner import make_plan
from vla_node.policies.base import ActionKind, PolicyError
from vla_node.policies.check import check_policy

ARM = params.load(VlaParams, robot_file("table"), "vla_node").arm
CARD, GRAPH = load_mover("reach-ur5e")
ROW = 50 * MS
SEEN = observed(SE3.identity(), np.full((4, 4), np.nan, np.float32))
THING = np.array([0.45, 0.15, 0.06])


def plan_for(point, *values):
    return grasp_plan(SEEN, np.array(point, float), "the thing", values=np.array(values, float))


class Arm:
    """Joints that go where they are sent to, a tenth of a second behind."""

    def __init__(self):
        self.policy, self.kinematics = LearnedGrasp(ARM, Mover(CARD, GRAPH), ROW), Kinematics(ARM)
        self.policy.begin(1)
        self.sent = np.append(ARM.home, 0.0)
        self.at, self.asked, self.now_ns = self.sent.copy(), np.zeros(7), T0
        self.tools, self.speeds, self.gripper = [], [], []

    def follow(self, plan, for_s):
        low, high = np.array(ARM.position_min), np.array(ARM.position_max)
        for _ in range(round(for_s * SEC / ROW)):
            look = replace(look_of(plan, dict(zip(ARM.axes, self.at, strict=True)), self.now_ns), asked=self.asked)
            self.asked = self.policy.act(look, SEC)[0]
            self.sent = np.clip(self.sent + self.asked * seconds(ROW), low, high)
            self.at = self.sent + (self.at - self.sent) * np.exp(-0.5)
            self.now_ns += ROW
            self.tools.append(self.kinematics.pose(self.at[:6]).t)
            self.speeds.append(self.asked)
            self.gripper.append(self.at[6])
        return self


@pytest.fixture(scope="module")
def taken():
    return Arm().follow(plan_for(THING, 1.0, 1.0), 7.0)


def test_it_goes_to_the_thing_closes_there_and_lifts_it(taken):
    tools, gripper = np.array(taken.tools), np.array(taken.gripper)
    end = THING - [0.0, 0.0, ARM.grasp.depth_m]
    closing = int(np.argmax(gripper > 0.002))
    assert np.linalg.norm(tools[closing] - end) < 0.005
    assert np.linalg.norm(tools[-1] - THING - [0.0, 0.0, ARM.grasp.standoff_m]) < 0.006
    assert gripper[-1] == pytest.approx(ARM.gripper.closed, abs=1e-3)
    below = np.flatnonzero(tools[:, 2] < THING[2] + 0.02)
    assert np.hypot(*(tools[below] - THING)[:, :2].T).max() < 0.008, "it comes straight from above"
    assert tools[:, 2].min() > end[2] - 0.006


def test_its_speeds_are_within_the_card_and_the_arm_rests_at_the_end(taken):
    speeds = np.array(taken.speeds)
    assert (np.abs(speeds[:, :6]) <= np.array(CARD.speed) + 1e-9).all()
    assert np.abs(speeds[:, :6]).max() > 0.3
    assert not speeds[-1].any()
    assert taken.policy.spec.kind is ActionKind.JOINT_VELOCITY
    assert taken.policy.spec.axes == ARM.axes


def test_it_puts_down_what_it_holds_and_rises_again(taken):
    place = np.array([0.25, -0.42, 0.07])
    arm = Arm()
    arm.sent = arm.at = np.append(taken.at[:6], ARM.gripper.closed)
    arm.follow(plan_for(place, 0.0, 1.0), 8.0)
    tools, gripper = np.array(arm.tools), np.array(arm.gripper)
    opening = int(np.argmax(gripper < 0.038))
    assert np.hypot(*(tools[opening] - place)[:2]) < 0.006
    assert tools[opening, 2] < place[2]
    assert tools[: opening - 20, 2].min() > place[2] - 0.01
    assert gripper[-1] < 1e-3
    assert tools[-1, 2] > place[2] + 0.09


def test_it_closes_all_the_way_though_it_is_stopped_in_the_middle_of_it(taken):
    closing = int(np.argmax(np.array(taken.gripper) > 0.002))
    arm = Arm().follow(plan_for(THING, 1.0, 1.0), closing * seconds(ROW))
    arm.now_ns, arm.asked = arm.now_ns + 20 * SEC, np.zeros(7)
    arm.follow(plan_for(THING, 1.0, 1.0), 7.0 - closing * seconds(ROW))
    assert arm.gripper[-1] == pytest.approx(ARM.gripper.closed, abs=1e-3)
    assert arm.tools[-1] == pytest.approx(taken.tools[-1], abs=0.005)


def test_a_plan_that_points_elsewhere_is_followed_at_once_and_two_arms_do_the_same():
    arms = [
        Arm().follow(plan_for(THING, 1.0, 1.0), 1.0).follow(plan_for([0.40, -0.2, 0.06], 1.0, 1.0), 3.0) for _ in "ab"
    ]
    np.testing.assert_array_equal(arms[0].tools, arms[1].tools)
    assert np.hypot(*(arms[0].tools[-1] - [0.40, -0.2, 0.06])[:2]) < 0.006


def test_what_is_out_of_reach_is_said_and_nothing_moves():
    arm = Arm()
    with pytest.raises(PolicyError, match=r"a place 1\.40 m away .* was trained to go to"):
        arm.follow(plan_for([1.4, 0.0, 0.1], 1.0, 1.0), 0.1)
    assert arm.tools == []


def test_a_way_that_leads_nowhere_ends():
    arm = Arm()
    arm.policy._mover.rows = lambda joints, speeds, off: np.zeros((8, 6))
    with pytest.raises(PolicyError, match="after 8 s the tool is still"):
        arm.follow(plan_for(THING, 1.0, 1.0), 9.0)


def test_it_keeps_the_contract_of_policies():
    joints = dict(zip(ARM.axes, np.append(ARM.home, 0.0), strict=True))
    check_policy(LearnedGrasp(ARM, Mover(CARD, GRAPH), ROW), look_of(plan_for(THING, 1.0, 1.0), joints))


def test_a_plan_that_points_to_nothing_and_joints_that_are_not_heard_are_errors():
    arm = Arm()
    with pytest.raises(PolicyError, match="points to nothing"):
        arm.follow(make_plan(SEEN, PlanKind.STOP, "stop"), 0.1)
    with pytest.raises(PolicyError, match="joint_states lacks shoulder_pan"):
        arm.policy.act(look_of(plan_for(THING, 1.0), {}, T0), SEC)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"grasp": replace(ARM.grasp, turn_rad=0.0)}, "turn_rad"),
        ({"grasp": replace(ARM.grasp, approach="forward")}, "approach"),
        ({"model": "other.xml"}, "model"),
        ({"max_speed": (0.5, *ARM.max_speed[1:])}, "above the arm's limits"),
    ],
)
def test_a_mover_is_for_the_arm_that_it_was_trained_for(change, why):
    with pytest.raises(ConfigError, match=why):
        CARD.fit(replace(ARM, **change), 0.05)
    with pytest.raises(ConfigError, match="seconds"):
        CARD.fit(ARM, 0.1)


def test_a_mover_that_is_not_there_is_named_and_another_file_is_not_taken(tmp_path):
    with pytest.raises(ConfigError, match="reach-ur5e"):
        load_mover("reach-ur5")
    graph = tmp_path / "reach.onnx"
    graph.write_bytes(GRAPH.read_bytes() + b"\0")
    with pytest.raises(EngineError):
        Mover(CARD, graph)
    assert GRAPH.stat().st_size < 500_000
