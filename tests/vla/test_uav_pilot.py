"""A UAV under the pilot: it flies along the plan's waypoints, up and down too, within its limits."""

from dataclasses import replace

import numpy as np
from vla_world import chart

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.node import Sample
from saccade.types import Plan, PlanKind, RobotState
from saccade.wire.convert import encode_map, encode_odom
from vla_node.params import VlaParams
from vla_node.pilot import Pilot
from vla_node.senses import Senses

TICK = 50 * MS
PARAMS = replace(VlaParams(), embodiment="uav")


def fly(waypoints, seconds_, start=(0.0, 0.0, 1.0)):
    """Positions (n, 3) and asked speeds (n, 4) of a UAV that does exactly what it is asked, every 10 ms."""
    pilot, senses = Pilot(PARAMS), Senses()
    pilot.begin(1)
    pilot.adopt(Plan(
        1, 1, "", PlanKind.WAYPOINTS, 0, SE3.identity(), 0, 100 * SEC, "odom", np.array(waypoints, float), np.zeros(0),
        1.0, True, "",
    ))  # fmt: skip
    T, twist, path, asked = SE3.from_rpy(0, 0, 0, start), np.zeros(6), [], []
    for k in range(1, int(seconds_ * SEC / TICK)):
        now = k * TICK
        senses.take(Sample("odom", now, encode_odom(RobotState(now, "odom", T, twist))))
        grid = chart(0, float(T.t[0]), float(T.t[1]), [], size_m=12, cell_m=0.2)
        senses.take(Sample("local_map", now, encode_map(replace(grid, stamp_ns=now))))
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
