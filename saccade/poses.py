"""Where the robot and its camera were when a picture was taken, from odometry and the transform tree."""

from __future__ import annotations

import numpy as np

from saccade.clock import MS, SEC, nanoseconds, seconds
from saccade.geometry import SE3
from saccade.tf import TfBuffer, TransformError
from saccade.types import RobotState

_MOVING_M_S, _TURNING_RAD_S = 0.05, 0.1
_UPWARDS = 0.8
"""Sine of how far up a camera may look; one whose pictures name a body's frame seems to look at the zenith."""


class WrongFrame(TransformError):
    """A frame that is known, but cannot be the one that is meant."""


class Poses:
    """Odometry's history beside the transform tree; poses are interpolated at the stamp of a picture."""

    def __init__(self, base_frame: str, ahead_ms: float) -> None:
        self._base_frame = base_frame
        self._ahead_ns = nanoseconds(ahead_ms / 1e3)
        self.tf = TfBuffer()
        self.child_frame = ""
        """The body whose pose odometry tells."""
        self.newest: RobotState | None = None

    def put(self, state: RobotState, child_frame: str) -> bool:
        """Take an odometry message; False when the clock went back, and all that moves was forgotten."""
        went_back = self.newest is not None and self.newest.stamp_ns - state.stamp_ns > SEC
        if went_back:
            self.tf.forget_moving()
        self.tf.add(state.frame_id, child_frame, state.stamp_ns, state.T_odom_from_body)
        if went_back or self.newest is None or state.stamp_ns >= self.newest.stamp_ns:
            self.newest, self.child_frame = state, child_frame
        return not went_back

    def reach(self, stamp_ns: int) -> bool:
        """Whether odometry has come, or can be continued, to this stamp."""
        return self.newest is not None and stamp_ns - self.newest.stamp_ns <= self._ahead_ns

    def at(self, stamp_ns: int, camera_frame: str) -> tuple[str, SE3, SE3]:
        """(odometry frame, T_odom_from_base, T_base_from_cam) at a stamp in reach; TransformError names what misses.

        Past the newest odometry the body goes on with its last twist.
        """
        assert self.newest is not None
        odom, child, base = self.newest.frame_id, self.child_frame, self._base_frame
        T_base_from_cam = self.camera(camera_frame, stamp_ns)
        try:
            T_child_from_base = self.tf.lookup(child, base, stamp_ns)
        except TransformError as error:
            expected = f"expected that of {base!r}, or tf_static to tie {child!r} to it"
            raise TransformError(f"odom tells the pose of {child!r}; {expected}: {error}") from error
        ahead_ns = stamp_ns - self.newest.stamp_ns
        if ahead_ns <= 0:
            return odom, self.tf.lookup(odom, child, stamp_ns) @ T_child_from_base, T_base_from_cam
        vx, vy, vz, wx, wy, wz = (np.nan_to_num(self.newest.twist) * seconds(ahead_ns)).tolist()
        T_then_from_now = SE3.from_rpy(wx, wy, wz, (vx, vy, vz))
        return odom, self.newest.T_odom_from_body @ T_then_from_now @ T_child_from_base, T_base_from_cam

    def camera(self, frame: str, stamp_ns: int) -> SE3:
        """T_base_from_cam; TransformError names what misses, WrongFrame a frame that is no optical one."""
        base = self._base_frame
        try:
            T_base_from_cam = self.tf.lookup(base, frame, stamp_ns)
        except TransformError as error:
            expected = "expected its place on the robot on tf_static, or on tf if it moves"
            raise TransformError(f"the pictures are of frame {frame!r}; {expected}: {error}") from error
        if T_base_from_cam.R[2, 2] > _UPWARDS:
            raise WrongFrame(
                f"the pictures are of frame {frame!r}, whose z axis points up on {base!r}, as a body's does; expected "
                "an optical frame (z forward, x right, REP 103), often called like it with _optical_frame at the end"
            )
        return T_base_from_cam

    def moving(self) -> bool:
        """Whether odometry says that the robot moves or turns."""
        if self.newest is None:
            return False
        v, w = self.newest.twist[:3], self.newest.twist[3:]
        return bool(np.linalg.norm(v) > _MOVING_M_S or np.linalg.norm(w) > _TURNING_RAD_S)

    def why_out_of_reach(self, stamp_ns: int) -> str:
        """The reason why there is no pose at a stamp, for people."""
        if self.newest is None:
            return "no odometry yet; the map needs `odom`"
        return f"odometry is {(stamp_ns - self.newest.stamp_ns) / MS:.0f} ms behind the picture"
