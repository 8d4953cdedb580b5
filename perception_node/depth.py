"""Disparity to metric depth: always the rig's own f·B, never a model's idea of it."""

from __future__ import annotations

import cv2
import numpy as np

from saccade.geometry import F32, Pinhole
from saccade.types import U8, Depth, StereoPair

_NAN = np.float32(np.nan)


class Triangulator:
    """depth = fx B / (d + cx_right - cx_left), within a range; buffers are made once per size."""

    def __init__(self, min_m: float, max_m: float) -> None:
        self._min_m, self._max_m = min_m, max_m
        self._raw: F32 = np.empty((0, 0), np.float32)

    def __call__(self, pair: StereoPair, disparity: F32, confidence: U8) -> Depth:
        """Depth of disparity (H, W) float32 px at the pair's resolution, NaN = none; valid until the next call.

        Confidence is zero where there is no depth.
        """
        if self._raw.shape != disparity.shape:
            self._raw, self._depth_m = np.empty_like(disparity), np.empty_like(disparity)
            self._confidence = np.empty_like(confidence)
        offset, fB = np.float32(pair.cx_right - pair.camera.cx), np.float32(pair.camera.fx * pair.baseline_m)
        with np.errstate(divide="ignore"):
            raised = disparity if offset == 0 else np.add(disparity, offset, out=self._raw)
            np.divide(fB, raised, out=self._raw)
        self._keep(self._raw, confidence)
        return Depth(pair.stamp_ns, pair.frame_id, self._depth_m, self._confidence, pair.camera)

    def measured(self, stamp_ns: int, frame_id: str, depth_m: F32, camera: Pinhole) -> Depth:
        """Depth that a sensor measured itself, held to the same range; what it gives is trusted fully."""
        if self._raw.shape != depth_m.shape:
            self._raw, self._depth_m = np.empty_like(depth_m), np.empty_like(depth_m)
            self._confidence = np.empty(depth_m.shape, np.uint8)
        self._keep(depth_m, None)
        return Depth(stamp_ns, frame_id, self._depth_m, self._confidence, camera)

    def _keep(self, metres: F32, confidence: U8 | None) -> None:
        inside = cv2.inRange(metres, self._min_m, self._max_m, dst=self._confidence)  # 255 inside; NaN is outside
        self._depth_m.fill(_NAN)
        cv2.copyTo(metres, inside, dst=self._depth_m)
        if confidence is not None:
            cv2.bitwise_and(confidence, self._confidence, dst=self._confidence)


def thinned(depth: Depth, stride: int) -> Depth:
    """Every `stride`-th pixel of every `stride`-th row, with the intrinsics that fit; views, not copies."""
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
