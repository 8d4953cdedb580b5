import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vla_world import BLUE, Box, chart, clearance

from saccade.types import LocalMap
from vla_node.reasoners.embedded.search import cost_map, find_path

RADIUS = 0.4


def plan(grid, start, goal, reach=0.0):
    start, goal = np.array(start, float), np.array(goal, float)
    return find_path(cost_map(grid, start, RADIUS), start, goal, reach)


def wall(x, y0, y1):
    return Box(x, (y0 + y1) / 2, 0.1, (y1 - y0) / 2, 1.0, BLUE)


def nearest_m(path, boxes):
    """Least distance of the path's points, sampled finely, to any box."""
    fine = np.concatenate([np.linspace(a, b, 50) for a, b in pairwise(path)])
    return min(float(outside_m(fine, box).min()) for box in boxes)


def outside_m(points, box):
    """Distance of points (n, 2) from a box, 0 inside."""
    past = np.abs(points - (box.x, box.y)) - (box.half_x, box.half_y)
    return np.hypot(*np.clip(past, 0, None).T)


def test_the_open_floor_is_crossed_straight():
    path = plan(chart(0, 0, 0, []), (0, 0), (3, 1))
    np.testing.assert_allclose(path, [(0, 0), (3, 1)], atol=0.06)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0.9, 2.2), st.floats(-2.5, 2.5)), min_size=1, max_size=5))
def test_paths_keep_the_radius_from_obstacles(places):
    boxes = [Box(x, y, 0.15, 0.15, 0.5, BLUE) for x, y in places]
    path = plan(chart(0, 0, 0, boxes), (0, 0), (3.2, 0))
    if path is not None:
        assert nearest_m(path, boxes) > RADIUS - 0.12  # less than a cell and a bit, for cells are centres
        np.testing.assert_allclose(path[0], (0, 0))
        np.testing.assert_allclose(path[-1], (3.2, 0), atol=0.11)


def test_a_wall_is_gone_around_and_a_closed_one_is_not_passed():
    assert len(plan(chart(0, 0, 0, [wall(1.5, -3.9, 1.0)]), (0, 0), (3, 0))) > 2
    assert plan(chart(0, 0, 0, [wall(1.5, -4.1, 4.1)]), (0, 0), (3, 0)) is None


def test_an_object_is_approached_to_within_reach():
    path = plan(chart(0, 0, 0, [Box(3, 0, 0.2, 0.2, 0.5, BLUE)]), (0, 0), (3, 0), reach=0.8)
    assert 0.65 <= math.hypot(path[-1][0] - 3, path[-1][1]) <= 0.8


def test_a_goal_beyond_the_map_is_approached_at_its_edge():
    path = plan(chart(0, 0, 0, []), (0, 0), (20, 10))
    end = path[-1]
    assert np.hypot(*end) > 3.8
    assert math.atan2(end[1], end[0]) == pytest.approx(math.atan2(10, 20), abs=0.1)


def unseen(rows, cols):
    """The open floor with a patch that was not seen."""
    grid = chart(0, 0, 0, [])
    occupancy = grid.occupancy.copy()
    occupancy[rows, cols] = -1
    return replace(grid, occupancy=occupancy, clearance_m=clearance(occupancy, grid.resolution_m))


def test_unknown_cells_are_worth_a_detour_but_are_no_wall():
    patch, strip = unseen(slice(70, 90), slice(100, 110)), unseen(slice(None), slice(100, 110))
    assert len(plan(patch, (0, 0), (3, 0))) > 2
    np.testing.assert_allclose(plan(strip, (0, 0), (3, 0)), [(0, 0), (3, 0)], atol=0.06)


def test_what_is_beyond_the_map_is_no_better_than_what_is_unknown_in_it():
    ahead = unseen(slice(None), slice(110, None))  # from 1.5 m on; to the side it is free as far as the map goes
    path = plan(ahead, (0, 0), (12, 0))
    assert path[-1][0] > 3.8, "or it would turn away from each place that comes into the map"
    assert np.abs(path[:, 1]).max() < 0.5


def test_strictly_only_floor_that_is_known_to_be_free_is_planned_over():
    start, goal = np.zeros(2), np.array([3.0, 0.0])
    patch, strip = unseen(slice(70, 90), slice(100, 110)), unseen(slice(None), slice(100, 110))
    path = find_path(cost_map(patch, start, RADIUS, strict=True), start, goal, 0.0)
    fine = np.concatenate([np.linspace(a, b, 50) for a, b in pairwise(path)])
    assert patch.clearance_at(*fine.T).min() > RADIUS - 0.12
    assert find_path(cost_map(strip, start, RADIUS, strict=True), start, goal, 0.0) is None


def test_what_is_unknown_below_the_cameras_view_is_gone_around_and_what_is_further_off_is_not():
    start, goal = np.zeros(2), np.array([3.0, 0.0])
    near, far = unseen(slice(70, 90), slice(92, 96)), unseen(slice(None), slice(110, 114))  # 0.6 and 1.5 m ahead
    path = find_path(cost_map(near, start, RADIUS, blind_m=1.0), start, goal, 0.0)
    fine = np.concatenate([np.linspace(a, b, 50) for a, b in pairwise(path)])
    fine = fine[np.hypot(*fine.T) > RADIUS + 0.1]
    assert near.clearance_at(*fine.T).min() > RADIUS - 0.12
    path = find_path(cost_map(far, start, RADIUS, blind_m=1.0), start, goal, 0.0)
    np.testing.assert_allclose(path, [(0, 0), (3, 0)], atol=0.06)


def test_a_robot_that_stands_too_near_to_something_can_leave():
    boxes = [wall(0.3, -1.0, 1.0)]
    path = plan(chart(0, 0, 0, boxes), (0, 0), (-2, 0))
    np.testing.assert_allclose(path[-1], (-2, 0), atol=0.11)


def test_outside_the_map_there_is_no_path():
    assert plan(chart(0, 0, 0, []), (30, 0), (0, 0)) is None


def test_coarse_cells_keep_thin_obstacles():
    occupancy = np.zeros((100, 100), np.int8)
    occupancy[:, 51] = 100
    grid = LocalMap(0, "odom", 0.02, (-1.0, -1.0), occupancy, np.zeros((100, 100), np.float32))
    assert plan(grid, (-0.6, 0), (0.8, 0)) is None
