"""Visual-inertial odometry as it errs: speeds a little too long, a heading that creeps, a height that creeps."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F64, SE3
from saccade.types import RobotState
from sim.gates.nature import Nature

_SPEED_SIGMA, _ATTITUDE_SIGMA_RAD, _GYRO_SIGMA = 0.015, math.radians(0.15), 0.003


class Odometer:
    """Begins at the origin, where and as the robot stands; attitude comes from gravity and does not drift."""

    def __init__(self, nature: Nature, rng: np.random.Generator, T_world_from_base: SE3) -> None:
        self._nature, self._rng = nature, rng
        self._at = np.zeros(3)
        self._creep = -T_world_from_base.yaw
        """Its heading less the true one."""
        self._speed = np.zeros(3)
        self._rates = np.zeros(3)

    def update(self, velocity: F64, rates: F64, dt_s: float) -> None:
        """Integrate one interval: true velocity (3,) m/s in the world, turn rates (3,) rad/s of the body."""
        c, s = math.cos(self._creep), math.sin(self._creep)
        seen = (1.0 + self._nature.drift) * velocity + self._rng.normal(0.0, _SPEED_SIGMA, 3)
        self._speed = np.array([c * seen[0] - s * seen[1], s * seen[0] + c * seen[1], seen[2]])
        self._at = self._at + self._speed * dt_s
        self._at[2] += self._nature.climb_bias * dt_s
        self._creep += self._nature.gyro_bias * dt_s
        self._rates = rates + self._rng.normal(0.0, _GYRO_SIGMA, 3)

    def state(self, stamp_ns: int, T_world_from_base: SE3) -> RobotState:
        """Pose since the start, in frame "odom", and the body's twist; `T_world_from_base` tells roll and pitch."""
        tilt = self._rng.normal(0.0, _ATTITUDE_SIGMA_RAD, 2)
        wrong = SE3.from_rpy(float(tilt[0]), float(tilt[1]), 0.0)
        R = SE3.from_rpy(0.0, 0.0, self._creep).R @ T_world_from_base.R @ wrong.R
        return RobotState(stamp_ns, "odom", SE3(R, self._at), np.concatenate([R.T @ self._speed, self._rates]))
