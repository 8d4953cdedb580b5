"""What a pipeline on a device is told of a stereo pair, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from saccade.geometry import F32, Pinhole
from saccade.types import U8

Maps = tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16]]
"""OpenCV's CV_16SC2 maps of one camera: places (H, W, 2) x y, fractions (H, W)."""


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """The rectified left camera, the right one's principal point, the baseline, and the maps of both, if any.

    Without maps pictures come rectified.
    """

    camera: Pinhole
    cx_right: float
    baseline_m: float
    maps: tuple[Maps, Maps] | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept: depths in a range, what is at least this sure, of 255; every `step`-th pixel is a point, 0 none."""

    min_m: float
    max_m: float
    min_confidence: int = 0
    step: int = 1


class Seen(NamedTuple):
    """disparity_px (H, W) float32, NaN = none, and how sure it is (H, W) uint8, 0 for none; then what of it is kept.

    depth_m (H, W) float32, NaN = none; confidence (H, W) uint8, 0 for none; points (h, w, 4) float32 x y z rgb.
    """

    disparity_px: F32
    sure: U8
    depth_m: F32
    confidence: U8
    points: F32
