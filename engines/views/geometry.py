"""Poses and intrinsics between a model's convention and ours: T_world_from_cam, optical axes, pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.engine import Array, EngineError
from engines.views.convention import Cameras
from saccade.geometry import F64, SE3, Pinhole

_FLIP = np.array([1.0, -1.0, -1.0])
"""OpenCV's camera axes to OpenGL's, and back."""
_ROTATION = 0.02
"""How far the columns of a rotation may be from unit length and right angles."""


def read_poses(values: Array, how: Cameras) -> F64:
    """T_world_from_cam (n, 4, 4) of what a model says; EngineError where that holds no rotations."""
    T: F64 = np.tile(np.eye(4), (len(values), 1, 1))
    if how.form == "encoding":
        T[:, :3, :3], T[:, :3, 3] = _rotations(values[:, 3:7], how), values[:, :3]
    else:
        T[:, :3] = values[:, :3, :4]
    R = T[:, :3, :3]
    if not np.isfinite(T).all() or np.abs(R @ R.transpose(0, 2, 1) - np.eye(3)).max() > _ROTATION:
        raise EngineError("the poses are no rotations with a translation")
    if how.direction == "camera_from_world":
        T = np.asarray(np.linalg.inv(T), np.float64)
    if how.axes == "opengl":
        T[:, :3, :3] *= _FLIP
    return T


def write_poses(T_world_from_cam: F64, how: Cameras) -> Array:
    """The inverse of `read_poses` for matrices: (n, 4, 4) float32."""
    T = T_world_from_cam.copy()
    if how.axes == "opengl":
        T[:, :3, :3] *= _FLIP
    return np.asarray(np.linalg.inv(T) if how.direction == "camera_from_world" else T, np.float32)


def read_intrinsics(values: Array, how: Cameras, width: int, height: int) -> F64:
    """fx, fy, cx, cy (n, 4) in pixels of the picture that the model sees."""
    if how.form == "encoding":
        first, second = np.tan(np.asarray(values[:, 7:9], np.float64).T / 2)
        across, down = (second, first) if how.fov == "height_width" else (first, second)
        middle = np.full(len(values), width / 2), np.full(len(values), height / 2)
        return np.column_stack([width / 2 / across, height / 2 / down, *middle])
    K = np.asarray(values, np.float64)
    four = np.column_stack([K[:, 0, 0], K[:, 1, 1], K[:, 0, 2], K[:, 1, 2]])
    return four * ((width, height) * 2) if how.unit == "normalised" else four


def write_intrinsics(camera: Pinhole, how: Cameras) -> Array:
    """(3, 3) float32 for a camera whose pixels are those that the model sees."""
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    if how.unit == "normalised":
        K[:2] /= [[camera.width], [camera.height]]
    return np.asarray(K, np.float32)


def matrices(poses: Sequence[SE3]) -> F64:
    """Poses as (n, 4, 4)."""
    T: F64 = np.tile(np.eye(4), (len(poses), 1, 1))
    for made, pose in zip(T, poses, strict=True):
        made[:3, :3], made[:3, 3] = pose.R, pose.t
    return T


def _rotations(quaternions: Array, how: Cameras) -> F64:
    order = [0, 1, 2, 3] if how.quaternion == "xyzw" else [1, 2, 3, 0]
    try:
        return np.stack([SE3.from_quaternion(np.asarray(q, np.float64)[order], (0.0, 0.0, 0.0)).R for q in quaternions])
    except ValueError as error:
        raise EngineError(f"the poses are no rotations: {error}") from error
