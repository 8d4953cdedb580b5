"""What the robot's sensors make of the truth: calibration, seeded noise and drift, and the messages they send."""

from __future__ import annotations

import math

import cv2
import numpy as np

from saccade.geometry import F64, R_BODY_FROM_OPTICAL, SE3, Pinhole
from saccade.types import U8, CameraModel, Image, RobotState
from saccade.wire.codec import codec
from saccade.wire.convert import Cdr, header
from saccade.wire.images import encode_image
from sim.mjcf import WHEEL_RADIUS_M

CAMERA = Pinhole(200.0, 200.0, 159.5, 119.5, 320, 240)
BASELINE_M = 0.12
T_BASE_FROM = {
    "left_optical": SE3(R_BODY_FROM_OPTICAL, np.array([0.10, BASELINE_M / 2, 0.35])),
    "right_optical": SE3(R_BODY_FROM_OPTICAL, np.array([0.10, -BASELINE_M / 2, 0.35])),
    "imu_link": SE3(np.eye(3), np.array([0.0, 0.0, 0.10])),
}
"""Where the sensors are: `T_base_link_from_<frame>`, sent on tf_static."""


def camera_model(side: str) -> CameraModel:
    """CameraInfo of the rectified left or right camera."""
    K = np.array([[CAMERA.fx, 0.0, CAMERA.cx], [0.0, CAMERA.fy, CAMERA.cy], [0.0, 0.0, 1.0]])
    P = np.hstack([K, np.zeros((3, 1))])
    P[0, 3] = -CAMERA.fx * BASELINE_M if side == "right" else 0.0
    size = (CAMERA.width, CAMERA.height)
    return CameraModel(f"{side}_optical", *size, "plumb_bob", np.zeros(5), K, np.eye(3), P)


class Imager:
    """One camera's electronics: gain, noise of 1.5 grey levels, and colour or not."""

    def __init__(self, side: str, grey: bool, rng: np.random.Generator) -> None:
        self._frame_id = f"{side}_optical"
        self._grey = grey
        self._rng = rng
        self._gain = 1.0 if side == "left" else float(rng.uniform(0.96, 1.04))
        values = CAMERA.width * CAMERA.height * (1 if grey else 3)
        self._noise = np.rint(rng.normal(0.0, 1.5, values + 65536)).astype(np.int16)

    def message(self, stamp_ns: int, rgb: U8) -> Cdr:
        """sensor_msgs/Image of what the lens shows; the noise is a window into a fixed bank, at a random place."""
        seen = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) if self._grey else rgb
        place = int(self._rng.integers(65536))
        noise = self._noise[place : place + seen.size].reshape(seen.shape)
        noisy = cv2.add(cv2.convertScaleAbs(seen, alpha=self._gain), noise, dtype=cv2.CV_8U)
        return encode_image(Image(stamp_ns, self._frame_id, np.asarray(noisy, np.uint8)))


class Odometer:
    """Wheel encoders for distance and a gyro for heading, both slightly wrong: the pose drifts as a real one does."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._scale = 1.0 + float(rng.normal(0.0, 0.004))
        self._bias_rad_s = float(rng.normal(0.0, 0.0003))
        self._x = self._y = self._yaw = 0.0
        self._speed = self._turn = 0.0

    def update(self, wheels: tuple[float, float], gyro_z: float, dt_s: float) -> None:
        """Integrate one interval: wheel speeds and turn rate in rad/s."""
        self._speed = sum(wheels) / 2 * WHEEL_RADIUS_M * self._scale + float(self._rng.normal(0.0, 0.002))
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


def encode_transforms(stamp_ns: int, parent: str, children: dict[str, SE3]) -> Cdr:
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
