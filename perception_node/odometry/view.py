"""One instant as visual odometry sees it: a grey picture, and the disparity of any of its pixels on demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from perception_node.odometry.sparse import SparseStereo
from saccade.errors import DataError
from saccade.geometry import F32, F64, Pinhole
from saccade.types import U8, Depth, Image, StereoPair

_RGBD_BASELINE_M = 0.075
"""Between projector and camera of usual structured-light sensors: their depth errs by about a constant disparity."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A grey picture (H, W) uint8 of a pinhole camera at `stamp_ns`, and where its points are in depth.

    `disparity_at` takes pixels (n, 2) float32 and gives `fB / depth` (n,) float64 px, NaN = none; `fB` in px m.
    """

    stamp_ns: int
    grey: U8
    camera: Pinhole
    fB: float
    disparity_at: Callable[[F32], F64]


def stereo_view(pair: StereoPair) -> View:
    """A view of a rectified pair: disparity is searched along rows, only at the pixels that are asked for."""
    left, right = _grey(pair.left), _grey(pair.right)
    if left.shape != right.shape:
        raise DataError(f"left is {left.shape[1]}x{left.shape[0]}, right {right.shape[1]}x{right.shape[0]}; "
                        "expected one size: a rectified pair")  # fmt: skip
    _check_size(left, pair.camera)
    search = SparseStereo(left, right, pair.cx_right - pair.camera.cx)
    return View(pair.stamp_ns, left, pair.camera, pair.camera.fx * pair.baseline_m, search)


def rgbd_view(picture: Image, depth: Depth) -> View:
    """A view of a picture and the depth registered to it, of one size; DataError otherwise."""
    grey, fB = _grey(picture.data), depth.camera.fx * _RGBD_BASELINE_M
    _check_size(grey, depth.camera)
    depth_m = depth.depth_m

    def disparity_at(points: F32) -> F64:
        column, row = np.rint(points).astype(np.intp).T
        height, width = depth_m.shape
        inside = (row >= 1) & (row < height - 1) & (column >= 1) & (column < width - 1)
        row, column = np.where(inside, row, 1), np.where(inside, column, 1)
        around = np.stack([depth_m[row + i, column + j] for i in (-1, 0, 1) for j in (-1, 0, 1)])
        near, far = around.min(axis=0), around.max(axis=0)
        # At an edge the pixel may be of either side, and NaN compares false.
        smooth = inside & (near > 0) & (far - near < 0.05 * near)
        return np.where(smooth, fB / np.where(smooth, np.median(around, axis=0), 1.0), np.nan)

    return View(picture.stamp_ns, grey, depth.camera, fB, disparity_at)


def _grey(picture: U8) -> U8:
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.ascontiguousarray(grey, np.uint8)


def _check_size(grey: U8, camera: Pinhole) -> None:
    if grey.shape != (camera.height, camera.width):
        raise DataError(
            f"the picture is {grey.shape[1]}x{grey.shape[0]}, its camera {camera.width}x{camera.height}; "
            "expected one size: the calibration of this camera mode"
        )
