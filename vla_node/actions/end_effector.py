"""Poses of the tool in the arm's base frame: to joints by differential inverse kinematics, then as joint positions."""

from __future__ import annotations

import math

import numpy as np

from saccade.errors import ConfigError
from saccade.geometry import F64, SE3
from vla_node.actions.base import Start, checked, known_positions
from vla_node.actions.joint_position import follow
from vla_node.arms.kinematics import Kinematics
from vla_node.embodiments.arm import ArmParams
from vla_node.policies.base import PolicyError

POSE = ("x", "y", "z", "rx", "ry", "rz")
"""m, and a rotation vector in rad; a seventh axis `gripper` goes from 0, open, to 1, closed."""
_MOST_RAD = 4 * math.pi


class EndEffector:
    """Each row is reached from the joints of the one before it; one that is out of reach is refused with the reason."""

    def __init__(self, axes: tuple[str, ...], arm: ArmParams, kinematics: Kinematics) -> None:
        if axes not in (POSE, (*POSE, "gripper")):
            raise ConfigError(
                f"poses of a tool with axes {list(axes)}; expected {' '.join(POSE)}, or these and gripper"
            )
        if "gripper" in axes and not arm.gripper.joint:
            raise ConfigError("the policy moves a gripper, but the robot has none; name its joint in arm.gripper.joint")
        self.limits = arm.by_axis()
        self._axes, self._gripper, self._kinematics = axes, arm.gripper, kinematics

    def speeds(self, rows: F64, start: Start, dt_s: float) -> F64:
        """See `Converter.speeds`."""
        at = known_positions(start, self.limits)
        rows = checked(rows, self._axes)
        wanted, count = np.tile(at, (len(rows), 1)), len(self._kinematics.joints)
        q = at[:count]
        for i, row in enumerate(rows):
            wanted[i, :count] = q = self._kinematics.solve(_pose(row[:6], i), q, f"action {i}")
        if len(self._axes) > len(POSE):
            gripper = self._gripper
            wanted[:, -1] = gripper.open + np.clip(rows[:, -1], 0.0, 1.0) * (gripper.closed - gripper.open)
        return follow(wanted, at, start.speeds, self.limits, dt_s)


def _pose(row: F64, i: int) -> SE3:
    """A pose from x y z and a rotation vector, Rodrigues' half-angle form."""
    angle = float(np.abs(row[3:]).max())
    if angle > _MOST_RAD:
        raise PolicyError(f"action {i} turns by {angle:g} rad; expected a rotation vector of less than two turns")
    angle = float(np.linalg.norm(row[3:]))
    x, y, z = row[3:] * (0.5 * float(np.sinc(angle / math.tau)))
    return SE3.from_quaternion((x, y, z, math.cos(angle / 2)), row[:3])
