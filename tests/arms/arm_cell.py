"""The arm in MuJoCo behind the gate: position servos follow `joint_trajectory`, a policy asks 20 times a second."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import mujoco
import numpy as np
from arm_scene import ARM, HALF_M, HOME, T0, look_of

from saccade import params
from saccade.clock import MS, seconds
from saccade.node import Sample
from saccade.robots import robot_file
from saccade.types import ActionChunk, Decision, Plan, Verdict
from saccade.wire.commands import decode_joint_trajectory, encode_joint_state
from saccade.wire.convert import decode_verdict, encode_chunk
from safety_node.limits import Limits
from safety_node.node import SafetyNode
from vla_node.actions.base import Start, positions_of
from vla_node.actions.joint_position import JointPosition
from vla_node.arms.model import model_file
from vla_node.arms.policy import GraspPolicy
from vla_node.executor import ramped
from vla_node.policies.base import PolicyError

TICK, ROW, PARTS = 10 * MS, 50 * MS, 5
LIMITS = params.load(Limits, robot_file("arm"), "safety_node")


def scene(centre: np.ndarray):
    """Model and data of the arm at home with a box on the table, and where its axes are in qpos and ctrl."""
    spec = mujoco.MjSpec.from_file(str(model_file(ARM.model)))
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[2, 2, 0.1], contype=1, conaffinity=1)
    body = spec.worldbody.add_body(name="thing", pos=centre)
    body.add_freejoint()
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=HALF_M, mass=0.1, contype=1, conaffinity=1)
    model = spec.compile()
    data = mujoco.MjData(model)
    at = [int(model.joint(name).qposadr[0]) for name in ARM.axes]
    servos = [model.actuator(name).id for name in ARM.axes]
    data.qpos[at] = HOME
    data.ctrl[servos] = HOME
    mujoco.mj_forward(model, data)
    return model, data, at, servos


@dataclass
class Cell:
    """One robot cell; time passes in `tick`."""

    centre: np.ndarray
    now: int = T0
    hears_joints: bool = True
    refused: str = ""
    goals: list[np.ndarray] = field(default_factory=list)
    measured: list[np.ndarray] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.model, self.data, self._at, self._servos = scene(self.centre)
        self.node = SafetyNode(LIMITS)
        self.policy = GraspPolicy(ARM, ROW, 10)
        self.policy.begin(1)
        self.convert = JointPosition(self.policy.spec.axes, ARM.by_axis())
        self._asked: ActionChunk | None = None
        self.goal = HOME.copy()

    @property
    def at(self) -> np.ndarray:
        return self.data.qpos[self._at].copy()

    @property
    def tool(self) -> np.ndarray:
        return self.data.site("tool").xpos.copy()

    def ask(self, plan: Plan) -> None:
        """What a pilot does: the policy's rows, as speeds, as ramps in the gate's steps."""
        joints = dict(zip(ARM.axes, self.at.tolist(), strict=True)) if self.hears_joints else {}
        speeds = self._asked.at(self.now - 1) if self._asked else None
        speeds = np.zeros(7) if speeds is None else speeds
        try:
            rows = self.policy.act(look_of(plan, joints, self.now), 100 * MS)
            start = Start(speeds, np.zeros(7), positions_of(self.goal, speeds, seconds(ROW), PARTS))
            actions = self.convert.speeds(rows, start, seconds(ROW))
        except PolicyError as error:
            self.refused = str(error)
            return
        chunk = ActionChunk(self.now, self.now, ROW, ARM.axes, actions, plan.id, 1)
        self._asked = chunk
        sent = ramped(chunk, speeds, PARTS)
        list(self.node.on_sample(Sample("chunk", self.now, encode_chunk(sent)), self.now))

    def tick(self) -> None:
        """The gate decides, the servos follow for 10 ms."""
        if self.hears_joints:
            cdr = encode_joint_state(self.now, ARM.axes, self.at)
            list(self.node.on_sample(Sample("joint_states", self.now, cdr), self.now))
        for out in self.node.on_tick(self.now):
            if out.topic == "joint_trajectory":
                _, self.goal, _ = decode_joint_trajectory(out.cdr)
                self.data.ctrl[self._servos] = self.goal
            elif out.topic == "verdict":
                self.verdicts.append(decode_verdict(out.cdr))
        mujoco.mj_step(self.model, self.data, nstep=round(seconds(TICK) / self.model.opt.timestep))
        self.goals.append(self.goal)
        self.measured.append(self.at)
        self.now += TICK

    def run(self, plan: Plan | None, for_s: float) -> None:
        """Ticks, with the policy asked before every fifth."""
        for i in range(round(for_s / seconds(TICK))):
            if plan is not None and i % PARTS == 0:
                self.ask(replace(plan, obs_stamp_ns=self.now))
            self.tick()

    def stopped(self) -> bool:
        return all(verdict.decision is Decision.STOP for verdict in self.verdicts)
