"""Where things stand and walk in the yard: placed by seed, so that the goal can be seen from the start and reached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from saccade.geometry import SE3, wrap_angle
from sim.things import Colour, Thing
from sim.ways import Floor, Point, length_m
from sim.yard.walkers import Walker

YARD_M = (16.0, 12.0, 4.5)
"""Length, width and height of the yard; its origin is the middle of the floor."""
ROBOT_RADIUS_M = 0.34
REACH_M = 1.0
"""So near to the goal's edge the robot's centre must come."""
WALL_M = (0.16, 2.4)
"""Thickness and height of the walls inside."""
_GAP_M, _START_CLEAR_M, _WALK_CLEAR_M = 1.2, 1.5, 1.3
_TIGHT_M = ROBOT_RADIUS_M + 0.20
"""The way that must exist is wide enough for a robot that keeps its margins."""
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class YardLayout:
    """A furnished yard: `start` is `T_world_from_base` at the beginning, `goal` what the robot is to be sent to.

    `way` is the shortest way of the robot's disc, without a margin, to within REACH_M of the goal.
    """

    seed: int
    start: SE3
    things: tuple[Thing, ...]
    walkers: tuple[Walker, ...]
    goal: Thing
    way: tuple[Point, ...]

    @property
    def shortest_m(self) -> float:
        """Length of `way`."""
        return length_m(list(self.way))


_COLOURED = (
    Thing("red box", "box", (0.46, 0.46, 0.50), (205, 38, 34)),
    Thing("blue cylinder", "cylinder", (0.22, 0.62), (32, 74, 190)),
    Thing("green ball", "sphere", (0.26,), (34, 150, 60)),
    Thing("yellow box", "box", (0.44, 0.44, 0.44), (236, 186, 22)),
)
_SHIRTS: tuple[Colour, ...] = ((112, 120, 132), (92, 84, 102), (150, 142, 128), (84, 96, 88))
_GREYS: tuple[Colour, ...] = ((134, 118, 100), (120, 122, 126), (146, 136, 122))


def furnish(seed: int, walkers: int = 2) -> YardLayout:
    """The layout of a seed, with so many people who walk about."""
    rng = np.random.default_rng((seed, 0))
    while True:
        layout = _attempt(seed, rng, walkers)
        if layout is not None:
            return layout


def _attempt(seed: int, rng: Rng, walkers: int) -> YardLayout | None:
    start = _start(rng)
    things = _walls(rng)
    goal_name = _COLOURED[int(rng.integers(len(_COLOURED)))].name
    placed: list[Thing] = []
    for thing in (*_COLOURED, *_obstacles(rng)):
        if (stood := _place(thing, [*things, *placed], start, rng, thing.name == goal_name)) is None:
            if thing.name == goal_name:
                return None
            continue
        placed.append(stood)
    things += placed
    goal = next(thing for thing in things if thing.name == goal_name)
    here = (float(start.t[0]), float(start.t[1]))
    others = Floor(YARD_M, [thing for thing in things if thing is not goal])
    if not _visible(others, here, goal):
        return None
    floor = Floor(YARD_M, things)
    beside = (goal.x, goal.y), REACH_M + goal.radius_m
    if floor.way(here, *beside, _TIGHT_M) is None:
        return None
    way = floor.way(here, *beside, ROBOT_RADIUS_M)
    people = _people(floor, start, goal, walkers, rng)
    if way is None or people is None:
        return None
    bodies = tuple(walker.thing for walker in people)
    return YardLayout(seed, start, (*things, *bodies), tuple(people), goal, tuple(way))


def _start(rng: Rng) -> SE3:
    x, y = rng.uniform(-6.6, -5.6), rng.uniform(-3.6, 3.6)
    return SE3.from_rpy(0.0, 0.0, math.atan2(-y, -x) + rng.uniform(-1.2, 1.2), (x, y, 0.0))


def _walls(rng: Rng) -> list[Thing]:
    """One or two walls across the yard, each with one or two doors, and at times one along it that makes corridors."""
    xs = [float(rng.uniform(-3.2, -1.5))]
    if rng.uniform() < 0.6:
        xs.append(float(rng.uniform(1.8, 3.6)))
    pieces = [piece for x in xs for piece in _with_doors(rng, YARD_M[1], lambda at, x=x: (x, at), math.pi / 2)]
    if len(xs) == 2 and rng.uniform() < 0.6:
        y, (west, east) = float(rng.uniform(-2.0, 2.0)), xs
        middle = (west + east) / 2
        pieces += _with_doors(rng, east - west, lambda at: (middle + at, y), 0.0, doors=1)
    return [replace(piece, name=f"wall {i + 1}") for i, piece in enumerate(pieces)]


def _with_doors(rng: Rng, span_m: float, place: object, yaw: float, doors: int = 0) -> list[Thing]:
    """A wall in pieces: what the doors, gaps of 1.35 to 1.9 m, leave of its span."""
    assert callable(place)
    count = doors or int(rng.integers(1, 3))
    widths = rng.uniform(1.35, 1.9, count)
    slots = np.linspace(-span_m / 2, span_m / 2, count + 1)
    pieces, begin = [], -span_m / 2
    for i, width in enumerate(widths):
        low, high = slots[i] + 0.5 + width / 2, slots[i + 1] - 0.5 - width / 2
        middle = float(rng.uniform(low, high)) if high > low else float(slots[i] + slots[i + 1]) / 2
        pieces.append((begin, middle - float(width) / 2))
        begin = middle + float(width) / 2
    pieces.append((begin, span_m / 2))
    out = []
    for low, high in pieces:
        if high - low > 0.1:
            x, y = place((low + high) / 2)
            out.append(Thing("", "box", (high - low, *WALL_M), (180, 174, 164), x, y, yaw))
    return out


def _obstacles(rng: Rng) -> list[Thing]:
    """Crates and pillars, each of its own size."""
    out = []
    for i in range(int(rng.integers(4, 8))):
        length, width, height = rng.uniform(0.5, 1.1), rng.uniform(0.4, 0.8), rng.uniform(0.35, 1.3)
        colour = _GREYS[int(rng.integers(len(_GREYS)))]
        out.append(Thing(f"crate {i + 1}", "box", (float(length), float(width), float(height)), colour))
    for i in range(int(rng.integers(2, 6))):
        radius = float(rng.uniform(0.14, 0.26))
        out.append(Thing(f"pillar {i + 1}", "cylinder", (radius, YARD_M[2] - 0.01), (150, 148, 144)))
    return out


def _place(thing: Thing, others: Sequence[Thing], start: SE3, rng: Rng, goal: bool) -> Thing | None:
    """The thing somewhere free, or None when forty tries found nothing; the goal is four metres away or more."""
    least = 4.0 if goal else _START_CLEAR_M
    room = thing.radius_m + _GAP_M
    for _ in range(40):
        x = float(rng.uniform(-YARD_M[0] / 2 + room, YARD_M[0] / 2 - room))
        y = float(rng.uniform(-YARD_M[1] / 2 + room, YARD_M[1] / 2 - room))
        far = math.hypot(x - start.t[0], y - start.t[1])
        if far - thing.radius_m > least and all(other.distance_m(x, y) > room for other in others):
            return replace(thing, x=x, y=y, yaw=wrap_angle(float(rng.uniform(-math.pi, math.pi))))
    return None


def _visible(floor: Floor, here: Point, goal: Thing) -> bool:
    """Whether the goal can be seen from the start, nearly all of its width."""
    bearing = math.atan2(goal.y - here[1], goal.x - here[0])
    aside = 0.8 * goal.size[0] / (2 if goal.kind == "box" else 1)
    edges = [(goal.x - k * aside * math.sin(bearing), goal.y + k * aside * math.cos(bearing)) for k in (-1, 0, 1)]
    return all(floor.sees(here, edge) for edge in edges)


def _people(floor: Floor, start: SE3, goal: Thing, count: int, rng: Rng) -> list[Walker] | None:
    """People who walk to and fro, never over the start nor close by the goal; None where one finds no way."""
    out = []
    here = (float(start.t[0]), float(start.t[1]))
    for i in range(count):
        shirt = _SHIRTS[int(rng.integers(len(_SHIRTS)))]
        for _ in range(20):
            cells = np.argwhere(floor.room_m > 0.6)
            (row_a, col_a), (row_b, col_b) = (cells[rng.integers(len(cells))].tolist() for _ in range(2))
            a, b = floor.point((row_a, col_a)), floor.point((row_b, col_b))
            if not 4.0 < math.dist(a, b) < 9.0:
                continue
            way = floor.way(a, b, 0.0, 0.45)
            if way is None or _passes(way, here, _WALK_CLEAR_M) or _passes(way, (goal.x, goal.y), _WALK_CLEAR_M):
                continue
            speed, rest, phase = rng.uniform(0.6, 1.2), rng.uniform(0.5, 3.0), rng.uniform(0.0, 30.0)
            body = Thing(f"person {i + 1}", "capsule", (0.25, 1.70), shirt)
            out.append(Walker.on(body, way, float(speed), float(rest), float(phase)))
            break
        else:
            return None
    return out


def _passes(way: list[Point], point: Point, near_m: float) -> bool:
    """Whether a way comes so near to a point."""
    for a, b in pairwise(way):
        ab = np.subtract(b, a)
        t = float(np.clip(np.dot(np.subtract(point, a), ab) / max(1e-9, float(ab @ ab)), 0.0, 1.0))
        if math.dist((a[0] + t * ab[0], a[1] + t * ab[1]), point) < near_m:
            return True
    return False
