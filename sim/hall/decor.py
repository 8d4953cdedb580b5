"""What the hall looks like: parquet, panelling below brick, windows, doors and posters, under three ceiling lamps."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from saccade.geometry import F32
from saccade.types import U8
from sim import paint
from sim.hall.layout import HALL_M
from sim.paint import Rng
from sim.shapes import Solid
from sim.things import Thing

_LAMPS_X_M = (-2.6, 0.0, 2.6)
_LAMP_M = (0.6, 1.6)
_WARM, _COOL = np.array((1.04, 1.0, 0.93), np.float32), np.array((0.96, 1.0, 1.05), np.float32)
_DIRECT = 2.3


class HallDecor:
    """See `sim.scene.Decor`."""

    ppm = 160.0

    def faces(self, rng: Rng) -> list[U8]:
        """See `Decor.faces`."""
        ppm = self.ppm
        east, west = _wall(rng, HALL_M[1], ppm), _wall(rng, HALL_M[1], ppm)
        north, south = _wall(rng, HALL_M[0], ppm), _wall(rng, HALL_M[0], ppm)
        _door(east, ppm, 1.0, rng)
        _poster(east, ppm, 3.6, rng)
        _poster(west, ppm, 2.4, rng)
        for left in (1.0, 3.3, 5.6):
            _window(north, ppm, left, rng)
        _poster(south, ppm, 1.2, rng)
        _door(south, ppm, 3.6, rng)
        _poster(south, ppm, 5.8, rng)
        return [east, west, north, south, _ceiling(rng, ppm), _floor(rng, ppm)]

    def skin(self, thing: Thing, shape: tuple[int, int], rng: Rng) -> U8:
        """See `Decor.skin`."""
        return paint.skin(thing, shape, self.ppm, rng)

    def light(self, rng: Rng) -> Lamps:
        """See `Decor.light`."""
        return Lamps(rng)

    def finish(self, ceiling: U8) -> None:
        """See `Decor.finish`."""
        for x in _LAMPS_X_M:
            left, bottom = x - _LAMP_M[0] / 2 + HALL_M[0] / 2, HALL_M[1] / 2 - _LAMP_M[1] / 2
            low = (round(left * self.ppm), round(bottom * self.ppm))
            high = (round((left + _LAMP_M[0]) * self.ppm), round((bottom + _LAMP_M[1]) * self.ppm))
            cv2.rectangle(ceiling, low, high, (255, 252, 240), -1)
            cv2.rectangle(ceiling, low, high, (150, 150, 148), 5)


class Lamps:
    """Three ceiling lamps as soft area lights, each sampled at several points with shadow rays."""

    warm, cool = _WARM, _COOL
    ambient = 0.52

    def __init__(self, rng: Rng) -> None:
        cells = [(x, i, j) for x in _LAMPS_X_M for i in range(2) for j in range(3)]
        points = [
            (
                x + ((i + rng.uniform()) / 2 - 0.5) * _LAMP_M[0],
                ((j + rng.uniform()) / 3 - 0.5) * _LAMP_M[1],
                HALL_M[2] - 0.02,
            )
            for x, i, j in cells
        ]
        self._points = np.array(points, np.float32)  # jittered so that shadows have no steps

    def direct(self, points: F32, normals: F32, solids: Sequence[Solid]) -> F32:
        """See `Light.direct`."""
        direct = np.zeros(points.shape[:2], np.float32)
        for lamp in self._points:
            ray = points - lamp
            square = np.maximum((ray * ray).sum(-1), 0.05)
            facing = np.maximum(-(ray * normals).sum(-1), 0) * np.maximum(-ray[..., 2], 0) / (square * square)
            d = (ray[..., 0], ray[..., 1], ray[..., 2])
            for body in solids if facing.any() else ():
                facing[body.hit(lamp, d) < 0.985] = 0
            direct += facing
        direct *= np.float32(_DIRECT * 9 / len(self._points))
        return direct


def _floor(rng: Rng, ppm: float) -> U8:
    """Basket-weave oak parquet: squares of strips that run along x and along y in turn."""
    width, height = round(HALL_M[0] * ppm), round(HALL_M[1] * ppm)
    square, strips = round(0.5 * ppm), 5
    tone = 0.05 * paint.speckle(rng, (height, width))
    grain = {
        True: paint.noise(rng, (height, width), (0.012 * ppm, 0.25 * ppm)),
        False: paint.noise(rng, (height, width), (0.25 * ppm, 0.012 * ppm)),
    }
    out = np.empty((height, width, 3), np.uint8)
    for row in range(0, height, square):
        for col in range(0, width, square):
            along_x = (row // square + col // square) % 2 == 0
            part = np.s_[row : row + square, col : col + square]
            across = np.indices(tone[part].shape)[0 if along_x else 1]
            strip = across * strips // square
            shade = rng.normal(1.0, 0.07, strips).astype(np.float32)[strip] + 0.06 * grain[along_x][part] + tone[part]
            shade[across * strips % square < strips] *= 0.68
            shade[:1], shade[:, :1] = 0.65, 0.65
            out[part] = paint.coloured((164, 139, 112), shade)
    return out


def _wall(rng: Rng, length_m: float, ppm: float) -> U8:
    """Panelling of boards up to 0.95 m, whitewashed brick above."""
    width, height = round(length_m * ppm), round(HALL_M[2] * ppm)
    out = np.empty((height, width, 3), np.uint8)
    rail = round(0.95 * ppm)
    out[rail:] = paint.bricks(rng, (height - rail, width), ppm)
    out[:rail] = paint.boards(rng, (rail, width), ppm, (150, 139, 126))
    trim = paint.speckle(rng, (height, width))[..., None]
    for low, high, colour in ((0.0, 0.10, (96, 84, 74)), (0.95, 1.02, (110, 92, 76))):
        rows = slice(round(low * ppm), round(high * ppm))
        out[rows] = np.clip(paint.rgb(colour) * (1 + 0.10 * trim[rows]), 0, 255)
    return out


def _window(picture: U8, ppm: float, left_m: float, rng: Rng) -> None:
    """Paint a window with a view of the sky into a wall, 1.5 m wide from `left_m` on."""
    pane = picture[round(1.25 * ppm) : round(2.45 * ppm), round(left_m * ppm) : round((left_m + 1.5) * ppm)]
    rows, cols = pane.shape[:2]
    up = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    sky = paint.rgb((226, 232, 236)) * (1 - up) + paint.rgb((168, 194, 222)) * up
    cloud = np.clip(paint.noise(rng, (rows, cols), (0.18 * ppm, 0.4 * ppm)) * 0.3 + 0.3, 0, 1)[..., None]
    pane[:] = np.clip(sky + (250 - sky) * cloud, 0, 255)
    bar = round(0.05 * ppm)
    for at in (0, cols // 2 - bar // 2, cols - bar):
        pane[:, at : at + bar] = (94, 82, 72)
    for at in (0, rows // 2 - bar // 2, rows - bar):
        pane[at : at + bar] = (94, 82, 72)


def _poster(picture: U8, ppm: float, left_m: float, rng: Rng) -> None:
    """Hang a framed abstract picture, 1.1 by 0.8 m, muted so that nobody takes it for one of the things."""
    canvas = picture[round(1.35 * ppm) : round(2.15 * ppm), round(left_m * ppm) : round((left_m + 1.1) * ppm)]
    shape = canvas.shape[:2]
    inks = np.array(((206, 196, 176), (122, 128, 134), (160, 132, 118), (82, 84, 92)), np.float32)
    waves = paint.noise(rng, shape, (0.25 * ppm, 0.35 * ppm)) + 0.04 * paint.speckle(rng, shape)
    canvas[:] = inks[np.digitize(waves, (-0.5, 0.1, 0.7))] * (1 + 0.05 * paint.speckle(rng, shape)[..., None])
    cv2.rectangle(canvas, (0, 0), (shape[1] - 1, shape[0] - 1), (58, 48, 42), round(0.08 * ppm))


def _door(picture: U8, ppm: float, left_m: float, rng: Rng) -> None:
    """Put a wooden door, 1.0 by 2.1 m, into a wall."""
    leaf = picture[: round(2.1 * ppm), round(left_m * ppm) : round((left_m + 1.0) * ppm)]
    shape = leaf.shape[:2]
    shade = 1 + 0.06 * paint.speckle(rng, shape) + 0.07 * paint.noise(rng, shape, (0.35 * ppm, 0.01 * ppm))
    leaf[:] = paint.coloured((128, 100, 78), shade)
    cv2.rectangle(leaf, (0, -9), (shape[1] - 1, shape[0] - 1), (74, 62, 54), round(0.10 * ppm))
    for low, high in ((0.25, 0.95), (1.15, 1.90)):
        box = (round(0.2 * ppm), round(low * ppm)), (round(0.8 * ppm), round(high * ppm))
        cv2.rectangle(leaf, *box, (88, 70, 56), 2)
    cv2.circle(leaf, (round(0.87 * ppm), round(1.05 * ppm)), round(0.03 * ppm), (200, 190, 160), -1)


def _ceiling(rng: Rng, ppm: float) -> U8:
    """Acoustic tiles of 0.6 m."""
    shape = (round(HALL_M[1] * ppm), round(HALL_M[0] * ppm))
    shade = 1 + 0.05 * paint.speckle(rng, shape)
    tile = round(0.6 * ppm)
    shade[::tile], shade[1::tile], shade[:, ::tile], shade[:, 1::tile] = 0.75, 0.75, 0.75, 0.75
    return paint.coloured((200, 200, 196), shade)
