"""OpenCV's semi-global block matching as an engine (Hirschmüller, PAMI 2008)."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from engines.card import SgbmOptions
from engines.confidence import Confidence
from engines.engine import Array, ClosesItself, EngineError, EngineSpec, TensorSpec

_MODES = {
    "3way": cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    "sgbm": cv2.STEREO_SGBM_MODE_SGBM,
    "hh": cv2.STEREO_SGBM_MODE_HH,
}
_FIXED_POINT = 16
"""OpenCV gives disparities in sixteenths of a pixel."""


class SgbmEngine(ClosesItself):
    """left, right (H, W) uint8 grey -> disparity (H, W) float32 px, NaN = none; confidence (H, W) uint8.

    Both pictures are widened at the left, so that the leftmost columns are matched too, which OpenCV leaves out; there
    a disparity larger than the column is impossible and is discarded.
    """

    def __init__(self, name: str, options: SgbmOptions) -> None:
        grey = ("H", "W")
        self.spec = EngineSpec(
            name,
            inputs=(TensorSpec("left", "uint8", grey), TensorSpec("right", "uint8", grey)),
            outputs=(TensorSpec("disparity", "float32", grey), TensorSpec("confidence", "uint8", grey)),
        )
        self.report = {"backend": f"OpenCV {cv2.__version__}", "threads": str(cv2.getNumThreads())}
        self._margin = options.disparities
        # OpenCV takes every number below 1 as 1; only an unreachable limit turns its left-right check off.
        left_right_px = options.left_right_px if options.left_right_px > 0 else options.disparities
        self._matcher: cv2.StereoSGBM | None = cv2.StereoSGBM.create(
            minDisparity=0, numDisparities=options.disparities, blockSize=options.block, P1=options.p1, P2=options.p2,
            disp12MaxDiff=left_right_px, preFilterCap=31, uniquenessRatio=options.uniqueness,
            speckleWindowSize=options.speckle_px, speckleRange=1, mode=_MODES[options.mode],
        )  # fmt: skip
        self._confidence = Confidence()
        self._shape: tuple[int, ...] = ()

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Engine.infer`."""
        if self._matcher is None:
            raise EngineError(f"{self.spec.name} is closed; open it again with open_engine")
        self.spec.check_inputs(inputs)
        left, right = inputs["left"], inputs["right"]
        if left.shape != self._shape:
            self._allocate(left.shape)
        margin = self._margin
        for picture, wide in ((left, self._left), (right, self._right)):
            cv2.copyMakeBorder(picture, 0, 0, margin, 0, cv2.BORDER_REPLICATE, dst=wide)
        self._matcher.compute(self._left, self._right, self._wide)
        matched = self._wide[:, margin:]
        np.multiply(matched, np.float32(1 / _FIXED_POINT), out=self._disparity)
        np.less_equal(matched, 0, out=self._none)
        np.greater(matched, self._furthest, out=self._beyond)
        np.logical_or(self._none, self._beyond, out=self._none)
        np.copyto(self._disparity, np.float32(np.nan), where=self._none)
        return {"disparity": self._disparity, "confidence": self._confidence.of(left, right, self._disparity)}

    def close(self) -> None:
        """See `Engine.close`."""
        self._matcher = None

    def _allocate(self, shape: tuple[int, ...]) -> None:
        height, width = self._shape = shape
        wide = (height, width + self._margin)
        self._left, self._right = np.empty(wide, np.uint8), np.empty(wide, np.uint8)
        self._wide = np.empty(wide, np.int16)
        self._disparity = np.empty(shape, np.float32)
        self._none, self._beyond = np.empty(shape, np.bool_), np.empty(shape, np.bool_)
        self._furthest = (np.arange(width) * _FIXED_POINT).clip(max=2**15 - 1).astype(np.int16)
