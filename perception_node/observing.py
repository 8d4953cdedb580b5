"""The inverse sensor model of the local map, compiled: what one scan says about every cell."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i64, kernel, u8, void
from saccade.types import U8

LOWEST, _HIGHEST = -2.25, 2.7
WELL_FREE, SOLID = -1.5, 0.6
"""Log-odds of a cell that was seen to be free again and again, and of one that something has stood in for a while."""
_SWAY_M = 0.02
"""A walking body's camera goes up and down by so much, and what just showed still shows."""
_STAYS = 0.1
"""Log-odds that each look at a visitor adds to what the floor goes back to: who has stayed for long is none."""


@kernel(void, buffer(u8, 2), array(f32, 1), f64, f64, f64, f64, f64, f64, f64)
def mark(
    hits: U8, obstacle_m: F32, tan0: float, tan_step: float, x0_m: float, y0_m: float, cell_m: float, c: float, s: float
) -> None:
    """Mark the cells (n, n) in which a scan's obstacles stand; for the window see `update`.

    Nearby, one cell spans many bearings and sees one of them, so these cells are looked up from the bearings.
    """
    n, bearings = hits.shape[0], len(obstacle_m) - 1
    hits[:] = 0
    for b in range(bearings):
        forward = obstacle_m[b]
        if forward < math.inf:
            left = forward * (tan0 + (b + 0.5) * tan_step)
            j = math.floor((c * forward - s * left - x0_m) / cell_m)
            i = math.floor((s * forward + c * left - y0_m) / cell_m)
            if 0 <= i < n and 0 <= j < n:
                hits[i, j] = 1


@kernel(
    void, buffer(f32, 2), buffer(f32, 2), buffer(f32, 2), array(u8, 2), array(f32, 1), array(f32, 1),
    f64, f64, f64, f64, f64, f64, f64, f64, f64, f64, f64,
)  # fmt: skip
def update(
    odds: F32, before: F32, tall_m: F32, hits: U8, obstacle_m: F32, free_m: F32,
    tan0: float, tan_step: float, blind_m: float, above_m: float, x0_m: float, y0_m: float, cell_m: float,
    c: float, s: float, hit: float, miss: float,
) -> None:  # fmt: skip
    """Add one scan to the log-odds (n, n); the window's corner is at `x0_m`, `y0_m` from the camera, heading (c, s).

    `before` keeps those of well known free cells in which something appears; what stays is less and less a visitor.
    `tall_m` keeps by how much more than the lowest obstacle a thing rises at least, as it was seen from so near: at
    such a place nothing low can have gone out below the picture, and the floor is free again when it is seen no more.
    """
    n, bearings = odds.shape[0], len(obstacle_m) - 1
    for i in range(n):
        y = y0_m + (i + 0.5) * cell_m
        for j in range(n):
            x = x0_m + (j + 0.5) * cell_m
            forward = c * x + s * y
            if not forward > 0.0:
                continue  # behind the camera
            place = ((c * y - s * x) / forward - tan0) / tan_step
            if not 0.0 <= place < bearings:
                continue  # beside the picture
            b = int(place)
            below_m = above_m * (1.0 - forward / blind_m) if forward < blind_m else 0.0
            if hits[i, j] or abs(forward - obstacle_m[b]) <= 0.6 * cell_m:
                before[i, j] = odds[i, j] if odds[i, j] <= WELL_FREE else before[i, j] + _STAYS
                odds[i, j] = min(odds[i, j] + hit, _HIGHEST)
                tall_m[i, j] = max(tall_m[i, j], below_m)
            elif (blind_m <= forward or 0.0 < tall_m[i, j] >= below_m - _SWAY_M) and forward < free_m[b] - cell_m / 2:
                odds[i, j] = max(odds[i, j] - miss, LOWEST)
                if odds[i, j] <= WELL_FREE:
                    before[i, j], tall_m[i, j] = np.inf, 0.0


@kernel(i64, array(f32, 2), array(u8, 2), f64, f64, f64, f64, buffer(f64, 2))
def arrivals(odds: F32, hits: U8, x0_m: float, y0_m: float, cell_m: float, range_m: float, places: F64) -> int:
    """Cells (n, 2) where something stands that were well known to be free, by their middles from the camera; how many.

    Not those beside something that has stood there for a while: its edge is seen now here and now there.
    """
    height, width = odds.shape
    count = 0
    for i in range(1, height - 1):
        for j in range(1, width - 1):
            if not hits[i, j] or odds[i, j] > WELL_FREE or count == len(places):
                continue
            x, y = x0_m + (j + 0.5) * cell_m, y0_m + (i + 0.5) * cell_m
            if math.hypot(x, y) > range_m or (odds[i - 1 : i + 2, j - 1 : j + 2] >= SOLID).any():
                continue
            places[count, 0], places[count, 1] = x, y
            count += 1
    return count
