"""Upright things that stand or hang in a world: what obstacles, landmarks and people are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["box", "cylinder", "sphere", "capsule"]
Colour = tuple[int, int, int]
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Thing:
    """One upright object at (x, y), turned by yaw, on the floor or `z` metres above it.

    size in metres: box (length, width, height); cylinder and capsule (radius, height); sphere (radius,).
    """

    name: str
    kind: Kind
    size: tuple[float, ...]
    colour: Colour
    x: float = 0.0
    y: float = 0.0
    yaw: float = 0.0
    z: float = 0.0

    @property
    def radius_m(self) -> float:
        """Radius of the smallest circle around the footprint."""
        return math.hypot(self.size[0], self.size[1]) / 2 if self.kind == "box" else self.size[0]

    @property
    def height_m(self) -> float:
        """How high it is itself, from its lowest point to its highest."""
        return 2 * self.size[0] if self.kind == "sphere" else self.size[-1]

    def distance_m(self, x: float, y: float) -> float:
        """Distance on the floor from a point to the footprint, 0 inside."""
        dx, dy = x - self.x, y - self.y
        if self.kind != "box":
            return max(0.0, math.hypot(dx, dy) - self.size[0])
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        along, across = abs(c * dx + s * dy), abs(-s * dx + c * dy)
        return math.hypot(max(0.0, along - self.size[0] / 2), max(0.0, across - self.size[1] / 2))

    def distances_m(self, x: Floats, y: Floats) -> Floats:
        """`distance_m` of points in arrays of any one shape."""
        dx, dy = x - self.x, y - self.y
        if self.kind != "box":
            return np.asarray(np.maximum(0.0, np.hypot(dx, dy) - self.size[0]))
        c, s = math.cos(self.yaw), math.sin(self.yaw)
        along, across = np.abs(c * dx + s * dy), np.abs(c * dy - s * dx)
        beyond = np.maximum(0.0, along - self.size[0] / 2), np.maximum(0.0, across - self.size[1] / 2)
        return np.asarray(np.hypot(*beyond))

    def gap_m(self, point: Floats) -> float:
        """Distance in space from a point (3,) to the surface, 0 inside."""
        x, y, z = (float(value) for value in point)
        aside, half = self.distance_m(x, y), self.height_m / 2
        if self.kind in ("box", "cylinder"):
            return math.hypot(aside, max(0.0, abs(z - self.z - half) - half))
        spine = half - self.size[0]  # of a capsule; none of a sphere
        above = max(0.0, abs(z - self.z - half) - spine)
        return max(0.0, math.hypot(x - self.x, y - self.y, above) - self.size[0])

    def mjcf(self) -> str:
        """The geom that this is in MuJoCo's XML, named after the thing."""
        half = self.height_m / 2
        if self.kind == "box":
            size = f"{self.size[0] / 2} {self.size[1] / 2} {half}"
        else:
            straight = {"sphere": 0.0, "cylinder": half, "capsule": half - self.size[0]}[self.kind]
            size = f"{self.size[0]} {straight}"
        pose = f'pos="{self.x} {self.y} {self.z + half}" euler="0 0 {self.yaw}"'
        return f'\n<geom name="{self.name}" type="{self.kind}" {pose} size="{size}"/>'
