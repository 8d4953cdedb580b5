"""A monocular depth model behind its card: what one picture alone says about distance."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from engines.card import Card
from engines.engine import Engine, EngineError
from engines.pictures import ModelInput, fitted_shape, plane
from saccade.geometry import F32
from saccade.types import U8


class DepthEstimator:
    """Depth or inverse depth of one picture by a model of kind `depth`; the engine stays its opener's to close.

    `kind` tells what comes out. "metric": metres along the optical axis. "relative_inverse": a number that grows as
    things come nearer, a + b / depth with unknown a and b > 0, which only another source of depth can settle.
    """

    kind: Literal["relative_inverse", "metric"]

    def __init__(self, engine: Engine, card: Card) -> None:
        if card.kind != "depth":
            raise EngineError(f"card {card.name!r} is of kind {card.kind}; expected a monocular model, kind depth")
        self._engine, self._card = engine, card
        self._prepare = ModelInput(card.colour, card.size)
        self.kind = "metric" if card.output.unit == "canonical" else "relative_inverse"
        known = [tensor.name for tensor in engine.spec.outputs]
        if card.output.name not in known:
            raise EngineError(
                f"card {card.name!r} names the output {card.output.name!r}; the model has {', '.join(known)}"
            )

    def __call__(self, picture: U8, focal_px: float) -> F32:
        """(H, W) float32 in the sense of `kind`, NaN = none, of a picture (H, W) grey or (H, W, 3) RGB uint8.

        `focal_px` is the focal length in pixels of `picture`; only metric depth asks for it. The result is the
        caller's to keep.
        """
        card, output, shape = self._card, self._card.output, picture.shape[:2]
        fitted = fitted_shape(card.size, shape)
        raw = plane(self._engine.infer({card.left: self._prepare(picture)})[output.name], card)
        factor = -output.scale if output.sign == "negative" else output.scale
        if self.kind == "metric":
            if not focal_px > 0:
                raise EngineError(f"{card.name}: the focal length is {focal_px} px; metric depth needs a positive one")
            # What counts is the focal length in the picture that the model was shown.
            zoom = 1.0 if card.size.rule == "pad" else fitted[1] / shape[1]
            factor *= focal_px * zoom / output.focal_px
        values = np.multiply(raw, factor, dtype=np.float32)
        if card.size.rule == "pad":
            part = values.shape[0] / fitted[0]
            values = values[: round(shape[0] * part), : round(shape[1] * part)]
        if values.shape != shape:
            values = np.asarray(cv2.resize(values, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)
        unusable = ~np.isfinite(values)
        if self.kind == "metric":
            np.logical_or(unusable, values <= 0, out=unusable)
        values[unusable] = np.nan
        return values
