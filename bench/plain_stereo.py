"""Stereo from a raw pair to points as one writes it in an afternoon, with OpenCV and ONNX Runtime alone.

Nothing here is slow on purpose: it is what the two libraries' own examples do. It is what `bench.perception_stages`
measures Saccade against; it checks nothing, knows no confidence beyond the model's, and cannot tell no depth from far.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

Mark = Callable[[str], None]
"""Called with a stage's name when it is over."""


class PlainStereo:
    """rectify, to the model's input, model, points; `model` is an ONNX file, or None for OpenCV's SGBM."""

    def __init__(self, model: Path | None, K: Any, D: Any, size: tuple[int, int], baseline_m: float, threads: int):
        R, T = np.eye(3), np.array([[-baseline_m], [0], [0]])
        R1, R2, P1, P2, self.Q, _, _ = cv2.stereoRectify(K, D, K, D, size, R, T, alpha=0)
        self.maps = [
            cv2.initUndistortRectifyMap(K, D, rotation, P, size, cv2.CV_32FC1) for rotation, P in ((R1, P1), (R2, P2))
        ]
        self.session: Any = None
        if model is None:
            self.matcher = cv2.StereoSGBM.create(
                numDisparities=64, blockSize=5, P1=200, P2=800, disp12MaxDiff=1, preFilterCap=31, uniquenessRatio=10,
                speckleWindowSize=60, speckleRange=1, mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
            )  # fmt: skip
        else:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def __call__(self, left: Any, right: Any, mark: Mark) -> Any:
        """Points (H, W, 3) of raw pictures (H, W, 3), which OpenCV gives in BGR."""
        left, right = (
            cv2.remap(picture, *maps, cv2.INTER_LINEAR) for picture, maps in zip((left, right), self.maps, strict=True)
        )
        mark("rectify")
        if self.session is None:
            greys = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in (left, right)]
            mark("prepare")
            disparity = self.matcher.compute(*greys)
            mark("engine")
            disparity = disparity.astype(np.float32) / 16
        else:
            rgb = [cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) for picture in (left, right)]
            tensors = [picture.astype(np.float32).transpose(2, 0, 1)[None] for picture in rgb]
            mark("prepare")
            found = self.session.run(None, {"left": tensors[0], "right": tensors[1]})
            mark("engine")
            disparity, confidence = found[0].squeeze(), found[1].squeeze()
            disparity[confidence < 0.5] = 0
        mark("finish")
        points = cv2.reprojectImageTo3D(disparity, self.Q)
        points[disparity <= 0] = np.nan
        mark("points")
        return points
