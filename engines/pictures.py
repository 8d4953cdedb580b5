"""From a camera's picture to a model's tensor: what cards say about size, colour, range and layout, in one pass."""

from __future__ import annotations

import cv2
import numpy as np

from engines.card import Card, Colour, Size
from engines.engine import Array, EngineError
from saccade.geometry import F32
from saccade.kernel import array, buffer, f32, kernel, u8, void
from saccade.types import U8

Shape = tuple[int, ...]

_CODES = {
    (1, "rgb"): cv2.COLOR_GRAY2RGB, (1, "bgr"): cv2.COLOR_GRAY2RGB,
    (3, "grey"): cv2.COLOR_RGB2GRAY, (3, "bgr"): cv2.COLOR_RGB2BGR,
}  # fmt: skip


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


class ModelInput:
    """One input of a model, made of pictures into a tensor that is made once for each size of them.

    Colour and size are changed as bytes, by OpenCV, and only where they differ; then one pass converts, normalises and
    lays out. Rectification stays a step of its own: others need the rectified picture too, and OpenCV's remap and
    this pass take two thirds of the time of a compiled loop that does both (docs/benchmarks.md).
    """

    def __init__(self, colour: Colour, size: Size) -> None:
        self._colour, self._size = colour, size
        self._shape: Shape = ()

    def __call__(self, picture: U8) -> Array:
        """The tensor of a picture (H, W) grey or (H, W, 3) RGB uint8; valid until the next call.

        Where the model wants the picture as it is, the tensor is the picture itself. EngineError for anything else:
        OpenCV would leave what it was to write into as it was.
        """
        if picture.dtype != np.uint8 or picture.shape != self._shape:
            _check(picture)
            self._allocate(picture.shape)
        if self._code is not None:
            cv2.cvtColor(picture, self._code, dst=self._recoloured)
            picture = self._recoloured
        if self._borders is not None:
            cv2.copyMakeBorder(picture, 0, *self._borders, cv2.BORDER_REPLICATE, dst=self._fitted)
            picture = self._fitted
        elif self._how is not None:
            cv2.resize(picture, self._fitted.shape[1::-1], dst=self._fitted, interpolation=self._how)
            picture = self._fitted
        if self._as_it_is:
            return picture.reshape(self._tensor_shape)
        height, width = picture.shape[:2]
        if self._colour.dtype == "uint8":
            np.copyto(self._tensor, picture.transpose(2, 0, 1)[None])
        elif self._planes:
            a, b, c = self._tensor[0]
            _normalise_planes(picture.reshape(height, 3 * width), a, b, c, self._scale, *self._channels)
        else:
            rows = self._tensor.reshape(height, -1)
            _normalise(picture.reshape(height, -1), self._scale, self._mean, self._std, rows)
        return self._tensor

    def _allocate(self, shape: Shape) -> None:
        self._shape = ()  # until all of it is there: what cannot be had now is asked for again next time
        colour, fitted = self._colour, fitted_shape(self._size, shape)
        source, channels = (1 if len(shape) == 2 else 3), (1 if colour.order == "grey" else 3)
        of = () if channels == 1 else (3,)
        self._code = _CODES.get((source, colour.order))
        self._recoloured: U8 = np.empty((*shape[:2], *of) if self._code is not None else 0, np.uint8)
        self._borders = self._how = None
        if fitted != shape[:2]:
            self._fitted: U8 = np.empty((*fitted, *of), np.uint8)
            if self._size.rule == "pad":
                self._borders = fitted[0] - shape[0], 0, fitted[1] - shape[1]
            else:
                self._how = cv2.INTER_AREA if fitted[1] < shape[1] else cv2.INTER_LINEAR
        self._tensor_shape = {
            "hw": fitted, "nchw": (1, channels, *fitted), "nhwc": (1, *fitted, channels),
        }[colour.layout]  # fmt: skip
        self._planes = colour.layout == "nchw" and channels == 3
        self._as_it_is = colour.dtype == "uint8" and not self._planes
        self._tensor: Array = np.empty(0 if self._as_it_is else self._tensor_shape, colour.dtype)
        self._scale = colour.white / 255.0
        mean, std = (np.broadcast_to(np.array(values, np.float32), channels) for values in (colour.mean, colour.std))
        self._channels: tuple[float, ...] = (*map(float, mean), *map(float, std))
        # A number for each value of a row, so that the loop over it is vectorised.
        self._mean, self._std = np.tile(mean, fitted[1]), np.tile(std, fitted[1])
        self._shape = shape


def _check(picture: U8) -> None:
    pixels = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
    if picture.dtype != np.uint8 or not pixels or not picture.size:
        raise EngineError(f"a picture is {picture.dtype} {picture.shape}; expected uint8 (H, W) or (H, W, 3)")


@kernel(void, array(u8, 2), f32, array(f32, 1), array(f32, 1), buffer(f32, 2))
def _normalise(picture: U8, scale: float, mean: F32, std: F32, out: F32) -> None:
    for i in range(picture.shape[0]):
        for j in range(picture.shape[1]):
            out[i, j] = (f32(picture[i, j]) * scale - mean[j]) / std[j]


@kernel(void, array(u8, 2), buffer(f32, 2), buffer(f32, 2), buffer(f32, 2), f32, f32, f32, f32, f32, f32, f32)
def _normalise_planes(
    picture: U8, a: F32, b: F32, c: F32, scale: float,
    mean_0: float, mean_1: float, mean_2: float, std_0: float, std_1: float, std_2: float,
) -> None:  # fmt: skip
    """Rows of pixels (H, 3 W) to three planes; written like this it is vectorised."""
    for i in range(picture.shape[0]):
        pixels, in_a, in_b, in_c = picture[i], a[i], b[i], c[i]
        for j in range(picture.shape[1] // 3):
            in_a[j] = (f32(pixels[3 * j]) * scale - mean_0) / std_0
            in_b[j] = (f32(pixels[3 * j + 1]) * scale - mean_1) / std_1
            in_c[j] = (f32(pixels[3 * j + 2]) * scale - mean_2) / std_2


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
