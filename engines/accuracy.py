"""How far a disparity image is from the truth, and how much it trembles: the figures that stereo benchmarks give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saccade.geometry import F32

Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Errors:
    """Over some pixels: the share that has a disparity, per cent; of these the mean error, px, and the shares that are
    off by more than 1, 2, 3 and 4 px, per cent. NaN where there is no such pixel.
    """

    density: float
    epe: float
    bad1: float
    bad2: float
    bad3: float
    bad4: float


@dataclass(frozen=True, slots=True)
class Jitter:
    """Two disparities of one still scene: median and 95th percentile of their difference, px, over what both have."""

    median: float
    p95: float


def errors(disparity: F32, truth: F32, where: Bool) -> Errors:
    """Errors over the pixels of `where` (H, W) whose truth is known; disparity, truth (H, W) px, NaN = none."""
    known = where & np.isfinite(truth)
    error = np.abs(disparity[known] - truth[known])
    given = error[np.isfinite(error)]
    if not given.size:
        return Errors(0.0 if error.size else float("nan"), *[float("nan")] * 5)
    bad = [100.0 * float((given > px).mean()) for px in (1, 2, 3, 4)]
    return Errors(100.0 * given.size / error.size, float(given.mean()), *bad)


@dataclass(frozen=True, slots=True)
class Trust:
    """Mean error, px, of the surer half of what a method gives, and of the other: alike where sureness says nothing."""

    sure_epe: float
    unsure_epe: float


def trust(disparity: F32, sureness: npt.NDArray[np.generic], truth: F32, where: Bool) -> Trust:
    """Split what is given over the pixels of `where` (H, W) by sureness (H, W); equals are split as they come."""
    known = where & np.isfinite(truth) & np.isfinite(disparity)
    error = np.abs(disparity[known] - truth[known])[np.argsort(sureness[known], kind="stable")]
    if error.size < 2:
        return Trust(float("nan"), float("nan"))
    half = error.size // 2
    return Trust(float(error[half:].mean()), float(error[:half].mean()))


def jitter(one: F32, other: F32) -> Jitter:
    """Compare disparities (H, W) px, NaN = none, of two noisy views of one scene."""
    apart = np.abs(one - other)
    apart = apart[np.isfinite(apart)]
    if not apart.size:
        return Jitter(float("nan"), float("nan"))
    median, p95 = np.percentile(apart, [50, 95])
    return Jitter(float(median), float(p95))


def filled(disparity: F32) -> F32:
    """The same (H, W) px with no hole: it takes the lesser, farther one of the nearest disparities in its row.

    At the ends of a row there is only one; a row without any takes the lesser of the rows above and below. So does
    KITTI's development kit (interpolateBackground). A picture without any disparity becomes 0.
    """
    across = _between(disparity)
    return np.asarray(np.nan_to_num(_between(across.T).T, nan=0.0), np.float32)


def _between(disparity: F32) -> F32:
    """Holes in rows filled with the lesser of their ends; rows of nothing but holes stay NaN."""
    known, columns = np.isfinite(disparity), np.arange(disparity.shape[1])
    before = np.maximum.accumulate(np.where(known, columns, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, columns, columns.size)[:, ::-1], axis=1)[:, ::-1]
    ended = np.pad(disparity, ((0, 0), (1, 1)), constant_values=np.nan)
    rows = np.arange(disparity.shape[0])[:, None]
    return np.asarray(np.fmin(ended[rows, before + 1], ended[rows, after + 1]), np.float32)


def seen_by_both(left: F32, right: F32) -> Bool:
    """Pixels (H, W) of the left picture that the right camera sees too, from the true disparities of both, px.

    A point is seen when the right picture's disparity where it should be is within 1 px of its own; where either is
    not known (NaN), it does not count as seen.
    """
    height, width = left.shape
    rows = np.arange(height)[:, None]
    at = np.arange(width) - np.nan_to_num(left, nan=np.inf)
    seen = np.zeros(left.shape, np.bool_)
    for column in (np.floor(at), np.ceil(at)):
        inside = (column >= 0) & (column < width)
        there = right[rows, np.where(inside, column, 0).astype(np.intp)]
        seen |= inside & (np.abs(there - left) <= 1.0)
    return seen
