"""The hall is furnished by seed, nothing touches, and the red box can be reached."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.geometry import SE3
from sim.hall.layout import GOAL, HALL_M, ROBOT_RADIUS_M, START_CLEAR_M, furnish, reachable
from sim.things import Thing

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_every_hall_leaves_room_to_drive(seed: int) -> None:
    layout = furnish(seed)
    x, y, _ = layout.start.t
    for thing in layout.things:
        assert abs(thing.x) + thing.radius_m < HALL_M[0] / 2
        assert abs(thing.y) + thing.radius_m < HALL_M[1] / 2
        assert thing.distance_m(x, y) > START_CLEAR_M - 0.15
    for a, b in combinations(layout.things, 2):
        assert math.hypot(a.x - b.x, a.y - b.y) - a.radius_m - b.radius_m > 2 * ROBOT_RADIUS_M + 0.3
    assert reachable(layout.start, layout.things, layout.thing(GOAL))


def test_a_seed_is_a_hall() -> None:
    assert furnish(7).things == furnish(7).things
    assert np.array_equal(furnish(7).start.R, furnish(7).start.R)
    assert furnish(7).things != furnish(8).things


def test_the_red_box_is_in_the_first_view_of_some_halls_only() -> None:
    def bearing(seed: int) -> float:
        layout = furnish(seed)
        box = layout.thing(GOAL)
        ahead = layout.start.inverse().apply(np.array([box.x, box.y, 0.0]))
        return abs(math.degrees(math.atan2(ahead[1], ahead[0])))

    seen = [bearing(seed) < 35 for seed in range(20)]
    assert 4 <= sum(seen) <= 16


def test_a_wall_of_people_is_no_way() -> None:
    layout = furnish(3)
    goal = replace(layout.thing(GOAL), x=2.5, y=0.0)
    row = [Thing(f"guard {i}", "capsule", (0.25, 1.7), (0, 0, 0), 0.0, -3 + 0.75 * i) for i in range(9)]
    assert not reachable(layout.start, [goal, *row], goal)
    assert reachable(layout.start, [goal, *row[:4], *row[6:]], goal)


@pytest.mark.parametrize(("x", "y", "expected"), [(1.0, 0.0, 0.5), (0.2, 0.1, 0.0), (0.9, 0.8, 0.5)])
def test_distance_to_a_turned_box_is_to_its_edge(x: float, y: float, expected: float) -> None:
    turned = SE3.from_rpy(0, 0, 0.7).apply(np.array([x, y, 0.0]))
    box = Thing("box", "box", (1.0, 1.0, 1.0), (0, 0, 0), 3.0, -2.0, 0.7)
    assert box.distance_m(3.0 + turned[0], -2.0 + turned[1]) == pytest.approx(expected)
