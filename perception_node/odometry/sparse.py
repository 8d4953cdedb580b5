"""Disparity of single pixels of a rectified pair: search along the row, then to a fraction of a pixel."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i64, kernel, u8, void
from saccade.types import U8

_HALF = 5
_SIDE = 2 * _HALF + 1
"""Of the windows that are compared, in pixels."""
_WIDTH_PER_DISPARITY = 5
"""The largest disparity that is searched is the picture's width over this."""
_UNLIKE, _UNIQUE = 0.3, 0.8
"""The best window may differ by this share of the texture, and by this share of what any other differs."""
_MOVED_PX = 1.0


class SparseStereo:
    """Called with pixels (n, 2) float32 of the left picture; their disparity (n,) float64, NaN = none or ambiguous.

    Windows are compared without their means, for exposures may differ; the fraction of a pixel is found as Lucas and
    Kanade do, along the row. `offset_px` (the right principal point less the left) is added: depth is fB / disparity.
    """

    def __init__(self, left: U8, right: U8, offset_px: float) -> None:
        self._left, self._right, self._offset_px = left, right, offset_px

    def __call__(self, points: F32) -> F64:
        disparity = np.empty(len(points))
        largest = self._left.shape[1] // _WIDTH_PER_DISPARITY
        _match(self._left, self._right, np.ascontiguousarray(points, np.float32), largest, disparity)
        disparity += self._offset_px
        return np.where(disparity > 0, disparity, np.nan)  # NaN compares false


@kernel(i64, array(u8, 2), array(u8, 2), i64, i64, i64, buffer(f64, 1))
def _search(left: U8, right: U8, u: int, v: int, largest: int, cost: F64) -> int:
    """The whole disparity whose window differs least (zero-mean sum of squares); -1 = none that stands out."""
    n, total, squares = _SIDE**2, 0, 0
    for i in range(v - _HALF, v + _HALF + 1):
        for j in range(u - _HALF, u + _HALF + 1):
            a = np.int64(left[i, j])
            total += a
            squares += a * a
    texture = squares - total * total / n
    last, best = min(largest, u - _HALF), 0
    for d in range(last + 1):
        total, squares = 0, 0
        for i in range(v - _HALF, v + _HALF + 1):
            for j in range(u - _HALF, u + _HALF + 1):
                a = np.int64(left[i, j]) - np.int64(right[i, j - d])
                total += a
                squares += a * a
        cost[d] = squares - total * total / n
        if cost[d] < cost[best]:
            best = d
    if cost[best] >= _UNLIKE * texture:
        return -1
    for d in range(last + 1):
        if abs(d - best) > 2 and cost[d] * _UNIQUE < cost[best]:
            return -1
    return best


@kernel(f64, array(u8, 2), f64, f64)
def _at(picture: U8, x: float, y: float) -> float:
    """Bilinear; x and y are inside."""
    j, i = int(x), int(y)
    a, b = x - j, y - i
    above = (1 - a) * picture[i, j] + a * picture[i, j + 1]
    below = (1 - a) * picture[i + 1, j] + a * picture[i + 1, j + 1]
    return float((1 - b) * above + b * below)


@kernel(f64, array(u8, 2), array(u8, 2), f64, f64, f64, buffer(f64, 2), buffer(f64, 2), buffer(f64, 2))
def _refined(left: U8, right: U8, u: float, v: float, whole: float, mine: F64, error: F64, slope: F64) -> float:
    """The disparity near `whole` at which zero-mean windows agree best, by Gauss and Newton; NaN = it went away."""
    d = whole
    for i in range(_SIDE):
        for j in range(_SIDE):
            mine[i, j] = _at(left, u + j - _HALF, v + i - _HALF)
    for _ in range(10):
        if not (u - d - _HALF >= 1 and u - d + _HALF < right.shape[1] - 2):
            return math.nan
        mean, mean_slope = 0.0, 0.0
        for i in range(_SIDE):
            for j in range(_SIDE):
                x, y = u - d + j - _HALF, v + i - _HALF
                error[i, j] = mine[i, j] - _at(right, x, y)
                slope[i, j] = (_at(right, x + 1, y) - _at(right, x - 1, y)) / 2
                mean += error[i, j] / _SIDE**2
                mean_slope += slope[i, j] / _SIDE**2
        across, square = 0.0, 1e-9
        for i in range(_SIDE):
            for j in range(_SIDE):
                across += (error[i, j] - mean) * (slope[i, j] - mean_slope)
                square += (slope[i, j] - mean_slope) ** 2
        d -= across / square
        if not abs(d - whole) <= _MOVED_PX:
            return math.nan
        if abs(across / square) < 0.003:
            break
    return d


@kernel(void, array(u8, 2), array(u8, 2), array(f32, 2), i64, buffer(f64, 1))
def _match(left: U8, right: U8, points: F32, largest: int, disparity: F64) -> None:
    height, width, edge = left.shape[0], left.shape[1], _HALF + 2
    cost = np.empty(largest + 1, np.float64)
    mine, error, slope = np.empty((_SIDE, _SIDE)), np.empty((_SIDE, _SIDE)), np.empty((_SIDE, _SIDE))
    for p in range(len(points)):
        disparity[p] = math.nan
        u, v = np.float64(points[p, 0]), np.float64(points[p, 1])
        if not (edge <= u < width - edge and edge <= v < height - edge):
            continue
        whole = _search(left, right, round(u), round(v), largest, cost)
        if whole >= 0:
            disparity[p] = _refined(left, right, u, v, whole, mine, error, slope)
