"""A UAV under the pilot: it flies along the plan's waypoints, up and down too, in its limits and clear of things."""

from dataclasses import replace

import numpy as np

from saccade.clearance import ClearanceField
from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.node import Sample
from saccade.types import Plan, PlanKind, RobotState
from saccade.wire.clearance import encode_clearance
from saccade.wire.convert import encode_odom
from vla_node.params import VlaParams
from vla_node.pilot import Pilot
from vla_node.senses import Senses

TICK = 50 * MS
PARAMS = replace(VlaParams(), embodiment="uav")


def field(now_ns, around, things=()):
    """Clearance in a box of 6 by 6 by 4 m around a place, with upright posts ((x, y), radius) in it."""
    cell = 0.2
    low = np.floor((np.asarray(around) - (3, 3, 2)) / cell) * cell
    x, y = (low[i] + (np.arange(30) + 0.5) * cell for i in (0, 1))
    free = np.full((30, 30), 2.5)
    for (px, py), radius in things:
        free = np.minimum(free, np.hypot(x[:, None] - px, y[None] - py) - radius)
    units = np.repeat(np.clip(free / 0.01, 0, 255).astype(np.uint8)[..., None], 20, axis=2)
    return ClearanceField(now_ns, "odom", cell, tuple(low.tolist()), 30.0, 0.01, units)


def fly(waypoints, seconds_, start=(0.0, 0.0, 1.0), things=()):
    """Positions (n, 3) and asked speeds (n, 4) of a UAV that does exactly what it is asked, every 10 ms."""
    pilot, senses = Pilot(PARAMS), Senses(flies=True)
    pilot.begin(1)
    pilot.adopt(Plan(
        1, 1, "", PlanKind.WAYPOINTS, 0, SE3.identity(), 0, 100 * SEC, "odom", np.array(waypoints, float), np.zeros(0),
        1.0, True, "",
    ))  # fmt: skip
    T, twist, path, asked = SE3.from_rpy(0, 0, 0, start), np.zeros(6), [], []
    for k in range(1, int(seconds_ * SEC / TICK)):
        now = k * TICK
        senses.take(Sample("odom", now, encode_odom(RobotState(now, "odom", T, twist))))
        if k % 4 == 1:
            senses.take(Sample("clearance", now, encode_clearance(field(now, T.t, things))))
        chunk = pilot.act(now, senses, False)
        for i in range(5):
            vx, vy, vz, wz = chunk.at(now + i * 10 * MS)
            T = T @ SE3.from_rpy(0, 0, wz * 0.01, (vx * 0.01, vy * 0.01, vz * 0.01))
            twist = np.array([vx, vy, vz, 0, 0, wz])
            path.append(T.t.copy())
            asked.append(twist[[0, 1, 2, 5]])
    return np.array(path), np.array(asked), pilot


def test_it_arrives_at_the_height_of_the_plan_within_its_limits():
    path, asked, pilot = fly([(0, 0, 1.0), (2, 0, 1.8), (4, 1, 1.8)], 14)
    assert np.linalg.norm(path[-1] - (4, 1, 1.8)) < 0.15
    assert pilot.arrived
    limits = PARAMS.uav.by_axis()
    assert (np.abs(asked) <= limits.speed + 1e-9).all()
    assert (np.abs(np.diff(asked, axis=0)) <= limits.accel * 0.01 + 1e-9).all()


def test_it_descends_without_diving_below():
    path, _, _ = fly([(0, 0, 1.0), (3, 0, 0.5)], 10)
    assert path[:, 2].min() > 0.45
    assert abs(path[-1, 2] - 0.5) < 0.05


def test_it_rises_straight_up_and_turns_where_it_is():
    path, asked, pilot = fly([(0, 0, 1.0), (0, 0, 2.0)], 6)
    assert np.abs(path[:, :2]).max() < 1e-6
    assert abs(path[-1, 2] - 2.0) < 0.1
    assert pilot.arrived
    path, asked, pilot = fly([(0, 0, 1.0), (-0.02, 0, 1.0)], 8)
    assert np.linalg.norm(path - (0, 0, 1.0), axis=1).max() < 0.1
    assert abs(asked[:, 3].sum() * 0.01) > 3.0
    assert pilot.arrived


def test_it_looks_where_it_goes_before_it_goes_there():
    path, asked, _ = fly([(0, 0, 1.0), (0, 3, 1.0)], 3)
    turned = np.cumsum(asked[:, 3]) * 0.01
    assert np.hypot(*asked[turned < 0.8, :2].T).max() < 0.05
    assert path[-1, 1] > 0.3


def test_a_post_in_the_way_is_flown_round():
    post = ((1.6, 0.0), 0.2)
    path, _, _ = fly([(0, 0, 1.0), (3, 0, 1.0)], 10, things=[post])
    assert np.hypot(path[:, 0] - 1.6, path[:, 1]).min() - 0.2 > PARAMS.limits.radius_m + 0.05
    assert np.linalg.norm(path[-1] - (3, 0, 1.0)) < 0.2


def test_a_wall_in_the_way_is_hovered_before():
    wall = [((1.6, y), 0.2) for y in np.arange(-4, 4.1, 0.4)]
    path, _, _ = fly([(0, 0, 1.0), (5, 0, 1.0)], 5, things=wall)
    assert path[:, 0].max() < 1.4 - PARAMS.limits.radius_m
    assert np.abs(path[-50:, 0] - path[-1, 0]).max() < 0.05


def test_without_clearance_it_does_not_move():
    pilot, senses = Pilot(PARAMS), Senses(flies=True)
    pilot.begin(1)
    way = np.array([(0.0, 0, 1), (2, 0, 1)])
    pilot.adopt(
        Plan(1, 1, "", PlanKind.WAYPOINTS, 0, SE3.identity(), 0, 100 * SEC, "odom", way, np.zeros(0), 1.0, True, "")
    )
    senses.take(Sample("odom", TICK, encode_odom(RobotState(TICK, "odom", SE3.identity(), np.zeros(6)))))
    chunk = pilot.act(TICK, senses, False)
    assert chunk is None or not chunk.actions.any()
    assert "clearance missing" in pilot.why
