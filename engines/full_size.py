"""A stereo model's outputs as disparity and confidence of the full picture, in buffers that are made once per size."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engines.card import Card, Colour
from engines.confidence import Confidence
from engines.disparity import doubt_none, numbers, place, read, read_shares, shown_part
from engines.engine import Array
from engines.pictures import ModelInput, Shape, fitted_shape, plane
from saccade.geometry import F32
from saccade.types import U8


class FullSize:
    """Reads outputs as the card says, and judges them where the model does not judge itself."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self._judge = Confidence()
        self._greys = tuple(ModelInput(Colour(), card.size) for _ in range(2))
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
        shapes = (shape, raw.shape, fitted_shape(card.size, shape) if own is None else own.shape)
        if shapes != self._shapes:
            self._shapes = ()  # until all of it is there: what cannot be had now is asked for again next time
            self._allocate(*shapes)
            self._shapes = shapes
        factor, offset_px, most_px, zoom = self._numbers
        if own is None:
            read(raw, factor, offset_px, most_px, 1.0, self._read)
            sure = self._judged(left, right)
            np.multiply(self._fitted, np.float32(zoom), out=self._fitted)
            place(self._fitted, self._sure_part, self._disparity)
        else:
            read(raw, factor, offset_px, most_px, zoom, self._read)
            sure = self._own(own)
            place(self._read, self._part, self._disparity)
        place(sure, self._sure_part, self._confidence)
        doubt_none(self._disparity, self._confidence)
        return self._disparity, self._confidence

    def _own(self, own: Array) -> U8:
        """The model's confidence, in bytes."""
        if own.dtype == np.uint8:
            return own
        read_shares(self._floats(self._card.output.confidence, own), self._sure)
        return self._sure

    def _judged(self, left: U8, right: U8) -> U8:
        """Where the model does not say how sure it is, that is seen in the pictures, at the size that it saw."""
        place(self._read, self._read.shape, self._fitted)
        return self._judge.of(self._greys[0](left), self._greys[1](right), self._fitted)

    def _allocate(self, shape: Shape, raw: Shape, sure: Shape) -> None:
        size = self._card.size
        self._numbers = numbers(raw, self._card, shape)
        self._part, self._sure_part = (shown_part(plane, size, shape) for plane in (raw, sure))
        self._disparity, self._confidence = np.empty(shape, np.float32), np.empty(shape, np.uint8)
        # Where nothing has to be placed, what is read goes where it is wanted at once.
        whole, sure_whole = self._part == raw == shape, self._sure_part == sure == shape
        self._fitted: F32 = self._disparity if sure_whole else np.empty(sure, np.float32)
        self._read: F32 = self._disparity if whole else self._fitted if raw == sure else np.empty(raw, np.float32)
        self._sure: U8 = self._confidence if sure_whole else np.empty(sure, np.uint8)

    def _floats(self, name: str, values: Array) -> F32:
        """The same values as float32 in one piece."""
        if values.dtype == np.float32 and values.flags.c_contiguous:
            return values
        kept = self._converted.get(name)
        if kept is None or kept.shape != values.shape:
            kept = self._converted[name] = np.empty(values.shape, np.float32)
        np.copyto(kept, values, casting="same_kind")
        return kept
