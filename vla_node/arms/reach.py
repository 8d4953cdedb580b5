"""Trajectories of an arm: to a pose, and the whole grasp of what lies at a point, known before anything moves."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F64, SE3, interpolate
from vla_node.arms.kinematics import Kinematics
from vla_node.arms.timing import timed
from vla_node.embodiments.arm import ArmParams
from vla_node.policies.base import PolicyError

_WAY_M = 0.01
"""The straight way of the tool is solved for in pieces of this length."""
_JUMP_RAD = 0.5
"""Joints that move further within a piece have jumped to another posture."""
_SETTLE_S = 0.3
"""What a lagging controller is given to arrive before the gripper closes."""


class Reach:
    """Plans for one arm; pure but for the solver's memory: the same positions and target give the same rows.

    Rows are positions (k, d) by `ArmParams.axes`, one every `dt_s`, from rest to rest within the limits, at the pace of
    `ArmParams.grasp`. Poses and points are in the frame of the arm's file. PolicyError says why there is no way.
    """

    def __init__(self, arm: ArmParams, kinematics: Kinematics, dt_s: float) -> None:
        self._arm, self._kinematics, self._dt_s = arm, kinematics, dt_s
        self._count = len(arm.joints)
        limits = arm.by_axis()
        self._limits = limits
        self._speed, self._accel = arm.grasp.pace * limits.speed, arm.grasp.pace * limits.accel

    def pose(self, positions: F64, target: SE3, what: str = "the target") -> F64:
        """To a pose of the tool, each joint straight to where it has to be; the gripper stays as it is."""
        goal = positions.copy()
        goal[: self._count] = self._solve(target, positions[: self._count], what)
        return self._timed(np.stack([positions, goal]))

    def grasp(self, positions: F64, point: F64) -> F64:
        """Open; to before a point (3,) m of a surface, straight to it and beyond by `depth_m`; close."""
        grasp, gripper = self._arm.grasp, self._arm.gripper
        onto = facing(point, grasp.approach, grasp.turn_rad)
        before = SE3(onto.R, onto.t - grasp.standoff_m * onto.R[:, 2])
        end = SE3(onto.R, onto.t + grasp.depth_m * onto.R[:, 2])
        opened = self._with_gripper(positions[: self._count], gripper.open)
        ready = self._with_gripper(
            self._solve(before, positions[: self._count], "the place before the object"), gripper.open
        )
        way = self._straight(ready, before, end)
        stages = [np.stack([positions, opened]), np.stack([opened, ready]), way]
        rows = [self._timed(stage) for stage in stages]
        if gripper.joint:
            rows.append(np.tile(way[-1], (math.ceil(_SETTLE_S / self._dt_s), 1)))
            rows.append(self._timed(np.stack([way[-1], self._with_gripper(way[-1, : self._count], gripper.closed)])))
        return np.concatenate(rows)

    def _straight(self, begin: F64, T_begin: SE3, T_end: SE3) -> F64:
        """Positions (n, d) along the tool's straight way; the gripper stays as at the beginning."""
        pieces = max(1, math.ceil(float(np.linalg.norm(T_end.t - T_begin.t)) / _WAY_M))
        way = [begin]
        for i in range(1, pieces + 1):
            q = way[-1][: self._count]
            there = self._kinematics.solve(interpolate(T_begin, T_end, i / pieces), q, "the way to the object")
            if np.abs(there - q).max() > _JUMP_RAD:
                raise PolicyError(
                    "the straight way to the object leads through a posture that the arm must turn about in"
                )
            way.append(np.concatenate([there, begin[self._count :]]))
        return np.stack(way)

    def _solve(self, target: SE3, q: F64, what: str) -> F64:
        """From where the arm is, or else from its home posture, which is seldom in a dead end."""
        try:
            return self._kinematics.solve(target, q, what)
        except PolicyError:
            return self._kinematics.solve(target, self._kinematics.home, what)

    def _with_gripper(self, q: F64, at: float) -> F64:
        return np.append(q, at) if self._arm.gripper.joint else q

    def _timed(self, path: F64) -> F64:
        """Rows along a path (n, d) of positions."""
        if not np.isfinite(path).all():
            raise PolicyError(f"joints at {path[0].tolist()}; expected finite positions")
        return timed(path, self._speed, self._accel, self._dt_s)


def facing(point: F64, approach: str, turn_rad: float) -> SE3:
    """A tool at a point (3,) whose z axis points `down`, or `forward`: level, away from the base.

    Its x axis points away from the base, or up where it goes forward, and is then turned about z.
    """
    pitch = 0.0 if approach == "down" else -math.pi / 2
    bearing = math.atan2(float(point[1]), float(point[0]))
    R = SE3.from_rpy(0.0, 0.0, bearing).R @ SE3.from_rpy(math.pi, pitch, 0.0).R @ SE3.from_rpy(0.0, 0.0, turn_rad).R
    return SE3(R, np.asarray(point, np.float64))
