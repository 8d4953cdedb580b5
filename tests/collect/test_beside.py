"""What a map shows beside the robot: doors are gaps in walls, not gaps between things."""

from __future__ import annotations

import math

import numpy as np
import pytest

from saccade.cli.collect.beside import look_beside
from saccade.geometry import SE3
from saccade.types import LocalMap

HERE = SE3.identity()
Box = tuple[float, float, float, float]
WALL: list[Box] = [(0.0, 0.8, 0.15, 5.0), (0.0, -5.0, 0.15, -0.7)]
"""Across the way, with a door of 1.5 m: x and y from, x and y to, metres."""


def grid(things: list[Box], turned_rad: float = 0.0) -> LocalMap:
    """A map, free but for these boxes that stand turned about the origin; behind them nothing is known."""
    at = -6.35 + 0.1 * np.arange(128)
    x, y = np.meshgrid(at, at)
    c, s = math.cos(turned_rad), math.sin(turned_rad)
    along, across = c * x + s * y, -s * x + c * y
    occupancy = np.full((128, 128), 10, np.int8)
    for x0, y0, x1, y1 in things:
        inside = (along > x0 - 0.05) & (along < x1 + 0.05) & (across > y0 - 0.05) & (across < y1 + 0.05)
        occupancy[inside] = 90
    return LocalMap(0, "odom", 0.1, (-6.4, -6.4), occupancy, np.zeros((128, 128), np.float32))


@pytest.mark.parametrize("turned_deg", [0, 15, -15])
def test_a_gap_in_a_wall_is_a_door_from_aside_too(turned_deg: float) -> None:
    seen = look_beside(grid(WALL, math.radians(turned_deg)), HERE)
    assert seen.door
    assert seen.left_m == pytest.approx(0.8, abs=0.2)
    assert seen.right_m == pytest.approx(0.7, abs=0.2)


@pytest.mark.parametrize("things", [
    [(-0.3, 0.7, 0.3, 1.5), (-0.2, -1.1, 0.2, -0.7)], [(-0.3, 0.7, 0.3, 1.6), (-0.3, -1.6, 0.3, -0.7)],
    [(-3.0, 0.7, 3.0, 0.9), (-3.0, -0.9, 3.0, -0.7)], [(0.0, 0.8, 0.15, 5.0)],
    [(0.0, 1.4, 0.15, 5.0), (0.0, -5.0, 0.15, -1.0)],
], ids=["a crate and a pillar", "two crates", "a corridor", "the end of a wall", "a wide gap"])  # fmt: skip
def test_what_is_no_door(things: list[Box]) -> None:
    assert not look_beside(grid(things), HERE).door


def test_holes_in_what_the_map_shows_of_a_wall_do_not_end_it() -> None:
    holed = grid(WALL)
    holed.occupancy[76:78] = -1  # 1.2 to 1.4 m to the left
    assert look_beside(holed, HERE).door
    holed.occupancy[74:82] = 10
    assert look_beside(holed, HERE).wall_m < look_beside(grid(WALL), HERE).wall_m


def test_the_map_is_looked_at_along_the_robots_heading_and_no_farther_than_it_goes() -> None:
    along = SE3.from_rpy(0.0, 0.0, math.pi / 2, (0.0, 0.0, 0.0))
    assert not look_beside(grid(WALL), along).door
    assert look_beside(grid(WALL), SE3.from_rpy(0.0, 0.0, math.pi, (0.0, 0.0, 0.0))).door
    away = look_beside(grid(WALL), SE3.from_rpy(0.0, 0.0, 0.0, (20.0, 0.0, 0.0)))
    assert (away.left_m, away.right_m, away.door) == (math.inf, math.inf, False)
