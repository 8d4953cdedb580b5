"""A camera's picture as a model wants it: size, colours, range, layout; in buffers that are kept."""

from __future__ import annotations

import cv2
import numpy as np

from saccade.geometry import F32
from saccade.types import U8
from vla_node.clients.base import Array
from vla_node.policies.shown import DepthPart, ImagePart, required


class Picture:
    """Makes one entry of an observation from pictures of any size. What it gives is valid until the next."""

    def __init__(self, part: ImagePart) -> None:
        self._part = part
        width, height = required("size", part.size, "")
        self._pixels: U8 = np.zeros((height, width, 3), np.uint8)
        shape = (3, height, width) if part.layout == "chw" else (height, width, 3)
        self._out: Array = np.zeros(shape, part.dtype or "")
        low, high = part.range or (0.0, 255.0)
        scale, offset = np.full(3, (high - low) / 255.0), np.full(3, low)
        if part.normalise:
            scale, offset = scale / part.normalise.spread, (offset - part.normalise.centre) / part.normalise.spread
        self._scale, self._offset = scale.astype(np.float32), offset.astype(np.float32)

    def make(self, data: U8) -> Array:
        """From a picture (h, w) grey or (h, w, 3) RGB, uint8."""
        part, pixels = self._part, self._pixels
        if data.ndim == 2:
            data = np.asarray(cv2.cvtColor(data, cv2.COLOR_GRAY2RGB), np.uint8)
        self._fit(data)
        shown = pixels[:, :, ::-1] if part.order == "bgr" else pixels
        target = self._out.transpose(1, 2, 0) if part.layout == "chw" else self._out
        if part.dtype == "uint8":
            target[:] = shown
        else:
            np.multiply(shown, self._scale, out=target, casting="unsafe")
            target += self._offset
        return self._out

    def _fit(self, data: U8) -> None:
        height, width = self._pixels.shape[:2]
        h, w = data.shape[:2]
        if self._part.fit == "crop":
            share = min(w / width, h / height)
            cut_w, cut_h = max(1, int(width * share)), max(1, int(height * share))
            x, y = (w - cut_w) // 2, (h - cut_h) // 2
            data, (h, w) = data[y : y + cut_h, x : x + cut_w], (cut_h, cut_w)
        fitted_w, fitted_h = width, height
        if self._part.fit == "pad":
            ratio = max(w / width, h / height)
            fitted_w, fitted_h = max(1, int(w / ratio)), max(1, int(h / ratio))
        x, y = (width - fitted_w) // 2, (height - fitted_h) // 2
        if (fitted_w, fitted_h) != (width, height):
            self._pixels[:] = 0
        self._pixels[y : y + fitted_h, x : x + fitted_w] = _resized(data, fitted_w, fitted_h)


def depth(part: DepthPart, depth_m: F32) -> F32:
    """Depth (h, w) m, NaN = none, as a card wants it; the nearest pixel is taken, for means of depths are no depths."""
    width, height = required("size", part.size, "")
    out = np.asarray(cv2.resize(depth_m, (width, height), interpolation=cv2.INTER_NEAREST), np.float32)
    none = ~np.isfinite(out)
    np.minimum(out, part.most_m, out=out)
    out[none] = part.none
    return out


def _resized(data: U8, width: int, height: int) -> U8:
    """Means of areas where it shrinks, which is what an antialiased bilinear filter comes to, else bilinear."""
    if data.shape[:2] == (height, width):
        return data
    smaller = data.shape[0] >= height and data.shape[1] >= width
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(data, (width, height), interpolation=how), np.uint8)
