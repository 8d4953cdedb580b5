"""What a fast policy is shown and what it must answer, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import numpy as np

from saccade.clearance import ClearanceField
from saccade.errors import SaccadeError
from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.types import Image, LocalMap, Plan, RobotState

NO_ROW: F64 = np.zeros(0)
NO_ROWS: F64 = np.zeros((0, 0))


class PolicyError(SaccadeError):
    """A policy did not answer in time, or not with actions that may be executed; the text says which and what to do."""


class ActionKind(Enum):
    """What the numbers of one row of actions are."""

    VELOCITY = "velocity"
    """m/s and rad/s by axis, in the body's frame."""
    WAYPOINTS = "waypoints"
    """x y [z] m [yaw rad], in the body's frame at the look's stamp; row i is where to be at t0 + (i + 1) dt."""
    END_EFFECTOR = "end_effector"
    """x y z m, rotation vector rad, of the tool in the arm's base frame, then the gripper (0 open, 1 closed)."""
    JOINT_POSITION = "joint_position"
    """rad or m by joint; row i is where to be at t0 + (i + 1) dt."""
    JOINT_VELOCITY = "joint_velocity"
    """rad/s or m/s by joint."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a policy is shown at one instant.

    `stamp_ns` is the capture time of the newest picture, or of `state` where there is none; `state` the odometry at
    that time. images: by camera name. joints: position rad or m by name. `plan` is valid and of the current epoch.
    asked (d,): the row that was executed until `stamp_ns`, NaN where none was. promised (n, d): the rows that are
    executed from `stamp_ns` on whatever is answered, as far as chunks reach; the first `delay_rows` of them will have
    been executed when the answer arrives (real-time chunking, Black et al. 2025). Both in the axes of the robot's
    commands. `held` says that the gate stands the robot still, whatever is asked.
    `space` is the clearance around a robot that flies; None for others.
    `T_arm_from_tool`: the tool in the arm's base frame at `stamp_ns`, None where there is no arm.
    """

    stamp_ns: int
    epoch: int
    plan: Plan
    state: RobotState
    images: Mapping[str, Image]
    joints: Mapping[str, float]
    grid: LocalMap | None
    space: ClearanceField | None = None
    depth_m: F32 | None = None
    camera: Pinhole | None = None
    T_odom_from_cam: SE3 | None = None
    asked: F64 = field(default_factory=lambda: NO_ROW)
    promised: F64 = field(default_factory=lambda: NO_ROWS)
    delay_rows: int = 0
    held: bool = False
    T_arm_from_tool: SE3 | None = None

    @property
    def since_plan_ns(self) -> int:
        """Time since the picture that the plan was reasoned from: thinking, and what has elapsed since (TIC-VLA)."""
        return self.stamp_ns - self.plan.obs_stamp_ns

    @property
    def T_plan_from_body(self) -> SE3:
        """Ego-motion since that picture: the pose of the body now in its own frame of then (TIC-VLA)."""
        return self.plan.obs_pose.inverse() @ self.state.T_odom_from_body


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """What a policy answers with: `horizon` rows of `dt_ns`, one number an axis.

    `cameras` names the pictures that it must be shown, `depth` says whether it must be shown depth too, and
    `takes_promised` whether it uses `Look.promised`.
    """

    name: str
    kind: ActionKind
    axes: tuple[str, ...]
    dt_ns: int
    horizon: int
    cameras: tuple[str, ...] = ()
    takes_promised: bool = False
    depth: bool = False


class FastPolicy(Protocol):
    """A policy: the embedded one, a model, or a client of a server. One thread at a time calls it."""

    @property
    def spec(self) -> PolicySpec:
        """What it answers with; fixed."""

    def begin(self, epoch: int) -> None:
        """Forget what it remembers of an older epoch."""

    def act(self, look: Look, timeout_ns: int) -> F64:
        """Actions (k, d) float64, row i for [look.stamp_ns + i dt, + dt), units of `spec`.

        It returns or raises within `timeout_ns`. PolicyError when there is no answer in time, or one that may not be
        executed: wrong shape, not finite, of an older epoch.
        """

    def close(self) -> None:
        """Let go of what it holds; closing twice is allowed."""
