"""How a model's numbers relate to the true disparity: factor and offset, or their product, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from engines.probe.scenes import Scene
from saccade.geometry import F32, F64

_AGREE = 0.5
"""Share of a flat scene's pixels that must say about the same, or the model is not matching it."""


@dataclass(frozen=True, slots=True)
class Relation:
    """output = factor x disparity + offset ("linear"), or factor / disparity ("inverse").

    "rough" grows with the disparity on no line; "none" is no relation at all. `reach` is the largest disparity up to
    which it holds, `agreement` the smallest share of pixels that say the same, and `said` what they say of each scene.
    """

    kind: Literal["linear", "inverse", "rough", "none"]
    factor: float = 0.0
    offset: float = 0.0
    reach: float = 0.0
    agreement: float = 0.0
    said: tuple[float, ...] = ()


def relate(scenes: tuple[Scene, ...], planes: list[F32]) -> Relation:
    """The relation of flat scenes, smallest disparity first, with what a model said of each (H, W)."""
    true = np.array([float(np.nanmedian(scene.truth)) for scene in scenes])
    said = np.array([_median(plane[np.isfinite(scene.truth)]) for scene, plane in zip(scenes, planes, strict=True)])
    pixel = _median(np.abs(said) / true)  # what a pixel is to this model
    pairs = zip(scenes, planes, said.tolist(), strict=True)
    share = np.array([_alike(scene, plane, median, pixel) for scene, plane, median in pairs])
    matched = share >= _AGREE
    agreement = float(share.min())
    for count in range(len(scenes), 1, -1):
        if matched[:count].all() and (line := _line(true[:count], said[:count])):
            return Relation("linear", *line, float(true[count - 1]), agreement, tuple(said.tolist()))
    if matched.all() and _is_inverse(true, said):
        return Relation("inverse", float(np.median(said * true)), 0.0, float(true[-1]), agreement)
    rough = bool(matched.all() and (np.diff(said) > 0).all() and np.corrcoef(true, said)[0, 1] > 0.95)
    return Relation("rough" if rough else "none", agreement=agreement, said=tuple(said.tolist()))


def share_alike(scene: Scene, plane: F32) -> tuple[float, float]:
    """Median of plane / truth, and the share of pixels where it is within a tenth of that."""
    seen = np.isfinite(scene.truth) & np.isfinite(plane)
    if not seen.any():
        return float("nan"), 0.0
    ratio = plane[seen] / scene.truth[seen]
    median = float(np.median(ratio))
    return median, float((np.abs(ratio - median) <= 0.1 * abs(median)).mean())


def agreement(scene: Scene, plane: F32) -> float:
    """The share of a flat scene's pixels that say about the same, in whatever unit."""
    said = _median(plane[np.isfinite(scene.truth)])
    return _alike(scene, plane, said, abs(said) / float(np.nanmedian(scene.truth)))


def _alike(scene: Scene, plane: F32, said: float, pixel: float) -> float:
    """The share of all pixels that say about what most say: within an eighth, or a pixel."""
    values = plane[np.isfinite(scene.truth)]
    return float((np.abs(values - said) <= max(0.12 * abs(said), pixel)).mean())


def _line(true: F64, said: F64) -> tuple[float, float] | None:
    """Factor and offset of Theil and Sen's line; None where the points lie on none, or on a level one."""
    slopes = [(said[j] - said[i]) / (true[j] - true[i]) for i, j in combinations(range(len(true)), 2)]
    factor = float(np.median(slopes))
    if abs(factor) * (true[-1] - true[0]) <= 0.1 * float(np.abs(said).max()):
        return None
    offset = float(np.median(said - factor * true))
    if len(true) == 2 and abs(offset) > 0.1 * abs(said[0]):
        return None  # two points are always on a line
    off = np.abs(said - factor * true - offset)
    return (factor, offset) if (off <= abs(factor) * np.maximum(0.6, 0.05 * true)).all() else None


def _is_inverse(true: F64, said: F64) -> bool:
    product = said * true
    return bool(product.std() <= 0.1 * abs(product.mean()) and np.ptp(said) > 0.3 * np.abs(said).max())


def _median(values: npt.NDArray[Any]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")
