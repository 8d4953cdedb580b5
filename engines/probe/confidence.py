"""How sure a model says it is: numbers from 0 to 1, and not the greater, the less can be known."""

from __future__ import annotations

import numpy as np

from engines.card import Card
from engines.disparity import place
from engines.engine import Array
from engines.pictures import fitted_shape, plane
from engines.probe.finding import Finding
from engines.probe.run import Runs, Shown
from engines.probe.scenes import Scene
from saccade.geometry import F32

_OUTSIDE, _ROUNDING = 0.01, 1e-3
"""Share of the numbers that may be none or outside of 0..1, and by how much any may be."""
_SURER = 0.1
"""By so much of 1 a model must be surer of what one camera alone sees, to be held to mean doubt."""
_LEFT_OUT = {"output": {"confidence": ""}}
"""Without one the disparity is judged by the two pictures."""


def confidence_fault(runs: Runs, card: Card, shown: Shown) -> Finding | None:
    """What is wrong with the confidence that the card names; None where it names none."""
    if not card.output.confidence:
        return None
    scenes = shown.shifts[2:]
    planes = [plane(runs.outputs(card, scene)[card.output.confidence], card) for scene in scenes]
    text = _misshapen(planes[-1], fitted_shape(card.size, scenes[-1].shape)) or _beyond(planes[-1])
    if not text:
        pairs = [_sureness(scene, values) for scene, values in zip(scenes, planes, strict=True)]
        if any(both >= one - _SURER for both, one in pairs):
            return None
        both, one = pairs[-1]
        text = f"is {both:.2f} where both cameras see, {one:.2f} where one alone does: it means doubt"
    return Finding("confidence", f"{card.output.confidence} {text}", _LEFT_OUT)


def _misshapen(values: Array, fitted: tuple[int, ...]) -> str:
    along, across = values.shape[0] / fitted[0], values.shape[1] / fitted[1]
    if abs(along - across) <= 0.02 * along:
        return ""
    return f"is {values.shape[0]} x {values.shape[1]} for a picture of {fitted[0]} x {fitted[1]}"


def _beyond(values: Array) -> str:
    if values.dtype == np.uint8:
        return ""
    with np.errstate(invalid="ignore"):
        outside = float((~((values >= -_ROUNDING) & (values <= 1 + _ROUNDING))).mean())
    return f"is no number from 0 to 1 in {100 * outside:.0f} % of the pixels" if outside > _OUTSIDE else ""


def _sureness(scene: Scene, values: Array) -> tuple[float, float]:
    """Means over what both cameras see of a flat scene, and over what is too far left for the right one."""
    full: F32 = np.empty(scene.shape, np.float32)
    scale = 255 if values.dtype == np.uint8 else 1
    place(np.ascontiguousarray(values, np.float32) / np.float32(scale), values.shape, full)
    judged = np.isfinite(scene.truth)
    rows = judged.any(axis=1)
    return float(np.nanmean(full[judged])), float(np.nanmean(full[rows, : int(np.nanmedian(scene.truth))]))
