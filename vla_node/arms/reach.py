"""Trajectories of an arm: to a pose, and the whole grasp of what lies at a point, known before anything moves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from saccade.geometry import F64, SE3, interpolate, wrap_angle
from vla_node.arms.kinematics import Kinematics
from vla_node.arms.timing import timed
from vla_node.embodiments.arm import ArmParams
from vla_node.policies.base import PolicyError

_WAY_M = 0.01
"""The straight way of the tool is solved for in pieces of this length."""
_JUMP_RAD = 0.5
"""Joints that move further within a piece have jumped to another posture."""
_ROUND_M = 0.03
"""So on the way about the base, where a straight line is not asked for."""
DROP_M = 0.008
"""What is put down is let go so far above where it comes to stand: the places of both are measured."""
SETTLE_S = 0.3
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
            rows.append(np.tile(way[-1], (math.ceil(SETTLE_S / self._dt_s), 1)))
            rows.append(self._timed(np.stack([way[-1], self._with_gripper(way[-1, : self._count], gripper.closed)])))
        if grasp.lift:
            back = np.array([self._with_gripper(q[: self._count], gripper.closed) for q in way[::-1]])
            rows.append(self._timed(back))
        return np.concatenate(rows)

    def put(self, positions: F64, point: F64) -> F64:
        """Up, round the base and down until the face that was taken hold of is at a point (3,) m; open; up again.

        Until then the gripper is sent to where it would be closed: where it is measured is where what it holds keeps
        it, and sent there it would hold with no force.
        """
        grasp, gripper = self._arm.grasp, self._arm.gripper
        if grasp.approach != "down" or not gripper.joint:
            raise PolicyError("only a gripper that comes from above can put something down")
        onto = facing(point, grasp.approach, grasp.turn_rad)
        end = SE3(onto.R, onto.t + (grasp.depth_m - DROP_M) * onto.R[:, 2])
        now = self._kinematics.pose(positions[: self._count])
        high_m = max(float(now.t[2]), float(point[2]) + grasp.standoff_m)
        raised, before = SE3(now.R, np.array([*now.t[:2], high_m])), SE3(onto.R, np.array([*onto.t[:2], high_m]))
        up = self._straight(self._with_gripper(positions[: self._count], gripper.closed), now, raised)
        over = self._through(up[-1], _round(raised, before, grasp.turn_rad))
        down = self._straight(over[-1], before, end)
        opened = self._with_gripper(down[-1, : self._count], gripper.open)
        away = np.array([self._with_gripper(q[: self._count], gripper.open) for q in down[::-1]])
        settle = np.tile(down[-1], (math.ceil(SETTLE_S / self._dt_s), 1))
        stages = [self._timed(way) for way in (up, over, down)]
        return np.concatenate([*stages, settle, self._timed(np.stack([down[-1], opened])), self._timed(away)])

    def _straight(self, begin: F64, T_begin: SE3, T_end: SE3) -> F64:
        """Positions (n, d) along the tool's straight way; the gripper stays as at the beginning."""
        pieces = max(1, math.ceil(float(np.linalg.norm(T_end.t - T_begin.t)) / _WAY_M))
        return self._through(begin, [interpolate(T_begin, T_end, i / pieces) for i in range(1, pieces + 1)])

    def _through(self, begin: F64, poses: Sequence[SE3]) -> F64:
        """Positions (n, d) from `begin` through poses of the tool; the gripper stays as at the beginning."""
        way = [begin]
        for pose in poses:
            q = way[-1][: self._count]
            there = self._kinematics.solve(pose, q, "the way of the tool")
            if np.abs(there - q).max() > _JUMP_RAD:
                raise PolicyError("the way of the tool leads through a posture that the arm must turn about in")
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


def _round(begin: SE3, end: SE3, turn_rad: float) -> list[SE3]:
    """Poses of a tool that points down, about the base from over one place to over another, as high as they are."""
    (r0, a0), (r1, a1) = ((math.hypot(T.t[0], T.t[1]), math.atan2(T.t[1], T.t[0])) for T in (begin, end))
    turn = wrap_angle(a1 - a0)
    pieces = max(1, math.ceil(max(abs(r1 - r0), abs(turn) * max(r0, r1)) / _ROUND_M))
    poses = []
    for i in range(1, pieces + 1):
        share = i / pieces
        r, a, z = r0 + share * (r1 - r0), a0 + share * turn, begin.t[2] + share * (end.t[2] - begin.t[2])
        poses.append(facing(np.array([r * math.cos(a), r * math.sin(a), z]), "down", turn_rad))
    return poses


def facing(point: F64, approach: str, turn_rad: float) -> SE3:
    """A tool at a point (3,) whose z axis points `down`, or `forward`: level, away from the base.

    Its x axis points away from the base, or up where it goes forward, and is then turned about z.
    """
    pitch = 0.0 if approach == "down" else -math.pi / 2
    bearing = math.atan2(float(point[1]), float(point[0]))
    R = SE3.from_rpy(0.0, 0.0, bearing).R @ SE3.from_rpy(math.pi, pitch, 0.0).R @ SE3.from_rpy(0.0, 0.0, turn_rad).R
    return SE3(R, np.asarray(point, np.float64))
