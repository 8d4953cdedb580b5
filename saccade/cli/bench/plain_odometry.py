"""Visual odometry as one writes it in an afternoon with OpenCV alone: from each picture to the next.

Corners, Lucas-Kanade, the depth of the picture before, PnP with RANSAC, and the product of all steps. It is what
`saccade bench map` measures Saccade against; it keeps nothing, refines nothing, and takes a step that it cannot see for
none.
"""

from __future__ import annotations

import cv2
import numpy as np

from saccade.geometry import F32, F64, SE3
from saccade.types import U8


class PlainOdometry:
    """Called with grey (H, W) and depth (H, W) metres; the camera's pose from its start. K (3, 3): its intrinsics."""

    def __init__(self, K: F64) -> None:
        self._K, self._pose = K, SE3.identity()
        self._before: tuple[U8, F32] | None = None

    def __call__(self, grey: U8, depth_m: F32) -> SE3:
        before, self._before = self._before, (grey, depth_m)
        corners = None if before is None else cv2.goodFeaturesToTrack(before[0], 500, 0.01, 10)
        if before is None or corners is None:
            return self._pose
        found, seen, _ = cv2.calcOpticalFlowPyrLK(
            before[0], grey, corners, corners.copy(), winSize=(21, 21), maxLevel=4
        )
        uv, there = np.asarray(corners, np.float64).reshape(-1, 2), np.asarray(found, np.float64).reshape(-1, 2)
        z = before[1][uv[:, 1].astype(int), uv[:, 0].astype(int)].astype(np.float64)
        good = (np.asarray(seen).ravel() > 0) & (z > 0)  # NaN compares false
        if good.sum() < 6:
            return self._pose
        K, uv, z = self._K, uv[good], z[good]
        points = np.column_stack([(uv[:, 0] - K[0, 2]) / K[0, 0] * z, (uv[:, 1] - K[1, 2]) / K[1, 1] * z, z])
        ok, turn, shift, _ = cv2.solvePnPRansac(
            points, there[good], K, None, reprojectionError=2.0, flags=cv2.SOLVEPNP_ITERATIVE
        )
        if ok:
            R = np.asarray(cv2.Rodrigues(turn)[0], np.float64)
            self._pose = self._pose @ SE3(R, np.asarray(shift, np.float64).ravel()).inverse()
        return self._pose


def sgbm_depth(left: U8, right: U8, fB: float, offset_px: float) -> F32:
    """Depth (H, W) metres of a rectified pair by OpenCV's SGBM, NaN = none."""
    matcher = cv2.StereoSGBM.create(
        numDisparities=128, blockSize=5, P1=200, P2=800, disp12MaxDiff=1, preFilterCap=31, uniquenessRatio=10,
        speckleWindowSize=60, speckleRange=1, mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )  # fmt: skip
    disparity = matcher.compute(left, right).astype(np.float32) / 16
    depth_m = np.where(disparity > 0, fB / np.maximum(disparity + offset_px, 1e-3), np.nan)
    return depth_m.astype(np.float32)
