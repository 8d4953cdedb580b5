"""Rectification of a raw pair with maps made once; plumb_bob, rational_polynomial and equidistant (fisheye) lenses."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from saccade.types import U8, CameraModel


class Rectifier:
    """Rectifies one camera's pictures into a buffer of its own: rows of both cameras of a rig then agree.

    The model must have been judged by `calibration.stereo_rig`.
    """

    def __init__(self, model: CameraModel) -> None:
        size, P = (model.width, model.height), model.P[:, :3]
        if model.distortion_model in ("equidistant", "fisheye"):
            maps = cv2.fisheye.initUndistortRectifyMap(model.K, model.D, model.R, P, size, cv2.CV_16SC2)
        else:
            D = model.D if model.D.size else np.zeros(5)
            maps = cv2.initUndistortRectifyMap(model.K, D, model.R, P, size, cv2.CV_16SC2)
        self.maps: tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16]] = (
            np.asarray(maps[0], np.int16),
            np.asarray(maps[1], np.uint16),
        )
        """Where pixels come from, for others that rectify: (H, W, 2) x y, and (H, W) 32 fy + fx in steps of 1/32 px."""
        self._buffer: U8 = np.empty((0, 0), np.uint8)

    def __call__(self, picture: U8) -> U8:
        """The rectified picture, (H, W) or (H, W, 3) as given; valid until the next call. Outside the view: black."""
        if self._buffer.shape != picture.shape:
            self._buffer = np.empty_like(picture)
        cv2.remap(picture, *self.maps, cv2.INTER_LINEAR, dst=self._buffer)
        return self._buffer
