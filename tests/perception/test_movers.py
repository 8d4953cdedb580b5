"""What moves is given a wide berth by the local map, and what stands still is not, however it is seen."""

import numpy as np
import pytest
from perception_scenes import T_BASE_FROM_CAM, depth_of
from test_local_map import AHEAD_M, CAMERA, PARAMS, at, room

from perception_node.local_map import LocalMapper
from perception_node.params import MapParams
from saccade.clock import MS, SEC
from saccade.geometry import SE3

BERTH_M = 1.0
WIDE = MapParams(berth_m=BERTH_M)


def film(mapper, boxes_of, frames, noise_m=0.0, x_of=lambda i: 0.0, begin=0):
    """The map after frames at 10 Hz of a wall 6 m off and boxes, seen from x, in a camera of some noise at 1 m."""
    rng = np.random.default_rng(1)
    for i in range(begin, begin + frames):
        x = x_of(i)
        depth = room(6.0 - x, [(bx - x, *rest) for bx, *rest in boxes_of(i)])
        depth = depth * (1 + rng.normal(0, noise_m, depth.shape) * depth).astype(np.float32)
        pose = SE3.from_rpy(0, 0, 0, (x, 0, 0))
        grid = mapper.update(depth_of(depth, CAMERA, SEC + i * 100 * MS), pose, T_BASE_FROM_CAM, "odom")
    return grid


def walker(i):
    """Somebody half a metre wide who comes on at 1 m/s from 3.5 m."""
    return [(3.5 - 0.1 * max(0, i - 12), -0.25, 0.25, 1.5)]


def test_before_somebody_who_comes_on_the_floor_is_not_free():
    mapper, still = LocalMapper(WIDE), LocalMapper(PARAMS)
    grid, plain = (film(m, walker, 22) for m in (mapper, still))
    person_m = 3.5 - 0.1 * 9
    before = person_m - BERTH_M + 0.35
    assert at(plain, before, 0.0) >= 0, "a map of a world that stands still knows that it is free"
    assert at(grid, before, 0.0) == -1
    assert grid.clearance_at(np.array([before]), np.array([0.0]))[0] < 0.2
    assert at(grid, person_m - BERTH_M - 0.3, 0.0) >= 0


def test_who_has_gone_leaves_no_berth_behind():
    mapper = LocalMapper(WIDE)
    film(mapper, walker, 22)
    grid = film(mapper, lambda i: [], 12, begin=22)
    assert at(grid, 2.0, 0.0) >= 0


@pytest.mark.parametrize("noise_m", [0.0, 0.02])
def test_what_stands_still_is_no_mover_while_the_robot_drives(noise_m):
    boxes = [(3.0, 0.3, 0.9, 0.8), (2.5, -1.2, -0.7, 1.4)]
    grid, plain = (
        film(LocalMapper(p), lambda i: boxes, 30, noise_m, lambda i: 0.04 * max(0, i - 8)) for p in (WIDE, PARAMS)
    )
    assert np.array_equal(grid.occupancy, plain.occupancy)


def test_where_the_robot_stands_stays_free():
    mapper = LocalMapper(MapParams(berth_m=5.0))
    grid = film(mapper, walker, 22)
    assert at(grid, 0.0, 0.0) >= 0
    assert at(grid, AHEAD_M + 0.9, 0.0) == -1


@pytest.mark.parametrize(("stays", "passing_s", "gone"), [(6, 2.0, True), (6, 0.0, False), (40, 2.0, False)])
def test_who_passed_by_is_forgotten_soon_where_nobody_looks_and_what_stays_is_not(stays, passing_s, gone):
    mapper = LocalMapper(MapParams(passing_s=passing_s))
    film(mapper, lambda i: [(2.05, -0.25, 0.25, 1.5)] if i >= 12 else [], 12 + stays)
    away = SE3.from_rpy(0, 0, np.pi, (0.3, 0.2, 0))  # the map moves along, and the camera looks elsewhere
    for i in range(50):
        depth = depth_of(room(4.0), CAMERA, SEC + (12 + stays + i) * 100 * MS)
        grid = mapper.update(depth, away, T_BASE_FROM_CAM, "odom")
    assert (0 <= at(grid, 2.05, 0.0) < 50) == gone
    assert at(grid, 1.2, 0.0) >= 0
    assert at(grid, 6.0, 0.0) != 0


def aside(i):
    """Somebody who crosses from 1.5 m left to the right at 1 m/s, 2.2 m ahead."""
    y = 1.5 - 0.1 * max(0, i - 12)
    return [(2.2, y - 0.2, y + 0.2, 1.5)]


@pytest.mark.parametrize(
    ("seconds", "y", "expected"), [(0.5, -0.4, True), (1.5, -0.9, True), (1.5, 0.4, False), (3.5, -0.9, False)]
)
def test_who_has_walked_out_of_the_picture_is_taken_to_walk_on(seconds, y, expected):
    mapper = LocalMapper(WIDE)
    grid = film(mapper, aside, 24)  # now 0.4 m left of the middle
    assert (at(grid, 1.7, y) == -1) == (y > -0.5)
    away = SE3.from_rpy(0, 0, np.pi, (0, 0, 0))
    for i in range(round(seconds * 10)):
        depth = depth_of(room(4.0), CAMERA, SEC + (24 + i) * 100 * MS)
        grid = mapper.update(depth, away, T_BASE_FROM_CAM, "odom")
    assert (at(grid, 1.7, y) == -1) == expected
