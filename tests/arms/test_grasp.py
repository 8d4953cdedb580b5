"""From a box in a picture to closed fingers, in MuJoCo and through the gate; nothing moves where something is wrong."""

from dataclasses import replace

import numpy as np
import pytest
from arm_scene import ARM, HALF_M, HOME, T0, box_around, depth_of, look_of, looking_at, observed

pytest.importorskip("mink", reason="arms need mink (an extra, in requirements-dev.txt)")
from arm_cell import LIMITS, ROW, TICK, Cell

from saccade.clock import MS, SEC, seconds
from saccade.types import Decision, PlanKind
from vla_node.arms.policy import GraspPolicy
from vla_node.arms.target import grasp_plan, of_box
from vla_node.lift import LiftError
from vla_node.planner import make_plan
from vla_node.policies.base import PolicyError

DOWN = np.array([0.0, 0.0, -1.0])
CENTRE = np.array([0.45, 0.1, 0.03])
EYE = (0.1, -0.4, 0.7)


def plan_for(centre, depth=None):
    T = looking_at(EYE, tuple(centre))
    seen = observed(T, depth_of(T, centre) if depth is None else depth)
    return grasp_plan(seen, of_box(seen, *box_around(T, centre), DOWN), "the box")


@pytest.fixture(scope="module")
def grasped():
    cell = Cell(CENTRE)
    cell.run(plan_for(CENTRE), 8.0)
    return cell


def test_the_fingers_close_on_the_box_that_was_seen(grasped):
    wanted = np.add(CENTRE, [0.0, 0.0, HALF_M[2] - ARM.grasp.depth_m])
    assert np.linalg.norm(grasped.tool - wanted) < 0.01
    assert grasped.goal[6] == pytest.approx(ARM.gripper.closed, abs=1e-6)
    assert 0.012 < grasped.at[6] < 0.03  # held back by the box
    fingers = {grasped.model.body(name).id for name in ("left_finger", "right_finger")}
    touching = {int(grasped.model.geom_bodyid[g]) for pair in grasped.data.contact.geom for g in pair}
    assert fingers <= touching
    assert np.linalg.norm(grasped.data.body("thing").xpos - CENTRE) < 0.01


def test_every_step_of_it_is_within_the_limits_and_granted_as_it_was_asked(grasped):
    goals, step_s = np.array([HOME, *grasped.goals]), seconds(TICK)
    speeds = np.diff(goals, axis=0) / step_s
    changes = np.diff(speeds, axis=0, prepend=np.zeros((1, 7))) / step_s
    assert np.abs(speeds).max() > 0.2
    assert (np.abs(speeds) <= np.array(LIMITS.max_speed) + 1e-9).all()
    assert (np.abs(changes) <= np.array(LIMITS.max_accel) + 1e-6).all()
    for at in (goals, np.array(grasped.measured)):
        assert (at >= np.array(LIMITS.position_min) - 1e-3).all()
        assert (at <= np.array(LIMITS.position_max) + 1e-3).all()
    assert {verdict.decision for verdict in grasped.verdicts} == {Decision.PASS}
    lag = np.abs(np.array(grasped.goals) - grasped.measured)[:, :6]
    assert lag.max() < 0.15


def test_two_grasps_are_the_same_to_the_last_bit(grasped):
    again = Cell(CENTRE)
    again.run(plan_for(CENTRE), 2.0)
    count = len(again.goals)
    assert np.array(again.goals).tobytes() == np.array(grasped.goals[:count]).tobytes()


def test_without_depth_there_is_no_plan():
    with pytest.raises(LiftError, match="0% of its pixels have a depth"):
        plan_for(CENTRE, np.full((240, 320), np.nan, np.float32))


def test_what_is_out_of_reach_moves_nothing():
    cell = Cell(CENTRE)
    far = grasp_plan(observed(looking_at(EYE, tuple(CENTRE)), np.ones((240, 320))), np.array([1.4, 0.0, 0.06]), "far")
    cell.run(far, 0.5)
    assert "out of reach" in cell.refused
    assert cell.stopped()
    assert np.abs(np.array(cell.goals) - cell.goals[0]).max() == 0.0


def test_joints_that_fall_silent_stop_the_arm_where_it_is():
    cell = Cell(CENTRE)
    cell.run(plan_for(CENTRE), 1.5)
    cell.hears_joints = False
    cell.run(plan_for(CENTRE), 1.0)
    held = np.array(cell.goals)[-80:]
    assert (held == held[0]).all()
    assert cell.verdicts[-1].reason.startswith("joint_states stale")
    fresh = GraspPolicy(ARM, ROW, 10)
    with pytest.raises(PolicyError, match="joint_states lacks shoulder_pan"):
        fresh.act(look_of(plan_for(CENTRE), {}), 100 * MS)


def test_a_plan_that_points_to_nothing_is_refused():
    policy = GraspPolicy(ARM, ROW, 10)
    joints = dict(zip(ARM.axes, HOME.tolist(), strict=True))
    seen = observed(looking_at(EYE, tuple(CENTRE)), np.ones((240, 320)))
    for plan in (
        make_plan(seen, PlanKind.TEXT, "the box"),
        make_plan(seen, PlanKind.WAYPOINTS, "none"),
        make_plan(seen, PlanKind.WAYPOINTS, "nan", waypoints=np.full((1, 3), np.nan)),
    ):
        with pytest.raises(PolicyError, match="points to nothing to take hold of"):
            policy.act(look_of(plan, joints), 100 * MS)


def test_a_newer_plan_for_the_same_thing_changes_nothing_and_for_another_everything():
    policy = GraspPolicy(ARM, ROW, 10)
    joints = dict(zip(ARM.axes, HOME.tolist(), strict=True))
    first = policy.act(look_of(plan_for(CENTRE), joints), 100 * MS)
    done_ns = policy.done_ns()
    later = T0 + 4 * ROW
    near = look_of(plan_for(np.add(CENTRE, [0.005, 0.0, 0.0])), joints, later)
    second = policy.act(replace(near, promised=first), 100 * MS)
    np.testing.assert_array_equal(second[:6], first[4:])
    assert policy.done_ns() == done_ns
    moved = policy.act(look_of(plan_for(np.add(CENTRE, [0.0, 0.08, 0.0])), joints, later), 100 * MS)
    assert policy.done_ns() > done_ns
    np.testing.assert_allclose(moved[0], HOME, atol=1e-3)  # it begins where the arm is
    policy.begin(2)
    assert policy.done_ns() is None
    assert np.isfinite(policy.act(look_of(plan_for(CENTRE), joints, later + 100 * ROW), 100 * MS)).all()


def test_a_way_waits_for_an_arm_that_is_stood_still():
    policy, plan = GraspPolicy(ARM, ROW, 10), plan_for(CENTRE)
    joints = dict(zip(ARM.axes, HOME.tolist(), strict=True))

    def rows(after_s: float, **changes):
        return policy.act(replace(look_of(plan, joints, T0 + round(after_s * SEC)), **changes), 100 * MS)

    begun = rows(0.0)
    under_way = rows(1.0, promised=begun)
    assert not np.array_equal(under_way, begun)
    np.testing.assert_array_equal(rows(4.0), under_way, "it braked, and was not asked meanwhile")
    held = [rows(4.0 + i * 0.05, held=True, promised=begun) for i in range(1, 20)]
    assert all(np.array_equal(row, under_way) for row in held), "the gate stands it still"
    np.testing.assert_array_equal(rows(5.0, promised=begun)[:-1], under_way[1:])


def test_what_is_carried_is_held_as_firmly_as_it_was_taken():
    policy = GraspPolicy(ARM, ROW, 1000)
    held = HOME.copy()
    held[6] = 0.5 * (ARM.gripper.open + ARM.gripper.closed)  # where the thing keeps the fingers
    joints = dict(zip(ARM.axes, held.tolist(), strict=True))
    seen = observed(looking_at(EYE, tuple(CENTRE)), np.ones((240, 320)))
    put = grasp_plan(seen, np.array([0.3, -0.4, 0.06]), "put it there", values=np.array([0.0]))
    rows = policy.act(look_of(put, joints), 100 * MS)
    closed = np.isclose(rows[:, 6], ARM.gripper.closed)
    opens = int(np.argmin(closed))
    assert closed[:opens].all()
    assert opens > 0
    assert rows[opens, 0] == pytest.approx(rows[-1, 0], abs=1e-6), "it is over the place before it opens"
    assert abs(rows[opens, 0] - rows[0, 0]) > 0.5
    assert rows[-1, 6] == pytest.approx(ARM.gripper.open, abs=1e-6)
