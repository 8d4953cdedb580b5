"""MAVROS, before PX4 or ArduPilot: velocity setpoints for its plugin setpoint_velocity; odometry is its own.

    ros2 launch mavros px4.launch fcu_url:=udp://:14540@
    saccade up --robot mavros

MAVROS takes `geometry_msgs/TwistStamped` on `setpoint_velocity/cmd_vel` and reads it as ENU of the world unless its
parameter `mav_frame` says BODY_NED (mavros/src/plugins/setpoint_velocity.cpp); leave that at LOCAL_NED. The bridge
turns the body's velocity into the world's by the heading of `odom`, which is `mavros/local_position/odom`; without one
the vehicle holds. Modes and arming are the pilot's, or `ros2 service call /mavros/set_mode`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from bridge_node.frames import enu_from_level
from bridge_node.params import AutopilotParams
from saccade.clock import nanoseconds
from saccade.geometry import F64
from saccade.node import Out, Sample
from saccade.topics import topic
from saccade.types import Command, RobotState
from saccade.wire.codec import codec
from saccade.wire.convert import decode_odom, encode_command

SETPOINT, STATE = "mavros/setpoint_velocity/cmd_vel", "mavros/state"
_OBEYING = ("OFFBOARD", "GUIDED")
"""Modes in which PX4 and ArduPilot follow setpoints."""
_HEADING_NS = topic("odom").stale_ns


class Mavros:
    """See `Driver`."""

    name = "mavros"
    reads = frozenset({"odom", STATE})
    writes = frozenset({SETPOINT})

    def __init__(self, params: AutopilotParams) -> None:
        self.limits = {"vx": params.v_m_s, "vy": params.v_m_s, "vz": params.vz_m_s, "wz": params.wz_rad_s}
        self._hold_ns = nanoseconds(params.hold_s)
        self._state: RobotState | None = None
        self._mode = "of MAVROS nothing is heard: no mavros/state"
        self._followed = False

    def hear(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """Keep heading and mode."""
        if sample.topic == "odom":
            self._state = decode_odom(sample.cdr)[0]
            return ()
        msg = codec().decode("mavros_msgs/msg/State", sample.cdr)
        if not msg.connected:
            self._mode = "MAVROS hears no autopilot"
        elif msg.mode not in _OBEYING:
            self._mode = f"the autopilot is in mode {msg.mode!r}; it follows setpoints in {' or '.join(_OBEYING)}"
        else:
            self._mode = "" if msg.armed else "the autopilot is not armed"
        return ()

    def drive(self, command: F64 | None, silent_ns: int, now_ns: int) -> Iterator[Out]:
        """A setpoint; none once the gate has been silent for so long that the autopilot is to look after itself."""
        self._followed = self._followed or command is not None
        if silent_ns <= self._hold_ns or not self._followed:
            yield Out(SETPOINT, self._setpoint(command, now_ns))

    def problem(self, now_ns: int) -> str:
        """See `Driver.problem`."""
        return self._mode if self._heading(now_ns) is not None else "no odom of now: holding"

    def close(self, now_ns: int) -> Iterable[Out]:
        """See `Driver.close`."""
        return (Out(SETPOINT, self._setpoint(None, now_ns)),)

    def _setpoint(self, command: F64 | None, now_ns: int) -> bytes | memoryview:
        yaw, twist = self._heading(now_ns), np.zeros(4)
        if command is not None and yaw is not None:
            twist = np.array([*enu_from_level(command[:3], yaw), command[5]])
        frame = self._state.frame_id if self._state else "map"
        return encode_command(Command(now_ns, ("vx", "vy", "vz", "wz"), twist), frame)

    def _heading(self, now_ns: int) -> float | None:
        state = self._state
        return state.T_odom_from_body.yaw if state and abs(now_ns - state.stamp_ns) <= _HEADING_NS else None
