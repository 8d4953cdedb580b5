"""The body: a quadrotor that obeys velocities through a velocity, an attitude and a rate controller and four rotors.

A cascade as in PX4 (P and I on velocity, P on attitude, P on rates) that thrusts along one axis and so tilts to move.
On the ground its rotors stand still until it is told to rise. Turned over, or after a hard knock, they stop for good.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np

from saccade.clock import SEC
from saccade.geometry import F64, R_BODY_FROM_OPTICAL, SE3, Pinhole
from sim.cameras import Rig
from sim.gates.layout import GROUND_M, STANDING_M, Layout
from sim.gates.nature import Nature
from sim.gates.wind import Wind
from sim.world import TICK_NS

STEP_S = 0.0025
STEPS = round(TICK_NS / SEC / STEP_S)
RADIUS_M = 0.22
"""Of the ball around base_link that holds the body however it tilts."""
BASELINE_M = 0.12
RIG = Rig(
    Pinhole(200.0, 200.0, 159.5, 119.5, 320, 240),
    BASELINE_M,
    {
        "left_optical": SE3(R_BODY_FROM_OPTICAL, np.array([0.10, BASELINE_M / 2, 0.03])),
        "right_optical": SE3(R_BODY_FROM_OPTICAL, np.array([0.10, -BASELINE_M / 2, 0.03])),
        "imu_link": SE3.identity(),
    },
)
MAX_SPEED = np.array((2.0, 2.0, 1.0, 1.5))
"""Forward, sideways and up in m/s, turning in rad/s."""
MASS_KG, INERTIA = 1.0, (0.008, 0.008, 0.014)
GRAVITY_M_S2 = 9.81
FALLEN = 0.3
"""Cosine of the tilt beyond which it is lost."""
KNOCK_M_S = 2.5
"""A thing that is met as fast as that breaks a rotor."""
_TILT = math.tan(math.radians(25))
_DRAG = 0.30
"""Deceleration in air, 1/s."""
_VELOCITY_P, _VELOCITY_I, _ATTITUDE_P, _HEADING_P = 3.5, (1.0, 1.0, 2.5), 7.0, 2.0
_RATE_P = (22.0, 22.0, 8.0)
_HELD_M_S2 = 2.5
"""What the integrals may come to."""
_ARM_M, _TORQUE_M, _MOST_N = 0.12, 0.016, 5.5
"""Distance of each rotor from both axes, a rotor's torque by its thrust, the greatest thrust of one."""
_WRENCH = np.array([(1, 1, 1, 1), (1, -1, 1, -1), (-1, -1, 1, 1), (1, -1, -1, 1)]) * np.array(
    [[1.0], [_ARM_M], [_ARM_M], [_TORQUE_M]]
)
"""Thrust and torques about x, y, z from the thrusts of the rotors front left, front right, rear left, rear right."""
_ROTORS = np.linalg.inv(_WRENCH)
_STILL = np.zeros(4)
_RISES_M_S = 0.05
_NEW_BUMP_STEPS = round(0.5 / STEP_S)
_FEET = tuple((x, y) for x in (0.10, -0.10) for y in (0.10, -0.10))


def mjcf(layout: Layout, mass_kg: float) -> str:
    """MJCF text; geoms of obstacles are named after their thing."""
    x, y, z = (size / 2 for size in GROUND_M)
    walls = "".join(
        f'\n<geom name="{name}" type="plane" pos="{px} {py} {pz}" zaxis="{-px} {-py} {z - pz}" size="1 1 1"/>'
        for name, px, py, pz in (
            ("east", x, 0, z), ("west", -x, 0, z), ("north", 0, y, z), ("south", 0, -y, z), ("roof", 0, 0, 2 * z),
        )
    )  # fmt: skip
    feet = "".join(
        f'<geom name="foot {i}" type="sphere" pos="{fx} {fy} {0.02 - STANDING_M}" size="0.02"/>'
        for i, (fx, fy) in enumerate(_FEET)
    )
    sx, sy, sz = layout.start.t
    inertia = " ".join(f"{value}" for value in INERTIA)
    return f"""<mujoco model="gates"><compiler angle="radian"/>
      <option timestep="{STEP_S}" integrator="implicitfast"/>
      <default><geom friction="0.6"/></default>
      <worldbody><geom name="ground" type="plane" size="1 1 1"/>{walls}{"".join(t.mjcf() for t in layout.things)}
        <body name="base" pos="{sx} {sy} {sz}" euler="0 0 {layout.start.yaw}"><freejoint/>
          <inertial pos="0 0 0" mass="{mass_kg}" diaginertia="{inertia}"/><site name="imu"/>
          <geom name="guards" type="cylinder" size="0.205 0.035"/>{feet}</body></worldbody>
      <sensor><gyro site="imu"/><accelerometer site="imu"/></sensor></mujoco>"""


class Quad:
    """The vehicle among obstacles; contacts are told by name as they begin, the ground's only of one that flies."""

    def __init__(self, layout: Layout, nature: Nature, rng: np.random.Generator) -> None:
        self._model = mujoco.MjModel.from_xml_string(mjcf(layout, MASS_KG * nature.load))
        self._data = mujoco.MjData(self._model)
        names = [self._model.geom(i).name for i in range(self._model.ngeom)]
        self._obstacle = {i: n for i, n in enumerate(names) if n != "guards" and not n.startswith("foot")}
        self._base = int(self._model.body("base").id)
        self._wind, self._lag = Wind(nature.wind, nature.gust, rng), STEP_S / nature.motor_s
        self._thrusts = np.zeros(4)
        self._held = [0.0, 0.0, 0.0]
        self._yaw = layout.start.yaw
        self._touched: dict[str, int] = {}
        self._steps = 0
        self._clear = False
        self.flies = self.lost = False
        """Whether its rotors have been started; whether it has turned over, or broken one."""
        self.hits: list[str] = []
        """Obstacles in the order in which it met them; the same one again within 0.5 s is the same hit."""
        mujoco.mj_step(self._model, self._data, 50)

    def tick(self, command: F64) -> None:
        """Obey (vx, vy, vz, wz), level and along its heading, for 10 ms; what is not finite means hover."""
        told = np.clip(command, -MAX_SPEED, MAX_SPEED) if np.isfinite(command).all() else np.zeros(4)
        self.flies = self.flies or told[2] > _RISES_M_S
        wind = self._wind.blow(TICK_NS / SEC)
        for _ in range(STEPS):
            self._fly(told, wind)
            mujoco.mj_step(self._model, self._data)
            self._steps += 1
            if self._data.ncon:
                self._notice()
        z = float(self._data.qpos[2])
        self._clear = self._clear or z > 2 * STANDING_M
        self.lost = self.lost or bool(self._data.xmat[self._base][8] < FALLEN)

    def pose(self) -> SE3:
        """`T_world_from_base`."""
        x, y, z, qw, qx, qy, qz = (float(v) for v in self._data.qpos[:7])
        return SE3.from_quaternion((qx, qy, qz, qw), (x, y, z))

    def motion(self) -> tuple[F64, F64]:
        """Velocity (3,) m/s in the world, turn rates (3,) rad/s in base_link."""
        return self._data.qvel[:3].copy(), self._data.qvel[3:6].copy()

    def inertial(self) -> tuple[F64, F64]:
        """Angular velocity (3,) rad/s and proper acceleration (3,) m/s^2 in imu_link."""
        return self._data.sensordata[:3].copy(), self._data.sensordata[3:6].copy()

    def _fly(self, told: F64, wind: F64) -> None:
        """One step of the cascade, the rotors and the air; plain numbers, as arrays of three cost more than sums."""
        R = self._data.xmat[self._base].tolist()
        wanted = self._thrust(R, told) if self.flies and not self.lost else _STILL
        self._thrusts += self._lag * (wanted - self._thrusts)
        thrust, *torque = _WRENCH @ self._thrusts
        force, velocity = self._data.xfrc_applied[self._base], self._data.qvel
        drag = _DRAG * MASS_KG if self._clear else 0.0
        for i in range(3):
            force[i] = R[3 * i + 2] * thrust + drag * (wind[i] - velocity[i])
            force[3 + i] = R[3 * i] * torque[0] + R[3 * i + 1] * torque[1] + R[3 * i + 2] * torque[2]

    def _thrust(self, R: list[float], told: F64) -> F64:
        """Thrusts (4,) in N that the controllers ask of the rotors; R are the rows of the body's attitude."""
        vx, vy, vz, wx, wy, wz = self._data.qvel.tolist()
        forward, left, up, turn = told.tolist()
        yaw = math.atan2(R[3], R[0])
        c, s = math.cos(yaw), math.sin(yaw)
        ax, ay, az = (
            self._push(axis, error)
            for axis, error in enumerate((c * forward - s * left - vx, s * forward + c * left - vy, up - vz))
        )
        az = min(max(az + GRAVITY_M_S2, 0.4 * GRAVITY_M_S2), 1.7 * GRAVITY_M_S2)
        share = min(1.0, _TILT * az / max(1e-9, math.hypot(ax, ay)))
        ax, ay = share * ax, share * ay
        size = math.sqrt(ax * ax + ay * ay + az * az)
        along = [(R[i] * ax + R[3 + i] * ay + R[6 + i] * az) / size for i in range(3)]
        self._yaw = yaw + max(-0.3, min(0.3, math.remainder(self._yaw + turn * STEP_S - yaw, math.tau)))
        torque = (
            INERTIA[0] * _RATE_P[0] * (-_ATTITUDE_P * along[1] - wx),
            INERTIA[1] * _RATE_P[1] * (_ATTITUDE_P * along[0] - wy),
            INERTIA[2] * _RATE_P[2] * (turn + _HEADING_P * (self._yaw - yaw) - wz),
        )
        asked: F64 = _ROTORS @ np.array((MASS_KG * size * along[2], *torque))
        return np.minimum(np.maximum(asked, 0.0), _MOST_N)

    def _push(self, axis: int, error: float) -> float:
        """Acceleration in m/s^2 that takes away an error of speed along one axis of the world: P and I."""
        held = self._held[axis] + _VELOCITY_I[axis] * STEP_S * error
        self._held[axis] = max(-_HELD_M_S2, min(_HELD_M_S2, held))
        return _VELOCITY_P * error + self._held[axis]

    def _notice(self) -> None:
        for contact in self._data.contact:
            pair = [int(geom) for geom in contact.geom]
            name = self._obstacle.get(pair[0]) or self._obstacle.get(pair[1])
            if name is None or (name == "ground" and not self._clear):
                continue
            if self._steps - self._touched.get(name, -_NEW_BUMP_STEPS) >= _NEW_BUMP_STEPS:
                self.hits.append(name)
                self.lost = self.lost or abs(float(contact.frame[:3] @ self._data.qvel[:3])) > KNOCK_M_S
            self._touched[name] = self._steps
