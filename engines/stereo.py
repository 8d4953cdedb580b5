"""A stereo model behind its card: whatever it wants and gives, disparity comes out in one convention."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from engines.card import Card, Colour, Size
from engines.confidence import Confidence
from engines.engine import Array, Engine, EngineError
from saccade.geometry import F32
from saccade.stages import Stages
from saccade.types import U8

Shape = tuple[int, ...]


class Disparity(NamedTuple):
    """disparity (H, W) float32 pixels of the input's full size, positive, NaN = none; confidence (H, W) uint8."""

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

    def __call__(self, left: U8, right: U8) -> Disparity:
        """Match a pair (H, W) grey or (H, W, 3) RGB uint8 of one size."""
        card, stages = self._card, self._stages
        with stages.timed("prepare"):
            pictures = [_fit(_coloured(p, card.colour.order), card.size) for p in (left, right)]
            tensors = [_tensor(picture, card.colour) for picture in pictures]
        with stages.timed("engine"):
            outputs = self._engine.infer({card.left: tensors[0], card.right: tensors[1]})
        with stages.timed("finish"):
            return self._finished(outputs, left, right)

    def _finished(self, outputs: dict[str, Array], left: U8, right: U8) -> Disparity:
        card, shape = self._card, left.shape[:2]
        fitted = fitted_shape(card.size, shape)
        disparity = self._positive_px(_plane(outputs[card.output.name], card), fitted)
        if card.output.confidence:
            confidence = _as_uint8(_plane(outputs[card.output.confidence], card))
        else:
            greys = [_fit(_coloured(picture, "grey"), card.size) for picture in (left, right)]
            disparity = _resized(disparity, fitted)
            confidence = self._confidence.of(greys[0], greys[1], disparity)
        if card.size.rule == "pad":
            part = disparity.shape[0] / fitted[0]
            rows, columns = round(shape[0] * part), round(shape[1] * part)
            disparity, confidence = disparity[:rows, :columns], confidence[:rows, :columns]
        elif fitted[1] != shape[1]:
            np.multiply(disparity, np.float32(shape[1] / fitted[1]), out=disparity)
        return Disparity(_resized(disparity, shape), _resized(confidence, shape))

    def _positive_px(self, raw: Array, fitted: Shape) -> F32:
        """The model's numbers as positive pixels of the picture it was given; NaN where there is none."""
        output = self._card.output
        factor = -1.0 if output.sign == "negative" else 1.0
        if output.unit == "width_fraction":
            factor *= fitted[1]
        elif output.unit_at == "output":
            factor *= fitted[1] / raw.shape[1]
        disparity: F32 = (
            raw if factor == 1.0 and raw.dtype == np.float32 else np.multiply(raw, factor, dtype=np.float32)
        )
        unusable = ~(disparity > 0)
        np.logical_or(unusable, np.isinf(disparity), out=unusable)
        np.copyto(disparity, np.float32(np.nan), where=unusable)
        return disparity


def fitted_shape(size: Size, shape: Shape) -> Shape:
    """(H, W) of the picture that the model sees for one of `shape`."""
    height, width = shape[:2]
    if size.rule == "halve":
        while height * width > size.max_pixels:
            height, width = height // 2, width // 2
    elif size.rule == "pad":
        height, width = -(-height // size.stride) * size.stride, -(-width // size.stride) * size.stride
    elif size.rule == "resize":
        height = size.height or max(1, round(height / size.stride)) * size.stride
        width = size.width or max(1, round(width / size.stride)) * size.stride
    return height, width


def _fit(picture: U8, size: Size) -> U8:
    height, width = fitted_shape(size, picture.shape)
    if (height, width) == picture.shape[:2]:
        return picture
    if size.rule == "pad":
        below, beside = height - picture.shape[0], width - picture.shape[1]
        return np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, beside, cv2.BORDER_REPLICATE), np.uint8)
    how = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def _coloured(picture: U8, order: str) -> U8:
    """Grey or RGB as "grey", "rgb" or "bgr"."""
    if picture.ndim == 2:
        return picture if order == "grey" else np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), np.uint8)
    if order == "rgb":
        return picture
    code = cv2.COLOR_RGB2GRAY if order == "grey" else cv2.COLOR_RGB2BGR
    return np.asarray(cv2.cvtColor(picture, code), np.uint8)


def _tensor(picture: U8, colour: Colour) -> Array:
    """A fitted picture in the model's dtype, range, normalisation and layout."""
    array: Array = picture
    if colour.dtype == "float32":
        scale = np.float32(colour.white / 255.0)
        mean, std = np.asarray(colour.mean, np.float32), np.asarray(colour.std, np.float32)
        array = (picture.astype(np.float32) * scale - mean) / std
    if colour.layout == "hw":
        return array
    if array.ndim == 2:
        array = array[:, :, None]
    return np.ascontiguousarray(array.transpose(2, 0, 1)[None] if colour.layout == "nchw" else array[None])


def _plane(array: Array, card: Card) -> Array:
    """The (H, W) plane of an output, whatever axes of length one surround it."""
    plane = array.reshape([size for size in array.shape if size != 1] or [1])
    if plane.ndim != 2:
        raise EngineError(f"card {card.name!r}: output of shape {array.shape}; expected one (H, W) plane")
    return plane


def _as_uint8(confidence: Array) -> U8:
    if confidence.dtype == np.uint8:
        return confidence
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num(np.clip(confidence, 0, 1) * 255), np.uint8)


def _resized(plane: Array, shape: Shape) -> Array:
    if plane.shape == tuple(shape):
        return plane
    return np.asarray(cv2.resize(plane, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST))
