"""How a trunk moves on four legs while it trots: a model of a dog's gait as the camera and the gyro feel it."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F64, SE3

BOB_M, SWAY_M = 0.012, 0.010
ROLL_RAD, PITCH_RAD = math.radians(1.4), math.radians(0.9)
_EASE_S = 0.25
"""In this time the gait comes up and dies down."""


class Gait:
    """A trot: two bobs and one sway to a stride, the wider the faster it goes; standing still it stands still."""

    def __init__(self, phase_rad: float) -> None:
        self._phase, self._vigour = phase_rad, 0.0
        self._now = self._rate = self._accel = np.zeros(4)

    def advance(self, speed_m_s: float, turn_rad_s: float, dt_s: float) -> None:
        """Step on, at a speed over ground."""
        effort = min(1.0, (abs(speed_m_s) + 0.25 * abs(turn_rad_s)) / 0.7)
        self._vigour += (effort - self._vigour) * min(1.0, dt_s / _EASE_S)
        self._phase += math.tau * (1.4 + 1.0 * effort) * dt_s
        p, v = self._phase, self._vigour
        now = v * np.array(
            (SWAY_M * math.sin(p), BOB_M * math.sin(2 * p), ROLL_RAD * math.sin(p), PITCH_RAD * math.sin(2 * p + 0.7))
        )
        rate = (now - self._now) / dt_s
        self._accel, self._rate, self._now = (rate - self._rate) / dt_s, rate, now

    @property
    def trunk(self) -> SE3:
        """`T_base_from_trunk`: both are base_link's axes at rest, on the ground under the trunk."""
        sway, bob, roll, pitch = (float(value) for value in self._now)
        return SE3.from_rpy(roll, pitch, 0.0, (0.0, sway, bob))

    @property
    def attitude(self) -> tuple[float, float]:
        """Roll and pitch in radians."""
        return float(self._now[2]), float(self._now[3])

    @property
    def inertial(self) -> tuple[F64, F64]:
        """What it adds to an IMU: turn rates (3,) rad/s and accelerations (3,) m/s^2."""
        return (
            np.array((self._rate[2], self._rate[3], 0.0)),
            np.array((0.0, self._accel[0], self._accel[1])),
        )
