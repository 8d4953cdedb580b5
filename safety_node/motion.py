"""Where a command would take the robot before it could be stopped again, and how near to obstacles that is."""

from __future__ import annotations

import numpy as np

from saccade.clock import seconds
from saccade.geometry import F64
from saccade.inbox import Reading
from saccade.types import LocalMap, RobotState
from safety_node.kernels import nearest_in_plane
from safety_node.limits import AXES, PLANAR_AXES, TICK_NS, Limits


class Motion:
    """Predicts with one robot's limits."""

    def __init__(self, limits: Limits) -> None:
        self._reaction_s = limits.reaction_s
        self._brake = np.array(limits.max_brake)
        self._axes = [AXES.index(axis) for axis in limits.axes if axis in AXES]  # joints move no base
        self._planar = np.array([[float(axis == p) for p in PLANAR_AXES] for axis in limits.axes])

    def translates(self, command: F64) -> bool:
        """Whether a command does more than turn on the spot."""
        return bool((command @ self._planar)[:2].any())

    def mismatch(self, odom: RobotState, grid: LocalMap) -> str:
        """Why the map says nothing about where the robot is, or empty."""
        return frames_differ("local_map", odom.frame_id, grid.frame_id)

    def nearest(self, commands: F64, odom: Reading, grid: Reading, *, from_rest: bool = False) -> F64:
        """Least clearance (k,) in metres on the way of each command (k, d), the way to standstill included.

        The robot is where `odom` saw it, and went on as it was seen for the reading's age and the reaction time, unless
        `from_rest`. The command is in force for a tick at least, and for as long as the map is old: what has happened
        since will be known, and the robot told to stop, only so much later.
        """
        T, local = odom.value.T_odom_from_body, grid.value
        lag_s, hold_s = horizon(self._reaction_s, odom, grid)
        twist = odom.value.twist[self._axes] * (not from_rest)
        pose, frame = np.array([T.t[0], T.t[1], T.yaw]), local.scale
        clearance_m = np.ascontiguousarray(local.clearance_m)
        near = np.empty(len(commands))
        nearest_in_plane(
            np.ascontiguousarray(commands), twist, self._brake, self._planar, lag_s, hold_s, pose, clearance_m, frame,
            near,
        )  # fmt: skip
        return near


def frames_differ(name: str, odom_frame: str, frame: str) -> str:
    """That odometry and another input cannot be compared, or empty if they can."""
    return "" if odom_frame == frame else f"odom in frame {odom_frame!r} but {name} in {frame!r}"


def horizon(reaction_s: float, odom: Reading, around: Reading) -> tuple[float, float]:
    """For how long the robot goes on as it was seen, and until when a command is in force; see `Motion.nearest`."""
    odom_age_ns, map_age_ns = (max(0, reading.age_ns) for reading in (odom, around))
    lag_s = reaction_s + seconds(odom_age_ns)
    return lag_s, lag_s + seconds(TICK_NS + map_age_ns)
