"""OpenCV's stereo matchers as engines: semi-global block matching (Hirschmüller, PAMI 2008) and block matching."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

import cv2
import numpy as np

from engines.confidence import Confidence
from engines.engine import Array, ClosesItself, EngineError, EngineSpec, TensorSpec
from engines.options import BmOptions, SgbmOptions

_MODES = {
    "3way": cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    "sgbm": cv2.STEREO_SGBM_MODE_SGBM,
    "hh": cv2.STEREO_SGBM_MODE_HH,
    "hh4": cv2.STEREO_SGBM_MODE_HH4,
}
_PREFILTERS = {
    "x_sobel": cv2.StereoBM_PREFILTER_XSOBEL,
    "normalised": cv2.StereoBM_PREFILTER_NORMALIZED_RESPONSE,
}
_FIXED_POINT = 16
"""OpenCV gives disparities in sixteenths of a pixel."""
_SPECKLE_RANGE_PX = 1
_WLS_SMOOTHNESS, _WLS_EDGE_GREY = 100.0, 0.8
"""Best of a grid on generated pairs; OpenCV's example has 8000 and 1.5, which smooth across edges."""


class OpenCvEngine(ClosesItself):
    """left, right (H, W) uint8 grey -> disparity (H, W) float32 px, NaN = none; confidence (H, W) uint8.

    The pictures are widened so that their margins are matched too, which OpenCV leaves out; at the left a disparity
    larger than the column is impossible and is discarded. EngineError when the options ask for what OpenCV lacks.
    """

    def __init__(self, name: str, options: SgbmOptions | BmOptions) -> None:
        grey = ("H", "W")
        self.spec = EngineSpec(
            name,
            inputs=(TensorSpec("left", "uint8", grey), TensorSpec("right", "uint8", grey)),
            outputs=(TensorSpec("disparity", "float32", grey), TensorSpec("confidence", "uint8", grey)),
        )
        self.report = {"backend": f"OpenCV {cv2.__version__}", "threads": str(cv2.getNumThreads())}
        self._matcher = sgbm(options) if isinstance(options, SgbmOptions) else _bm(options)
        self._wls = _Wls(name, self._matcher) if options.wls else None
        # Block matching gives nothing where its window does not fit into the picture.
        around = options.block // 2 if isinstance(options, BmOptions) else 0
        self._margins = (around, around, around + options.disparities, around)
        self._confidence, self._lock = Confidence(), Lock()
        self._shape: tuple[int, ...] = ()

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Engine.infer`."""
        with self._lock:
            if self._matcher is None:
                raise EngineError(f"{self.spec.name} is closed; open it again with open_engine")
            self.spec.check_inputs(inputs)
            try:
                return self._matched(inputs)
            except cv2.error as error:  # of pictures that no window fits into
                shape, said = inputs["left"].shape, str(error).partition("error: ")[2]
                raise EngineError(f"{self.spec.name}: OpenCV cannot match pictures of {shape}: {said}") from error

    def _matched(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        left, right = inputs["left"], inputs["right"]
        if left.shape != self._shape:
            self._allocate(left.shape)
        for picture, wide in ((left, self._left), (right, self._right)):
            cv2.copyMakeBorder(picture, *self._margins, cv2.BORDER_REPLICATE, dst=wide)
        self._matcher.compute(self._left, self._right, self._wide)
        if self._wls is not None:
            self._wls(self._left, self._right, self._wide)
        matched = self._wide[self._inner]
        np.multiply(matched, np.float32(1 / _FIXED_POINT), out=self._disparity)
        np.less_equal(matched, 0, out=self._none)
        np.greater(matched, self._furthest, out=self._beyond)
        np.logical_or(self._none, self._beyond, out=self._none)
        np.copyto(self._disparity, np.float32(np.nan), where=self._none)
        return {"disparity": self._disparity, "confidence": self._confidence.of(left, right, self._disparity)}

    def close(self) -> None:
        """See `Engine.close`."""
        with self._lock:
            self._matcher = self._wls = None

    def _allocate(self, shape: tuple[int, ...]) -> None:
        self._shape = ()  # until all of it is there: what cannot be had now is asked for again next time
        height, width = shape
        top, bottom, before, behind = self._margins
        wide = (top + height + bottom, before + width + behind)
        self._inner = np.s_[top : top + height, before : before + width]
        self._left, self._right = np.empty(wide, np.uint8), np.empty(wide, np.uint8)
        self._wide = np.empty(wide, np.int16)
        self._disparity = np.empty(shape, np.float32)
        self._none, self._beyond = np.empty(shape, np.bool_), np.empty(shape, np.bool_)
        self._furthest = (np.arange(width) * _FIXED_POINT).clip(max=2**15 - 1).astype(np.int16)
        self._shape = shape


class _Wls:
    """Fast Global Image Smoothing Based on Weighted Least Squares (Min et al., TIP 2014), led by agreement."""

    def __init__(self, name: str, matcher: Any) -> None:
        ximgproc: Any = getattr(cv2, "ximgproc", None)
        if ximgproc is None:
            raise EngineError(
                f"{name}: wls needs OpenCV's contrib modules, which this OpenCV {cv2.__version__} was built without; "
                "pip install opencv-contrib-python-headless in place of opencv-python-headless, or set wls: false"
            )
        self._backwards = ximgproc.createRightMatcher(matcher)
        self._filter = ximgproc.createDisparityWLSFilter(matcher)  # this also turns the matcher's own checks off
        self._filter.setLambda(_WLS_SMOOTHNESS)
        self._filter.setSigmaColor(_WLS_EDGE_GREY)

    def __call__(self, left: Array, right: Array, disparity: Array) -> None:
        """Filter the left picture's `disparity` (H, W) int16 in place."""
        from_right = self._backwards.compute(right, left)
        disparity[:] = self._filter.filter(disparity, left, disparity_map_right=from_right)


def sgbm(options: SgbmOptions) -> Any:
    """OpenCV's own matcher, a cv2.StereoSGBM, with these options; `wls` is not its business."""
    return cv2.StereoSGBM.create(
        minDisparity=0, numDisparities=options.disparities, blockSize=options.block, P1=options.p1, P2=options.p2,
        disp12MaxDiff=_left_right(options), preFilterCap=31, uniquenessRatio=options.uniqueness,
        speckleWindowSize=options.speckle_px, speckleRange=_SPECKLE_RANGE_PX, mode=_MODES[options.mode],
    )  # fmt: skip


def _bm(options: BmOptions) -> Any:
    matcher = cv2.StereoBM.create(options.disparities, options.block)
    matcher.setPreFilterType(_PREFILTERS[options.prefilter])
    matcher.setPreFilterSize(options.prefilter_px)
    matcher.setPreFilterCap(options.prefilter_cap)
    matcher.setTextureThreshold(options.texture)
    matcher.setUniquenessRatio(options.uniqueness)
    matcher.setDisp12MaxDiff(_left_right(options))
    matcher.setSpeckleWindowSize(options.speckle_px)
    matcher.setSpeckleRange(_SPECKLE_RANGE_PX * _FIXED_POINT)  # StereoSGBM scales it itself, StereoBM does not
    return matcher


def _left_right(options: SgbmOptions | BmOptions) -> int:
    """SGBM takes every number below 1 as 1; only an unreachable limit turns its left-right check off."""
    return options.left_right_px if options.left_right_px > 0 else options.disparities
