"""From the camera's pose to the robot's: pose and twist of the base with their covariances, segment by segment."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from perception_node.odometry.estimate import Estimate, swung
from saccade.clock import seconds
from saccade.geometry import F64, SE3
from saccade.poses import Poses
from saccade.types import RobotState

APART_M = 1000.0
"""How far along x of the odometry's frame a new segment begins from where the last one ended: no robot moves so far
between two messages, and no map of its surroundings reaches there, so nothing is fused across."""


class Told(NamedTuple):
    """What goes out: the state of the base, and covariances (6, 6) of pose and twist as in nav_msgs/Odometry."""

    state: RobotState
    pose_covariance: F64
    twist_covariance: F64


class _Moment(NamedTuple):
    stamp_ns: int
    T_odom_from_base: SE3
    relative: F64


class Body:
    """Where the base is, of where its camera is. The odometry's frame begins as that of the base, at first sight."""

    def __init__(self, odom_frame: str, base_frame: str) -> None:
        self._odom_frame = odom_frame
        self.poses = Poses(base_frame, ahead_ms=0.0)
        """Only its transforms are used: where the cameras are on the robot."""
        self._segment = -1
        self._T_odom_from_start = SE3.identity()
        self._before: _Moment | None = None

    def tell(self, estimate: Estimate, camera_frame: str) -> Told | None:
        """The state for an estimate that has a pose, but None for the first of a segment: the next must confirm it.

        TransformError when the camera's place on the robot is not known.
        """
        assert estimate.T_start_from_camera is not None
        T_base_from_cam = self.poses.camera(camera_frame, estimate.stamp_ns)
        if estimate.segment != self._segment:
            self._begin(estimate.T_start_from_camera @ T_base_from_cam.inverse())
            self._segment = estimate.segment
        T_odom_from_cam = self._T_odom_from_start @ estimate.T_start_from_camera
        T = T_odom_from_cam @ T_base_from_cam.inverse()
        change = np.zeros((6, 6))
        change[:3, :3] = change[3:, 3:] = self._T_odom_from_start.R
        change = swung(T.t - T_odom_from_cam.t) @ change
        now = _Moment(estimate.stamp_ns, T, change @ estimate.relative @ change.T)
        before, self._before = self._before, now
        if before is None:
            return None
        twist, twist_covariance = _twist(before, now)
        state = RobotState(estimate.stamp_ns, self._odom_frame, T, twist)
        return Told(state, change @ estimate.covariance @ change.T, twist_covariance)

    def _begin(self, T_start_from_base: SE3) -> None:
        """Fix the odometry's frame anew: a segment's first pose is the last one told, moved apart."""
        T = SE3.identity()
        if self._before is not None:
            last = self._before.T_odom_from_base
            T = SE3(last.R, last.t + np.array([APART_M, 0.0, 0.0]))
        self._T_odom_from_start, self._before = T @ T_start_from_base.inverse(), None


def _twist(before: _Moment, now: _Moment) -> tuple[F64, F64]:
    """The mean twist (6,) between two poses in the base's axes, and its covariance (6, 6).

    Both poses are measured against the same few keyframes, so their errors are those relative to these.
    """
    dt_s = seconds(now.stamp_ns - before.stamp_ns)
    step = before.T_odom_from_base.inverse() @ now.T_odom_from_base
    twist = np.concatenate([step.t, cv2.Rodrigues(step.R)[0].ravel()]) / dt_s
    turned = np.zeros((6, 6))
    turned[:3, :3] = turned[3:, 3:] = before.T_odom_from_base.R.T
    return twist, turned @ (before.relative + now.relative) @ turned.T / dt_s**2
