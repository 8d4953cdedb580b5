"""Inverse kinematics: there within limits, or refused with how far off it is and which limit holds it."""

import math
import re
import sys

import numpy as np
import pytest
from arm_scene import ARM, HOME
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.errors import ConfigError
from saccade.geometry import SE3
from vla_node.arms.model import load_model
from vla_node.embodiments.arm import ArmParams, GripperParams
from vla_node.policies.base import PolicyError

pytest.importorskip("mink", reason="arms need mink (an extra, in requirements-dev.txt)")
from vla_node.actions.end_effector import EndEffector
from vla_node.arms.kinematics import NEAR_M, NEAR_RAD, Kinematics
from vla_node.arms.reach import Reach, facing

DT = 0.05
SOLVER = Kinematics(ARM)
PLACES = st.tuples(st.floats(0.3, 0.7), st.floats(-1.4, 1.4), st.floats(0.02, 0.4), st.floats(-1.5, 1.5))
TWIST = (  # alpha, a, d of the UR5e's data sheet
    (math.pi / 2, 0.0, 0.1625), (0.0, -0.425, 0.0), (0.0, -0.3922, 0.0),
    (math.pi / 2, 0.0, 0.1333), (-math.pi / 2, 0.0, 0.0997), (0.0, 0.0, 0.0996),
)  # fmt: skip


def away(T: SE3, target: SE3) -> tuple[float, float]:
    cosine = (np.trace(T.R.T @ target.R) - 1) / 2
    return float(np.linalg.norm(T.t - target.t)), math.acos(min(1.0, max(-1.0, cosine)))


def above(place) -> SE3:
    radius, bearing, z, turn = place
    return facing(np.array([radius * math.cos(bearing), radius * math.sin(bearing), z]), "down", 1.5708 + turn)


def test_the_model_has_the_data_sheets_kinematics():
    rng = np.random.default_rng(0)
    for _ in range(5):
        q = rng.uniform(SOLVER.low, SOLVER.high)
        T = SE3.from_rpy(0.0, 0.0, math.pi)
        for angle, (alpha, a, d) in zip(q, TWIST, strict=True):
            T = T @ SE3.from_rpy(0, 0, angle) @ SE3.from_rpy(alpha, 0, 0, (a, 0, d))
        off = away(SOLVER.pose(q), T @ SE3(np.eye(3), np.array([0.0, 0.0, 0.13])))
        assert off[0] < 1e-9
        assert off[1] < 1e-6


@settings(max_examples=25)
@given(place=PLACES)
def test_places_on_a_table_are_reached_within_the_ranges(place):
    target = above(place)
    q = SOLVER.solve(target, SOLVER.home)
    off_m, off_rad = away(SOLVER.pose(q), target)
    assert off_m < NEAR_M
    assert off_rad < NEAR_RAD
    assert ((q >= SOLVER.low) & (q <= SOLVER.high)).all()


def test_the_same_question_has_the_same_answer():
    target = above((0.5, 0.2, 0.1, 0.0))
    first = SOLVER.solve(target, SOLVER.home)
    SOLVER.solve(above((0.4, -1.0, 0.3, 0.0)), SOLVER.home)
    assert SOLVER.solve(target, SOLVER.home).tobytes() == first.tobytes()


def test_what_is_out_of_reach_is_refused_with_the_distance():
    with pytest.raises(PolicyError, match=r"the target at x 1\.50 .* out of reach") as refused:
        SOLVER.solve(facing(np.array([1.5, 0.0, 0.2]), "down", 0.0), SOLVER.home)
    short_m = float(re.search(r"nearer than ([\d.]+) m", str(refused.value)).group(1))
    assert 0.4 < short_m < 0.9
    for wrong in (SE3(np.eye(3), np.array([np.nan, 0, 0])), SE3(np.eye(3), np.array([1e300, 0, 0]))):
        with pytest.raises(PolicyError, match="expected a finite pose"):
            SOLVER.solve(wrong, SOLVER.home)


def test_the_limit_that_holds_it_is_named():
    short = ArmParams(position_max=(3.1, 0.3, 1.95, 6.2, 6.2, 6.2, 0.04))
    with pytest.raises(PolicyError, match=r"elbow at its limit of 1\.95"):
        Kinematics(short).solve(above((0.3, 0.2, 0.3, 0.0)), SOLVER.home)


def test_singular_postures_do_not_make_it_explode():
    """Stretched out straight, and with the wrist in line: steps stay small, and the way out is found."""
    for q in ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0, -math.pi / 2, 0.0, -math.pi / 2, 0.0, 0.0]):
        q = np.clip(np.array(q), SOLVER.low, SOLVER.high)
        T = SOLVER.pose(q)
        for nudge in ([0.0, 0.0, 0.0], [-0.02, 0.0, 0.0], [0.0, 0.0, -0.02]):
            try:
                there = SOLVER.solve(SE3(T.R, T.t + nudge), q)
            except PolicyError:
                continue
            assert np.isfinite(there).all()
            assert away(SOLVER.pose(there), SE3(T.R, T.t + nudge))[0] < NEAR_M


def limits_kept(rows: np.ndarray, at: np.ndarray, pace: float = ARM.grasp.pace) -> None:
    limits = ARM.by_axis()
    speeds = np.diff(rows, axis=0, prepend=at[None]) / DT
    changes = np.diff(speeds, axis=0, prepend=np.zeros((1, 7)), append=np.zeros((1, 7))) / DT
    assert (np.abs(speeds) <= pace * limits.speed + 1e-9).all()
    assert (np.abs(changes) <= pace * limits.accel + 1e-9).all()
    assert ((rows >= limits.low) & (rows <= limits.high)).all()


@settings(max_examples=8)
@given(place=PLACES)
def test_a_reach_keeps_every_limit_and_ends_at_the_pose(place):
    rows = Reach(ARM, SOLVER, DT).pose(HOME, above(place))
    limits_kept(rows, HOME)
    assert away(SOLVER.pose(rows[-1, :6]), above(place))[0] < NEAR_M
    assert (rows[:, 6] == HOME[6]).all()


def test_a_grasp_opens_goes_before_the_object_then_straight_to_it_and_closes():
    half_closed = np.append(ARM.home, 0.02)
    point = np.array([0.5, 0.1, 0.06])
    rows = Reach(ARM, SOLVER, DT).grasp(half_closed, point)
    limits_kept(rows, half_closed)
    tool = np.array([SOLVER.pose(row[:6]).t for row in rows])
    near = np.abs(tool[:, 2] - point[2]) < ARM.grasp.standoff_m - 1e-3
    assert np.hypot(*(tool[near] - point)[:, :2].T).max() < 2e-3  # straight down
    np.testing.assert_allclose(tool[-1], point - [0, 0, ARM.grasp.depth_m], atol=NEAR_M)
    closing = rows[:, 6] > 1e-6
    assert not closing[near & (tool[:, 2] > point[2])].any()  # open on the way
    assert rows[-1, 6] == ARM.gripper.closed


def test_a_grasp_from_ahead_is_level():
    ahead = ArmParams(grasp=type(ARM.grasp)(approach="forward", depth_m=0.01))
    rows = Reach(ahead, SOLVER, DT).grasp(HOME, np.array([0.55, 0.0, 0.4]))
    end = SOLVER.pose(rows[-1, :6])
    np.testing.assert_allclose(end.R[:, 2], [1.0, 0.0, 0.0], atol=0.01)
    np.testing.assert_allclose(end.t, [0.56, 0.0, 0.4], atol=0.002)


def test_a_point_out_of_reach_moves_nothing():
    reach = Reach(ARM, SOLVER, DT)
    with pytest.raises(PolicyError, match=r"the place before the object at x 1\.10 .* out of reach"):
        reach.grasp(HOME, np.array([1.1, 0.0, 0.0]))
    with pytest.raises(PolicyError, match="expected a finite pose"):
        reach.grasp(HOME, np.array([np.nan, 0.0, 0.0]))


URDF = """<robot name="two">
  <link name="base"/>
  <link name="upper"><inertial><mass value="1"/><origin xyz="0.1 0 0"/>
    <inertia ixx="0.01" iyy="0.01" izz="0.01" ixy="0" ixz="0" iyz="0"/></inertial>
    <visual><geometry><mesh filename="package://nowhere/upper.dae"/></geometry></visual>
    <collision><geometry><mesh filename="package://nowhere/upper.stl"/></geometry></collision></link>
  <link name="lower"/>
  <link name="tool0"/>
  <joint name="shoulder" type="revolute"><parent link="base"/><child link="upper"/><axis xyz="0 0 1"/>
    <limit lower="-2" upper="2" effort="1" velocity="1"/></joint>
  <joint name="elbow" type="revolute"><parent link="upper"/><child link="lower"/>
    <origin xyz="0.3 0 0"/><axis xyz="0 0 1"/>
    <limit lower="-1" upper="1.5" effort="1" velocity="1"/></joint>
  <joint name="flange" type="fixed"><parent link="lower"/><child link="tool0"/><origin xyz="0.2 0 0"/></joint>
</robot>"""


def two(model: str, **changes) -> ArmParams:
    fields = {
        "model": model, "joints": ("shoulder", "elbow"), "tool": "tool0", "gripper": GripperParams(joint=""),
        "max_speed": (1.0, 1.0), "max_accel": (2.0, 2.0), "position_min": (-2.0, -1.0), "position_max": (2.0, 1.5),
        "home": (0.0, 0.5),
    }  # fmt: skip
    return ArmParams(**{**fields, **changes})


def test_a_urdf_is_read_with_its_fixed_links_and_without_its_meshes(tmp_path):
    path = tmp_path / "two.urdf"
    path.write_text(URDF)
    arm = Kinematics(two(str(path)))
    np.testing.assert_allclose(arm.pose(np.zeros(2)).t, [0.5, 0.0, 0.0], atol=1e-9)
    there = arm.pose(np.array([0.7, -0.3]))
    np.testing.assert_allclose(arm.solve(there, arm.home), [0.7, -0.3], atol=1e-2)


def test_files_and_names_that_are_wrong_are_told(tmp_path):
    with pytest.raises(ConfigError, match=r"no arm model 'ur5.xml'.*did you mean 'ur5e.xml'"):
        load_model(ArmParams(model="ur5.xml"))
    path = tmp_path / "two.urdf"
    path.write_text(URDF)
    with pytest.raises(ConfigError, match=r"no joint 'ellbow'; did you mean 'elbow'"):
        load_model(two(str(path), joints=("shoulder", "ellbow")))
    with pytest.raises(ConfigError, match=r"no site or body 'tool'; did you mean 'tool0'"):
        Kinematics(two(str(path), tool="tool"))
    path.write_text("<robot")
    with pytest.raises(ConfigError, match="no model that MuJoCo can load"):
        load_model(two(str(path)))


def test_without_mink_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mink", None)
    with pytest.raises(ConfigError, match=r"pip install 'saccade\[arm\]'"):
        Kinematics(ARM)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"home": (0.0,) * 5}, "arm.home .* expected 6 finite numbers"),
        ({"max_speed": (1.0,) * 6}, "arm.max_speed .* expected 7"),
        ({"max_accel": (1.0,) * 6 + (0.0,)}, "gripper needs a speed"),
        ({"home": (0.0, 1.0, 0.0, 0.0, 0.0, 0.0)}, "arm.home of shoulder_lift is 1.0, outside"),
        ({"gripper": GripperParams(closed=0.1)}, "closes to 0.1, outside its joint's range"),
        ({"joints": ("a", "a")}, "expected each joint once"),
        ({"mount": (0.0, 0.0, float("nan"), 0.0, 0.0, 0.0)}, "arm.mount"),
    ],
)
def test_wrong_parameters_are_told(changes, says):
    with pytest.raises(ValueError, match=says):
        ArmParams(**changes)


def test_poses_of_the_tool_become_joints_and_a_gripper():
    from vla_node.actions.base import Start

    convert = EndEffector(("x", "y", "z", "rx", "ry", "rz", "gripper"), ARM, SOLVER)
    T = SOLVER.pose(SOLVER.home)
    x, y, z, w = T.quaternion()
    turn = 2 * math.acos(w) * np.array([x, y, z]) / math.sqrt(1 - w * w)
    way = T.t + np.linspace(0, 1, 60)[:, None] * [0.05, 0.05, -0.1]
    rows = np.column_stack([np.vstack([way, np.tile(way[-1], (40, 1))]), np.tile([*turn, 1.0], (100, 1))])
    start = Start(np.zeros(7), np.zeros(7), HOME)
    speeds = convert.speeds(rows, start, DT)
    limits_kept_speeds = np.abs(speeds) <= ARM.by_axis().speed + 1e-9
    assert limits_kept_speeds.all()
    end = HOME + speeds.sum(axis=0) * DT
    off_m, off_rad = away(SOLVER.pose(end[:6]), SE3(T.R, way[-1]))
    assert off_m < NEAR_M
    assert off_rad < NEAR_RAD
    assert end[6] == pytest.approx(ARM.gripper.closed)
    far = rows.copy()
    far[3:, 0] += 2.0
    with pytest.raises(PolicyError, match=r"action 3 at x 2\.4.* out of reach"):
        convert.speeds(far, start, DT)
    for wild in (1e300, 100.0):
        with pytest.raises(PolicyError, match="less than two turns"):
            convert.speeds(np.array([[0.4, 0.1, 0.3, wild, 0.0, 0.0, 0.0]]), start, DT)
    with pytest.raises(PolicyError, match="expected rows of 7"):
        convert.speeds(rows[:, :6], start, DT)
    with pytest.raises(ConfigError, match="or these and gripper"):
        EndEffector(("x", "y", "z"), ARM, SOLVER)
