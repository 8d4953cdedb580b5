"""The prediction of motion.py in three dimensions, for robots whose limits require `clearance`."""

from __future__ import annotations

import numpy as np

from saccade.clearance import ClearanceField
from saccade.geometry import F64, planar
from saccade.inbox import Reading
from saccade.types import RobotState
from safety_node.kernels import nearest_in_space
from safety_node.limits import AXES, Limits
from safety_node.motion import frames_differ, horizon


class Flight:
    """Predicts with one robot's limits. Same interface and same rule as `Motion`, in a `ClearanceField`.

    Commands are along the robot's axes. Of a robot that is not told to roll or pitch (wx, wy) these are level: x is
    where its nose points to, z is up, and how it tilts to follow is its own affair. Otherwise they are its body's, and
    turn with it. The speed that odometry tells, along the body's axes as it flies, is turned into them.
    """

    def __init__(self, limits: Limits) -> None:
        self._reaction_s, self._half_m, self._memory_s = limits.reaction_s, limits.height_m, limits.memory_s
        self._brake = np.array(limits.max_brake)
        self._axes = np.array([AXES.index(axis) for axis in limits.axes])
        self._level = "wx" not in limits.axes and "wy" not in limits.axes

    def translates(self, command: F64) -> bool:
        """Whether a command does more than turn on the spot."""
        return bool(command[self._axes < 3].any())

    def mismatch(self, odom: RobotState, field: ClearanceField) -> str:
        """Why the field says nothing about where the robot is, or nothing that may be relied on; or empty."""
        if not field.memory_s <= self._memory_s:
            return f"clearance remembers {field.memory_s:g} s, more than {self._memory_s:g}"
        t, half_m = odom.T_odom_from_body.t, np.array([0.0, 0.0, self._half_m])
        low, high = ((t + way * half_m - field.origin_m) / field.resolution_m - 0.5 for way in (-1, 1))
        if not ((low >= 0) & (high < np.array(field.clearance.shape) - 1)).all():
            return f"clearance does not hold the robot at {', '.join(f'{x:.2f}' for x in t.tolist())}"
        return frames_differ("clearance", odom.frame_id, field.frame_id)

    def nearest(self, commands: F64, odom: Reading, around: Reading, *, from_rest: bool = False) -> F64:
        """Least clearance (k,) in metres on the way of each command (k, d); see `Motion.nearest`."""
        T, field = odom.value.T_odom_from_body, around.value
        lag_s, hold_s = horizon(self._reaction_s, odom, around)
        R = planar(T).R if self._level else T.R
        twist = (odom.value.twist.reshape(2, 3) @ T.R.T @ R).reshape(6)[self._axes] * (not from_rest)
        near = np.empty(len(commands))
        nearest_in_space(
            np.ascontiguousarray(commands), twist, self._brake, self._axes, lag_s, hold_s, np.ascontiguousarray(R),
            np.ascontiguousarray(T.t), self._half_m, np.ascontiguousarray(field.clearance), field.scale, near,
        )  # fmt: skip
        return near
