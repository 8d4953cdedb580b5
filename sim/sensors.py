"""What a robot's sensors make of the truth: seeded noise and drift, and the messages they send."""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np

from saccade.geometry import F64, SE3
from saccade.types import U8, RobotState
from saccade.wire.codec import codec
from saccade.wire.convert import Cdr, header


class Imager:
    """One camera: blur of its lens in pixels, gain, noise in grey levels (standard deviations), and colour or not."""

    def __init__(
        self, size: tuple[int, int], grey: bool, rng: np.random.Generator, gain: float = 1.0, noise: float = 1.5,
        blur_px: float = 0.0,
    ) -> None:  # fmt: skip
        """For pictures of `size` (rows, columns)."""
        self._grey, self._rng, self._gain, self._blur_px = grey, rng, gain, blur_px
        values = size[0] * size[1] * (1 if grey else 3)
        self._noise = np.rint(rng.normal(0.0, noise, values + 65536)).astype(np.int16)

    def expose(self, rgb: U8) -> U8:
        """What comes out of what the lens shows; the noise is a window into a fixed bank, at a random place."""
        seen = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) if self._grey else rgb
        if self._blur_px > 0.1:
            seen = cv2.GaussianBlur(seen, (5, 5), self._blur_px)
        place = int(self._rng.integers(65536))
        noise = self._noise[place : place + seen.size].reshape(seen.shape)
        noisy = cv2.add(cv2.convertScaleAbs(seen, alpha=self._gain), noise, dtype=cv2.CV_8U)
        return np.asarray(noisy, np.uint8)


class Odometer:
    """Wheel encoders for distance and a gyro for heading, both slightly wrong: the pose drifts as a real one does."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._scale = 1.0 + float(rng.normal(0.0, 0.004))
        self._bias_rad_s = float(rng.normal(0.0, 0.0003))
        self._x = self._y = self._yaw = 0.0
        self._speed = self._turn = 0.0

    def update(self, speed_m_s: float, gyro_z: float, dt_s: float) -> None:
        """Integrate one interval: speed as the wheels tell it, turn rate in rad/s."""
        self._speed = speed_m_s * self._scale + float(self._rng.normal(0.0, 0.002))
        self._turn = gyro_z + self._bias_rad_s + float(self._rng.normal(0.0, 0.002))
        heading = self._yaw + self._turn * dt_s / 2
        self._x += self._speed * math.cos(heading) * dt_s
        self._y += self._speed * math.sin(heading) * dt_s
        self._yaw += self._turn * dt_s

    def state(self, stamp_ns: int) -> RobotState:
        """Pose since the start, in frame "odom", and body twist."""
        pose = SE3.from_rpy(0.0, 0.0, self._yaw, (self._x, self._y, 0.0))
        return RobotState(stamp_ns, "odom", pose, np.array([self._speed, 0.0, 0.0, 0.0, 0.0, self._turn]))


class Imu:
    """Gyro and accelerometer with white noise; no orientation, which the message says with a covariance of -1."""

    GYRO_SIGMA, ACCEL_SIGMA = 0.003, 0.05

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def message(self, stamp_ns: int, gyro: F64, accel: F64) -> Cdr:
        """sensor_msgs/Imu in imu_link: rad/s (3,) and m/s^2 (3,)."""
        new = codec().new
        noisy = [
            new("geometry_msgs/msg/Vector3", x=float(v[0]), y=float(v[1]), z=float(v[2]))
            for v in (
                gyro + self._rng.normal(0.0, self.GYRO_SIGMA, 3),
                accel + self._rng.normal(0.0, self.ACCEL_SIGMA, 3),
            )
        ]
        unknown = np.zeros(9)
        unknown[0] = -1.0
        msg = new(
            "sensor_msgs/msg/Imu", header=header(stamp_ns, "imu_link"),
            orientation=new("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0), orientation_covariance=unknown,
            angular_velocity=noisy[0], angular_velocity_covariance=np.eye(3).reshape(-1) * self.GYRO_SIGMA**2,
            linear_acceleration=noisy[1], linear_acceleration_covariance=np.eye(3).reshape(-1) * self.ACCEL_SIGMA**2,
        )  # fmt: skip
        return codec().encode(msg)


def encode_transforms(stamp_ns: int, parent: str, children: Mapping[str, SE3]) -> Cdr:
    """tf2_msgs/TFMessage of `T_parent_from_child` by child frame."""
    new = codec().new
    transforms = []
    for child, T in children.items():
        x, y, z, w = T.quaternion()
        transform = new(
            "geometry_msgs/msg/Transform",
            translation=new("geometry_msgs/msg/Vector3", x=float(T.t[0]), y=float(T.t[1]), z=float(T.t[2])),
            rotation=new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
        )
        transforms.append(
            new("geometry_msgs/msg/TransformStamped", header=header(stamp_ns, parent), child_frame_id=child,
                transform=transform)
        )  # fmt: skip
    return codec().encode(new("tf2_msgs/msg/TFMessage", transforms=transforms))
