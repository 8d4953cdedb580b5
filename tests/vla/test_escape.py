"""A robot in the margin gets out of it by the way that leads out soonest, and never nearer to what is there."""

import math

import numpy as np
import pytest
from vla_world import BLUE, Box, chart

from saccade.types import LocalMap
from vla_node.embodiments.base import BaseLimits
from vla_node.policies.escape import escape
from vla_node.rollout import Motion

LIMITS, NEED_M, DT = BaseLimits(), 0.46, 0.05
WALL = chart(0, 0, 0, [Box(0, 0.45, 4.0, 0.1, 1.0, BLUE)], size_m=6, cell_m=0.1)
POST = chart(0, 0, 0, [Box(0.45, 0, 0.1, 0.1, 1.0, BLUE)], size_m=6, cell_m=0.1)
CORNER = chart(0, 0, 0, [Box(0.5, 0, 0.1, 2.0, 1.0, BLUE), Box(0, 0.5, 2.0, 0.1, 1.0, BLUE)], size_m=6, cell_m=0.1)


def room(grid, *motions):
    return grid.clearance_at(np.array([m.x for m in motions]), np.array([m.y for m in motions]))


def drive(grid, yaw, seconds=12.0):
    """The robot, at rest at the origin, carrying out the first step of each way until there is none to go."""
    motions = [Motion(0, 0, yaw, 0, 0)]
    for _ in range(round(seconds / DT)):
        if room(grid, motions[-1])[0] >= NEED_M:
            return motions
        way = escape(motions[-1], grid, NEED_M, LIMITS, DT, 20)
        assert len(way) == 20
        motions.append(way[0])
    raise AssertionError(f"still {room(grid, motions[-1])[0]:.2f} m from something")


@pytest.mark.parametrize("grid", [WALL, POST, CORNER], ids=["wall", "post", "corner"])
@pytest.mark.parametrize("yaw", np.linspace(-3.0, 3.1, 9).round(2))
def test_it_gets_out_without_going_nearer(grid, yaw):
    before = room(grid, Motion(0, 0, 0, 0, 0))[0]
    assert 0.2 < before < NEED_M
    assert (room(grid, *drive(grid, yaw)) >= before - 0.01).all()


def test_what_is_in_front_is_backed_away_from_and_what_is_behind_is_driven_away_from():
    ahead, behind = drive(POST, 0.0), drive(POST, math.pi)
    assert max(abs(m.yaw) for m in ahead) < 0.3
    assert min(m.v for m in ahead) < -0.05
    assert max(m.v for m in ahead) <= 0.0
    assert max(m.v for m in behind) > 0.05
    assert ahead[-1].x < 0 > behind[-1].x


def test_it_is_slow():
    motions = drive(WALL, 0.3)
    assert max(abs(m.v) for m in motions) <= 0.2 + 1e-9
    assert max(abs(m.w) for m in motions) <= 0.3 + 1e-9


def test_there_is_no_way_where_only_its_own_place_is_free():
    free = np.zeros((40, 40), np.uint8)
    rows, columns = np.indices(free.shape)
    clearance = np.clip(0.35 - 0.1 * np.hypot(rows - 19.5, columns - 19.5), 0, None).astype(np.float32)
    alone = LocalMap(0, "odom", 0.1, (-2.0, -2.0), np.where(clearance > 0, 0, -1).astype(np.int8), clearance)
    assert escape(Motion(0, 0, 0, 0, 0), alone, NEED_M, LIMITS, DT, 20) == []


def test_more_room_is_gone_for_where_none_is_enough():
    """A lane of 0.8 m, the robot beside its middle: it goes there, although 0.4 m are not what it wants."""
    lane = [Box(0, -0.25 - 0.1, 4.0, 0.1, 1.0, BLUE), Box(0, 0.55 + 0.1, 4.0, 0.1, 1.0, BLUE)]
    grid = chart(0, 0, 0, lane, size_m=6, cell_m=0.1)
    m = Motion(0, 0, 1.2, 0, 0)
    for _ in range(200):
        way = escape(m, grid, NEED_M, LIMITS, DT, 20)
        if not way:
            break
        m = way[0]
    assert room(grid, m)[0] > room(grid, Motion(0, 0, 0, 0, 0))[0] + 0.05
    assert abs(m.y - 0.15) < 0.12


def test_it_comes_to_rest_where_there_is_room():
    way = escape(Motion(0, 0, 0, 0, 0), POST, NEED_M, LIMITS, DT, 200)
    assert abs(way[-1].v) < 0.02
    assert NEED_M <= room(POST, way[-1])[0] < NEED_M + 0.1


def test_no_way_leads_through_what_is_there():
    sides = [Box(x, 0, 0.04, 0.4, 1.0, BLUE) for x in (0.32, -0.32)]
    sides += [Box(0, y, 0.4, 0.04, 1.0, BLUE) for y in (0.32, -0.32)]
    pen, need_m = chart(0, 0, 0, sides, size_m=6, cell_m=0.05), 0.36
    assert room(pen, Motion(0, 0, 0, 0, 0))[0] < need_m < room(pen, Motion(0.78, 0, 0, 0, 0))[0]
    assert escape(Motion(0, 0, 0, 0, 0), pen, need_m, LIMITS, DT, 20) == []
