"""Scale for depth from one picture: a model's numbers fitted to depths that are known elsewhere in the same view.

What a monocular model gives is inverse depth up to a scale and, for most, a shift (Ranftl et al., PAMI 2022). Both are
found anew for every picture, because they change with what the model sees.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from saccade.geometry import F32, F64, Pinhole

I64 = npt.NDArray[np.int64]

_TRIES = 96
_ROUNDS = 4
_NEARER, _FARTHER = 2.0, 0.5
"""How far, in inverse depth, the fit is used beyond the depths that it was made from."""


class Fit(NamedTuple):
    """1 / depth = scale m + shift, the share of the known points that agree, and the inverse depths it is good for."""

    scale: float
    shift: float
    agree: float
    nearest: float
    farthest: float

    def inverse(self, values: F32) -> F32:
        """Inverse depth (H, W) float32 1/m of a model's numbers; NaN far outside of what the fit was made from."""
        inverse = np.asarray(values * np.float32(self.scale) + np.float32(self.shift), np.float32)
        inverse[~((inverse >= self.farthest) & (inverse <= self.nearest))] = np.nan
        return inverse


def fit(values: F64, inverse: F64, tolerance: float, shifted: bool) -> Fit | None:
    """Fit numbers (n,) to known inverse depths (n,) 1/m; None where no increasing relation explains any of them.

    `tolerance` is the relative error at which a point still agrees; without `shifted` the shift is zero. RANSAC
    (Fischler and Bolles 1981), from the same draws in every run, then weighted least squares over what agrees.
    """
    draws = np.random.default_rng(0).integers(0, len(values), (_TRIES, 2))
    (x0, x1), (y0, y1) = values[draws].T, inverse[draws].T
    with np.errstate(divide="ignore", invalid="ignore"):
        scales = (y1 - y0) / (x1 - x0) if shifted else y0 / x0
        shifts = y0 - scales * x0 if shifted else np.zeros(_TRIES)
        agrees = np.abs(scales[:, None] * values + shifts[:, None] - inverse) <= tolerance * inverse
    agrees[~((scales > 0) & np.isfinite(scales))] = False
    best = agrees[int(np.argmax(agrees.sum(axis=1)))]
    scale = shift = 0.0
    for _ in range(_ROUNDS):
        if best.sum() < 2:
            return None
        A = np.column_stack([values, np.ones_like(values)])[best][:, : 1 + shifted] / inverse[best, None]
        solved = np.linalg.lstsq(A, np.ones(len(A)), rcond=None)[0]
        scale, shift = float(solved[0]), float(solved[1]) if shifted else 0.0
        best = np.abs(scale * values + shift - inverse) <= tolerance * inverse
    if not scale > 0 or best.sum() < 2:
        return None
    low, high = np.percentile(inverse[best], [1, 99])
    return Fit(scale, shift, float(best.mean()), float(high * _NEARER), float(low * _FARTHER))


def seen_from(points: F64, camera: Pinhole) -> tuple[I64, I64, F64, I64]:
    """Of points (m, 3) in a camera's optical frame that fall into its picture: columns, rows, depths and which (n,)."""
    ahead = np.flatnonzero(points[:, 2] > 0.05)
    u, v = np.rint(camera.project(points[ahead])).T
    inside = (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
    which = ahead[inside]
    return u[inside].astype(np.int64), v[inside].astype(np.int64), points[which, 2], which
