"""The body in the yard: a model of a dog, not a dog. A trunk on four feet that slide, pushed by what legs could push.

The low-level controller obeys velocities (forward, sideways, turning) like a quadruped's sport mode: a stride after
they were said, no harder than friction lets the feet push, with a loss that grows with speed. The legs themselves are
not modelled; `Gait` says how the trunk moves on them. Pushed hard enough it falls over, and then lies.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import mujoco
import numpy as np

from saccade.clock import SEC
from saccade.geometry import F64, SE3
from sim.scene import Place
from sim.world import TICK_NS
from sim.yard.layout import ROBOT_RADIUS_M, YARD_M, YardLayout
from sim.yard.nature import Nature

STEP_S = 0.002
STEPS = round(TICK_NS / SEC / STEP_S)
MAX_SPEED = np.array((1.2, 0.5, 1.8))
"""Forward and sideways in m/s, turning in rad/s."""
MAX_ACCEL = np.array((2.0, 1.5, 5.0))
MASS_KG, COM_M = 15.0, 0.26
GRAVITY_M_S2 = 9.81
FALLEN = 0.5
"""Cosine of the tilt beyond which it lies."""
_NEW_BUMP_STEPS = round(0.5 / STEP_S)
_PUSH_STEPS = round(1.0 / STEP_S)
"""What is met so soon after a person's touch was met by that push."""
_FREE_M = 0.05
"""What it was pushed against is met anew only once there was so much room between."""
_FEET = tuple((x, y) for x in (0.20, -0.20) for y in (0.14, -0.14))

_BODY = f"""
    <body name="base" pos="{{x}} {{y}} 0" euler="0 0 {{yaw}}">
      <freejoint/>
      <inertial pos="0 0 {COM_M}" mass="{MASS_KG}" diaginertia="0.25 0.75 0.85"/>
      <site name="imu" pos="0 0 0.28"/>
      <geom name="trunk" type="box" pos="0 0 0.30" size="0.28 0.11 0.07"/>
      <geom name="head" type="box" pos="0.29 0 0.39" size="0.04 0.09 0.04"/>
      {
    "".join(
        f'<geom name="leg {i}" type="capsule" fromto="{x} {y} 0.05 {x} {y} 0.26" size="0.025"/>'
        f'<geom name="foot {i}" type="sphere" pos="{x} {y} 0.025" size="0.025" condim="1" priority="1"/>'
        for i, (x, y) in enumerate(_FEET)
    )
}
    </body>"""


def mjcf(layout: YardLayout) -> str:
    """MJCF text; geoms of obstacles are named after their thing, people are mocap bodies in their order."""
    x, y, z = (size / 2 for size in YARD_M)
    walls = "".join(
        f'\n<geom name="{name}" type="plane" pos="{px} {py} {z}" zaxis="{-px} {-py} 0" size="1 1 1"/>'
        for name, px, py in (("east", x, 0), ("west", -x, 0), ("north", 0, y), ("south", 0, -y))
    )
    fixed = "".join(thing.mjcf() for thing in layout.things[: len(layout.things) - len(layout.walkers)])
    people = "".join(
        f'\n<body mocap="true"><geom name="{w.thing.name}" type="capsule" pos="0 0 {w.thing.height_m / 2}"'
        f' size="{w.thing.size[0]} {w.thing.height_m / 2 - w.thing.size[0]}"/></body>'
        for w in layout.walkers
    )
    start = layout.start
    body = _BODY.format(x=start.t[0], y=start.t[1], yaw=start.yaw)
    return f"""<mujoco model="yard"><compiler angle="radian"/>
      <option timestep="{STEP_S}" integrator="implicitfast"/>
      <default><geom friction="0.3"/></default>
      <worldbody><geom name="ground" type="plane" size="1 1 1"/>{walls}{fixed}{people}{body}</worldbody>
      <sensor><gyro site="imu"/><accelerometer site="imu"/></sensor></mujoco>"""


class Hit(NamedTuple):
    """A contact as it begins: with what, how fast the robot moved towards it, and whether a person pushed it there."""

    name: str
    towards_m_s: float
    pushed: bool = False


class Dog:
    """The trunk among obstacles; contacts are told as they begin."""

    def __init__(self, layout: YardLayout, nature: Nature) -> None:
        self._model = mujoco.MjModel.from_xml_string(mjcf(layout))
        self._data = mujoco.MjData(self._model)
        names = [self._model.geom(i).name for i in range(self._model.ngeom)]
        own = {"ground", "trunk", "head", *(f"{part} {i}" for part in ("leg", "foot") for i in range(len(_FEET)))}
        self._obstacle = {i: name for i, name in enumerate(names) if name not in own}
        self._met = np.isin(np.arange(len(names)), list(self._obstacle))
        self._base = int(self._model.body("base").id)
        self._nature = nature
        self._late: deque[F64] = deque([np.zeros(3)] * max(1, round(nature.gait_s * SEC / TICK_NS)))
        self._target = np.zeros(3)
        self._fixed = {thing.name: thing for thing in layout.things[: len(layout.things) - len(layout.walkers)]}
        self._people = {walker.thing.name: i for i, walker in enumerate(layout.walkers)}
        self._touched: dict[str, int] = {}
        self._against: set[str] = set()
        self._steps = 0
        self._before = np.zeros(3)
        """Velocity before the newest step: a contact has changed it by the end."""
        self._pose: SE3 | None = None
        self.hits: list[Hit] = []
        """In order; the same thing again within 0.5 s is the same hit."""
        self._inertia = np.array((MASS_KG, MASS_KG, 0.85))
        self.place([walker.at(0.0) for walker in layout.walkers])
        mujoco.mj_step(self._model, self._data, 50)

    def place(self, people: Sequence[Place]) -> None:
        """Put the people where they are now."""
        for i, person in enumerate(people):
            self._data.mocap_pos[i] = (person.x, person.y, 0.0)

    def tick(self, command: F64) -> None:
        """Obey (vx, vy, wz) for 10 ms, a stride late; what is not finite means stand."""
        self._late.append(np.clip(command, -MAX_SPEED, MAX_SPEED) if np.isfinite(command).all() else np.zeros(3))
        step = MAX_ACCEL * (TICK_NS / SEC)
        self._target = self._target + np.clip(self._late.popleft() - self._target, -step, step)
        self._push()
        for _ in range(STEPS):
            self._before = self._data.qvel[:3].copy()
            mujoco.mj_step(self._model, self._data)
            self._steps += 1
            if self._met[self._data.contact.geom].any():
                self._notice()
        self._pose = None
        if self._against:
            x, y = self.pose().t[:2].tolist()
            self._against = {name for name in self._against if self._room_m(name, x, y) < _FREE_M}

    @property
    def fallen(self) -> bool:
        """Whether it lies."""
        return bool(self._data.xmat[self._base][8] < FALLEN)

    def pose(self) -> SE3:
        """`T_world_from_base`, base_link's origin on the ground under the trunk."""
        if self._pose is None:
            x, y, z, qw, qx, qy, qz = (float(v) for v in self._data.qpos[:7])
            self._pose = SE3.from_quaternion((qx, qy, qz, qw), (x, y, z))
        return self._pose

    def velocity(self) -> F64:
        """(vx, vy, wz) in base_link: m/s and rad/s."""
        R = self.pose().R
        v = R.T @ self._data.qvel[:3]
        return np.array((v[0], v[1], float(self._data.qvel[5])))

    def steps(self) -> F64:
        """(vx, vy, wz) as the legs feel it: what was lost in slipping counts as gone."""
        v = self.velocity()
        v[:2] /= 1.0 - self._loss()
        return v

    def inertial(self) -> tuple[F64, F64]:
        """Angular velocity (3,) rad/s and proper acceleration (3,) m/s^2 in imu_link."""
        return self._data.sensordata[:3].copy(), self._data.sensordata[3:6].copy()

    def _loss(self) -> float:
        """Share of a step that slips away, growing with speed."""
        return self._nature.slip * min(1.0, float(np.hypot(*self._target[:2])))

    def _push(self) -> None:
        """Force and torque of the feet for this tick, at the ground; none of a dog that lies."""
        force = self._data.xfrc_applied[self._base]
        if self.fallen:
            force[:] = 0.0
            return
        wanted = self._target * np.array((1.0 - self._loss(), 1.0 - self._loss(), 1.0))
        push = self._inertia * (wanted - self.velocity()) * 12.0
        grip = self._nature.friction * MASS_KG * GRAVITY_M_S2
        push[:2] *= min(1.0, grip / max(1e-9, float(np.hypot(*push[:2]))))
        push[2] = max(-grip * 0.2, min(grip * 0.2, push[2]))
        yaw = self.pose().yaw
        fx = math.cos(yaw) * push[0] - math.sin(yaw) * push[1]
        fy = math.sin(yaw) * push[0] + math.cos(yaw) * push[1]
        force[:] = (fx, fy, 0.0, COM_M * fy, -COM_M * fx, push[2])

    def _notice(self) -> None:
        for contact in self._data.contact:
            pair = [int(geom) for geom in contact.geom]
            name = self._obstacle.get(pair[0]) or self._obstacle.get(pair[1])
            if name is None:
                continue
            if self._steps - self._touched.get(name, -_NEW_BUMP_STEPS) >= _NEW_BUMP_STEPS:
                normal = np.array(contact.frame[:3])  # from the first geom to the second
                towards = -normal if pair[0] in self._obstacle else normal
                if name in self._people:  # the normal at a corner of the trunk says little about where somebody is
                    towards = self._to_person(name)
                self.hits.append(Hit(name, float(towards @ self._before), self._is_pushed(name)))
            self._touched[name] = self._steps

    def _to_person(self, name: str) -> F64:
        """Unit vector (3,) from the body's middle to that of a person, level."""
        off: F64 = self._data.mocap_pos[self._people[name]] - self._data.qpos[:3]
        off[2] = 0.0
        return off / max(1e-9, float(np.linalg.norm(off)))

    def _is_pushed(self, name: str) -> bool:
        """Whether a person pushes it, or has just pushed it, against this; or did, and it has not come free since."""
        touched = [self._touched[person] for person in self._people if person != name and person in self._touched]
        pushed = bool(touched) and self._steps - max(touched) < _PUSH_STEPS
        if pushed and name not in self._people:
            self._against.add(name)
        return pushed or name in self._against

    def _room_m(self, name: str, x: float, y: float) -> float:
        """Between the robot's disc and a thing that stands, or a wall around the yard."""
        if name in self._fixed:
            return self._fixed[name].distance_m(x, y) - ROBOT_RADIUS_M
        return min(YARD_M[0] / 2 - abs(x), YARD_M[1] / 2 - abs(y)) - ROBOT_RADIUS_M
