import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vla_world import BLUE, Box, chart

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.types import LocalMap, Plan, PlanKind, RobotState
from vla_node.bodies import body_of
from vla_node.embodiments.base import BaseLimits
from vla_node.embodiments.diff_drive import DIFF_DRIVE
from vla_node.params import PolicyParams, VlaParams
from vla_node.policies.base import Look, PolicyError
from vla_node.policies.embedded import EmbeddedPolicy
from vla_node.rollout import Motion, Style, at_end, moved
from vla_node.track import Track

DT = 50 * MS
LIMITS = BaseLimits()
P = PolicyParams()
STYLE = Style(P.cruise_m_s, P.turn_rad_s, P.reached_m, P.reached_rad, P.lookahead_m, P.lookahead_s)
BODY = body_of(VlaParams())
POLICY = EmbeddedPolicy(DIFF_DRIVE, LIMITS, BODY.limits, STYLE, P.margin_m, 20, DT)
OPEN = chart(0, 0, 0, [], size_m=12, cell_m=0.1)


def make(kind=PlanKind.WAYPOINTS, waypoints=(), values=(), valid_s=1000.0):
    points = np.array(waypoints, float).reshape(-1, 3)
    return Plan(
        3, 1, "", kind, 0, SE3.identity(), 0, round(valid_s * SEC), "odom", points, np.array(values, float), 1, True, ""
    )


def act(plan, grid, m, t0_ns=0):
    """The rows (20, 2) for a robot in motion `m`, whose accelerations are in what it still has to do."""
    state = RobotState(t0_ns, "odom", SE3.from_rpy(0, 0, m.yaw, (m.x, m.y, 0)), np.array([m.v, 0, 0, 0, 0, m.w]))
    promised = np.array([[m.v + 0.05 * m.a, m.w + 0.05 * m.aw]])
    asked = np.array([m.v, m.w])
    return POLICY.act(Look(t0_ns, 1, plan, state, {}, {}, grid, asked=asked, promised=promised), SEC)


def ahead(m):
    """The motion a row later at constant speeds."""
    state = RobotState(0, "odom", SE3.from_rpy(0, 0, m.yaw, (m.x, m.y, 0)), np.array([m.v, 0, 0, 0, 0, m.w]))
    T = moved(state, DT).T_odom_from_body
    return m._replace(x=float(T.t[0]), y=float(T.t[1]), yaw=m.yaw + math.remainder(T.yaw - m.yaw, math.tau))


def roll(plan, grid=OPEN, motion=None, seconds=20.0):
    """The robot carrying out the first action of each chunk; all motions and all rows."""
    m, motions, chunks = motion or Motion(0, 0, 0, 0, 0), [], []
    for k in range(round(seconds * SEC / DT)):
        chunk = act(plan, grid, m, k * DT)
        v, w = map(float, chunk[0])
        a, aw = (v - m.v) / 0.05, (w - m.w) / 0.05
        m = ahead(m._replace(v=v, w=w, a=a, aw=aw))
        motions.append(m)
        chunks.append(chunk)
    return motions, chunks


WAYPOINTS = st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.just(0.0)), min_size=1, max_size=4)
SPEEDS = st.builds(lambda yaw, v, w: Motion(0.0, 0.0, yaw, v, w), st.floats(-3, 3), st.floats(0, 0.6), st.floats(-1, 1))


@settings(max_examples=60, deadline=None)
@given(WAYPOINTS, SPEEDS)
def test_chunks_keep_speeds_accelerations_and_jerks(points, motion):
    plan = make(waypoints=points)
    actions = act(plan, OPEN, motion)
    assert actions.shape == (20, 2)
    assert np.isfinite(actions).all()
    v, w = np.concatenate([[motion.v], actions[:, 0]]), np.concatenate([[motion.w], actions[:, 1]])
    assert (abs(v) <= max(P.cruise_m_s, motion.v) + 1e-9).all()
    assert (abs(np.diff(v)) <= LIMITS.a_m_s2 * 0.05 + 1e-9).all()
    assert (abs(np.diff(w)) <= LIMITS.aw_rad_s2 * 0.05 + 1e-9).all()
    jerk = abs(np.diff(v, 2))
    smooth = (v[2:] > 0) & (v[1:-1] > 0) & (v[:-2] > 0)  # reaching a standstill ends an acceleration at once
    assert (jerk[smooth] <= LIMITS.jerk_m_s3 * 0.05**2 + 1e-9).all()


def arrives(x, y, yaw):
    tip = (x + 0.02 * math.cos(yaw), y + 0.02 * math.sin(yaw), 0)
    plan = make(waypoints=[(0, 0, 0), (x, y, 0), tip])
    motions, _ = roll(plan)
    end = motions[-1]
    assert math.hypot(end.x - x, end.y - y) < 0.14  # 1.4 times the reach, from the tip
    assert abs(math.remainder(end.yaw - yaw, math.tau)) < 0.1
    assert end.v == end.w == 0.0
    assert at_end(end, Track(plan.waypoints), STYLE)


GOALS = given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3.1, 3.1))
test_it_arrives_stops_and_faces_along_the_last_segment = settings(max_examples=5)(GOALS(arrives))
test_it_arrives_anywhere = pytest.mark.slow(settings(max_examples=60)(GOALS(arrives)))


def test_it_slows_down_to_a_stop_within_the_chunk():
    plan = make(waypoints=[(0, 0, 0), (0.25, 0, 0)])
    chunk = act(plan, OPEN, Motion(0, 0, 0, 0.5, 0))
    assert chunk[-1, 0] == pytest.approx(0.0, abs=1e-6)


def stays_clear(x, y, half):
    boxes = [Box(x, y, half, half, 1.0, BLUE)]
    grid = chart(0, 0, 0, boxes, size_m=12, cell_m=0.05)
    plan = make(waypoints=[(0, 0, 0), (4, 0, 0)])
    motions, _ = roll(plan, grid, seconds=6)
    xs, ys = np.array([(m.x, m.y) for m in motions]).T
    outside = np.hypot(np.clip(abs(xs - x) - half, 0, None), np.clip(abs(ys - y) - half, 0, None))
    assert outside.min() > LIMITS.radius_m


BOXES = given(st.floats(0.7, 3.0), st.floats(-0.6, 0.6), st.floats(0.1, 0.4))
test_it_never_runs_into_what_the_map_shows = settings(max_examples=4)(BOXES(stays_clear))
test_it_never_runs_into_anything = pytest.mark.slow(settings(max_examples=40)(BOXES(stays_clear)))


def test_what_lies_beside_the_path_is_avoided_not_waited_for():
    grid = chart(0, 0, 0, [Box(1.5, 0.45, 0.15, 0.15, 1.0, BLUE)], size_m=12)
    plan = make(waypoints=[(0, 0, 0), (4, 0, 0)])
    motions, _ = roll(plan, grid, seconds=15)
    assert motions[-1].x > 3.8


def test_it_does_not_enter_the_unknown_but_turns_to_look():
    unknown = LocalMap(0, "odom", 0.1, (-6.0, -6.0), np.full((120, 120), -1, np.int8), np.zeros((120, 120), np.float32))
    plan = make(waypoints=[(0, 0, 0), (0, 2, 0)])
    motions, _ = roll(plan, unknown, seconds=6)
    assert motions[-1].x == motions[-1].y == 0.0
    assert motions[-1].yaw == pytest.approx(math.pi / 2, abs=0.1)


def test_a_robot_in_the_margin_may_leave_but_not_go_closer():
    grid = chart(0, 0, 0, [Box(0.4, 0, 0.1, 0.5, 1.0, BLUE)], size_m=12)
    away, closer = make(waypoints=[(0, 0, 0), (-2, 0, 0)]), make(waypoints=[(0, 0, 0), (2, 0, 0)])
    assert roll(away, grid, Motion(0, 0, math.pi, 0, 0), seconds=3)[0][-1].x < -0.5
    assert roll(closer, grid, seconds=3)[0][-1].x < 0.01


def test_a_robot_in_the_margin_gets_out_although_each_plan_begins_in_another_direction():
    grid = chart(0, 0, 0, [Box(0.1, 0.42, 2.0, 0.1, 1.0, BLUE)], size_m=12)
    plans = [make(waypoints=[(0, 0, 0), to]) for to in ((2, -0.5, 0), (-2, -0.5, 0))]
    m, before = Motion(0, 0, math.pi / 2, 0, 0), clearance(grid, 0, 0)
    assert before < LIMITS.radius_m + P.margin_m
    for k in range(200):
        row = act(plans[k // 20 % 2], grid, m, k * DT)[0]
        v, w = np.clip(row, (-0.18, -0.28), (0.18, 0.28)).tolist()  # as a gate does in the margin
        m = ahead(m._replace(v=v, w=w))
        assert clearance(grid, m.x, m.y) >= before - 0.01
    assert clearance(grid, m.x, m.y) >= LIMITS.radius_m + P.margin_m


def clearance(grid, x, y):
    return float(grid.clearance_at(np.array([x]), np.array([y]))[0])


def test_it_stands_when_the_plan_ends():
    plan = make(waypoints=[(0, 0, 0), (5, 0, 0)], valid_s=2.0)
    motions, chunks = roll(plan, seconds=2.0)
    assert max(m.v for m in motions) > 0.3
    assert abs(motions[-1].v) < 0.05
    assert all(not c[(k + np.arange(20)) * DT >= 2 * SEC].any() for k, c in enumerate(chunks) if k >= 30)


@pytest.mark.parametrize("v", [0.3, -0.2, 5.0])
def test_velocity_plans(v):
    plan = make(PlanKind.VELOCITY, values=(v, 0.0, 0.1), valid_s=3.0)
    motions, _ = roll(plan, seconds=3.0)
    assert motions[30].v == pytest.approx(max(-0.8, min(0.8, v)), abs=0.01)
    assert abs(motions[-1].v) < 0.05


@pytest.mark.parametrize("values", [(), (1, 0), (math.nan, 0, 0), (0.3, 0, math.inf)])
def test_velocities_that_are_none_mean_a_standstill(values):
    plan = make(PlanKind.VELOCITY, values=values)
    chunk = act(plan, OPEN, Motion(0, 0, 0, 0.4, 0.5))
    assert np.all(np.diff(chunk[:, 0]) <= 0)
    assert not chunk[-1].any()


def test_velocity_into_an_obstacle_is_not_followed():
    grid = chart(0, 0, 0, [Box(-0.8, 0, 0.1, 0.5, 1.0, BLUE)], size_m=12)
    plan = make(PlanKind.VELOCITY, values=(-0.3, 0, 0))
    assert roll(plan, grid, seconds=5)[0][-1].x > -0.4


@pytest.mark.parametrize("kind", [PlanKind.PIXEL_GOAL, PlanKind.TEXT, PlanKind.WAYPOINTS])
def test_what_it_cannot_follow_it_refuses(kind):
    with pytest.raises(PolicyError, match="WAYPOINTS"):
        act(make(kind), OPEN, Motion(0, 0, 0, 0, 0))


def test_without_a_map_it_refuses():
    with pytest.raises(PolicyError, match="local map"):
        act(make(waypoints=[(0, 0, 0), (1, 0, 0)]), None, Motion(0, 0, 0, 0, 0))


def test_track_distances():
    track = Track(np.array([(0, 0, 0), (0, 0, 0), (2, 0, 0), (2, 1, 0)], float))
    assert track.length_m == 3.0
    assert track.end_yaw == pytest.approx(math.pi / 2)
    assert track.nearest(1.0, 0.3) == 1.0
    assert track.nearest(2.5, 0.5) == 2.5
    assert track.nearest(0.0, 0.0, begin_m=2.2) == pytest.approx(2.2)
    assert track.point(0.5, aside_m=0.2) == (0.5, 0.2)
    assert track.point(9.0) == (2.0, 1.0)
    assert Track(np.array([(1.0, 1.0, 0.0)])).end_yaw is None
