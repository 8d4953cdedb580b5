"""A stereo model behind its card: whatever it wants and gives, disparity comes out in one convention."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from engines.card import Card
from engines.confidence import Confidence
from engines.disparity import cropped, fitted_px
from engines.engine import Array, Engine, EngineError
from engines.pictures import Shape, coloured, fit, fitted_shape, plane, resized, tensor
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

    The engine stays its opener's to close. Results are valid until the next call. Times go to `stages` as "prepare",
    "engine" and "finish".
    """

    def __init__(self, engine: Engine, card: Card, stages: Stages | None = None) -> None:
        self._engine, self._card, self._stages = engine, card, stages or Stages()
        self._confidence = Confidence()
        known = [tensor.name for tensor in engine.spec.outputs]
        for name in filter(None, (card.output.name, card.output.confidence)):
            if name not in known:
                raise EngineError(f"card {card.name!r} names the output {name!r}; the model has {', '.join(known)}")

    def __call__(self, left: U8, right: U8, left_right_px: float = 0.0) -> Disparity:
        """Match a pair (H, W) grey or (H, W, 3) RGB uint8 of one size.

        With `left_right_px` above 0 the mirrored, swapped pair is matched too, and what disagrees by more is none.
        """
        found = self._matched(left, right)
        if left_right_px > 0:
            disparity, confidence = found.disparity.copy(), found.confidence.copy()  # the engine reuses its own
            mirrored = self._matched(*(np.asarray(cv2.flip(p, 1), np.uint8) for p in (right, left)))
            with self._stages.timed("left-right"):
                agree(disparity, mirrored.disparity, left_right_px, confidence)
            return Disparity(disparity, confidence)
        return found

    def max_disparity(self, shape: Shape) -> float:
        """The largest disparity that can come of a picture of `shape`, in its pixels; infinite where no card says it.

        What is nearer than f B / (this + cx_right - cx_left) cannot be seen.
        """
        card = self._card
        most = card.max_disparity
        return most if card.size.rule == "pad" else most * shape[1] / fitted_shape(card.size, shape)[1]

    def _matched(self, left: U8, right: U8) -> Disparity:
        card, stages = self._card, self._stages
        with stages.timed("prepare"):
            pictures = [fit(coloured(p, card.colour.order), card.size) for p in (left, right)]
            tensors = [tensor(picture, card.colour) for picture in pictures]
        with stages.timed("engine"):
            outputs = self._engine.infer({card.left: tensors[0], card.right: tensors[1]})
        with stages.timed("finish"):
            return self._finished(outputs, left, right)

    def _finished(self, outputs: dict[str, Array], left: U8, right: U8) -> Disparity:
        card, shape = self._card, left.shape[:2]
        fitted = fitted_shape(card.size, shape)
        disparity = self._positive(fitted_px(outputs[card.output.name], card, fitted))
        if card.output.confidence:
            confidence = _as_uint8(plane(outputs[card.output.confidence], card))
        else:
            greys = [fit(coloured(picture, "grey"), card.size) for picture in (left, right)]
            disparity = resized(disparity, fitted)
            confidence = self._confidence.of(greys[0], greys[1], disparity)
        if card.size.rule != "pad" and fitted[1] != shape[1]:
            np.multiply(disparity, np.float32(shape[1] / fitted[1]), out=disparity)
        disparity, confidence = (cropped(values, card.size, fitted, shape) for values in (disparity, confidence))
        disparity, confidence = resized(disparity, shape), resized(confidence, shape)
        np.copyto(confidence, np.uint8(0), where=np.isnan(disparity))  # a network may be sure that something is far
        return Disparity(disparity, confidence)

    def _positive(self, disparity: F32) -> F32:
        """The same array with NaN where there is no positive number, or one that the model cannot mean."""
        most = self._card.output.max_disparity or np.finfo(np.float32).max
        unusable = ~((disparity > 0) & (disparity <= most))
        np.copyto(disparity, np.float32(np.nan), where=unusable)
        return disparity


def _as_uint8(confidence: Array) -> U8:
    if confidence.dtype == np.uint8:
        return confidence
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num(np.clip(confidence, 0, 1) * 255), np.uint8)


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
