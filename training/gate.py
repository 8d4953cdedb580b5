"""Whether an adapted network is better where it has not learned: three figures of held-out pairs, before and after.

What is measured is not what is trained. Photometric error: the census transform (Zabih and Woodfill, ECCV 1994; three
values, so that noise is no structure) of the left picture against the right one moved by the disparity, over the same
pixels before and after: those with texture that either network sees with both eyes. Disagreement: what left and right
disparity differ by, at most CAP_PX. Density: the share of pixels where they agree. A gain counts when the whole
confidence interval of a paired bootstrap (Efron 1979) over the held-out pairs lies beyond LEAST_GAIN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from saccade.geometry import F32, F64
from saccade.types import U8

Bool = npt.NDArray[np.bool_]
CAP_PX = 3.0
"""Disagreement beyond this is all the same: an occlusion or a mistake."""
LEAST_GAIN = 0.005
"""Share of the photometric error that must surely go; less is not worth another model."""
MOST_LOSS = 0.01
"""Share by which disagreement may grow and density shrink."""
MOST_FORGOTTEN = 0.05
"""Share by which the error on generated pairs, whose truth is known, may grow."""
MOST_CHANCE = 0.85
"""Share of the photometric error by chance above which two pictures are no pair."""
_ASTRAY_PX = 11
_WINDOW = 7
_NOISE = 2
"""Grey values that count as equal in the census transform."""
_FEW = 8
"""With fewer held-out pairs than this, parts of pictures are drawn in the bootstrap instead of whole pairs."""
_TILES = 4
_DRAWS, _LEVEL = 4000, 0.95
_LEAST = 1e-3
"""Figures below this are as good as zero."""


class Look(NamedTuple):
    """What a network sees in a pair: disparity of the left and of the right picture, (H, W) float32 px."""

    left: F32
    right: F32


class Split(NamedTuple):
    """Indices of pairs: to learn from, to watch progress on, and to judge by at the end."""

    learn: tuple[int, ...]
    watch: tuple[int, ...]
    judge: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One figure before and after, and the confidence interval of its relative change."""

    name: str
    before: float
    after: float
    low: float
    high: float

    @property
    def relative(self) -> float:
        """(after - before) / before."""
        return (self.after - self.before) / max(self.before, _LEAST)

    def __str__(self) -> str:
        interval = f"{100 * self.low:+.1f} to {100 * self.high:+.1f} %"
        return f"{self.name} {self.before:.4f} -> {self.after:.4f} ({100 * self.relative:+.1f} %, 95 %: {interval})"


def hold_out(count: int) -> Split:
    """Contiguous parts of a recording, so that no judged pair is the neighbour of one that was learned from.

    Of eight parts in the order of time, the third and the seventh are judged, the fifth is watched; a pair is left out
    at each border. Of fewer than 16 pairs the last third is judged and those learned from are watched.
    """
    if count < 16:
        learn = tuple(range(count - max(1, count // 3)))
        return Split(learn, learn, tuple(range(len(learn), count)))
    parts: list[list[int]] = [[], [], []]
    role = [0, 0, 1, 0, 2, 0, 1, 0]
    borders = np.linspace(0, count, 9).round().astype(int)
    for part, (first, last) in enumerate(pairwise(borders)):
        away = role[part] == 0
        begin = first + (1 if away and part and role[part - 1] else 0)
        end = last - (1 if away and part < 7 and role[part + 1] else 0)
        parts[role[part]] += range(begin, end)
    learn, judge, watch = (tuple(int(i) for i in part) for part in parts)
    return Split(learn, watch, judge)


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """Sums over the parts of a pair, (2, n) before and after: what is needed to average over any set of parts.

    `common` (n,) counts the pixels of the photometric error, `pixels` (n,) those of the others. `chance` (n,) is the
    photometric error of a disparity that is _ASTRAY_PX off: of no match at all.
    """

    photometric: F64
    common: F64
    disagreement: F64
    agreed: F64
    pixels: F64
    chance: F64


def compare(left: U8, right: U8, before: Look, after: Look) -> Figures:
    """The figures of one pair (H, W) or (H, W, 3), part by part."""
    one, other = (
        p if p.ndim == 2 else np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.uint8) for p in (left, right)
    )
    looks = (before, after)
    column = np.arange(one.shape[1], dtype=np.float32)
    inside = (column >= before.left) & (column >= after.left)
    apart = [np.minimum(np.abs(look.left - _moved(look.right, look.left)), CAP_PX) for look in looks]
    agree = [(d < 1.0 + 0.03 * look.left) & inside for d, look in zip(apart, looks, strict=True)]
    common = (agree[0] | agree[1]) & textured(one)
    signs = census(one)
    shown = (before.left, after.left, before.left + _ASTRAY_PX)
    *errors, wrong = ((census(_moved(other, d)) != signs).mean(axis=0) * common for d in shown)
    photometric, disagreement, agreed = (
        np.stack([tiles(x) for x in both]) for both in (errors, [d * inside for d in apart], agree)
    )
    return Figures(photometric, tiles(common), disagreement, agreed, tiles(inside), tiles(wrong))


def judged(figures: Sequence[Figures], seed: int = 0) -> list[Change]:
    """Photometric error, disagreement in px and density over all pairs, with their intervals."""
    photometric, apart, agreed = (
        np.stack([getattr(f, name) for f in figures], 1) for name in ("photometric", "disagreement", "agreed")
    )
    common, pixels = (np.stack([getattr(f, name) for f in figures])[None].repeat(2, 0) for name in ("common", "pixels"))
    draw = np.random.default_rng(seed)
    out = []
    for name, above, below in (
        ("photometric error", photometric, common), ("disagreement px", apart, pixels), ("density", agreed, pixels),
    ):  # fmt: skip
        top, bottom = (x.reshape(2, -1) if len(figures) < _FEW else x.sum(2) for x in (above, below))
        before, after = top.sum(1) / np.maximum(bottom.sum(1), 1.0)
        drawn = draw.integers(0, top.shape[1], (_DRAWS, top.shape[1]))
        means = top[:, drawn].sum(2) / np.maximum(bottom[:, drawn].sum(2), 1.0)
        changes = (means[1] - means[0]) / np.maximum(means[0], _LEAST)
        low, high = np.quantile(changes, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
        out.append(Change(name, float(before), float(after), float(low), float(high)))
    return out


def mismatch(figures: Sequence[Figures]) -> str:
    """Why these are no pairs, or nothing: what the photometric error is before, and by chance."""
    before, by_chance, pixels = (
        sum(float(x.sum()) for x in sums)
        for sums in ((f.photometric[0] for f in figures), (f.chance for f in figures), (f.common for f in figures))
    )
    if before <= MOST_CHANCE * by_chance:
        return ""
    return (
        f"left and right do not show the same: photometric error {before / max(pixels, 1.0):.3f} where "
        f"{by_chance / max(pixels, 1.0):.3f} is chance; expected rectified pairs of one moment, with texture"
    )


def refusal(changes: Sequence[Change], dry: tuple[float, float]) -> str:
    """Why the adapted network may not be installed, or nothing; `dry`: error on generated pairs, before and after."""
    photometric, apart, density = changes
    if photometric.high > -LEAST_GAIN:  # not the mean alone: which pairs were put aside may have made it
        return f"it is not better on the held-out pairs: {photometric}"
    if apart.relative > MOST_LOSS:
        return f"left and right agree less on the held-out pairs: {apart}"
    if density.relative < -MOST_LOSS:
        return f"fewer pixels are seen with both eyes on the held-out pairs: {density}"
    if dry[1] > dry[0] * (1.0 + MOST_FORGOTTEN):
        return f"it forgot: the error on generated pairs grew from {dry[0]:.2f} to {dry[1]:.2f} px"
    return ""


def census(grey: U8) -> npt.NDArray[np.int8]:
    """(n, H, W): every second pixel of the window, -1 darker, 0 equal within the noise, 1 brighter than its middle."""
    half = _WINDOW // 2
    height, width = grey.shape
    wide = cv2.copyMakeBorder(grey, half, half, half, half, cv2.BORDER_REPLICATE).astype(np.int16)
    middle = grey.astype(np.int16)
    around = [
        wide[y : y + height, x : x + width] - middle
        for y in range(_WINDOW) for x in range(_WINDOW) if (y + x) % 2 == 1
    ]  # fmt: skip
    steps = np.stack(around)
    return ((steps > _NOISE).astype(np.int8) - (steps < -_NOISE).astype(np.int8)).astype(np.int8)


def textured(grey: U8) -> Bool:
    """Where a picture (H, W) has more contrast than noise alone, which its quietest tenth shows."""
    picture, around = grey.astype(np.float32), (15, 15)
    variance = cv2.boxFilter(picture * picture, -1, around) - cv2.boxFilter(picture, -1, around) ** 2
    noise = np.clip(1.5 * np.sqrt(max(0.0, float(np.quantile(variance, 0.1)))), 1.0, 4.0)
    return np.asarray(variance > noise**2, np.bool_)


def tiles(x: npt.NDArray[np.bool_] | F32 | F64) -> F64:
    """Sums over a grid of _TILES x _TILES parts of (H, W), as (n,)."""
    rows, columns = (np.linspace(0, size, _TILES + 1)[:-1].astype(int) for size in x.shape)
    summed = np.add.reduceat(np.add.reduceat(x.astype(np.float64), rows, 0), columns, 1)
    return np.asarray(summed.ravel(), np.float64)


def _moved(picture: npt.NDArray[np.uint8] | F32, disparity: F32) -> U8:
    """The right picture where the left one sees it."""
    height, width = disparity.shape
    x = np.arange(width, dtype=np.float32) - disparity
    y = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, 1)
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
