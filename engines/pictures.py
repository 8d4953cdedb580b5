"""From a camera's picture to a model's tensor, and from a model's tensor to a plane: what cards say about both."""

from __future__ import annotations

import cv2
import numpy as np

from engines.card import Card, Colour, Size
from engines.engine import Array, EngineError
from saccade.types import U8

Shape = tuple[int, ...]


def fitted_shape(size: Size, shape: Shape) -> Shape:
    """(H, W) of the picture that the model sees for one of `shape`."""
    height, width = shape[:2]
    if size.rule == "halve":
        while height * width > size.max_pixels:
            height, width = height // 2, width // 2
    elif size.rule == "pad":
        height, width = -(-height // size.stride) * size.stride, -(-width // size.stride) * size.stride
    elif size.rule == "resize":
        zoom = size.short_side / min(height, width) if size.short_side else 1.0
        height = size.height or max(1, round(zoom * height / size.stride)) * size.stride
        width = size.width or max(1, round(zoom * width / size.stride)) * size.stride
    return height, width


def fit(picture: U8, size: Size) -> U8:
    """A picture at the size that the model sees."""
    height, width = fitted_shape(size, picture.shape)
    if (height, width) == picture.shape[:2]:
        return picture
    if size.rule == "pad":
        below, beside = height - picture.shape[0], width - picture.shape[1]
        return np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, beside, cv2.BORDER_REPLICATE), np.uint8)
    how = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def coloured(picture: U8, order: str) -> U8:
    """Grey or RGB as "grey", "rgb" or "bgr"."""
    if picture.ndim == 2:
        return picture if order == "grey" else np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), np.uint8)
    if order == "rgb":
        return picture
    code = cv2.COLOR_RGB2GRAY if order == "grey" else cv2.COLOR_RGB2BGR
    return np.asarray(cv2.cvtColor(picture, code), np.uint8)


def tensor(picture: U8, colour: Colour) -> Array:
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


def plane(array: Array, card: Card) -> Array:
    """The (H, W) plane of an output: the card's channel, whatever axes of length one surround it."""
    planes = array.reshape([size for size in array.shape if size != 1] or [1])
    if planes.ndim == 3 and card.output.channel < len(planes):
        planes = planes[card.output.channel]
    if planes.ndim != 2:
        raise EngineError(
            f"card {card.name!r}: output of shape {array.shape}; expected one (H, W) plane, or several and which of "
            f"them in output.channel (now {card.output.channel})"
        )
    return planes


def resized(values: Array, shape: Shape) -> Array:
    """The plane at another size, each pixel from the one whose centre is nearest; contiguous, as kernels want it."""
    if values.shape == tuple(shape):
        return np.ascontiguousarray(values)
    return np.asarray(cv2.resize(values, (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST_EXACT))
