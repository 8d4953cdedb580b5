import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vla_world import BLUE, Box, chart

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.types import LocalMap, Plan, PlanKind
from vla_node.embodiments.base import BaseLimits
from vla_node.embodiments.diff_drive import DIFF_DRIVE
from vla_node.params import PolicyParams
from vla_node.policies.embedded import Policy, ahead
from vla_node.rollout import Motion, Style
from vla_node.track import Track

DT = 50 * MS
LIMITS = BaseLimits()
P = PolicyParams()
STYLE = Style(P.cruise_m_s, P.turn_rad_s, P.reached_m, P.reached_rad, P.lookahead_m, P.lookahead_s)
POLICY = Policy(DIFF_DRIVE, LIMITS, STYLE, P.margin_m, 20, DT)
OPEN = chart(0, 0, 0, [], size_m=12, cell_m=0.1)


def make(kind=PlanKind.WAYPOINTS, waypoints=(), values=(), valid_s=1000.0):
    points = np.array(waypoints, float).reshape(-1, 3)
    plan = Plan(
        3, 1, "", kind, 0, SE3.identity(), 0, round(valid_s * SEC), "odom", points, np.array(values, float), 1, True, ""
    )
    return plan, Track(points) if len(points) else None


def roll(plan, track, grid=OPEN, motion=None, seconds=20.0):
    """The robot carrying out the first action of each chunk; all motions and chunks."""
    m, motions, chunks = motion or Motion(0, 0, 0, 0, 0), [], []
    for k in range(round(seconds * SEC / DT)):
        chunk = POLICY.act(k * DT, plan, track, grid, m)
        v, w = float(chunk.actions[0, 0]), float(chunk.actions[0, 1])
        a, aw = (v - m.v) / 0.05, (w - m.w) / 0.05
        m = ahead(m._replace(v=v, w=w, a=a, aw=aw), DT)
        motions.append(m)
        chunks.append(chunk)
    return motions, chunks


WAYPOINTS = st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.just(0.0)), min_size=1, max_size=4)
SPEEDS = st.builds(lambda yaw, v, w: Motion(0.0, 0.0, yaw, v, w), st.floats(-3, 3), st.floats(0, 0.6), st.floats(-1, 1))


@settings(max_examples=60, deadline=None)
@given(WAYPOINTS, SPEEDS)
def test_chunks_keep_speeds_accelerations_and_jerks(points, motion):
    plan, track = make(waypoints=points)
    actions = POLICY.act(0, plan, track, OPEN, motion).actions
    assert actions.shape == (20, 2)
    assert np.isfinite(actions).all()
    v, w = np.concatenate([[motion.v], actions[:, 0]]), np.concatenate([[motion.w], actions[:, 1]])
    assert (abs(v) <= max(P.cruise_m_s, motion.v) + 1e-9).all()
    assert (abs(np.diff(v)) <= LIMITS.a_m_s2 * 0.05 + 1e-9).all()
    assert (abs(np.diff(w)) <= LIMITS.aw_rad_s2 * 0.05 + 1e-9).all()
    jerk = abs(np.diff(v, 2))
    smooth = (v[2:] > 0) & (v[1:-1] > 0) & (v[:-2] > 0)  # reaching a standstill ends an acceleration at once
    assert (jerk[smooth] <= LIMITS.jerk_m_s3 * 0.05**2 + 1e-9).all()


@settings(max_examples=20, deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3.1, 3.1))
def test_it_arrives_stops_and_faces_along_the_last_segment(x, y, yaw):
    tip = (x + 0.02 * math.cos(yaw), y + 0.02 * math.sin(yaw), 0)
    plan, track = make(waypoints=[(0, 0, 0), (x, y, 0), tip])
    motions, _ = roll(plan, track)
    end = motions[-1]
    assert math.hypot(end.x - x, end.y - y) < 0.14  # 1.4 times the reach, from the tip
    assert abs(math.remainder(end.yaw - yaw, math.tau)) < 0.1
    assert end.v == end.w == 0.0
    assert POLICY.arrived(track, end)


def test_it_slows_down_to_a_stop_within_the_chunk():
    plan, track = make(waypoints=[(0, 0, 0), (0.25, 0, 0)])
    chunk = POLICY.act(0, plan, track, OPEN, Motion(0, 0, 0, 0.5, 0))
    assert chunk.actions[-1, 0] == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.7, 3.0), st.floats(-0.6, 0.6), st.floats(0.1, 0.4))
def test_it_never_runs_into_what_the_map_shows(x, y, half):
    boxes = [Box(x, y, half, half, 1.0, BLUE)]
    grid = chart(0, 0, 0, boxes, size_m=12, cell_m=0.05)
    plan, track = make(waypoints=[(0, 0, 0), (4, 0, 0)])
    motions, _ = roll(plan, track, grid, seconds=6)
    xs, ys = np.array([(m.x, m.y) for m in motions]).T
    outside = np.hypot(np.clip(abs(xs - x) - half, 0, None), np.clip(abs(ys - y) - half, 0, None))
    assert outside.min() > LIMITS.radius_m


def test_what_lies_beside_the_path_is_avoided_not_waited_for():
    grid = chart(0, 0, 0, [Box(1.5, 0.45, 0.15, 0.15, 1.0, BLUE)], size_m=12)
    plan, track = make(waypoints=[(0, 0, 0), (4, 0, 0)])
    motions, _ = roll(plan, track, grid, seconds=15)
    assert motions[-1].x > 3.8


def test_it_does_not_enter_the_unknown_but_turns_to_look():
    unknown = LocalMap(0, "odom", 0.1, (-6.0, -6.0), np.full((120, 120), -1, np.int8), np.zeros((120, 120), np.float32))
    plan, track = make(waypoints=[(0, 0, 0), (0, 2, 0)])
    motions, _ = roll(plan, track, unknown, seconds=6)
    assert motions[-1].x == motions[-1].y == 0.0
    assert motions[-1].yaw == pytest.approx(math.pi / 2, abs=0.1)


def test_a_robot_in_the_margin_may_leave_but_not_go_closer():
    grid = chart(0, 0, 0, [Box(0.4, 0, 0.1, 0.5, 1.0, BLUE)], size_m=12)
    away, closer = make(waypoints=[(0, 0, 0), (-2, 0, 0)]), make(waypoints=[(0, 0, 0), (2, 0, 0)])
    assert roll(*away, grid, Motion(0, 0, math.pi, 0, 0), seconds=3)[0][-1].x < -0.5
    assert roll(*closer, grid, seconds=3)[0][-1].x < 0.01


def test_it_stands_when_the_plan_ends():
    plan, track = make(waypoints=[(0, 0, 0), (5, 0, 0)], valid_s=2.0)
    motions, chunks = roll(plan, track, seconds=2.0)
    assert max(m.v for m in motions) > 0.3
    assert abs(motions[-1].v) < 0.05
    assert all(not c.actions[c.t0_ns + np.arange(20) * DT >= 2 * SEC].any() for c in chunks[30:])


@pytest.mark.parametrize("v", [0.3, -0.2, 5.0])
def test_velocity_plans(v):
    plan, track = make(PlanKind.VELOCITY, values=(v, 0.0, 0.1), valid_s=3.0)
    motions, _ = roll(plan, track, seconds=3.0)
    assert motions[30].v == pytest.approx(max(-0.8, min(0.8, v)), abs=0.01)
    assert abs(motions[-1].v) < 0.05


@pytest.mark.parametrize("values", [(), (1, 0), (math.nan, 0, 0), (0.3, 0, math.inf)])
def test_velocities_that_are_none_mean_a_standstill(values):
    plan, track = make(PlanKind.VELOCITY, values=values)
    chunk = POLICY.act(0, plan, track, OPEN, Motion(0, 0, 0, 0.4, 0.5))
    assert np.all(np.diff(chunk.actions[:, 0]) <= 0)
    assert not chunk.actions[-1].any()


def test_velocity_into_an_obstacle_is_not_followed():
    grid = chart(0, 0, 0, [Box(-0.8, 0, 0.1, 0.5, 1.0, BLUE)], size_m=12)
    plan, track = make(PlanKind.VELOCITY, values=(-0.3, 0, 0))
    assert roll(plan, track, grid, seconds=5)[0][-1].x > -0.4


def test_braking_is_as_hard_as_allowed():
    chunk = POLICY.brake(0, 0, 1, 1, Motion(0, 0, 0, 0.4, -1.0))
    np.testing.assert_allclose(chunk.actions[:11, 0], 0.4 - 0.04 * np.arange(1, 12).clip(max=10), atol=1e-12)
    assert not chunk.actions[10:].any()


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
