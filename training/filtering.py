"""Textures as a pixel sees them: bilinear, with mipmaps, several samples along a slanted footprint."""

from __future__ import annotations

import math

from numba import types

from saccade.kernel import f64, i64
from saccade.types import U8
from training.cast import ATLAS, V3, Vector, borrowing
from training.textures import LEVELS

TAPS = 4  # most texture samples along the longer axis of a pixel's footprint


@borrowing(V3, ATLAS, i64, i64, f64, f64)
def tap(atlas: U8, t: int, level: int, u: float, v: float) -> Vector:
    """Bilinear texture colour 0..1 at (u, v) texels of level 0, which wraps around."""
    full = atlas.shape[2]
    size = full >> level
    base = 2 * full - 2 * size
    scale = 1.0 / (1 << level)
    x, y = u * scale - 0.5, v * scale - 0.5
    x0, y0 = math.floor(x), math.floor(y)
    fx, fy = x - x0, y - y0
    mask = size - 1
    i, j = int(x0) & mask, int(y0) & mask
    i1, j1 = (i + 1) & mask, (j + 1) & mask
    j, j1 = base + j, base + j1
    wa, wb, wc, wd = (1 - fx) * (1 - fy) / 255, fx * (1 - fy) / 255, (1 - fx) * fy / 255, fx * fy / 255
    return (
        wa * atlas[t, j, i, 0] + wb * atlas[t, j, i1, 0] + wc * atlas[t, j1, i, 0] + wd * atlas[t, j1, i1, 0],
        wa * atlas[t, j, i, 1] + wb * atlas[t, j, i1, 1] + wc * atlas[t, j1, i, 1] + wd * atlas[t, j1, i1, 1],
        wa * atlas[t, j, i, 2] + wb * atlas[t, j, i1, 2] + wc * atlas[t, j1, i, 2] + wd * atlas[t, j1, i1, 2],
    )


@borrowing(types.Tuple((V3, i64)), ATLAS, i64, f64, f64, f64, f64, f64, f64)
def filtered(
    atlas: U8, texture: int, u: float, v: float, ux: float, vx: float, uy: float, vy: float
) -> tuple[Vector, int]:
    """Texture colour under a pixel whose footprint is spanned by (ux, vx) and (uy, vy) texels, and the mip level.

    Anisotropic: the mip level follows the shorter axis, several samples are taken along the longer one.
    """
    a, b = ux * ux + vx * vx, uy * uy + vy * vy
    if a < b:
        a, b, ux, vx = b, a, uy, vy
    taps = 1
    while taps < TAPS and taps * taps * max(b, 1.0) < a:
        taps += 1
    left = max(b, a / (taps * taps))
    level, last = 0, LEVELS - 1
    while level < last and left > 4.0:
        level, left = level + 1, left / 4.0
    part = math.sqrt(left) - 1.0 if left > 1.0 and level < last else 0.0
    r = g = c = 0.0
    for k in range(taps):
        s = (k + 0.5) / taps - 0.5
        x, y = u + s * ux, v + s * vx
        fine = tap(atlas, texture, level, x, y)
        if part > 0.0:
            coarse = tap(atlas, texture, level + 1, x, y)
            fine = (
                fine[0] + part * (coarse[0] - fine[0]),
                fine[1] + part * (coarse[1] - fine[1]),
                fine[2] + part * (coarse[2] - fine[2]),
            )
        r, g, c = r + fine[0], g + fine[1], c + fine[2]
    return (r / taps, g / taps, c / taps), level
