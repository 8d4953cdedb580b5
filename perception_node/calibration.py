"""Camera calibrations judged before use: what would give wrong geometry is named, not used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.errors import CalibrationError, choices
from saccade.geometry import F64, Pinhole
from saccade.types import CameraModel

DISTORTIONS = {"plumb_bob": (0, 4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,), "fisheye": (4,)}
"""Distortion model -> numbers of coefficients it may have."""
_BASELINE_M = (0.005, 5.0)
_FOCAL_PER_WIDTH = (0.05, 20.0)


@dataclass(frozen=True, slots=True)
class Rig:
    """A rectified pair: the left camera, the right principal point in pixels and the baseline in metres."""

    camera: Pinhole
    cx_right: float
    baseline_m: float


def stereo_rig(left: CameraModel, right: CameraModel, *, rectified: bool) -> Rig:
    """The rig of two CameraInfo; `rectified` says that the pictures already are. CalibrationError says what is wrong.

    P of either camera describes the rectified picture, and P_right[0, 3] = -fx B (sensor_msgs/CameraInfo).
    """
    for topic, model in (("left/camera_info", left), ("right/camera_info", right)):
        _check_calibrated(topic, model)
        _check_projection(topic, model)
        if not rectified:
            _check_lens(topic, model)
    if (left.width, left.height) != (right.width, right.height):
        raise CalibrationError(
            f"left/camera_info is {left.width}x{left.height}, right/camera_info {right.width}x{right.height}; "
            "expected one size: both cameras in the same mode"
        )
    P, Q = left.P, right.P
    if not np.isclose(P[0, 0], Q[0, 0], rtol=1e-3) or not np.isclose(P[1, 1], Q[1, 1], rtol=1e-3):
        raise CalibrationError(
            f"P has focal lengths {P[0, 0]:.2f}, {P[1, 1]:.2f} px at the left and {Q[0, 0]:.2f}, {Q[1, 1]:.2f} px at "
            "the right; expected the same: calibrate the cameras together as a pair"
        )
    if abs(P[1, 2] - Q[1, 2]) > 0.5 or abs(Q[1, 3] - P[1, 3]) > 0.5:
        raise CalibrationError(
            f"P puts rows {P[1, 2] - Q[1, 2]:+.2f} px apart (cy {P[1, 2]:.2f} and {Q[1, 2]:.2f}, Ty {Q[1, 3]:.2f}); "
            "expected aligned rows: calibrate the cameras together as a horizontal pair"
        )
    baseline_m = float(P[0, 3] / P[0, 0] - Q[0, 3] / Q[0, 0])
    _check_baseline(baseline_m)
    return Rig(_pinhole(left.P, left), float(Q[0, 2]), baseline_m)


def depth_camera(topic: str, model: CameraModel) -> Pinhole:
    """The pinhole of a rectified depth image; CalibrationError as `stereo_rig`. K stands in where P is all zero."""
    _check_calibrated(topic, model)
    if not model.P.any():
        _check_matrix(topic, model, "K", model.K)
        return _pinhole(model.K, model)
    _check_projection(topic, model)
    return _pinhole(model.P, model)


def check_size(image_topic: str, info_topic: str, shape: tuple[int, ...], width: int, height: int) -> None:
    """CalibrationError unless a picture (H, W, ...) has the size that its calibration was made for."""
    if shape[:2] != (height, width):
        raise CalibrationError(
            f"{image_topic} is {shape[1]}x{shape[0]}, {info_topic} says {width}x{height}; expected the same size: "
            "another camera mode, a resized stream, or another camera's calibration"
        )


def _pinhole(M: F64, model: CameraModel) -> Pinhole:
    return Pinhole(float(M[0, 0]), float(M[1, 1]), float(M[0, 2]), float(M[1, 2]), model.width, model.height)


def _check_calibrated(topic: str, model: CameraModel) -> None:
    """Drivers without a calibration file send K all zero (sensor_msgs/CameraInfo)."""
    if not model.K.any():
        raise CalibrationError(
            f"{topic}: K is all zero, which means that the camera is not calibrated; expected its focal lengths: "
            "calibrate it, and give the driver its calibration file"
        )


def _check_projection(topic: str, model: CameraModel) -> None:
    _check_matrix(topic, model, "P", model.P)


def _check_matrix(topic: str, model: CameraModel, name: str, M: F64) -> None:
    if model.width <= 0 or model.height <= 0:
        raise CalibrationError(f"{topic}: image size {model.width}x{model.height}; expected the camera's size")
    if not np.isfinite(M).all():
        raise CalibrationError(f"{topic}: {name} holds NaN or infinity; expected finite numbers: calibrate the camera")
    if not M.any():
        raise CalibrationError(f"{topic}: {name} is all zero, which means uncalibrated; calibrate the camera")
    fx, fy, cx, cy = M[0, 0], M[1, 1], M[0, 2], M[1, 2]
    low, high = (factor * model.width for factor in _FOCAL_PER_WIDTH)
    if not (low <= fx <= high and low <= fy <= high and 0.5 <= fx / fy <= 2):
        raise CalibrationError(
            f"{topic}: {name} has focal lengths {fx:.4g}, {fy:.4g} px for {model.width} columns; "
            f"expected similar numbers between {low:.0f} and {high:.0f}"
        )
    if not (-model.width < cx < 2 * model.width and -model.height < cy < 2 * model.height):
        raise CalibrationError(
            f"{topic}: {name} has its principal point at ({cx:.4g}, {cy:.4g}); expected it in or near the "
            f"{model.width}x{model.height} picture"
        )


def _check_lens(topic: str, model: CameraModel) -> None:
    """What rectification needs besides P."""
    _check_matrix(topic, model, "K", model.K)
    if model.distortion_model not in DISTORTIONS:
        raise CalibrationError(
            f"{topic}: distortion model {model.distortion_model!r}; {choices(model.distortion_model, DISTORTIONS)}"
        )
    allowed = DISTORTIONS[model.distortion_model]
    if model.D.size not in allowed or not np.isfinite(model.D).all():
        raise CalibrationError(
            f"{topic}: {model.distortion_model} with D = {np.array2string(model.D, precision=4)}; "
            f"expected {' or '.join(map(str, allowed))} finite numbers"
        )
    if not np.isfinite(model.R).all() or not np.allclose(model.R @ model.R.T, np.eye(3), atol=1e-2):
        raise CalibrationError(f"{topic}: R is no rotation; expected the rectifying rotation of this camera")


def _check_baseline(baseline_m: float) -> None:
    if abs(baseline_m) < 1e-9:
        raise CalibrationError(
            "right/camera_info: P[0, 3] gives no baseline; expected -fx B: this calibration is of a single camera"
        )
    if baseline_m < 0:
        raise CalibrationError(
            f"the baseline is {baseline_m:.3f} m; expected a positive one: left and right are swapped in camera_info"
        )
    low, high = _BASELINE_M
    if not low <= baseline_m <= high:
        raise CalibrationError(
            f"the baseline is {baseline_m:.4g} m; expected {low} to {high} m: P[0, 3] = -fx B must be in metres"
        )
