"""Where things stand in the hall: placed by seed, so that a way from the start to the red box exists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from saccade.geometry import SE3, wrap_angle
from sim.things import Colour, Thing

HALL_M = (8.0, 6.0, 3.0)
"""Length, width and height of the hall; its origin is the middle of the floor."""
ROBOT_RADIUS_M = 0.25
START_CLEAR_M = 1.1
GAP_M = 0.95
_CELL_M = 0.05
_MARGIN_M = 0.15


@dataclass(frozen=True, slots=True)
class Layout:
    """A furnished hall: `start` is the robot's pose `T_hall_from_base` at the beginning."""

    seed: int
    start: SE3
    things: tuple[Thing, ...]

    def thing(self, name: str) -> Thing:
        """The thing of that name."""
        return next(thing for thing in self.things if thing.name == name)


GOAL = "red box"
_COLOURED = (
    Thing(GOAL, "box", (0.46, 0.46, 0.50), (205, 38, 34)),
    Thing("blue cylinder", "cylinder", (0.20, 0.62), (32, 74, 190)),
    Thing("green ball", "sphere", (0.24,), (34, 150, 60)),
    Thing("yellow box", "box", (0.40, 0.40, 0.40), (236, 186, 22)),
)
_SHIRTS: tuple[Colour, ...] = ((112, 120, 132), (92, 84, 102), (150, 142, 128))
_PEOPLE = tuple(Thing(f"person {i + 1}", "capsule", (0.25, 1.70), shirt) for i, shirt in enumerate(_SHIRTS))


def furnish(seed: int) -> Layout:
    """The layout of a seed: start at the west end, red box in the east half, the rest anywhere that leaves a way.

    The start's heading is drawn too, so that the red box may or may not be in the first view.
    """
    rng = np.random.default_rng(seed)
    while True:
        start = _start(rng)
        things: list[Thing] = []
        for thing in (*_COLOURED, *_PEOPLE):
            placed = _place(thing, things, start, rng)
            if placed is None:
                break
            things.append(placed)
        if len(things) == len(_COLOURED) + len(_PEOPLE) and reachable(start, things, things[0]):
            return Layout(seed, start, tuple(things))


def reachable(start: SE3, things: Sequence[Thing], goal: Thing) -> bool:
    """Whether the robot, with a margin, can drive from the start to beside `goal`: flood fill on a 5 cm grid."""
    length, width = HALL_M[:2]
    xs = np.arange(-length / 2 + _CELL_M / 2, length / 2, _CELL_M)
    ys = np.arange(-width / 2 + _CELL_M / 2, width / 2, _CELL_M)
    inflate = ROBOT_RADIUS_M + _MARGIN_M
    free = np.zeros((len(ys), len(xs)), np.uint8)
    free[np.ix_(abs(ys) < width / 2 - inflate, abs(xs) < length / 2 - inflate)] = 1
    for thing in things:
        distance = np.hypot(xs[None] - thing.x, ys[:, None] - thing.y) - thing.radius_m
        free[distance < inflate] = 0
    regions = cv2.connectedComponents(free, connectivity=4)[1]
    home = regions[round((start.t[1] - ys[0]) / _CELL_M), round((start.t[0] - xs[0]) / _CELL_M)]
    beside = np.hypot(xs[None] - goal.x, ys[:, None] - goal.y) < goal.radius_m + inflate + 2 * _CELL_M
    return bool(home != 0 and (regions[beside] == home).any())


def _start(rng: np.random.Generator) -> SE3:
    x, y = rng.uniform(-3.2, -2.9), rng.uniform(-1.6, 1.6)
    towards_middle = math.atan2(-y, -x)
    return SE3.from_rpy(0.0, 0.0, towards_middle + rng.uniform(-0.9, 0.9), (x, y, 0.0))


def _place(thing: Thing, others: list[Thing], start: SE3, rng: np.random.Generator) -> Thing | None:
    """The thing somewhere free, or None when forty tries found nothing."""
    margin = thing.radius_m + (0.15 if thing.kind == "box" else 0.75)
    west = 0.5 if thing.name == GOAL else -2.4
    for _ in range(40):
        x = rng.uniform(west, HALL_M[0] / 2 - margin)
        y = rng.uniform(-HALL_M[1] / 2 + margin, HALL_M[1] / 2 - margin)
        clear = math.hypot(x - start.t[0], y - start.t[1]) - thing.radius_m > START_CLEAR_M
        if clear and all(math.hypot(x - o.x, y - o.y) > thing.radius_m + o.radius_m + GAP_M for o in others):
            yaw = wrap_angle(rng.uniform(-math.pi, math.pi))
            return replace(thing, x=float(x), y=float(y), yaw=yaw)
    return None
