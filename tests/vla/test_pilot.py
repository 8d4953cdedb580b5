import numpy as np
import pytest
from vla_world import chart

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.inbox import Freshness, Reading
from saccade.types import Plan, PlanKind, RobotState
from vla_node.params import VlaParams
from vla_node.pilot import Pilot

GRID = chart(0, 0, 0, [], size_m=8, cell_m=0.1)
TICK = 50 * MS


def reading(name, value, now_ns):
    return Reading(name, value, now_ns, 0, Freshness.FRESH)


def plan(kind=PlanKind.WAYPOINTS):
    return Plan(
        1, 1, "", kind, 0, SE3.identity(), 0, 100 * SEC, "odom", np.array([(0, 0, 0), (3, 0, 0)], float), np.zeros(0),
        1.0, True, "",
    )  # fmt: skip


def act(pilot, now_ns, v=0.0, held=False):
    """One chunk for a robot at the origin whose odometry says that it moves at `v`."""
    state = RobotState(now_ns, "odom", SE3.identity(), np.array([v, 0, 0, 0, 0, 0]))
    return pilot.act(now_ns, reading("odom", state, now_ns), reading("local_map", GRID, now_ns), held)


@pytest.fixture
def pilot():
    pilot = Pilot(VlaParams())
    pilot.begin(1)
    pilot.adopt(plan())
    return pilot


def test_speeds_are_continued_from_what_was_asked_not_from_odometry_that_lags(pilot):
    asked = [act(pilot, k * TICK).actions[4, 0] for k in range(1, 8)]
    assert np.all(np.diff(asked) > 0)
    assert asked[-1] > 0.15


def test_a_map_between_two_ticks_does_not_shift_what_was_done_before(pilot):
    for k in range(1, 6):
        act(pilot, k * TICK)
    at_tick = act(pilot, 6 * TICK)
    between = act(pilot, 6 * TICK + 20 * MS)
    assert between.t0_ns == at_tick.t0_ns
    assert between.actions[0, 0] == pytest.approx(at_tick.actions[0, 0], abs=0.01)
    assert between.actions[0, 0] > 0.05


def test_a_robot_the_gate_holds_begins_from_a_standstill(pilot):
    for k in range(1, 8):
        act(pilot, k * TICK)
    held = act(pilot, 8 * TICK, held=True)
    assert 0 < held.actions[4, 0] <= VlaParams().limits.a_m_s2 * 0.05


def test_a_robot_that_does_not_obey_is_taken_as_it_is(pilot):
    for k in range(1, 20):
        act(pilot, k * TICK, v=min(0.6, k * 0.035))
    stuck = act(pilot, 20 * TICK, v=0.0)
    assert stuck.actions[4, 0] <= VlaParams().limits.a_m_s2 * 0.05


def test_nobody_told_it_anything():
    assert act(Pilot(VlaParams()), TICK) is None


def test_a_kind_of_plan_it_cannot_follow_is_a_standstill(pilot):
    pilot.adopt(plan(PlanKind.PIXEL_GOAL))
    chunk = act(pilot, TICK)
    assert chunk is None or not chunk.actions.any()
    assert "PIXEL_GOAL" in pilot.why
