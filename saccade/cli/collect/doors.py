"""Where the doors of a world truly are: gaps between pieces of one wall."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations, pairwise

from saccade.geometry import wrap_angle
from sim.things import Thing
from sim.ways import Point

DOOR_M = (0.5, 2.2)
_ASIDE_M = 0.05


def passed(things: Iterable[Thing], way: Sequence[Point]) -> str:
    """Which door a way goes through, and not back, in words; "" for none."""
    walls = [thing for thing in things if thing.name.startswith("wall")]
    for one, other in combinations(walls, 2):
        gap = _gap(one, other)
        if gap is not None and sum(_cross(a, b, *gap) for a, b in pairwise(way)) % 2:
            return f"through the door between {one.name} and {other.name}"
    return ""


def _gap(one: Thing, other: Thing) -> tuple[Point, Point] | None:
    """The two ends of what is between two pieces of wall; None where they are not of one wall, or it is no door."""
    if abs(wrap_angle(one.yaw - other.yaw)) > 0.01:
        return None
    ends = [
        (wall.x + k * wall.size[0] / 2 * math.cos(wall.yaw), wall.y + k * wall.size[0] / 2 * math.sin(wall.yaw))
        for wall in (one, other) for k in (-1, 1)
    ]  # fmt: skip
    a, b = min(((a, b) for a in ends[:2] for b in ends[2:]), key=lambda pair: math.dist(*pair))
    aside_m = abs(-math.sin(one.yaw) * (b[0] - a[0]) + math.cos(one.yaw) * (b[1] - a[1]))
    return (a, b) if aside_m < _ASIDE_M and DOOR_M[0] < math.dist(a, b) < DOOR_M[1] else None


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the lines from a to b and from c to d cross."""

    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and (side(c, d, a) < 0) != (side(c, d, b) < 0)
