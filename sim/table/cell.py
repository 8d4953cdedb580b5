"""The arm and what lies before it in MuJoCo: servos, friction and contacts decide what becomes of a command."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from saccade.geometry import F64, SE3
from saccade.paths import share
from sim.table.layout import Item, Layout

AXES = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3", "gripper")
HOME = (0.0, -1.8, 1.9, -1.67, -1.5708, 0.0, 0.0)
STEP_S = 0.002
_FINGERS = ("left_finger", "right_finger")
_RIM_M = (0.006, 0.028)
"""Thickness, and height above the table, of the tray's rim."""
_TABLE_COLOUR = (176, 168, 156)
_GEOM = {"box": mujoco.mjtGeom.mjGEOM_BOX, "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
         "ball": mujoco.mjtGeom.mjGEOM_SPHERE}  # fmt: skip
_NEW_HIT_STEPS = round(0.5 / STEP_S)


class Cell:
    """An arm of the UR5e's measures; its base is the origin, the table top z = 0. Stepped by 2 ms.

    `hits` names what a finger ran into that it was not to touch: the table, in order; touching on counts once.
    """

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        """`rng` draws masses, frictions and the table's shade."""
        spec = mujoco.MjSpec.from_file(str(share("config") / "arms" / "ur5e.xml"))
        spec.option.timestep = STEP_S
        # Soft contacts let what is held creep out of the fingers: the manual's remedies, "Computation", on slip.
        spec.option.cone, spec.option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 10.0
        spec.option.noslip_iterations = 4
        shade = 1.0 + rng.uniform(-0.08, 0.08)
        spec.worldbody.add_geom(
            name="table", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[2, 2, 0.1], contype=1, conaffinity=1,
            rgba=[*(shade * np.array(_TABLE_COLOUR) / 255), 1],
        )  # fmt: skip
        _add(spec, layout.tray, fixed=True, mass_kg=1.0, friction=0.8)
        _add_rim(spec, layout.tray)
        for item in layout.items:
            mass_kg, friction = float(rng.uniform(0.05, 0.15)), float(rng.uniform(0.7, 1.1))
            _add(spec, item, fixed=False, mass_kg=mass_kg, friction=friction)
        self.model: Any = spec.compile()
        self.data: Any = mujoco.MjData(self.model)
        self._at = [int(self.model.joint(name).qposadr[0]) for name in AXES]
        self._servos = [self.model.actuator(name).id for name in AXES]
        self._items = {item.name: self.model.body(item.name).id for item in layout.items}
        fingers = {self.model.body(name).id for name in _FINGERS}
        self._fingers = np.isin(self.model.geom_bodyid, list(fingers))
        self._table = self.model.geom("table").id
        self._steps, self._touched = 0, -_NEW_HIT_STEPS
        self.hits: list[str] = []
        self.data.qpos[self._at] = HOME
        self.drive(np.array(HOME))
        mujoco.mj_step(self.model, self.data, 200)

    def drive(self, positions: F64) -> None:
        """Set the servos' targets, in the order of AXES; what is not finite changes nothing."""
        if np.isfinite(positions).all():
            self.data.ctrl[self._servos] = positions

    def step(self) -> None:
        """Let 2 ms pass."""
        mujoco.mj_step(self.model, self.data)
        self._steps += 1
        pairs = self.data.contact.geom
        if (self._fingers[pairs] & (pairs[:, ::-1] == self._table)).any():
            if self._steps - self._touched >= _NEW_HIT_STEPS:
                self.hits.append("table")
            self._touched = self._steps

    @property
    def positions(self) -> F64:
        """Of the joints, in the order of AXES."""
        return np.array(self.data.qpos[self._at], np.float64)

    @property
    def tool(self) -> SE3:
        """`T_base_from_tool`."""
        site = self.data.site("tool")
        return SE3(np.array(site.xmat).reshape(3, 3), np.array(site.xpos))

    def place(self, name: str) -> F64:
        """Where the middle of a thing is, (3,) metres."""
        return np.array(self.data.xpos[self._items[name]], np.float64)


def _add(spec: Any, item: Item, *, fixed: bool, mass_kg: float, friction: float) -> None:
    half = item.height_m / 2
    body = spec.worldbody.add_body(
        name=item.name, pos=[item.x, item.y, half], quat=[np.cos(item.yaw / 2), 0, 0, np.sin(item.yaw / 2)]
    )
    if not fixed:
        body.add_freejoint()
    size = {
        "box": [item.size[0] / 2, item.size[1 % len(item.size)] / 2, half], "cylinder": [item.size[0], half, 0],
        "ball": [item.size[0], 0, 0],
    }[item.kind]  # fmt: skip
    body.add_geom(
        name=item.name, type=_GEOM[item.kind], size=size, mass=mass_kg, friction=[friction, 0.01, 0.001], condim=4,
        contype=1, conaffinity=1, rgba=[*(np.array(item.colour) / 255), 1],
    )  # fmt: skip


def _add_rim(spec: Any, tray: Item) -> None:
    """Four low walls, so that nothing rolls off."""
    body, half = spec.body(tray.name), tray.size[0] / 2
    for x, y in ((half, 0), (-half, 0), (0, half), (0, -half)):
        size = [_RIM_M[0] / 2 if x else half, _RIM_M[0] / 2 if y else half, _RIM_M[1] / 2]
        body.add_geom(
            type=mujoco.mjtGeom.mjGEOM_BOX, pos=[x, y, (_RIM_M[1] - tray.height_m) / 2], size=size, mass=0.1,
            contype=1, conaffinity=1, rgba=[*(np.array(tray.colour) / 255), 1],
        )  # fmt: skip
