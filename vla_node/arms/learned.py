"""The arm's policy with a learned motion: a network brings the tool from place to place, the rest is as it always was.

Which places, in which order, and when the gripper opens and closes is a script: that of `Reach`, without its inverse
kinematics and without its trajectories. Nothing is worked out beforehand, so a plan that comes is followed at once.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from saccade.clock import SEC, seconds
from saccade.errors import ConfigError
from saccade.geometry import F64, SE3
from vla_node.arms.kinematics import Kinematics
from vla_node.arms.mover import Mover, off_by
from vla_node.arms.policy import SAME_M, positions_of, stood_ns, target_of
from vla_node.arms.reach import DROP_M, SETTLE_S
from vla_node.arms.target import puts
from vla_node.arms.timing import timed
from vla_node.embodiments.arm import ArmParams
from vla_node.policies.base import ActionKind, Look, PolicyError, PolicySpec
from vla_node.policies.stub import check_look

NEAR_M, NEAR_RAD, STILL_RAD_S = 0.004, 0.04, 0.06
"""A tool this near, and this slow, has come to a place where something is done."""
PASSED_M, PASSED_RAD = 0.02, 0.15
"""So near to a place that is only on the way it turns to the next one."""
LONG_NS = 8 * SEC
"""A way that takes longer leads nowhere."""


@dataclass(frozen=True, slots=True)
class Go:
    """Bring the tool to a point (3,) in the arm's frame; `passing` where nothing is done there."""

    goal: F64
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Grip:
    """Wait for the arm to have settled, then open or close the gripper."""

    closed: bool


Stage = Go | Grip


class LearnedGrasp:
    """A `FastPolicy` like `GraspPolicy`, but of speeds, answered anew at every tick by what the joints are at."""

    def __init__(self, arm: ArmParams, mover: Mover, dt_ns: int) -> None:
        """ConfigError where the mover is for another arm, or the arm cannot grasp from above."""
        mover.card.fit(arm, seconds(dt_ns))
        if not arm.gripper.joint:
            raise ConfigError(f"mover {mover.card.name} moves an arm with a gripper, and arm.gripper names no joint")
        self.spec = PolicySpec("learned grasp", ActionKind.JOINT_VELOCITY, arm.axes, dt_ns, mover.card.horizon)
        self._arm, self._mover, self._kinematics = arm, mover, Kinematics(arm)
        self._T_arm_from_body = arm.T_body_from_arm.inverse()
        self._count = len(arm.joints)
        self._gripping = self._speeds_of_gripping(seconds(dt_ns))
        self._epoch: int | None = None
        self._closed = False
        self._target: F64 | None = None
        self._values: tuple[float, ...] = ()
        self._stages: deque[Stage] = deque()
        self._since_ns = self._seen_ns = 0

    def begin(self, epoch: int) -> None:
        """See `FastPolicy.begin`."""
        self._epoch, self._target, self._values = epoch, None, ()
        self._stages.clear()

    def act(self, look: Look, timeout_ns: int) -> F64:
        """See `FastPolicy.act`; PolicyError for plans that point to nothing or too far, and for ways without end."""
        check_look(self.spec, look, self._epoch, self._closed)
        point, values = target_of(look.plan), tuple(look.plan.values.tolist())
        joints = positions_of(look, self.spec.axes)
        tool = self._kinematics.pose(joints[: self._count])
        if self._target is None or float(np.linalg.norm(point - self._target)) > SAME_M or values != self._values:
            in_arm = (self._T_arm_from_body @ look.state.T_odom_from_body.inverse()).apply(point)
            stages = self._putting(tool, in_arm) if puts(look.plan) else self._grasping(joints, in_arm)
            for stage in stages:
                if isinstance(stage, Go):
                    self._mover.card.check(stage.goal)
            self._stages = deque(stages)
            self._target, self._values, self._since_ns = point, values, look.stamp_ns
        else:
            self._since_ns += stood_ns(look, self._seen_ns, self.spec.dt_ns)
        self._seen_ns = look.stamp_ns
        speeds = np.zeros(len(joints)) if len(look.asked) != len(joints) else np.nan_to_num(look.asked)
        while self._stages:
            stage = self._stages[0]
            rows = self._go(stage, look, joints, speeds, tool) if isinstance(stage, Go) else self._grip(stage, look)
            if rows is not None:
                return rows
            self._stages.popleft()
            self._since_ns = look.stamp_ns
        return np.zeros((self.spec.horizon, len(joints)))

    def close(self) -> None:
        """See `FastPolicy.close`."""
        self._closed = True
        self._mover.close()

    def _grasping(self, joints: F64, point: F64) -> list[Stage]:
        grasp = self._arm.grasp
        before, end = Go(_above(point, grasp.standoff_m)), Go(_above(point, -grasp.depth_m))
        opened = abs(joints[-1] - self._arm.gripper.open) < 1e-3
        stages: list[Stage] = [*([] if opened else [Grip(False)]), before, end, Grip(True)]
        return [*stages, before] if grasp.lift else stages

    def _putting(self, tool: SE3, point: F64) -> list[Stage]:
        grasp = self._arm.grasp
        high_m = max(float(tool.t[2]), float(point[2]) + grasp.standoff_m)
        over, end = np.array([*point[:2], high_m]), Go(_above(point, DROP_M - grasp.depth_m))
        return [Go(np.array([*tool.t[:2], high_m]), passing=True), Go(over), end, Grip(False), Go(over)]

    def _go(self, stage: Go, look: Look, joints: F64, speeds: F64, tool: SE3) -> F64 | None:
        """Rows towards a place; None where it has been reached."""
        off = off_by(tool.t, tool.R, stage.goal, self._arm.grasp.turn_rad)
        away_m, away_rad = float(np.linalg.norm(off[:3])), float(np.linalg.norm(off[3:]))
        near_m, near_rad = (PASSED_M, PASSED_RAD) if stage.passing else (NEAR_M, NEAR_RAD)
        still = stage.passing or float(np.abs(speeds[: self._count]).max()) < STILL_RAD_S
        if away_m < near_m and away_rad < near_rad and still:
            return None
        if look.stamp_ns - self._since_ns > LONG_NS:
            raise PolicyError(
                f"after {LONG_NS / SEC:g} s the tool is still {away_m:.3f} m and {math.degrees(away_rad):.0f} degrees "
                f"from x {stage.goal[0]:.2f} y {stage.goal[1]:.2f} z {stage.goal[2]:.2f} m"
            )
        rows = np.zeros((self.spec.horizon, len(joints)))
        rows[:, : self._count] = self._mover.rows(joints[: self._count], speeds[: self._count], off)
        return rows

    def _grip(self, stage: Grip, look: Look) -> F64 | None:
        """Rows of the gripper alone; None when it is done."""
        first = (look.stamp_ns - self._since_ns) // self.spec.dt_ns
        if first >= len(self._gripping):
            return None
        rows = np.zeros((self.spec.horizon, self._count + 1))
        speeds = self._gripping[first : first + len(rows)]
        rows[: len(speeds), -1] = speeds if stage.closed else -speeds
        return rows

    def _speeds_of_gripping(self, dt_s: float) -> F64:
        """Speeds (k,) by row of a gripper that closes, from open on, after the arm has settled."""
        gripper, limits, pace = self._arm.gripper, self._arm.by_axis(), self._arm.grasp.pace
        path = np.array([[gripper.open], [gripper.closed]])
        rows = timed(path, pace * limits.speed[-1:], pace * limits.accel[-1:], dt_s)
        speeds = np.diff(rows[:, 0], prepend=gripper.open) / dt_s
        return np.concatenate([np.zeros(math.ceil(SETTLE_S / dt_s)), speeds])


def _above(point: F64, by_m: float) -> F64:
    raised: F64 = point + np.array([0.0, 0.0, by_m])
    return raised
