"""From a stereo model's output to pixels of the picture it was given: sign, scale, unit and resolution by card."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from engines.card import Card, Size
from engines.engine import Array, EngineError
from engines.pictures import Shape, fitted_shape, plane
from saccade.geometry import F32
from saccade.kernel import array, buffer, f32, i32, kernel, u8, void
from saccade.types import U8

I32 = npt.NDArray[np.int32]
LARGEST = float(np.finfo(np.float32).max)
"""What `most_px` is where nobody knows: infinity is no disparity."""


class Grid(NamedTuple):
    """Where the pixels of a picture are in a plane of another size: (i, j) is at [rows[i], columns[j]]."""

    rows: I32
    columns: I32


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


def full_grid(raw: Shape, size: Size, shape: Shape) -> Grid:
    """Where a picture of `shape` is in an output of shape `raw`, what was padded around it left out."""
    if size.rule == "pad":
        part = raw[0] / fitted_shape(size, shape)[0]
        raw = round(shape[0] * part), round(shape[1] * part)
    return nearest_grid(raw, shape)


def nearest_grid(raw: Shape, shape: Shape) -> Grid:
    """Each pixel of a picture of `shape` from the one whose centre is nearest."""
    return Grid(*(_nearest(source, target) for source, target in zip(raw[:2], shape[:2], strict=True)))


def _nearest(source: int, target: int) -> I32:
    places = np.arange(source, dtype=np.float32)[None]
    return np.asarray(cv2.resize(places, (target, 1), interpolation=cv2.INTER_NEAREST_EXACT)[0], np.int32)


def full_size_px(output: Array, card: Card, shape: Shape) -> F32:
    """The output as a new (H, W) float32 in pixels of the full picture of `shape`, nothing left out."""
    raw = plane(output, card)
    how = numbers(raw.shape, card, shape)
    disparity: F32 = np.multiply(raw[np.ix_(*full_grid(raw.shape, card.size, shape))], how.factor, dtype=np.float32)
    np.add(disparity, np.float32(how.offset_px), out=disparity)
    np.multiply(disparity, np.float32(how.zoom), out=disparity)
    return disparity


@kernel(void, array(f32, 2), array(i32, 1), array(i32, 1), f32, f32, f32, f32, buffer(f32, 2))
def read(
    raw: F32, rows: I32, columns: I32, factor: float, offset_px: float, most_px: float, zoom: float, disparity: F32
) -> None:
    """Disparity (H, W), NaN = none, of a model's numbers (h, w); see `Grid` and `Numbers`."""
    for i in range(disparity.shape[0]):
        row = raw[rows[i]]
        for j in range(disparity.shape[1]):
            px = row[columns[j]] * factor + offset_px
            disparity[i, j] = px * zoom if 0 < px <= most_px else math.nan


@kernel(void, array(u8, 2), array(i32, 1), array(i32, 1), array(f32, 2), buffer(u8, 2))
def read_bytes(raw: U8, rows: I32, columns: I32, disparity: F32, confidence: U8) -> None:
    """Confidence (H, W), 0 where there is no disparity, of a model's own in bytes (h, w); see `Grid`."""
    for i in range(disparity.shape[0]):
        row = raw[rows[i]]
        for j in range(disparity.shape[1]):
            confidence[i, j] = 0 if math.isnan(disparity[i, j]) else row[columns[j]]


@kernel(void, array(f32, 2), array(i32, 1), array(i32, 1), array(f32, 2), buffer(u8, 2))
def read_shares(raw: F32, rows: I32, columns: I32, disparity: F32, confidence: U8) -> None:
    """As `read_bytes`, of a model's own confidence from 0 to 1; NaN is none."""
    for i in range(disparity.shape[0]):
        row = raw[rows[i]]
        for j in range(disparity.shape[1]):
            sure = row[columns[j]]
            none = math.isnan(disparity[i, j]) or not sure > 0
            confidence[i, j] = 0 if none else u8(min(sure, f32(1)) * f32(255))
