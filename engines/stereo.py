"""A stereo model behind its card: whatever it wants and gives, disparity comes out in one convention."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from engines.card import Card
from engines.engine import Engine, EngineError
from engines.full_size import FullSize
from engines.pictures import ModelInput, Shape, fitted_shape
from saccade.geometry import F32
from saccade.kernel import array, buffer, f32, kernel, u8, void
from saccade.stages import Stages
from saccade.types import U8


class Disparity(NamedTuple):
    """disparity (H, W) float32 px of the full-size input, positive, NaN = none; confidence (H, W) uint8, 0 for none."""

    disparity: F32
    confidence: U8


class StereoMatcher:
    """Turns a rectified pair into disparity at full resolution: size, colour, normalisation, sign and unit by card.

    The engine stays its opener's to close. Results are valid until the next call: all that is as large as a picture is
    made once for each size of them. Times go to `stages` as "prepare", "engine" and "finish".
    """

    def __init__(self, engine: Engine, card: Card, stages: Stages | None = None) -> None:
        self._engine, self._card, self._stages = engine, card, stages or Stages()
        self._inputs = {name: ModelInput(card.colour, card.size) for name in (card.left, card.right)}
        self._seen, self._mirrored = FullSize(card), FullSize(card)
        self._flipped: tuple[U8, U8] = (np.empty(0, np.uint8), np.empty(0, np.uint8))
        known = [tensor.name for tensor in engine.spec.outputs]
        for name in filter(None, (card.output.name, card.output.confidence)):
            if name not in known:
                raise EngineError(f"card {card.name!r} names the output {name!r}; the model has {', '.join(known)}")

    def __call__(self, left: U8, right: U8, left_right_px: float = 0.0) -> Disparity:
        """Match a pair (H, W) grey or (H, W, 3) RGB uint8 of one size.

        With `left_right_px` above 0 the mirrored, swapped pair is matched too, and what disagrees by more is none.
        EngineError for pictures that are not alike: padded or resized they would be, and match as nothing does.
        """
        if left.shape != right.shape:
            raise EngineError(f"{self._card.name}: the left picture is {left.shape}, the right one {right.shape}")
        found = self._matched(left, right, self._seen)
        if left_right_px > 0:
            if self._flipped[0].shape != left.shape:
                self._flipped = np.empty_like(left), np.empty_like(left)
            for picture, flipped in zip((right, left), self._flipped, strict=True):
                cv2.flip(picture, 1, dst=flipped)
            mirrored = self._matched(*self._flipped, self._mirrored)
            with self._stages.timed("left-right"):
                agree(found.disparity, mirrored.disparity, left_right_px, found.confidence)
        return found

    def max_disparity(self, shape: Shape) -> float:
        """The largest disparity that can come of a picture of `shape`, in its pixels; infinite where no card says it.

        What is nearer than f B / (this + cx_right - cx_left) cannot be seen.
        """
        card = self._card
        most = card.max_disparity
        return most if card.size.rule == "pad" else most * shape[1] / fitted_shape(card.size, shape)[1]

    def _matched(self, left: U8, right: U8, full_size: FullSize) -> Disparity:
        stages = self._stages
        with stages.timed("prepare"):
            pairs = zip(self._inputs.items(), (left, right), strict=True)
            tensors = {name: prepare(picture) for (name, prepare), picture in pairs}
        with stages.timed("engine"):
            outputs = self._engine.infer(tensors)
        with stages.timed("finish"):
            return Disparity(*full_size(outputs, left, right))


@kernel(void, buffer(f32, 2), array(f32, 2), f32, buffer(u8, 2))
def agree(disparity: F32, mirrored: F32, limit_px: float, confidence: U8) -> None:
    """Make none what the right picture's disparity, matched in mirrored pictures, contradicts or does not know."""
    height, width = disparity.shape
    for i in range(height):
        for j in range(width):
            d = disparity[i, j]
            if math.isnan(d):
                continue
            at = math.floor(j - d + 0.5)
            other = mirrored[i, width - 1 - at] if 0 <= at < width else math.nan
            if not abs(other - d) <= limit_px:  # NaN compares false
                disparity[i, j], confidence[i, j] = math.nan, 0
