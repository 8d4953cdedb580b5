"""Where gates, trees and the post stand: placed by seed along a course that can be flown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from saccade.geometry import F64, SE3
from sim.things import Colour, Thing

GROUND_M = (20.0, 14.0, 6.0)
"""Length, width and height; the origin is the middle of the floor."""
STANDING_M = 0.15
"""Height of base_link, the middle of the body, where it stands on the ground."""
BAR_M = 0.16
"""Width of a gate's frame."""
_EDGE_M = 2.4
_COLOURS: tuple[tuple[str, Colour], ...] = (
    ("red", (206, 36, 34)), ("blue", (34, 78, 200)), ("yellow", (230, 212, 30)), ("magenta", (206, 40, 150)),
    ("cyan", (24, 176, 196)),
)  # fmt: skip
_POST = Thing("orange post", "cylinder", (0.20, 2.2), (236, 122, 20))
Rng = np.random.Generator
Point: TypeAlias = F64


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """An upright frame around an opening of `width_m` by `height_m`, whose middle is `centre` (3,).

    It is flown through along `yaw`, or the other way.
    """

    name: str
    colour: Colour
    centre: Point
    yaw: float
    width_m: float
    height_m: float

    @property
    def normal(self) -> Point:
        """Level unit vector through the opening, (3,)."""
        return np.array([math.cos(self.yaw), math.sin(self.yaw), 0.0])

    def things(self) -> list[Thing]:
        """Two uprights that stand on the ground, a bar above and a sill below the opening."""
        x, y, z = self.centre.tolist()
        across = np.array([-math.sin(self.yaw), math.cos(self.yaw)])
        top = z + self.height_m / 2 + BAR_M
        out = []
        for side, sign in (("left", 1), ("right", -1)):
            at = np.array([x, y]) + sign * (self.width_m + BAR_M) / 2 * across
            out.append(self._bar(side, BAR_M, top, float(at[0]), float(at[1]), 0.0))
        for end, low in (("bar", top - BAR_M), ("sill", z - self.height_m / 2 - BAR_M)):
            out.append(self._bar(end, self.width_m, BAR_M, x, y, low))
        return out

    def through(self, before: Point, after: Point) -> bool:
        """Whether a step of the robot's middle leads through the opening."""
        a, b = (float(self.normal @ (at - self.centre)) for at in (before, after))
        if a * b > 0 or a == b:
            return False
        off = before + (after - before) * (a / (a - b)) - self.centre
        aside = off - (off @ self.normal) * self.normal
        return bool(np.hypot(*aside[:2]) < self.width_m / 2 and abs(aside[2]) < self.height_m / 2)

    def _bar(self, part: str, across_m: float, height_m: float, x: float, y: float, z: float) -> Thing:
        return Thing(f"{self.name} {part}", "box", (BAR_M, across_m, height_m), self.colour, x, y, self.yaw, z)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A flying ground: `start` is `T_world_from_base` at the beginning, on the ground.

    `order` are the gates of the errand, `goal` the post at its end; `things` is all that stands about.
    """

    seed: int
    start: SE3
    gates: tuple[Gate, ...]
    order: tuple[Gate, ...]
    goal: Thing
    things: tuple[Thing, ...]

    @property
    def shortest_m(self) -> float:
        """Length of the straight lines from the start through the gates' middles to the post's edge."""
        last = np.array([self.goal.x, self.goal.y, self.order[-1].centre[2]])
        points = [self.start.t, *(gate.centre for gate in self.order), last]
        return sum(math.dist(a, b) for a, b in pairwise(points)) - self.goal.radius_m


def furnish(seed: int, gates: int = 0) -> Layout:
    """The layout of a seed; its errand leads through so many gates, or two or three as the seed has it."""
    rng = np.random.default_rng((seed, 0))
    count = gates or int(rng.integers(2, 4))
    while True:
        layout = _attempt(seed, rng, count)
        if layout is not None:
            return layout


def _attempt(seed: int, rng: Rng, count: int) -> Layout | None:
    start = SE3.from_rpy(0.0, 0.0, float(rng.uniform(-0.5, 0.5)), (-8.4, float(rng.uniform(-3.5, 3.5)), STANDING_M))
    colours = [_COLOURS[i] for i in rng.permutation(len(_COLOURS))]
    heading = -start.t[1] * 0.06 + float(rng.uniform(-0.3, 0.3))
    here, order = start.t[:2], list[Gate]()
    for name, colour in colours[:count]:
        here = here + float(rng.uniform(3.6, 5.0)) * np.array([math.cos(heading), math.sin(heading)])
        order.append(_gate(rng, name, colour, here, heading + float(rng.uniform(-0.35, 0.35))))
        heading += float(rng.uniform(-0.8, 0.8))
    post = here + float(rng.uniform(3.6, 5.0)) * np.array([math.cos(heading), math.sin(heading)])
    course = [start.t[:2], *(gate.centre[:2] for gate in order), post]
    if not all(_inside(point) for point in course[1:]) or _crowded(course):
        return None
    others = _others(rng, colours[count:], course)
    goal = Thing(_POST.name, _POST.kind, _POST.size, _POST.colour, float(post[0]), float(post[1]))
    gates = (*order, *others)
    trees = _trees(rng, course, gates)
    frames = [thing for gate in gates for thing in gate.things()]
    return Layout(seed, start, gates, tuple(order), goal, (*frames, goal, *trees))


def _gate(rng: Rng, name: str, colour: Colour, at: Point, yaw: float) -> Gate:
    width, height, sill = rng.uniform(1.25, 1.6), rng.uniform(1.2, 1.5), rng.uniform(0.5, 1.5)
    centre = np.array([*at, float(sill + height / 2)])
    return Gate(f"{name} gate", colour, centre, yaw, float(width), float(height))


def _others(rng: Rng, colours: Sequence[tuple[str, Colour]], course: Sequence[Point]) -> list[Gate]:
    """Up to two gates that nobody is sent through."""
    out: list[Gate] = []
    for name, colour in colours[: int(rng.integers(0, 3))]:
        for _ in range(30):
            at = _anywhere(rng)
            if _off(course, at) > 2.4 and all(math.dist(at, gate.centre[:2]) > 2.6 for gate in out):
                out.append(_gate(rng, name, colour, at, float(rng.uniform(-math.pi, math.pi))))
                break
    return out


def _trees(rng: Rng, course: Sequence[Point], gates: Sequence[Gate]) -> list[Thing]:
    """Trunks with a round crown, beside the course and apart from gates and each other."""
    out: list[Thing] = []
    for i in range(int(rng.integers(4, 8))):
        crown = float(rng.uniform(0.6, 0.95))
        for _ in range(30):
            at = _anywhere(rng)
            apart = all(math.hypot(at[0] - t.x, at[1] - t.y) > crown + t.radius_m + 0.4 for t in out)
            clear = all(math.dist(at, gate.centre[:2]) > crown + 1.5 for gate in gates)
            if apart and clear and _off(course, at) > crown + 1.1:
                out += _tree(rng, f"tree {i + 1}", at, crown)
                break
    return out


def _tree(rng: Rng, name: str, at: Point, crown_m: float) -> list[Thing]:
    trunk, height = float(rng.uniform(0.10, 0.17)), float(rng.uniform(1.3, 2.4))
    shade, (x, y) = round(float(rng.uniform(-14, 14))), at.tolist()
    green, bark = (70 + shade, 104 + shade, 62 + shade), (104 + shade, 97 + shade, 90 + shade)
    return [
        Thing(f"{name} trunk", "cylinder", (trunk, height), bark, x, y),
        Thing(f"{name} crown", "sphere", (crown_m,), green, x, y, 0.0, height - 0.3 * crown_m),
    ]


def _anywhere(rng: Rng) -> Point:
    half = np.array(GROUND_M[:2]) / 2 - 1.2
    return rng.uniform(-half, half)


def _inside(at: Point) -> bool:
    return bool(abs(at[0]) < GROUND_M[0] / 2 - _EDGE_M and abs(at[1]) < GROUND_M[1] / 2 - _EDGE_M)


def _crowded(course: Sequence[Point]) -> bool:
    """Whether a later part of the course comes near an earlier gate."""
    return any(
        math.dist(course[i], course[j]) < 3.2 for i in range(1, len(course)) for j in range(i + 1, len(course))
    )  # fmt: skip


def _off(course: Sequence[Point], at: Point) -> float:
    """Distance from a course on the ground."""
    least = math.inf
    for a, b in pairwise(course):
        share = float(np.clip((at - a) @ (b - a) / max(1e-9, float((b - a) @ (b - a))), 0.0, 1.0))
        least = min(least, math.dist(a + share * (b - a), at))
    return least
