"""Showing the probe's pairs to a model and judging what comes out; nothing is inferred twice that need not be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from engines.card import Card, ProbeLimits
from engines.disparity import full_size_px
from engines.engine import Array, Engine
from engines.pictures import ModelInput, fitted_shape
from engines.probe import scenes
from engines.probe.scenes import Scene
from saccade.geometry import F32

Progress = Callable[[str], None]
_SHARES = (0.1, 0.25, 0.5, 0.9)
"""The shifts that are shown, as shares of the largest disparity."""
_HUGE = 1 << 21
"""Pixels above which no picture is shown."""


class Judged(NamedTuple):
    """One scene's result: median error in px, share of pixels that are wrong or none, and whether that is enough."""

    scene: str
    median_px: float
    bad_share: float
    passed: bool

    def __str__(self) -> str:
        return f"{self.scene}: median error {self.median_px:.2f} px, {100 * self.bad_share:.0f} % bad"


def judge(scene: Scene, disparity: F32, limits: ProbeLimits, truth: F32 | None = None) -> Judged:
    """Hold a disparity (H, W), read as a user of the model would, to the truth; what is not positive is none."""
    truth = scene.truth if truth is None else truth
    seen = np.isfinite(truth)
    with np.errstate(invalid="ignore"):
        error = np.where(disparity > 0, np.abs(disparity - truth), np.inf)[seen]
    error[np.isnan(error)] = np.inf
    known = error[np.isfinite(error)]
    median = float(np.median(known)) if known.size else float("inf")
    bad = float((error > limits.bad_px).mean())
    return Judged(scene.name, median, bad, median <= limits.median_px and bad <= limits.bad_share)


@dataclass(frozen=True, slots=True)
class Shown:
    """The scenes for one card."""

    shifts: tuple[Scene, ...]
    slanted: Scene
    board: Scene
    resized: Scene
    dim: Scene
    unequal: Scene
    tinted: dict[str, Scene]
    """By the order of channels in which their noise has no luminance."""


def scenes_for(card: Card) -> Shown:
    """The pairs that a model with this card is shown: most at its own size, one at a size that has to be fitted."""
    most = min(float(card.probe.max_disparity), card.max_disparity)
    shape = _own_shape(card, most)
    other = _other_shape(card, shape)
    zoom = other[1] / fitted_shape(card.size, other)[1]
    return _scenes(shape, other, most, most * min(1.0, zoom) if card.size.rule != "pad" else most)


@lru_cache(maxsize=4)
def _scenes(shape: tuple[int, int], other: tuple[int, int], most: float, other_most: float) -> Shown:
    shifts = tuple(scenes.shift(shape, max(1, round(share * most))) for share in _SHARES)
    return Shown(
        shifts,
        scenes.slanted(shape, most),
        scenes.step(shape, most),
        scenes.slanted(other, other_most, f"picture of {other[1]} x {other[0]}", seed=3),
        scenes.dimmed(shifts[2], "a third of the light", 0.35, 0.35),
        scenes.dimmed(shifts[2], "right picture darker", 1.0, 0.9),
        {order: scenes.tinted(shape, round(0.5 * most), order) for order in ("rgb", "bgr")},
    )


def _own_shape(card: Card, most: float) -> tuple[int, int]:
    """(H, W) that the model takes without padding or resizing."""
    size = card.size
    if size.rule == "resize" and size.width and size.height:
        return size.height, size.width
    width = max(160, round(8 * most))
    height = size.short_side or width * 2 // 3
    width = max(width, height * 3 // 2)
    stride = size.stride if size.rule in ("pad", "resize") else 32
    return -(-height // stride) * stride, -(-width // stride) * stride


def _other_shape(card: Card, shape: tuple[int, int]) -> tuple[int, int]:
    """(H, W), odd, of a picture that has to be padded, resized or halved."""
    height, width = shape
    if card.size.rule == "halve" and card.size.max_pixels < _HUGE:
        zoom = (1.1 * card.size.max_pixels / (height * width)) ** 0.5
        return round(height * zoom) | 1, round(width * zoom) | 1
    if card.size.rule == "resize":
        return round(0.83 * height) | 1, round(0.71 * width) | 1
    height, width = round(1.4 * height) | 1, round(1.55 * width) | 1
    return height + 2 * (height % card.size.stride == 0), width + 2 * (width % card.size.stride == 0)


@dataclass(slots=True)
class Runs:
    """A model being probed. Results are kept by what went into the model, so that reading them anew costs nothing."""

    engine: Engine
    progress: Progress = lambda what: None
    steady: bool = False
    """Whether the model was seen to give the same for the same."""
    _kept: dict[object, dict[str, Array]] = field(default_factory=dict)

    def outputs(self, card: Card, scene: Scene, fresh: bool = False) -> dict[str, Array]:
        """What the model gives for a scene, all outputs; `fresh` to run it again."""
        key = (scene.name, scene.shape, card.left, card.right, card.colour, card.size, card.probe.max_disparity)
        if fresh or key not in self._kept:
            self.progress(scene.name)
            left, right = (ModelInput(card.colour, card.size)(picture) for picture in (scene.left, scene.right))
            outputs = self.engine.infer({card.left: left, card.right: right})
            self._kept[key] = {name: array.copy() for name, array in outputs.items()}
        return self._kept[key]

    def disparity(self, card: Card, scene: Scene, fresh: bool = False) -> F32:
        """What the model says of a scene as the card reads it: (H, W) float32 px of the full picture, unfiltered."""
        return full_size_px(self.outputs(card, scene, fresh)[card.output.name], card, scene.shape)

    def judged(self, card: Card, scene: Scene) -> Judged:
        """Whether a scene came out right."""
        return judge(scene, self.disparity(card, scene), card.probe)
