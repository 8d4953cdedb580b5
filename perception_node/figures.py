"""What a matched pair looks like, in a few numbers: light, sharpness, veil, and how well both pictures agree.

Looked at on a grid of about four thousand pixels, so that it costs well below a millisecond whatever the size.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i64, kernel, u8, void
from saccade.types import U8

TILES = 9, 12
"""Rows and columns of tiles that a picture is divided into."""
_SAMPLES = 4_000
_OFFSETS, _BANDS = 7, 3
"""Row offsets that are tried, -3 to 3, in each of three bands of columns: a rolled camera has both signs."""
_RIM = 8
_BRIGHT = 250
_ENOUGH = 100
"""Grid points without which a part of a picture is not judged."""


class Eye(NamedTuple):
    """One camera: mean grey value, share of white pixels, fine contrast in grey values, and veil.

    `veil` is the darkest grey value as a share of the middle one, `spread` the range of grey values likewise.
    """

    mean: float
    white: float
    sharp: float
    veil: float
    spread: float


class Figures(NamedTuple):
    """Numbers of one matched pair; NaN where there is too little to see.

    valid: share of the pixels that both cameras see that have a disparity; alike: correlation of the pictures'
    horizontal gradients where they were matched, 1 = the right picture, moved by the disparity, is the left one;
    row_px: how far right lies below left, where that is most; red: mean red as a share of green or blue, 1 if grey;
    veils: as `Eye.veil`, of the far and the near half of what was matched; tiles (2, 9, 12): contrast of each camera.
    """

    left: Eye
    right: Eye
    valid: float
    alike: float
    row_px: float
    red: float
    veils: tuple[float, float]
    tiles: F64


class Gauge:
    """Takes the figures of pairs; its buffers are made once."""

    def __init__(self) -> None:
        self._counts = np.empty((4, 256))
        self._sharp, self._seen, self._light = np.empty(2), np.empty(2), np.empty(3)
        self._rows = np.empty((_BANDS, _OFFSETS, 4))

    def of(self, left: U8, right: U8, disparity: F32, confidence: U8, min_confidence: int, reach_px: float) -> Figures:
        """Figures of a rectified pair (H, W) or (H, W, 3) RGB uint8 and its disparity (H, W) float32, NaN = none.

        Disparity less sure than `min_confidence` counts as none. `reach_px`: the largest disparity there can be;
        farther left in the picture the right camera may see nothing.
        """
        height, width = disparity.shape
        step = max(1, round(math.sqrt(height * width / _SAMPLES)))
        looked = disparity[::32, ::32]
        known = looked[looked > 0]
        middle_px = float(np.median(known)) if known.size else 0.0
        tiles = np.empty((2, *TILES))
        _gather(
            left.reshape(height, width, -1), right.reshape(height, width, -1), disparity, confidence, min_confidence,
            step, min(reach_px, width / 2), middle_px,
            self._counts, self._sharp, self._seen, self._light, self._rows, tiles,
        )  # fmt: skip
        offsets = [px for px in map(_offset, self._rows) if not math.isnan(px)]
        seen, matched = self._seen
        return Figures(
            _eye(self._counts[0], self._sharp[0]), _eye(self._counts[1], self._sharp[1]),
            float(matched / seen) if seen else math.nan, _alike(self._rows.sum(axis=0)[_OFFSETS // 2]),
            max(offsets, key=abs, default=math.nan),
            float((self._light[0] + 1) / (max(self._light[1:]) + 1)),
            (_veil(self._counts[2])[0], _veil(self._counts[3])[0]), tiles,
        )  # fmt: skip


def _eye(counts: F64, sharp: float) -> Eye:
    total = counts.sum()
    mean = float(counts @ np.arange(256) / total)
    return Eye(mean, float(counts[_BRIGHT:].sum() / total), float(sharp), *_veil(counts))


def _veil(counts: F64) -> tuple[float, float]:
    """Of a histogram (256,): the value that 1 % are below, and from there on the range of 98 %, by the median."""
    below = np.cumsum(counts)
    if below[-1] < _ENOUGH:
        return math.nan, math.nan
    low, middle, high = np.searchsorted(below, below[-1] * np.array([0.01, 0.5, 0.99])) + 1.0
    return float(low / middle), float((high - low) / middle)


def _alike(sums: F64) -> float:
    """Correlation, of (n, xx, xy, yy)."""
    return float(sums[2] / math.sqrt(sums[1] * sums[3])) if sums[0] >= _ENOUGH and sums[1] * sums[3] > 0 else math.nan


def _offset(band: F64) -> float:
    """The row offset at which both pictures agree best, to a fraction by a parabola; NaN where none stands out."""
    alike = [_alike(sums) for sums in band]
    best = int(np.argmax(alike))  # NaN wins
    if not (alike[best] > 0.4 and alike[best] - float(np.median(alike)) > 0.15):
        return math.nan
    if best in (0, _OFFSETS - 1):
        return float(best - _OFFSETS // 2)
    before, at, after = alike[best - 1 : best + 2]
    return best - _OFFSETS // 2 + 0.5 * (before - after) / (before - 2 * at + after)


@kernel(void, array(u8, 3), array(u8, 3), i64, i64, f64, buffer(f64, 2), counted=False)
def _compare(left: U8, right: U8, v: int, u: int, d: float, sums: F64) -> None:
    """Add the gradient of a left pixel, and of the place in the right picture that its disparity names, row by row."""
    c = left.shape[2] // 2
    i = int(u - d)
    part = u - d - i
    slope = float(left[v, u + 1, c]) - float(left[v, u - 1, c])
    for k in range(_OFFSETS):
        row = v + k - _OFFSETS // 2
        before = float(right[row, i + 1, c]) - float(right[row, i - 1, c])
        after = float(right[row, i + 2, c]) - float(right[row, i, c])
        other = (1.0 - part) * before + part * after
        sums[k, 0] += 1.0
        sums[k, 1] += slope * slope
        sums[k, 2] += slope * other
        sums[k, 3] += other * other


@kernel(
    void, array(u8, 3), array(u8, 3), array(f32, 2), array(u8, 2), i64, i64, f64, f64,
    buffer(f64, 2), buffer(f64, 1), buffer(f64, 1), buffer(f64, 1), buffer(f64, 3), buffer(f64, 3),
)  # fmt: skip
def _gather(
    left: U8, right: U8, disparity: F32, confidence: U8, min_confidence: int, step: int, reach_px: float,
    middle_px: float, counts: F64, sharp: F64, seen: F64, light: F64, rows: F64, tiles: F64,
) -> None:  # fmt: skip
    """Sums over a grid; see `Figures`. `counts`: histograms of left, right, and left's far and near half."""
    height, width, channels = left.shape
    c = channels // 2
    counts[:], sharp[:], seen[:], light[:], rows[:], tiles[:] = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    n = 0
    for v in range(_RIM, height - _RIM, step):
        for u in range(_RIM, width - _RIM, step):
            n += 1
            for k in range(channels):
                light[k] += left[v, u, k]
            for side in range(2):
                picture = left if side == 0 else right
                twice = 2.0 * picture[v, u, c]
                counts[side, picture[v, u, c]] += 1.0
                sharp[side] += abs(float(picture[v, u - 1, c]) + float(picture[v, u + 1, c]) - twice)
                coarse = abs(float(picture[v, u - _RIM, c]) + float(picture[v, u + _RIM, c]) - twice)
                tiles[side, v * TILES[0] // height, u * TILES[1] // width] += coarse
            d = disparity[v, u]
            inside = u >= reach_px + _RIM
            seen[0] += inside
            if not 0.0 < d < u - _RIM or confidence[v, u] < min_confidence:
                continue
            seen[1] += inside
            counts[2 if d < middle_px else 3, left[v, u, c]] += 1.0
            _compare(left, right, v, u, d, rows[u * _BANDS // width])
    if channels == 1:
        light[1] = light[0]
    sharp /= max(n, 1)
    light /= max(n, 1)
    tiles /= max(n / tiles[0].size, 1.0)
