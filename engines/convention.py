"""How a model wants its pictures, and what its numbers mean: the parts of a card in which models differ silently."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal


@dataclass(frozen=True, slots=True)
class Colour:
    """How a model wants its pictures: order of channels, value of white, then (x - mean) / std per channel.

    `dtype` is what the model's inputs hold; uint8 takes pixels as they are and allows no scaling.
    """

    order: Literal["grey", "rgb", "bgr"] = "grey"
    white: float = 255.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    dtype: Literal["uint8", "float32"] = "uint8"
    layout: Literal["hw", "nchw", "nhwc"] = "hw"

    def __post_init__(self) -> None:
        channels = 1 if self.order == "grey" else 3
        if len(self.mean) not in (1, channels) or len(self.std) not in (1, channels):
            raise ValueError(f"colour: mean and std need 1 or {channels} numbers for order {self.order!r}")
        if not all(map(isfinite, (self.white, *self.mean, *self.std))) or min(self.white, *self.std) <= 0:
            raise ValueError("colour: white, mean and std must be finite, std and white positive")
        if self.dtype == "uint8" and (self.white != 255 or set(self.mean) != {0.0} or set(self.std) != {1.0}):
            raise ValueError("colour: uint8 inputs cannot be scaled or normalised; set dtype: float32")
        if self.layout == "hw" and self.order != "grey":
            raise ValueError(f"colour: layout hw has no channels for order {self.order!r}; use nchw or nhwc")


@dataclass(frozen=True, slots=True)
class Size:
    """How a picture is made to fit: as it is, halved until it has at most `max_pixels`, padded or resized.

    `pad` adds rows below and columns at the right up to the next multiple of `stride`. `resize` goes to
    `width` x `height`; left at 0, to the nearest multiple of `stride` of the picture's own size, or, with
    `short_side`, of the size at which its shorter side has that many pixels.
    """

    rule: Literal["as_is", "halve", "pad", "resize"] = "as_is"
    stride: int = 1
    width: int = 0
    height: int = 0
    max_pixels: int = 0
    short_side: int = 0

    def __post_init__(self) -> None:
        if self.stride < 1 or min(self.width, self.height, self.max_pixels, self.short_side) < 0:
            raise ValueError("size: stride must be at least 1, and the other numbers not negative")
        if self.rule == "halve" and not self.max_pixels:
            raise ValueError("size: rule halve needs max_pixels")
        if self.short_side and (self.rule != "resize" or self.width or self.height):
            raise ValueError("size: short_side is for rule resize without width and height")


STEREO_UNITS, DEPTH_UNITS = ("px", "width_fraction"), ("relative_inverse", "canonical")


@dataclass(frozen=True, slots=True)
class Output:
    """What the model gives: a stereo model disparity, a monocular one depth in some sense."""

    name: str = "disparity"
    sign: Literal["positive", "negative"] = "positive"
    unit: Literal["px", "width_fraction", "relative_inverse", "canonical"] = "px"
    """Disparity in pixels or as a share of the width; inverse depth of unknown scale and offset; or depth in metres for
    a camera of focal length `focal_px`."""
    resolution: float = 1.0
    """Pixels of the output along one pixel of the model's input."""
    unit_at: Literal["input", "output"] = "input"
    """Pixels of the model's input picture, or of its (perhaps smaller) output."""
    scale: float = 1.0
    """What the model's numbers must be multiplied by first, such as 0.25 for one that counts quarters of a pixel."""
    offset_px: float = 0.0
    """What is added in the end, in pixels of the model's input picture."""
    max_disparity: float = 0.0
    """Largest disparity that the model can find, in pixels of its input picture; more is none. 0 where nobody knows."""
    channel: int = 0
    """Which plane, where the output has several."""
    focal_px: float = 0.0
    """Focal length, in pixels of the model's input picture, at which canonical depth is in metres."""
    confidence: str = ""
    """Name of a uint8 or 0..1 confidence output, if the model has one."""

    def __post_init__(self) -> None:
        numbers = self.resolution, self.scale, self.offset_px, self.max_disparity, self.focal_px
        if not all(map(isfinite, numbers)) or min(self.resolution, self.scale) <= 0:
            raise ValueError(
                "output: numbers are finite, resolution and scale positive (the sign has a key of its own)"
            )
        if min(self.channel, self.max_disparity) < 0:
            raise ValueError("output: channel and max_disparity must not be negative")
        if (self.focal_px > 0) != (self.unit == "canonical"):
            raise ValueError("output: focal_px > 0 belongs to unit canonical, and to no other")
