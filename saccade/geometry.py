"""Rigid transforms and the pinhole camera.

Frames follow REP 103/105: bodies have x forward, y left, z up; frames named `_optical` have z forward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]

R_BODY_FROM_OPTICAL: F64 = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Rotation that takes optical axes (x right, y down, z forward) to body axes (x forward, y left, z up), REP 103."""


@dataclass(frozen=True, slots=True, eq=False)
class SE3:
    """A rigid transform `T_a_from_b`: `p_a = R @ p_b + t`. R (3, 3) and t (3,) float64, metres."""

    R: F64
    t: F64

    @staticmethod
    def identity() -> SE3:
        """The transform that changes nothing."""
        return SE3(np.eye(3), np.zeros(3))

    @staticmethod
    def from_quaternion(xyzw: F64 | tuple[float, float, float, float], t: F64 | tuple[float, ...]) -> SE3:
        """From a quaternion in ROS order (x, y, z, w), normalised here, and a translation in metres."""
        q = np.asarray(xyzw, np.float64)
        norm = float(np.linalg.norm(q))
        if not math.isfinite(norm) or norm < 1e-9:
            raise ValueError(f"quaternion {tuple(q)} has no direction; expected a unit quaternion x y z w")
        x, y, z, w = q / norm
        R = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        return SE3(R, np.asarray(t, np.float64))

    @staticmethod
    def from_rpy(roll: float, pitch: float, yaw: float, t: F64 | tuple[float, ...] = (0.0, 0.0, 0.0)) -> SE3:
        """From fixed-axis roll, pitch, yaw in radians (R = Rz Ry Rx, as URDF) and a translation in metres."""
        cr, sr, cp, sp = math.cos(roll), math.sin(roll), math.cos(pitch), math.sin(pitch)
        cy, sy = math.cos(yaw), math.sin(yaw)
        R = np.array(
            [
                [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
                [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
                [-sp, cp * sr, cp * cr],
            ]
        )
        return SE3(R, np.asarray(t, np.float64))

    def __matmul__(self, other: SE3) -> SE3:
        """`T_a_from_b @ T_b_from_c = T_a_from_c`."""
        return SE3(self.R @ other.R, self.R @ other.t + self.t)

    def inverse(self) -> SE3:
        """`T_b_from_a`."""
        return SE3(self.R.T.copy(), -(self.R.T @ self.t))

    def apply(self, points: F64) -> F64:
        """Transform points (..., 3) in metres."""
        moved: F64 = points @ self.R.T + self.t
        return moved

    @property
    def yaw(self) -> float:
        """Heading in radians: the angle of the body's x axis in the parent's xy plane."""
        return math.atan2(float(self.R[1, 0]), float(self.R[0, 0]))

    def quaternion(self) -> tuple[float, float, float, float]:
        """Unit quaternion (x, y, z, w) with w >= 0 (Shepperd's method)."""
        R = self.R
        trace = float(np.trace(R))
        i = int(np.argmax([R[0, 0], R[1, 1], R[2, 2], trace]))
        if i == 3:
            q = np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1], 1 + trace])
        else:
            j, k = (i + 1) % 3, (i + 2) % 3
            q = np.empty(4)
            q[i] = 1 + R[i, i] - R[j, j] - R[k, k]
            q[j] = R[j, i] + R[i, j]
            q[k] = R[k, i] + R[i, k]
            q[3] = R[k, j] - R[j, k]
        q /= np.linalg.norm(q)
        if q[3] < 0:
            q = -q
        return float(q[0]), float(q[1]), float(q[2]), float(q[3])


def interpolate(a: SE3, b: SE3, fraction: float) -> SE3:
    """Pose between `a` (fraction 0) and `b` (1): linear translation, spherical linear rotation."""
    qa, qb = np.array(a.quaternion()), np.array(b.quaternion())
    dot = float(qa @ qb)
    if dot < 0:
        qb, dot = -qb, -dot
    if dot > 0.9995:
        q = qa + fraction * (qb - qa)
    else:
        angle = math.acos(min(1.0, dot))
        q = (math.sin((1 - fraction) * angle) * qa + math.sin(fraction * angle) * qb) / math.sin(angle)
    return SE3.from_quaternion(q, a.t + fraction * (b.t - a.t))


def planar(T: SE3) -> SE3:
    """The gravity-level part of a pose: same position, heading only."""
    return SE3.from_rpy(0.0, 0.0, T.yaw, T.t)


def wrap_angle(angle_rad: float) -> float:
    """The same angle in (-pi, pi]."""
    return math.pi - (math.pi - angle_rad) % math.tau


@dataclass(frozen=True, slots=True)
class Pinhole:
    """Intrinsics of an undistorted image: focal lengths and principal point in pixels, size in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def scaled(self, width: int, height: int) -> Pinhole:
        """Intrinsics after a resize; pixel centres are at integer coordinates, hence the half-pixel shift."""
        sx, sy = width / self.width, height / self.height
        return Pinhole(
            self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5, width, height
        )

    def cropped(self, x: int, y: int, width: int, height: int) -> Pinhole:
        """Intrinsics of a window whose upper left pixel is (x, y)."""
        return Pinhole(self.fx, self.fy, self.cx - x, self.cy - y, width, height)

    def project(self, points: F64) -> F64:
        """Optical-frame points (..., 3) in metres to pixels (..., 2); NaN behind the camera."""
        z = np.where(points[..., 2] > 0, points[..., 2], np.nan)
        return np.stack([self.fx * points[..., 0] / z + self.cx, self.fy * points[..., 1] / z + self.cy], axis=-1)

    def unproject(self, uv: F64, depth_m: F64) -> F64:
        """Pixels (..., 2) and depth along z (...) in metres to optical-frame points (..., 3)."""
        x = (uv[..., 0] - self.cx) / self.fx * depth_m
        y = (uv[..., 1] - self.cy) / self.fy * depth_m
        return np.stack([x, y, depth_m], axis=-1)
