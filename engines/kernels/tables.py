"""Tables that kernels read: which pixels of one picture make the pixels of another, along one axis."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from engines.card import Size
from engines.engine import EngineError
from engines.pictures import Shape, fitted_shape
from saccade.geometry import F32

I32 = npt.NDArray[np.int32]
_LEAST = 1e-3
"""Parts of a pixel smaller than this do not count, as in OpenCV."""


class Taps(NamedTuple):
    """Pixel i is the sum of weights (n, k) times the pixels from starts[i] on."""

    starts: I32
    weights: F32


def nearest(part: int, full: int) -> I32:
    """For each of `full` pixels, the one of `part` whose centre is nearest, as OpenCV's INTER_NEAREST_EXACT."""
    places = np.arange(part, dtype=np.float32)[None]
    return np.asarray(cv2.resize(places, (full, 1), interpolation=cv2.INTER_NEAREST_EXACT)[0], np.int32)


def fitting(size: Size, shape: Shape) -> tuple[Taps, Taps]:
    """How rows and columns of a picture of `shape` make those that the model sees; see `engines.pictures.ModelInput`.

    EngineError for a picture that becomes narrower and higher at once.
    """
    fitted = fitted_shape(size, shape)
    if size.rule == "pad" or fitted == shape[:2]:
        rows, columns = (_repeated(n, m) for n, m in zip(shape[:2], fitted, strict=True))
    elif fitted[1] >= shape[1]:
        rows, columns = (_linear(n, m) for n, m in zip(shape[:2], fitted, strict=True))
    elif fitted[0] > shape[0]:
        raise EngineError(
            f"a picture of {shape[1]} x {shape[0]} would become narrower and higher, {fitted[1]} x {fitted[0]}; "
            "choose a size in the card that shrinks both, or use the CPU's path"
        )
    else:
        rows, columns = (_area(n, m) for n, m in zip(shape[:2], fitted, strict=True))
    return rows, columns


def _repeated(source: int, target: int) -> Taps:
    return Taps(np.minimum(np.arange(target), source - 1).astype(np.int32), np.ones((target, 1), np.float32))


def _linear(source: int, target: int) -> Taps:
    places = ((np.arange(target) + 0.5) * (source / target) - 0.5).clip(0, source - 1)
    starts = np.floor(places).astype(np.int32)
    part = places - starts
    return Taps(starts, np.column_stack([1 - part, part]).astype(np.float32))


def _area(source: int, target: int) -> Taps:
    """The mean of what a target pixel covers, parts of pixels by their share."""
    scale = source / target
    starts, rows = np.empty(target, np.int32), []
    for i in range(target):
        begin, end = i * scale, min((i + 1) * scale, source)
        first, last = math.floor(begin), math.ceil(end)
        shares = np.minimum(np.arange(first, last) + 1, end) - np.maximum(np.arange(first, last), begin)
        shares[shares < _LEAST] = 0
        starts[i] = first
        rows.append(shares / shares.sum())
    weights = np.zeros((target, max(map(len, rows))), np.float32)
    for row, shares in zip(weights, rows, strict=True):
        row[: len(shares)] = shares
    return Taps(starts, weights)
