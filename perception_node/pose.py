"""Where the robot and its camera were when a picture was taken, from odometry and the transform tree."""

from __future__ import annotations

import numpy as np

from saccade.clock import MS, SEC, nanoseconds, seconds
from saccade.geometry import SE3
from saccade.tf import TfBuffer
from saccade.types import RobotState

_MOVING_M_S, _TURNING_RAD_S = 0.05, 0.1


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
        T_base_from_cam = self.tf.lookup(base, camera_frame, stamp_ns)
        ahead_ns = stamp_ns - self.newest.stamp_ns
        if ahead_ns <= 0:
            return odom, self.tf.lookup(odom, base, stamp_ns), T_base_from_cam
        vx, vy, vz, wx, wy, wz = (np.nan_to_num(self.newest.twist) * seconds(ahead_ns)).tolist()
        T_then_from_now = SE3.from_rpy(wx, wy, wz, (vx, vy, vz))
        T_child_from_base = self.tf.lookup(child, base, stamp_ns)
        return odom, self.newest.T_odom_from_body @ T_then_from_now @ T_child_from_base, T_base_from_cam

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
