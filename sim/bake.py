"""The atlas: every surface's chart, painted, lit once and kept at several resolutions.

Light is computed when the world is made: the scene's own, with the shadows of what stands still, and an ambient term
that darkens in corners and where things meet the floor. What moves takes its light along and casts no shadow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from saccade.geometry import F32
from saccade.types import U8
from sim.scene import Light, Scene
from sim.shapes import Room, Solid, solid

LEVELS = 5
GUTTER_PX = 16
_COARSE_PX = 10


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """All charts at all levels in one picture.

    picture (H, W, 3) uint8 RGB; corner (n_charts, LEVELS, 2) float32: the pixel (x, y) of a chart's origin, such that
    chart coordinates in metres times ppm / 2**level plus `corner` is where to look. Charts 0..5 are the room's faces.
    """

    picture: U8
    corner: F32
    solids: tuple[Solid, ...]
    room: Room
    ppm: float

    def chart(self, number: int) -> U8:
        """One chart at level 0, (h, w, 3) uint8 RGB, first row at the bottom."""
        n = number - Room.FACES
        width, height = self.room.chart_m(number) if n < 0 else self.solids[n].chart_m
        left, bottom = (int(c + 0.5) for c in self.corner[number, 0])
        return self.picture[bottom : bottom + round(height * self.ppm), left : left + round(width * self.ppm)]


@np.errstate(divide="ignore", invalid="ignore")
def bake(scene: Scene) -> Atlas:
    """Paint and light the charts of a scene; the same seed gives the same picture."""
    rng, ppm = np.random.default_rng((scene.seed, 1)), scene.decor.ppm
    room, solids = Room(scene.size_m), tuple(solid(thing) for thing in scene.things)
    fixed = solids[: len(solids) - scene.movers]
    light = scene.decor.light(rng)
    charts: list[tuple[U8, int]] = []
    for face, picture in enumerate(scene.decor.faces(rng)):
        points, normals = room.surface(face, *_grid(picture.shape[:2], ppm))
        lit = _lit(picture, points, normals, fixed, light, scene.size_m)
        if face == 4:
            scene.decor.finish(lit)
        charts.append((lit, cv2.BORDER_REPLICATE))
    for body in solids:
        width, height = (max(2, round(size * ppm)) for size in body.chart_m)
        picture = scene.decor.skin(body.thing, (height, width), rng)
        points, normals = body.surface(*_grid((height, width), ppm))
        charts.append((_lit(picture, points, normals, fixed, light, scene.size_m), cv2.BORDER_WRAP))
    picture, corner = _pack(charts)
    return Atlas(picture, corner, solids, room, ppm)


def _grid(shape: tuple[int, int], ppm: float) -> tuple[F32, F32]:
    """Chart coordinates (s, v) of a coarse grid over a picture of this shape."""
    rows, cols = (max(2, math.ceil(n / _COARSE_PX)) for n in shape)
    v = (np.arange(rows, dtype=np.float32) + 0.5) * np.float32(shape[0] / rows / ppm)
    s = (np.arange(cols, dtype=np.float32) + 0.5) * np.float32(shape[1] / cols / ppm)
    grid_s, grid_v = np.meshgrid(s, v)
    return grid_s, grid_v


def _lit(
    picture: U8, points: F32, normals: F32, solids: tuple[Solid, ...], light: Light, size_m: tuple[float, float, float]
) -> U8:
    """The picture under light, computed at (h, w, 3) coarse points; squares are a cheap stand-in for display gamma."""
    direct = light.direct(points, normals, solids)
    open_ = _openness(points, normals, solids, size_m)
    bright = (direct * open_)[..., None] * light.warm + (light.ambient * open_)[..., None] * light.cool
    gain = cv2.resize(np.sqrt(bright), picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    lit: U8 = np.clip(picture * gain, 0, 255).astype(np.uint8)
    return lit


def _openness(
    points: F32, normals: F32, solids: tuple[Solid, ...], size_m: tuple[float, float, float]
) -> F32:  # fmt: skip
    """How open a place is, 0..1: less near the room's edges and around the foot of things, where light finds no way."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    length, width, height = size_m
    open_ = np.ones(z.shape, np.float32)
    for gap, axis in ((length / 2 - np.abs(x), 0), (width / 2 - np.abs(y), 1), (z, 2), (height - z, 2)):
        open_ *= 1 - 0.36 * (1 - np.abs(normals[..., axis])) * np.exp(-np.maximum(gap, 0) / 0.22)
    on_floor = (normals[..., 2] > 0.9) & (z < 0.01)
    for body in solids if on_floor.any() else ():
        thing = body.thing
        if thing.z > 0:
            continue
        if thing.kind == "box" and thing.size[0] > 2 * thing.size[1]:
            away = thing.distances_m(x, y)
        else:  # round enough
            foot = 0.06 if thing.kind in ("sphere", "capsule") else thing.radius_m * 0.85
            away = np.maximum(np.hypot(x - np.float32(thing.x), y - np.float32(thing.y)) - np.float32(foot), 0)
        open_ *= np.where(on_floor, 1 - 0.72 * np.exp(-away / 0.2), 1)
    return open_


def _pack(charts: list[tuple[U8, int]]) -> tuple[U8, F32]:
    """Stack all charts and levels below each other, with gutters so that neighbours do not bleed in."""
    pages: list[U8] = []
    corner = np.empty((len(charts), LEVELS, 2), np.float32)
    top = 0
    for i, (picture, border) in enumerate(charts):
        pads = [GUTTER_PX + (-n) % GUTTER_PX for n in picture.shape[:2]]
        page = cv2.copyMakeBorder(picture, GUTTER_PX, pads[0], GUTTER_PX, pads[1], border)
        for level in range(LEVELS):
            if level:
                page = cv2.resize(page, (page.shape[1] // 2, page.shape[0] // 2), interpolation=cv2.INTER_AREA)
            gutter = GUTTER_PX / 2**level - 0.5
            corner[i, level] = (gutter, top + gutter)
            pages.append(np.asarray(page, np.uint8))
            top += page.shape[0]
    width = max(page.shape[1] for page in pages)
    atlas = np.zeros((top, width, 3), np.uint8)
    top = 0
    for page in pages:
        atlas[top : top + page.shape[0], : page.shape[1]] = page
        top += page.shape[0]
    return atlas, corner
