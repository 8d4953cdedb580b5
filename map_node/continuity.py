"""Whether odometry goes on as a robot can move. Where it does not, a map from before must not be added to."""

from __future__ import annotations

import math

import numpy as np

from map_node.params import MotionParams
from saccade.clock import seconds
from saccade.types import RobotState


class Continuity:
    """Judges each message of odometry against the one before it."""

    def __init__(self, params: MotionParams) -> None:
        self.params = params
        self._before: RobotState | None = None
        self._child = ""

    def judge(self, state: RobotState, child_frame: str) -> tuple[str, str] | None:
        """What is wrong: a short name that stays the same, and the words for people; None where it goes on.

        A message that is older than the one before is not judged: it only adds to what is known of the past.
        """
        before, child = self._before, self._child
        if before is not None and state.stamp_ns <= before.stamp_ns:
            return None
        self._before, self._child = state, child_frame
        if before is None:
            return None
        if (before.frame_id, child) != (state.frame_id, child_frame):
            return "odometry frame changed", (
                f"odometry told of {child!r} in {before.frame_id!r}, and now of {child_frame!r} in {state.frame_id!r}"
            )
        params, passed_s = self.params, seconds(state.stamp_ns - before.stamp_ns)
        if passed_s > params.gap_s:
            return "odometry lost", f"no odometry for {passed_s:.1f} s; the robot may be anywhere (motion.gap_s)"
        T = before.T_odom_from_body.inverse() @ state.T_odom_from_body
        moved_m, turned_rad = float(np.linalg.norm(T.t)), math.acos(min(1.0, max(-1.0, (np.trace(T.R) - 1) / 2)))
        if moved_m > params.jump_m + params.max_speed_m_s * passed_s:
            return "pose jump", (
                f"odometry moved {moved_m:.2f} m in {1e3 * passed_s:.0f} ms; a robot of motion.max_speed_m_s "
                f"{params.max_speed_m_s:g} cannot"
            )
        if turned_rad > params.jump_rad + params.max_turn_rad_s * passed_s:
            return "pose jump", (
                f"odometry turned {math.degrees(turned_rad):.0f} degrees in {1e3 * passed_s:.0f} ms; a robot of "
                f"motion.max_turn_rad_s {params.max_turn_rad_s:g} cannot"
            )
        return None

    def forget(self) -> None:
        """Begin anew, as after a jump of the clock."""
        self._before = None
