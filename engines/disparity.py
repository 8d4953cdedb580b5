"""From a stereo model's output to pixels of the picture it was given: sign, scale, unit and resolution by card."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from engines.card import Card, Size
from engines.engine import Array, EngineError
from engines.pictures import Shape, fitted_shape, plane
from saccade.geometry import F32
from saccade.kernel import array, buffer, f32, i32, kernel, u8, void
from saccade.types import U8

LARGEST = float(np.finfo(np.float32).max)
"""What `most_px` is where nobody knows: infinity is no disparity."""


class Numbers(NamedTuple):
    """A model's number x is the disparity (x * factor + offset_px) * zoom of the full picture.

    What is not positive, or more than `most_px`, before `zoom` is none.
    """

    factor: float
    offset_px: float
    most_px: float
    zoom: float


def numbers(raw: Shape, card: Card, shape: Shape) -> Numbers:
    """How an output plane of shape `raw` is read for a picture of `shape`; below zero where the card is wrong.

    EngineError when it has not the size that the card's `resolution` promises.
    """
    convention, fitted = card.output, fitted_shape(card.size, shape)
    expected = tuple(round(size * convention.resolution) for size in fitted)
    if raw != expected:
        raise EngineError(
            f"{card.name}: its output is {raw[0]} x {raw[1]} for a picture of {fitted[0]} x {fitted[1]}; "
            f"expected {expected[0]} x {expected[1]}, as output.resolution is {convention.resolution:g}"
        )
    factor = convention.scale * (-1.0 if convention.sign == "negative" else 1.0)
    if convention.unit == "width_fraction":
        factor *= fitted[1]
    elif convention.unit_at == "output":
        factor *= fitted[1] / raw[1]
    zoom = 1.0 if card.size.rule == "pad" else shape[1] / fitted[1]
    return Numbers(factor, convention.offset_px, convention.max_disparity or LARGEST, zoom)


def shown_part(raw: Shape, size: Size, shape: Shape) -> Shape:
    """(h, w) of the upper left part of an output (h, w) that shows the picture of `shape` and not its padding."""
    if size.rule != "pad":
        return raw
    part = raw[0] / fitted_shape(size, shape)[0]
    return round(shape[0] * part), round(shape[1] * part)


def full_size_px(output: Array, card: Card, shape: Shape) -> F32:
    """The output as a new (H, W) float32 in pixels of the full picture of `shape`, nothing left out."""
    raw = plane(output, card)
    how = numbers(raw.shape, card, shape)
    disparity: F32 = np.multiply(raw, how.factor, dtype=np.float32)
    np.add(disparity, np.float32(how.offset_px), out=disparity)
    np.multiply(disparity, np.float32(how.zoom), out=disparity)
    full: F32 = np.empty(shape, np.float32)
    place(disparity, shown_part(raw.shape, card.size, shape), full)
    return full


@kernel(void, array(f32, 2), f32, f32, f32, f32, buffer(f32, 2))
def read(raw: F32, factor: float, offset_px: float, most_px: float, zoom: float, disparity: F32) -> None:
    """Disparity (h, w), NaN = none, of a model's numbers (h, w); see `Numbers`."""
    for i in range(raw.shape[0]):
        row, out = raw[i], disparity[i]
        for j in range(raw.shape[1]):
            px = row[j] * factor + offset_px
            out[j] = px * zoom if (px > 0) & (px <= most_px) else math.nan  # `and` would not be vectorised


@kernel(void, array(f32, 2), buffer(u8, 2))
def read_shares(raw: F32, confidence: U8) -> None:
    """Confidence in bytes (h, w) of a model's own from 0 to 1; NaN is none."""
    for i in range(raw.shape[0]):
        row, out = raw[i], confidence[i]
        for j in range(raw.shape[1]):
            sure = row[j] if row[j] > 0 else f32(0)
            out[j] = u8(i32((sure if sure < 1 else f32(1)) * f32(255)))


@kernel(void, array(f32, 2), buffer(u8, 2))
def doubt_none(disparity: F32, confidence: U8) -> None:
    """Confidence 0 where there is no disparity: a network may be sure that something is far."""
    for i in range(disparity.shape[0]):
        found, out = disparity[i], confidence[i]
        for j in range(disparity.shape[1]):
            out[j] = out[j] if found[j] == found[j] else u8(0)


def place(values: Array, part: Shape, full: Array) -> None:
    """Fill a picture's size from the upper left `part` (h, w) of a plane, from the pixel whose centre is nearest."""
    if values is full:
        return
    shown = values[: part[0], : part[1]]
    if shown.shape == full.shape:
        np.copyto(full, shown)
    else:
        cv2.resize(shown, full.shape[::-1], dst=full, interpolation=cv2.INTER_NEAREST_EXACT)
