"""How far a disparity may be trusted, from the disparity and the two pictures alone."""

from __future__ import annotations

import cv2
import numpy as np

from saccade.geometry import F32
from saccade.types import U8

_STEP = 2
"""Judged at every second pixel of every second row: a quarter of the work, and hardly a pixel judged differently."""
_NEAR, _AROUND = (3, 3), (5, 5)
"""Windows, in judged pixels."""
_RESIDUE_SCALE = 12.0
"""Grey values of difference between the pictures that halve the confidence."""


class Confidence:
    """Confidence of a disparity image; buffers are made once per size.

    It is high where neighbours are known too (the left-right and uniqueness tests passed all around), where they agree
    (a plane, not a spike), and where the right picture, moved by the disparity, looks like the left one.
    """

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()

    def of(self, left: U8, right: U8, disparity: F32) -> U8:
        """(H, W) uint8, 255 = sure, 0 = none; left, right (H, W) grey; disparity (H, W) float32 px, NaN = none.

        The result is valid until the next call.
        """
        if disparity.shape != self._shape:
            self._allocate(disparity.shape)
        known, filled, a, b = self._known, self._filled, self._a, self._b
        np.copyto(filled, disparity[::_STEP, ::_STEP])
        np.equal(filled, filled, out=self._mask)
        np.copyto(known, self._mask)
        np.logical_not(self._mask, out=self._mask)
        np.copyto(filled, 0, where=self._mask)
        # Roughness: distance from the mean of the known neighbours.
        cv2.boxFilter(known, -1, _NEAR, dst=a)
        cv2.boxFilter(filled, -1, _NEAR, dst=b)
        np.add(a, 1e-3, out=a)
        cv2.divide(b, a, dst=b)
        cv2.absdiff(filled, b, dst=b)
        # Residue: what is left of the left picture after subtracting the right one, moved by the disparity.
        np.subtract(self._column, filled, out=a)
        cv2.remap(right, a, self._row, cv2.INTER_LINEAR, dst=self._moved, borderMode=cv2.BORDER_REPLICATE)
        np.copyto(self._small, left[::_STEP, ::_STEP])
        cv2.absdiff(self._small, self._moved, dst=self._moved)
        cv2.boxFilter(self._moved, cv2.CV_32F, _NEAR, dst=a)
        cv2.scaleAdd(a, 1 / _RESIDUE_SCALE, b, dst=b)
        np.add(b, 1.0, out=b)
        # Density, squared, so that the rims of holes count little.
        cv2.boxFilter(known, -1, _AROUND, dst=a)
        np.multiply(a, a, out=a)
        cv2.divide(a, b, dst=a, scale=255.0)
        np.copyto(self._small, a, casting="unsafe")
        cv2.resize(self._small, self._shape[::-1], dst=self._confidence, interpolation=cv2.INTER_NEAREST)
        np.not_equal(disparity, disparity, out=self._none)
        np.copyto(self._confidence, 0, where=self._none)
        return self._confidence

    def _allocate(self, shape: tuple[int, ...]) -> None:
        self._shape = ()  # until all of it is there: what cannot be had now is asked for again next time
        self._confidence, self._none = np.empty(shape, np.uint8), np.empty(shape, np.bool_)
        small = tuple(-(-size // _STEP) for size in shape)
        self._known, self._filled, self._a, self._b = (np.empty(small, np.float32) for _ in range(4))
        self._mask = np.empty(small, np.bool_)
        self._small, self._moved = np.empty(small, np.uint8), np.empty(small, np.uint8)
        row, column = np.indices(small, np.float32) * _STEP
        self._row, self._column = row, column
        self._shape = shape
