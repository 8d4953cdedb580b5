"""From a stereo model's output to pixels of the picture it was given: sign, scale, unit and resolution by card."""

from __future__ import annotations

import numpy as np

from engines.card import Card, Size
from engines.engine import Array, EngineError
from engines.pictures import Shape, fitted_shape, plane, resized
from saccade.geometry import F32


def fitted_px(output: Array, card: Card, fitted: Shape) -> F32:
    """The output (h, w) float32 in pixels of the fitted picture; below zero where the model, or its card, is wrong.

    EngineError when it has not the size that the card's `resolution` promises.
    """
    raw, convention = plane(output, card), card.output
    expected = tuple(round(size * convention.resolution) for size in fitted)
    if raw.shape != expected:
        raise EngineError(
            f"{card.name}: its output is {raw.shape[0]} x {raw.shape[1]} for a picture of {fitted[0]} x {fitted[1]}; "
            f"expected {expected[0]} x {expected[1]}, as output.resolution is {convention.resolution:g}"
        )
    factor = convention.scale * (-1.0 if convention.sign == "negative" else 1.0)
    if convention.unit == "width_fraction":
        factor *= fitted[1]
    elif convention.unit_at == "output":
        factor *= fitted[1] / raw.shape[1]
    if factor == 1.0 and not convention.offset_px and raw.dtype == np.float32:
        return raw
    disparity: F32 = np.multiply(raw, factor, dtype=np.float32)
    if convention.offset_px:
        np.add(disparity, np.float32(convention.offset_px), out=disparity)
    return disparity


def cropped(values: Array, size: Size, fitted: Shape, shape: Shape) -> Array:
    """The part of an output (h, w) that shows the picture of `shape` and not what was padded around it."""
    if size.rule != "pad":
        return values
    part = values.shape[0] / fitted[0]
    return values[: round(shape[0] * part), : round(shape[1] * part)]


def full_size_px(output: Array, card: Card, shape: Shape) -> F32:
    """The output as a new (H, W) float32 in pixels of the full picture of `shape`, nothing left out."""
    fitted = fitted_shape(card.size, shape)
    disparity = cropped(fitted_px(output, card, fitted), card.size, fitted, shape)
    zoom = 1.0 if card.size.rule == "pad" else shape[1] / fitted[1]
    return resized(np.multiply(disparity, np.float32(zoom)), shape)
