"""What surfaces look like before light falls on them: procedural pictures with detail at several scales.

What worlds share; each has its own walls and floor in its `decor.py`. Every function returns (H, W, 3) uint8 RGB at
`ppm` pixels a metre, the first row at the bottom of a wall or thing.
Stereo needs texture along both axes and at every distance, so nothing is plain and nothing repeats exactly.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from saccade.geometry import F32
from saccade.types import U8
from sim.things import Thing

Rng = np.random.Generator
Rgb = tuple[int, int, int]


def noise(rng: Rng, shape: tuple[int, int], cell: tuple[float, float]) -> F32:
    """Smooth noise (H, W) float32, about unit variance, with features of `cell` (rows, columns) pixels."""
    coarse = (max(2, math.ceil(shape[0] / cell[0])), max(2, math.ceil(shape[1] / cell[1])))
    grid = rng.standard_normal(coarse).astype(np.float32)
    return np.asarray(cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def speckle(rng: Rng, shape: tuple[int, int]) -> F32:
    """Isotropic noise from one pixel up to some decimetres; what makes every patch unlike its neighbours."""
    out = np.zeros(shape, np.float32)
    for cell, weight in ((1.0, 0.35), (3.0, 0.5), (9.0, 0.45), (27.0, 0.4)):
        out += weight * noise(rng, shape, (cell, cell))
    return out


def rgb(colour: Rgb) -> F32:
    """A colour to reckon with, (3,) float32."""
    return np.array(colour, np.float32)


def coloured(colour: Rgb, brightness: F32) -> U8:
    """`colour` times brightness (H, W), 1 = as given; hue is kept."""
    painted: U8 = np.clip(rgb(colour) * brightness[..., None], 0, 255).astype(np.uint8)
    return painted


def boards(rng: Rng, shape: tuple[int, int], ppm: float, colour: Rgb) -> U8:
    """Upright boards side by side."""
    shade = 0.97 + 0.06 * speckle(rng, shape) + 0.05 * noise(rng, shape, (0.3 * ppm, 0.012 * ppm))
    x = 0
    while x < shape[1]:
        board = round(rng.uniform(0.08, 0.20) * ppm)
        shade[:, x : x + board] *= rng.normal(1.0, 0.10)
        shade[:, x : x + 2] *= 0.55
        x += board
    return coloured(colour, shade)


def bricks(rng: Rng, shape: tuple[int, int], ppm: float) -> U8:
    """Whitewashed brick."""
    shade = 0.98 + 0.05 * speckle(rng, shape)
    course, length = round(0.085 * ppm), round(0.25 * ppm)
    for i, y in enumerate(range(0, shape[0], course)):
        for x in range(-(length // 2) * (i % 2), shape[1], length):
            shade[y : y + course, max(0, x) : x + length] *= rng.normal(1.0, 0.06)
            shade[y : y + course, max(0, x) : max(0, x + 2)] *= 0.80
        shade[y : y + 2] *= 0.80
    return coloured((218, 211, 198), shade)


def skin(thing: Thing, shape: tuple[int, int], ppm: float, rng: Rng) -> U8:
    """The unrolled surface of a thing: columns go round it, rows go up its side and then inwards over its top."""
    shade = 0.92 + 0.10 * speckle(rng, shape)
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
    return coloured(thing.colour, shade)


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
        out[rows] = coloured(colour, shade[rows])
    return out
