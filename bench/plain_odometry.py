"""Visual odometry as one writes it in an afternoon with OpenCV alone: from each picture to the next.

Corners, Lucas-Kanade, the depth of the picture before, PnP with RANSAC, and the product of all steps. It is what
`bench.odometry` measures Saccade against; it keeps nothing, refines nothing, and takes a step it cannot see for none.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np


class PlainOdometry:
    """Called with grey (H, W) and depth (H, W) metres; R (3, 3) and t (3,) of the camera where it began."""

    def __init__(self, K: Any) -> None:
        self.K, self.R, self.t = K, np.eye(3), np.zeros(3)
        self.before: Any = None

    def __call__(self, grey: Any, depth_m: Any) -> tuple[Any, Any]:
        before, self.before = self.before, (grey, depth_m)
        if before is None:
            return self.R, self.t
        corners = cv2.goodFeaturesToTrack(before[0], 500, 0.01, 10)
        if corners is None:
            return self.R, self.t
        there, seen, _ = cv2.calcOpticalFlowPyrLK(before[0], grey, corners, None, winSize=(21, 21), maxLevel=4)
        corners, there, seen = corners.reshape(-1, 2), there.reshape(-1, 2), seen.ravel() > 0
        z = before[1][corners[:, 1].astype(int), corners[:, 0].astype(int)]
        good = seen & np.isfinite(z) & (z > 0)
        if good.sum() < 6:
            return self.R, self.t
        K, uv, z = self.K, corners[good].astype(np.float64), z[good].astype(np.float64)
        points = np.column_stack([(uv[:, 0] - K[0, 2]) / K[0, 0] * z, (uv[:, 1] - K[1, 2]) / K[1, 1] * z, z])
        ok, turn, shift, _ = cv2.solvePnPRansac(
            points, there[good].astype(np.float64), K, None, reprojectionError=2.0, flags=cv2.SOLVEPNP_ITERATIVE
        )
        if ok:
            R = cv2.Rodrigues(turn)[0].T
            self.R, self.t = self.R @ R, self.t - self.R @ R @ shift.ravel()
        return self.R, self.t


def sgbm_depth(left: Any, right: Any, fB: float, offset_px: float) -> Any:
    """Depth (H, W) metres of a rectified pair by OpenCV's SGBM, NaN = none."""
    matcher = cv2.StereoSGBM.create(
        numDisparities=128, blockSize=5, P1=200, P2=800, disp12MaxDiff=1, preFilterCap=31, uniquenessRatio=10,
        speckleWindowSize=60, speckleRange=1, mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )  # fmt: skip
    disparity = matcher.compute(left, right).astype(np.float32) / 16
    return np.where(disparity > 0, fB / np.maximum(disparity + offset_px, 1e-3), np.nan)
