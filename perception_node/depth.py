"""Disparity to metric depth: always the rig's own f·B, never a model's idea of it."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F32, Pinhole
from saccade.kernel import array, buffer, f32, i64, kernel, u8, void
from saccade.types import U8, Depth, StereoPair


class Triangulator:
    """depth = fx B / (d + cx_right - cx_left), within a range and sure enough; buffers are made once per size."""

    def __init__(self, min_m: float, max_m: float, min_confidence: int = 0) -> None:
        self.limit(min_m, max_m, min_confidence)
        self._depth_m: F32 = np.empty((0, 0), np.float32)

    def limit(self, min_m: float, max_m: float, min_confidence: int = 0) -> None:
        """What is kept from now on: depths in this range, and of disparity what is at least this sure, of 255."""
        self._min_m, self._max_m, self._min_confidence = min_m, max_m, min_confidence

    def __call__(self, pair: StereoPair, disparity: F32, confidence: U8) -> Depth:
        """Depth of disparity (H, W) float32 px at the pair's resolution, NaN = none; valid until the next call.

        Confidence is zero where there is no depth.
        """
        self._fit(disparity.shape)
        offset_px, fB = pair.cx_right - pair.camera.cx, pair.camera.fx * pair.baseline_m
        _triangulate(
            disparity, confidence, offset_px, fB, self._min_m, self._max_m, max(1, self._min_confidence),
            self._depth_m, self._confidence,
        )  # fmt: skip
        return Depth(pair.stamp_ns, pair.frame_id, self._depth_m, self._confidence, pair.camera)

    def measured(self, stamp_ns: int, frame_id: str, depth_m: F32, camera: Pinhole) -> Depth:
        """Depth that a sensor measured itself, held to the same range; what it gives is trusted fully."""
        self._fit(depth_m.shape)
        _within(depth_m, self._min_m, self._max_m, self._depth_m, self._confidence)
        return Depth(stamp_ns, frame_id, self._depth_m, self._confidence, camera)

    def held(self, depth: Depth) -> Depth:
        """The same depth held to the range, and to what is sure enough; changed in place."""
        inside = (depth.depth_m >= self._min_m) & (depth.depth_m <= self._max_m)
        inside &= depth.confidence >= max(1, self._min_confidence)
        depth.depth_m[~inside], depth.confidence[~inside] = np.nan, 0
        return depth

    def _fit(self, shape: tuple[int, ...]) -> None:
        if self._depth_m.shape != shape:
            self._depth_m, self._confidence = np.empty(shape, np.float32), np.empty(shape, np.uint8)


@kernel(void, array(f32, 2), array(u8, 2), f32, f32, f32, f32, i64, buffer(f32, 2), buffer(u8, 2))
def _triangulate(
    disparity: F32, confidence: U8, offset_px: float, fB: float, min_m: float, max_m: float, min_confidence: int,
    depth_m: F32, kept: U8,
) -> None:  # fmt: skip
    for i in range(disparity.shape[0]):
        for j in range(disparity.shape[1]):
            metres = fB / (disparity[i, j] + offset_px)
            inside = min_m <= metres <= max_m and confidence[i, j] >= min_confidence  # NaN compares false
            depth_m[i, j] = metres if inside else math.nan
            kept[i, j] = confidence[i, j] if inside else 0


@kernel(void, array(f32, 2), f32, f32, buffer(f32, 2), buffer(u8, 2))
def _within(metres: F32, min_m: float, max_m: float, depth_m: F32, kept: U8) -> None:
    for i in range(metres.shape[0]):
        for j in range(metres.shape[1]):
            inside = min_m <= metres[i, j] <= max_m
            depth_m[i, j] = metres[i, j] if inside else math.nan
            kept[i, j] = 255 if inside else 0


def within(stride: int, depth: Depth) -> int:
    """The stride, or the smaller side of the picture where that is less: at least one pixel is on it."""
    return min(stride, depth.camera.width, depth.camera.height)


def thinned(depth: Depth, stride: int) -> Depth:
    """Every `stride`-th pixel of every `stride`-th row, with the intrinsics that fit; views, not copies.

    One pixel is left at least.
    """
    stride = within(stride, depth)
    if stride == 1:
        return depth
    first, camera = stride // 2, depth.camera
    depth_m = depth.depth_m[first::stride, first::stride]
    height, width = depth_m.shape
    fitting = Pinhole(
        camera.fx / stride, camera.fy / stride, (camera.cx - first) / stride, (camera.cy - first) / stride,
        width, height,
    )  # fmt: skip
    return Depth(depth.stamp_ns, depth.frame_id, depth_m, depth.confidence[first::stride, first::stride], fitting)
