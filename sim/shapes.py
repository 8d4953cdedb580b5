"""Solids a ray can hit, each with a chart: metres along and up its unrolled surface, to hang a picture on.

Rays are `origin + t * d` with d as three float32 arrays of any one shape; where d's component along the optical axis
is 1, t is depth. Plain float32 arithmetic, element by element; rays along an axis divide by zero and that is meant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from saccade.geometry import F32, F64
from sim.things import Thing

Rays = tuple[F32, F32, F32]
FAR = np.float32(1e9)


class Solid(Protocol):
    """A convex upright thing."""

    @property
    def thing(self) -> Thing:
        """What it is."""

    @property
    def chart_m(self) -> tuple[float, float]:
        """Width (all the way round) and height (up the side, then inwards over the top) of the chart in metres."""

    def hit(self, origin: F64 | Rays, d: Rays) -> F32:
        """Distance t along each ray to the first hit, FAR where none; from one origin, or from one each."""

    def surface(self, s: F32, v: F32) -> tuple[F32, F32]:
        """Points (..., 3) and outward normals (..., 3) of chart coordinates, in hall coordinates."""


def solid(thing: Thing) -> Solid:
    """The solid of a thing."""
    return Box(thing) if thing.kind == "box" else Round(thing)


def _first(t: F32, valid: npt.NDArray[np.bool_]) -> F32:
    return np.where(valid & (t > 0), t, FAR)


@dataclass(frozen=True, slots=True)
class Box:
    """A cuboid."""

    thing: Thing

    @property
    def chart_m(self) -> tuple[float, float]:
        """See Solid."""
        length, width, height = self.thing.size
        return 2 * (length + width), height + min(length, width) / 2

    def _turn(self, x: F32, y: F32) -> tuple[F32, F32]:
        c, s = np.float32(math.cos(self.thing.yaw)), np.float32(math.sin(self.thing.yaw))
        return c * x + s * y, c * y - s * x

    def faces(self) -> tuple[F32, F64]:
        """Lengths of the faces +x, +y, -x, -y, and where on the chart each begins, in metres."""
        length, width = (np.float32(size) for size in self.thing.size[:2])
        sides = np.array((width, length, width, length))
        return sides, np.concatenate([[0.0], np.cumsum(sides, dtype=np.float64)[:3]])

    def hit(self, origin: F64 | Rays, d: Rays) -> F32:
        """See Solid; slab method."""
        half_x, half_y = (np.float32(size / 2) for size in self.thing.size[:2])
        ox, oy = self._turn(np.float32(origin[0] - self.thing.x), np.float32(origin[1] - self.thing.y))
        dx, dy = self._turn(d[0], d[1])
        near, far = np.full(dx.shape, -FAR, np.float32), np.full(dx.shape, FAR, np.float32)
        for o, di, low, high in (
            (ox, dx, -half_x, half_x), (oy, dy, -half_y, half_y),
            (np.float32(origin[2] - self.thing.z), d[2], np.float32(0), np.float32(self.thing.height_m)),
        ):  # fmt: skip
            inverse = 1 / di
            a, b = (low - o) * inverse, (high - o) * inverse
            near, far = np.maximum(near, np.minimum(a, b)), np.minimum(far, np.maximum(a, b))
        return _first(near, near <= far)

    def surface(self, s: F32, v: F32) -> tuple[F32, F32]:
        """See Solid."""
        height = self.thing.height_m
        sides, begins = self.faces()
        face = np.searchsorted(begins[1:].astype(np.float32), s, side="right")
        side, quarters = sides[face], face.astype(np.float32)
        out = np.where(face % 2 == 0, *self.thing.size[:2]).astype(np.float32) / 2
        angle = quarters * (math.pi / 2) + self.thing.yaw
        along, inwards = s - begins[face].astype(np.float32) - side / 2, np.maximum(v - height, 0)
        nx, ny = np.cos(angle), np.sin(angle)
        points = np.stack(
            [
                self.thing.x + nx * (out - inwards) - ny * along,
                self.thing.y + ny * (out - inwards) + nx * along,
                np.minimum(v, height) + self.thing.z,
            ],
            axis=-1,
        )
        top = v > height
        normals = np.stack([np.where(top, 0, nx), np.where(top, 0, ny), top], axis=-1)
        return points.astype(np.float32), normals.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Round:
    """A solid of revolution about the vertical: cylinder, sphere or capsule."""

    thing: Thing

    @property
    def chart_m(self) -> tuple[float, float]:
        """See Solid; the rows of spheres and capsules are heights, only a cylinder has a top of its own."""
        radius, height = self.thing.size[0], self.thing.height_m
        return 2 * math.pi * radius, height + (radius if self.thing.kind == "cylinder" else 0.0)

    def hit(self, origin: F64 | Rays, d: Rays) -> F32:
        """See Solid."""
        r, h = self.thing.size[0], self.thing.height_m
        o = (
            np.float32(origin[0] - self.thing.x), np.float32(origin[1] - self.thing.y),
            np.float32(origin[2] - self.thing.z),
        )  # fmt: skip
        if self.thing.kind == "sphere":
            return _ball(o, d, r, r)
        if self.thing.kind == "capsule":
            tube = _tube(o, d, r, r, h - r)
            return np.minimum(tube, np.minimum(_ball(o, d, r, r), _ball(o, d, h - r, r)))
        lid = (np.float32(h) - o[2]) / d[2]
        inside = (o[0] + lid * d[0]) ** 2 + (o[1] + lid * d[1]) ** 2 <= np.float32(r * r)
        return np.minimum(_tube(o, d, r, 0.0, h), _first(lid, inside))

    def surface(self, s: F32, v: F32) -> tuple[F32, F32]:
        """See Solid."""
        radius, height = self.thing.size[0], self.thing.height_m
        angle = s / radius - math.pi
        if self.thing.kind == "cylinder":
            up: F32 = (v > height).astype(np.float32)
            reach, z = np.minimum(radius, radius + height - v), np.minimum(v, height)
        else:
            z = np.clip(v, 0, height)
            centre = np.clip(z, radius, height - radius)
            up = (z - centre) / radius
            reach = radius * np.sqrt(np.maximum(0, 1 - up * up))
        level = np.sqrt(np.maximum(0, 1 - up * up))
        c, sn = np.cos(angle), np.sin(angle)
        points = np.stack([self.thing.x + reach * c, self.thing.y + reach * sn, z + self.thing.z], axis=-1)
        return points.astype(np.float32), np.stack([level * c, level * sn, up], axis=-1).astype(np.float32)


def _tube(o: Rays, d: Rays, radius: float, low: float, high: float) -> F32:
    a = d[0] * d[0] + d[1] * d[1]
    b = o[0] * d[0] + o[1] * d[1]
    root = b * b - a * (o[0] * o[0] + o[1] * o[1] - np.float32(radius * radius))
    t = (-b - np.sqrt(np.maximum(root, 0))) / a
    z = o[2] + t * d[2]
    return _first(t, (root > 0) & (z >= np.float32(low)) & (z <= np.float32(high)))


def _ball(o: Rays, d: Rays, height: float, radius: float) -> F32:
    oz = o[2] - np.float32(height)
    a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    b = o[0] * d[0] + o[1] * d[1] + oz * d[2]
    root = b * b - a * (o[0] * o[0] + o[1] * o[1] + oz * oz - np.float32(radius * radius))
    return _first((-b - np.sqrt(np.maximum(root, 0))) / a, root > 0)


class Room:
    """A room from inside. Faces: 0 east, 1 west, 2 north, 3 south, 4 ceiling, 5 floor."""

    FACES = 6

    def __init__(self, size_m: tuple[float, float, float]) -> None:
        self.size_m = size_m
        length, width, height = size_m
        self._bounds = ((-length / 2, length / 2), (-width / 2, width / 2), (0.0, height))

    def chart_m(self, face: int) -> tuple[float, float]:
        """Width and height of a face's chart in metres."""
        length, width, height = self.size_m
        return ((width, height), (length, height), (length, width))[face // 2]

    def surface(self, face: int, s: F32, v: F32) -> tuple[F32, F32]:
        """Points (..., 3) and inward normals (..., 3) of chart coordinates."""
        axis, low_high = face // 2, self._bounds[face // 2]
        fixed = np.full(s.shape, low_high[1 - face % 2], np.float32)
        x, y = s - np.float32(self.size_m[0] / 2), (v if face >= 4 else s) - np.float32(self.size_m[1] / 2)
        points = [(fixed, y, v), (x, fixed, v), (x, y, fixed)][axis]
        normals = np.zeros((*s.shape, 3), np.float32)
        normals[..., axis] = 2 * (face % 2) - 1
        return np.stack(points, axis=-1).astype(np.float32), normals

    def distance_m(self, face: int, origin: F64) -> float:
        """Distance of a point inside from the plane of a face."""
        return abs(self._bounds[face // 2][1 - face % 2] - float(origin[face // 2]))
