"""The robot's body in the hall: MuJoCo decides what the motors' torque, friction and contacts make of a command."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from saccade.geometry import F64, SE3
from sim.hall.layout import Layout
from sim.hall.mjcf import STEP_S, TRACK_M, WALLS, WHEEL_RADIUS_M, mjcf

MAX_SPEED_M_S = 1.0
MAX_TURN_RAD_S = 2.0
_SETTLE_STEPS = 100
_NEW_BUMP_STEPS = round(0.5 / STEP_S)


class Physics:
    """A differential-drive base among static obstacles, stepped by 2 ms; bumps are counted as they begin."""

    def __init__(self, layout: Layout) -> None:
        self._model = mujoco.MjModel.from_xml_string(mjcf(layout))
        self._data = mujoco.MjData(self._model)
        names = [self._model.geom(i).name for i in range(self._model.ngeom)]
        self._obstacle = {i: n for i, n in enumerate(names) if n in {*WALLS, *(t.name for t in layout.things)}}
        self._met = np.isin(np.arange(len(names)), list(self._obstacle))
        self._wheels = [int(self._model.joint(name).dofadr[0]) for name in ("left wheel", "right wheel")]
        self._touched: dict[str, int] = {}
        self._steps = 0
        self.bumps: list[str] = []
        """Names of the obstacles hit, in order; touching the same one again within 0.5 s is the same bump."""
        mujoco.mj_step(self._model, self._data, _SETTLE_STEPS)

    def drive(self, speed_m_s: float, turn_rad_s: float) -> None:
        """Set the wheel servos' targets, within what the base can do; what is not finite means stop."""
        if not (math.isfinite(speed_m_s) and math.isfinite(turn_rad_s)):
            speed_m_s = turn_rad_s = 0.0
        speed = max(-MAX_SPEED_M_S, min(MAX_SPEED_M_S, speed_m_s))
        rim = max(-MAX_TURN_RAD_S, min(MAX_TURN_RAD_S, turn_rad_s)) * TRACK_M / 2
        self._data.ctrl[:] = ((speed - rim) / WHEEL_RADIUS_M, (speed + rim) / WHEEL_RADIUS_M)

    def step(self) -> None:
        """Let 2 ms pass."""
        mujoco.mj_step(self._model, self._data)
        self._steps += 1
        pairs = self._data.contact.geom
        if self._met[pairs].any():
            for pair in pairs:
                self._note(self._obstacle.get(int(pair[0])) or self._obstacle.get(int(pair[1])))

    def _note(self, name: str | None) -> None:
        if name is None:
            return
        if self._steps - self._touched.get(name, -_NEW_BUMP_STEPS) >= _NEW_BUMP_STEPS:
            self.bumps.append(name)
        self._touched[name] = self._steps

    def pose(self) -> SE3:
        """`T_hall_from_base`, base_link's origin on the floor under the robot's centre."""
        x, y, z, qw, qx, qy, qz = (float(v) for v in self._data.qpos[:7])
        return SE3.from_quaternion((qx, qy, qz, qw), (x, y, z))

    def twist(self) -> F64:
        """Body twist (6,) in base_link: m/s and rad/s."""
        twist = np.array(self._data.qvel[:6])
        twist[:3] = self.pose().R.T @ twist[:3]
        return twist

    def wheel_speeds(self) -> tuple[float, float]:
        """Left and right wheel in rad/s, as encoders on the motors see them."""
        left, right = self._wheels
        return float(self._data.qvel[left]), float(self._data.qvel[right])

    def inertial(self) -> tuple[F64, F64]:
        """Angular velocity (3,) rad/s and proper acceleration (3,) m/s^2 in imu_link."""
        return self._data.sensordata[:3].copy(), self._data.sensordata[3:6].copy()
