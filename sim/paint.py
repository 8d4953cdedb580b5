"""What surfaces look like before light falls on them: procedural pictures with detail at several scales.

Every function returns (H, W, 3) uint8 RGB at `ppm` pixels a metre, the first row at the bottom of a wall or thing.
Stereo needs texture along both axes and at every distance, so nothing is plain and nothing repeats exactly.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from saccade.geometry import F32
from saccade.types import U8
from sim.layout import HALL_M, Thing

Rng = np.random.Generator
Rgb = tuple[int, int, int]


def noise(rng: Rng, shape: tuple[int, int], cell: tuple[float, float]) -> F32:
    """Smooth noise (H, W) float32, about unit variance, with features of `cell` (rows, columns) pixels."""
    coarse = (max(2, math.ceil(shape[0] / cell[0])), max(2, math.ceil(shape[1] / cell[1])))
    grid = rng.standard_normal(coarse).astype(np.float32)
    return np.asarray(cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _speckle(rng: Rng, shape: tuple[int, int]) -> F32:
    """Isotropic noise from one pixel up to some decimetres; what makes every patch unlike its neighbours."""
    out = np.zeros(shape, np.float32)
    for cell, weight in ((1.0, 0.35), (3.0, 0.5), (9.0, 0.45), (27.0, 0.4)):
        out += weight * noise(rng, shape, (cell, cell))
    return out


def _rgb(colour: Rgb) -> F32:
    return np.array(colour, np.float32)


def _coloured(colour: Rgb, brightness: F32) -> U8:
    """`colour` times brightness (H, W), 1 = as given; hue is kept."""
    painted: U8 = np.clip(_rgb(colour) * brightness[..., None], 0, 255).astype(np.uint8)
    return painted


def floor(rng: Rng, ppm: float) -> U8:
    """Basket-weave oak parquet: squares of strips that run along x and along y in turn."""
    width, height = round(HALL_M[0] * ppm), round(HALL_M[1] * ppm)
    square, strips = round(0.5 * ppm), 5
    tone = 0.05 * _speckle(rng, (height, width))
    grain = {
        True: noise(rng, (height, width), (0.012 * ppm, 0.25 * ppm)),
        False: noise(rng, (height, width), (0.25 * ppm, 0.012 * ppm)),
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
            out[part] = _coloured((164, 139, 112), shade)
    return out


def wall(rng: Rng, length_m: float, ppm: float) -> U8:
    """Panelling of boards up to 0.95 m, whitewashed brick above."""
    width, height = round(length_m * ppm), round(HALL_M[2] * ppm)
    out = np.empty((height, width, 3), np.uint8)
    rail = round(0.95 * ppm)
    out[rail:] = _bricks(rng, (height - rail, width), ppm)
    out[:rail] = _boards(rng, (rail, width), ppm, (150, 139, 126))
    trim = _speckle(rng, (height, width))[..., None]
    for low, high, colour in ((0.0, 0.10, (96, 84, 74)), (0.95, 1.02, (110, 92, 76))):
        rows = slice(round(low * ppm), round(high * ppm))
        out[rows] = np.clip(_rgb(colour) * (1 + 0.10 * trim[rows]), 0, 255)
    return out


def _boards(rng: Rng, shape: tuple[int, int], ppm: float, colour: Rgb) -> U8:
    shade = 0.97 + 0.06 * _speckle(rng, shape) + 0.05 * noise(rng, shape, (0.3 * ppm, 0.012 * ppm))
    x = 0
    while x < shape[1]:
        board = round(rng.uniform(0.08, 0.20) * ppm)
        shade[:, x : x + board] *= rng.normal(1.0, 0.10)
        shade[:, x : x + 2] *= 0.55
        x += board
    return _coloured(colour, shade)


def _bricks(rng: Rng, shape: tuple[int, int], ppm: float) -> U8:
    shade = 0.98 + 0.05 * _speckle(rng, shape)
    course, length = round(0.085 * ppm), round(0.25 * ppm)
    for i, y in enumerate(range(0, shape[0], course)):
        for x in range(-(length // 2) * (i % 2), shape[1], length):
            shade[y : y + course, max(0, x) : x + length] *= rng.normal(1.0, 0.06)
            shade[y : y + course, max(0, x) : max(0, x + 2)] *= 0.80
        shade[y : y + 2] *= 0.80
    return _coloured((218, 211, 198), shade)


def window(picture: U8, ppm: float, left_m: float, rng: Rng) -> None:
    """Paint a window with a view of the sky into a wall, 1.5 m wide from `left_m` on."""
    pane = picture[round(1.25 * ppm) : round(2.45 * ppm), round(left_m * ppm) : round((left_m + 1.5) * ppm)]
    rows, cols = pane.shape[:2]
    up = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None]
    sky = _rgb((226, 232, 236)) * (1 - up) + _rgb((168, 194, 222)) * up
    cloud = np.clip(noise(rng, (rows, cols), (0.18 * ppm, 0.4 * ppm)) * 0.3 + 0.3, 0, 1)[..., None]
    pane[:] = np.clip(sky + (250 - sky) * cloud, 0, 255)
    bar = round(0.05 * ppm)
    for at in (0, cols // 2 - bar // 2, cols - bar):
        pane[:, at : at + bar] = (94, 82, 72)
    for at in (0, rows // 2 - bar // 2, rows - bar):
        pane[at : at + bar] = (94, 82, 72)


def poster(picture: U8, ppm: float, left_m: float, rng: Rng) -> None:
    """Hang a framed abstract picture, 1.1 by 0.8 m, muted so that nobody takes it for one of the things."""
    canvas = picture[round(1.35 * ppm) : round(2.15 * ppm), round(left_m * ppm) : round((left_m + 1.1) * ppm)]
    shape = canvas.shape[:2]
    inks = np.array(((206, 196, 176), (122, 128, 134), (160, 132, 118), (82, 84, 92)), np.float32)
    waves = noise(rng, shape, (0.25 * ppm, 0.35 * ppm)) + 0.04 * _speckle(rng, shape)
    canvas[:] = inks[np.digitize(waves, (-0.5, 0.1, 0.7))] * (1 + 0.05 * _speckle(rng, shape)[..., None])
    cv2.rectangle(canvas, (0, 0), (shape[1] - 1, shape[0] - 1), (58, 48, 42), round(0.08 * ppm))


def door(picture: U8, ppm: float, left_m: float, rng: Rng) -> None:
    """Put a wooden door, 1.0 by 2.1 m, into a wall."""
    leaf = picture[: round(2.1 * ppm), round(left_m * ppm) : round((left_m + 1.0) * ppm)]
    shape = leaf.shape[:2]
    shade = 1 + 0.06 * _speckle(rng, shape) + 0.07 * noise(rng, shape, (0.35 * ppm, 0.01 * ppm))
    leaf[:] = _coloured((128, 100, 78), shade)
    cv2.rectangle(leaf, (0, -9), (shape[1] - 1, shape[0] - 1), (74, 62, 54), round(0.10 * ppm))
    for low, high in ((0.25, 0.95), (1.15, 1.90)):
        box = (round(0.2 * ppm), round(low * ppm)), (round(0.8 * ppm), round(high * ppm))
        cv2.rectangle(leaf, *box, (88, 70, 56), 2)
    cv2.circle(leaf, (round(0.87 * ppm), round(1.05 * ppm)), round(0.03 * ppm), (200, 190, 160), -1)


def ceiling(rng: Rng, ppm: float) -> U8:
    """Acoustic tiles of 0.6 m."""
    shape = (round(HALL_M[1] * ppm), round(HALL_M[0] * ppm))
    shade = 1 + 0.05 * _speckle(rng, shape)
    tile = round(0.6 * ppm)
    shade[::tile], shade[1::tile], shade[:, ::tile], shade[:, 1::tile] = 0.75, 0.75, 0.75, 0.75
    return _coloured((200, 200, 196), shade)


def skin(thing: Thing, shape: tuple[int, int], ppm: float, rng: Rng) -> U8:
    """The unrolled surface of a thing: columns go round it, rows go up its side and then inwards over its top."""
    shade = 0.92 + 0.10 * _speckle(rng, shape)
    up, round_ = np.indices(shape, np.float32)
    z = up / ppm
    if thing.kind == "capsule":
        return _clothes(thing, z, shade, rng)
    if thing.kind == "sphere":
        shade *= np.where((round_ * 10 // shape[1]) % 2 == 0, 1.08, 0.72)
    elif thing.kind == "cylinder":
        shade += 0.05 * noise(rng, shape, (0.3 * ppm, 0.02 * ppm))
        for hoop in (0.12, 0.46):
            shade[abs(z - hoop) < 0.025] *= 0.55
    else:
        _crate(thing, shade, z, ppm, rng)
    return _coloured(thing.colour, shade)


def _crate(thing: Thing, shade: F32, z: F32, ppm: float, rng: Rng) -> None:
    height, side = thing.height_m, thing.size[0]
    boards = np.minimum(z / height * 4, 4).astype(int)
    shade *= rng.normal(1.0, 0.10, 5).astype(np.float32)[boards]
    shade[(z / height * 4) % 1 < 0.06] *= 0.6
    along = (np.arange(shade.shape[1]) / ppm) % side
    frame = (np.minimum(along, side - along) < 0.05)[None] | (np.minimum(z, height - z) < 0.05)
    shade[frame] *= 0.78
    shade[:, np.minimum(along, side - along) < 0.008] *= 0.7


def _clothes(thing: Thing, z: F32, shade: F32, rng: Rng) -> U8:
    shade += 0.06 * noise(rng, shade.shape, (30, 9))
    trousers = (70, 66, 74) if thing.name.endswith(("1", "3")) else (118, 108, 96)
    bands: tuple[tuple[float, Rgb], ...] = (
        (0.0, (46, 42, 40)), (0.09, trousers), (0.86, (52, 44, 40)), (0.90, thing.colour),
        (1.40, (204, 170, 150)), (1.60, (62, 50, 44)),
    )  # fmt: skip
    out = np.empty((*shade.shape, 3), np.uint8)
    for low, colour in bands:
        rows = z[:, 0] >= low
        out[rows] = _coloured(colour, shade[rows])
    return out
