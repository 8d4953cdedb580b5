"""The atlas: every surface's chart, painted, lit once and kept at several resolutions.

Nothing in the hall moves, so light is computed when the world is made: three ceiling lamps as soft area lights, each
sampled at several points with shadow rays, and an ambient term that darkens in corners and where things meet the floor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from saccade.geometry import F32
from saccade.types import U8
from sim import paint
from sim.layout import HALL_M, Layout
from sim.shapes import Room, Solid, solid

PPM = 160.0
"""Pixels a metre at level 0."""
LEVELS = 5
GUTTER_PX = 16
_COARSE_PX = 10
_LAMPS_X_M = (-2.6, 0.0, 2.6)
_LAMP_M = (0.6, 1.6)
_WARM, _COOL = np.array((1.04, 1.0, 0.93), np.float32), np.array((0.96, 1.0, 1.05), np.float32)
_DIRECT, _AMBIENT = 2.3, 0.52


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """All charts at all levels in one picture.

    picture (H, W, 3) uint8 RGB; corner (n_charts, LEVELS, 2) float32: the pixel (x, y) of a chart's origin, such that
    chart coordinates in metres times PPM / 2**level plus `corner` is where to look. Charts 0..5 are the room's faces.
    """

    picture: U8
    corner: F32
    solids: tuple[Solid, ...]
    room: Room

    def chart(self, number: int) -> U8:
        """One chart at level 0, (h, w, 3) uint8 RGB, first row at the bottom."""
        n = number - Room.FACES
        width, height = self.room.chart_m(number) if n < 0 else self.solids[n].chart_m
        left, bottom = (int(c + 0.5) for c in self.corner[number, 0])
        return self.picture[bottom : bottom + round(height * PPM), left : left + round(width * PPM)]


@np.errstate(divide="ignore", invalid="ignore")
def bake(layout: Layout) -> Atlas:
    """Paint and light the charts of a layout; the same seed gives the same picture."""
    rng = np.random.default_rng((layout.seed, 1))
    room, solids = Room(), tuple(solid(thing) for thing in layout.things)
    lamps = _lamps(rng)
    charts: list[tuple[U8, int]] = []
    for face, picture in enumerate(_room_pictures(rng)):
        points, normals = room.surface(face, *_grid(picture.shape[:2]))
        lit = _lit(picture, points, normals, solids, lamps)
        if face == 4:
            _draw_lamps(lit)
        charts.append((lit, cv2.BORDER_REPLICATE))
    for body in solids:
        width, height = (max(2, round(size * PPM)) for size in body.chart_m)
        picture = paint.skin(body.thing, (height, width), PPM, rng)
        points, normals = body.surface(*_grid((height, width)))
        charts.append((_lit(picture, points, normals, solids, lamps), cv2.BORDER_WRAP))
    picture, corner = _pack(charts)
    return Atlas(picture, corner, solids, room)


def _room_pictures(rng: np.random.Generator) -> list[U8]:
    east, west = paint.wall(rng, HALL_M[1], PPM), paint.wall(rng, HALL_M[1], PPM)
    north, south = paint.wall(rng, HALL_M[0], PPM), paint.wall(rng, HALL_M[0], PPM)
    paint.door(east, PPM, 1.0, rng)
    paint.poster(east, PPM, 3.6, rng)
    paint.poster(west, PPM, 2.4, rng)
    for left in (1.0, 3.3, 5.6):
        paint.window(north, PPM, left, rng)
    paint.poster(south, PPM, 1.2, rng)
    paint.door(south, PPM, 3.6, rng)
    paint.poster(south, PPM, 5.8, rng)
    return [east, west, north, south, paint.ceiling(rng, PPM), paint.floor(rng, PPM)]


def _grid(shape: tuple[int, int]) -> tuple[F32, F32]:
    """Chart coordinates (s, v) of a coarse grid over a picture of this shape."""
    rows, cols = (max(2, math.ceil(n / _COARSE_PX)) for n in shape)
    v = (np.arange(rows, dtype=np.float32) + 0.5) * np.float32(shape[0] / rows / PPM)
    s = (np.arange(cols, dtype=np.float32) + 0.5) * np.float32(shape[1] / cols / PPM)
    grid_s, grid_v = np.meshgrid(s, v)
    return grid_s, grid_v


def _lamps(rng: np.random.Generator) -> F32:
    """Points (n, 3) spread over the lamps, jittered so that shadows have no steps."""
    cells = [(x, i, j) for x in _LAMPS_X_M for i in range(2) for j in range(3)]
    points = [
        (
            x + ((i + rng.uniform()) / 2 - 0.5) * _LAMP_M[0],
            ((j + rng.uniform()) / 3 - 0.5) * _LAMP_M[1],
            HALL_M[2] - 0.02,
        )
        for x, i, j in cells
    ]
    return np.array(points, np.float32)


def _lit(picture: U8, points: F32, normals: F32, solids: tuple[Solid, ...], lamps: F32) -> U8:
    """The picture under light, computed at (h, w, 3) coarse points; squares are a cheap stand-in for display gamma."""
    direct = np.zeros(points.shape[:2], np.float32)
    for lamp in lamps:
        ray = points - lamp
        square = np.maximum((ray * ray).sum(-1), 0.05)
        facing = np.maximum(-(ray * normals).sum(-1), 0) * np.maximum(-ray[..., 2], 0) / (square * square)
        d = (ray[..., 0], ray[..., 1], ray[..., 2])
        for body in solids if facing.any() else ():
            facing[body.hit(lamp, d) < 0.985] = 0
        direct += facing
    direct *= np.float32(_DIRECT * 9 / len(lamps))
    open_ = _openness(points, normals, solids)
    light = (direct * open_)[..., None] * _WARM + (_AMBIENT * open_)[..., None] * _COOL
    gain = cv2.resize(np.sqrt(light), picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    lit: U8 = np.clip(picture * gain, 0, 255).astype(np.uint8)
    return lit


def _openness(points: F32, normals: F32, solids: tuple[Solid, ...]) -> F32:
    """How open a place is, 0..1: less near the room's edges and around the foot of things, where light finds no way."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    length, width, height = HALL_M
    open_ = np.ones(z.shape, np.float32)
    for gap, axis in ((length / 2 - np.abs(x), 0), (width / 2 - np.abs(y), 1), (z, 2), (height - z, 2)):
        open_ *= 1 - 0.36 * (1 - np.abs(normals[..., axis])) * np.exp(-np.maximum(gap, 0) / 0.22)
    on_floor = (normals[..., 2] > 0.9) & (z < 0.01)
    for body in solids if on_floor.any() else ():
        thing = body.thing
        foot = 0.06 if thing.kind in ("sphere", "capsule") else thing.radius_m * 0.85
        away = np.maximum(np.hypot(x - np.float32(thing.x), y - np.float32(thing.y)) - np.float32(foot), 0)
        open_ *= np.where(on_floor, 1 - 0.72 * np.exp(-away / 0.2), 1)
    return open_


def _draw_lamps(ceiling: U8) -> None:
    for x in _LAMPS_X_M:
        left, bottom = x - _LAMP_M[0] / 2 + HALL_M[0] / 2, HALL_M[1] / 2 - _LAMP_M[1] / 2
        low = (round(left * PPM), round(bottom * PPM))
        high = (round((left + _LAMP_M[0]) * PPM), round((bottom + _LAMP_M[1]) * PPM))
        cv2.rectangle(ceiling, low, high, (255, 252, 240), -1)
        cv2.rectangle(ceiling, low, high, (150, 150, 148), 5)


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
