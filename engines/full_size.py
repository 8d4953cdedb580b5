"""A stereo model's outputs as disparity and confidence of the full picture, in buffers that are made once per size."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engines.card import Card, Colour
from engines.confidence import Confidence
from engines.disparity import LARGEST, full_grid, nearest_grid, numbers, read, read_bytes, read_shares
from engines.engine import Array
from engines.pictures import ModelInput, Shape, fitted_shape, plane
from saccade.geometry import F32
from saccade.types import U8


class FullSize:
    """Reads outputs as the card says, and judges them where the model does not judge itself."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self._confidence = Confidence()
        self._greys = tuple(ModelInput(Colour(), card.size) for _ in range(2))
        self._disparity: F32 = np.empty((0, 0), np.float32)
        self._converted: dict[str, F32] = {}
        self._shapes: tuple[Shape, ...] = ()

    def __call__(self, outputs: Mapping[str, Array], left: U8, right: U8) -> tuple[F32, U8]:
        """disparity (H, W) float32 px, positive, NaN = none; confidence (H, W) uint8, 0 for none.

        `left` and `right` are the full pictures. The results are valid until the next call. EngineError when an output
        is not what the card promises.
        """
        card, shape = self._card, left.shape[:2]
        raw = self._floats(card.output.name, plane(outputs[card.output.name], card))
        own = plane(outputs[card.output.confidence], card) if card.output.confidence else None
        shapes = (shape, raw.shape, () if own is None else own.shape)
        if shapes != self._shapes:
            self._allocate(shape, raw.shape, own)
            self._shapes = shapes
        if own is None:
            self._judge(raw, left, right)
            return self._disparity, self._sure
        read(raw, *self._grid, *self._numbers, self._disparity)
        if own.dtype == np.uint8:
            read_bytes(np.ascontiguousarray(own), *self._sure_grid, self._disparity, self._sure)
        else:
            read_shares(self._floats(card.output.confidence, own), *self._sure_grid, self._disparity, self._sure)
        return self._disparity, self._sure

    def _judge(self, raw: F32, left: U8, right: U8) -> None:
        """Where the model does not say how sure it is, that is seen in the pictures, at the size that it saw."""
        read(raw, *self._fitted_grid, *self._numbers._replace(zoom=1.0), self._fitted)
        sure = self._confidence.of(self._greys[0](left), self._greys[1](right), self._fitted)
        read(self._fitted, *self._grid, 1.0, 0.0, LARGEST, self._numbers.zoom, self._disparity)
        read_bytes(sure, *self._grid, self._disparity, self._sure)

    def _allocate(self, shape: Shape, raw: Shape, own: Array | None) -> None:
        size = self._card.size
        self._numbers = numbers(raw, self._card, shape)
        if self._disparity.shape != shape:
            self._disparity, self._sure = np.empty(shape, np.float32), np.empty(shape, np.uint8)
        if own is not None:
            self._grid, self._sure_grid = full_grid(raw, size, shape), full_grid(own.shape, size, shape)
            return
        fitted = fitted_shape(size, shape)
        self._fitted: F32 = np.empty(fitted, np.float32)
        self._fitted_grid, self._grid = nearest_grid(raw, fitted), full_grid(fitted, size, shape)

    def _floats(self, name: str, values: Array) -> F32:
        """The same values as float32 in one piece."""
        if values.dtype == np.float32 and values.flags.c_contiguous:
            return values
        kept = self._converted.get(name)
        if kept is None or kept.shape != values.shape:
            kept = self._converted[name] = np.empty(values.shape, np.float32)
        np.copyto(kept, values, casting="same_kind")
        return kept
