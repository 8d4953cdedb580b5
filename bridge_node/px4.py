"""PX4 1.15 to 1.18 over uXRCE-DDS: velocity setpoints in offboard mode, and its odometry.

    MicroXRCEAgent udp4 -p 8888        # on the robot's domain, with CYCLONEDDS' or Fast DDS' settings of its own
    saccade up --robot px4 --bus 'dds:0?interface=eth0'

Offboard mode (docs.px4.io, "Offboard mode") begins and goes on only while OffboardControlMode comes faster than 2 Hz,
for a second at least before it. The bridge sends it from its start, with a setpoint that stands still, so that the
pilot can switch; it asks for the mode, or for arming, only where `ask` says so, and once. All is NED and FRD there; NaN
means "not controlled". A velocity of the body is turned into the world's by the newest heading; without one the vehicle
holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from bridge_node.driver import AXES
from bridge_node.frames import attitude, enu_from_level, frd_flu, ned_enu
from bridge_node.params import AutopilotParams
from saccade.clock import SEC, nanoseconds, seconds
from saccade.errors import DataError
from saccade.geometry import F64, SE3
from saccade.node import Out, Sample
from saccade.topics import topic
from saccade.types import RobotState
from saccade.wire.codec import codec
from saccade.wire.convert import encode_odom

HEARTBEAT, SETPOINT, COMMAND = "fmu/in/offboard_control_mode", "fmu/in/trajectory_setpoint", "fmu/in/vehicle_command"
ODOMETRY = "fmu/out/vehicle_odometry"
DO_SET_MODE, ARM_DISARM = 176, 400
_CUSTOM_MODE, _OFFBOARD, _ARM = 1.0, 6.0, 1.0
_NED, _BODY_FRD = 1, 3
_BEFORE_ASKING_NS = SEC + SEC // 5
"""PX4 wants the heartbeat for a second before the mode."""
_HEADING_NS = topic("odom").stale_ns


class Px4:
    """See `Driver`."""

    name = "px4"
    reads = frozenset({ODOMETRY})
    writes = frozenset({HEARTBEAT, SETPOINT, COMMAND, "odom"})

    def __init__(self, params: AutopilotParams) -> None:
        self.limits = {"vx": params.v_m_s, "vy": params.v_m_s, "vz": params.vz_m_s, "wz": params.wz_rad_s}
        self._params = params
        self._hold_ns = nanoseconds(params.hold_s)
        self._state: RobotState | None = None
        self._beating_since_ns: int | None = None
        self._asked = params.ask == "nothing"
        self._followed = False
        """Whether there has been a command since the start."""

    def hear(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """Odometry in ENU and FLU, with PX4's stamp, which the uXRCE-DDS client keeps in our time."""
        self._state = odometry(codec().decode("px4_msgs/msg/VehicleOdometry", sample.cdr))
        return (Out("odom", encode_odom(self._state)),)

    def drive(self, command: F64 | None, silent_ns: int, now_ns: int) -> Iterator[Out]:
        """Heartbeat and setpoint; neither once the gate has been silent for so long that PX4 is to look after itself.

        Before the gate was first heard both go on: no pilot could switch to offboard mode otherwise.
        """
        if silent_ns > self._hold_ns and self._followed:
            self._beating_since_ns = None
            return
        if self._beating_since_ns is None:
            self._beating_since_ns = now_ns
        self._followed = self._followed or command is not None
        yield Out(HEARTBEAT, heartbeat(now_ns))
        yield Out(SETPOINT, self._setpoint(command, now_ns))
        if command is not None and not self._asked and now_ns - self._beating_since_ns >= _BEFORE_ASKING_NS:
            self._asked = True
            yield from self._ask(now_ns)

    def problem(self, now_ns: int) -> str:
        """See `Driver.problem`."""
        if self._state is None:
            return f"no {ODOMETRY}: is the uXRCE-DDS agent running, on this domain?"
        if self._heading(now_ns) is None:
            age_s = seconds(now_ns - self._state.stamp_ns)
            return f"{ODOMETRY} is {age_s:.3f} s old by its stamp: holding; if it comes, set UXRCE_DDS_SYNCT to 1"
        return ""

    def close(self, now_ns: int) -> Iterable[Out]:
        """See `Driver.close`: a setpoint that stands still; without heartbeats PX4's failsafe follows."""
        return (Out(SETPOINT, self._setpoint(None, now_ns)),)

    def _setpoint(self, command: F64 | None, now_ns: int) -> bytes | memoryview:
        yaw = self._heading(now_ns)
        if command is None or yaw is None:
            return setpoint(now_ns, np.zeros(3), 0.0)
        return setpoint(now_ns, ned_enu(enu_from_level(command[:3], yaw)), -float(command[AXES.index("wz")]))

    def _heading(self, now_ns: int) -> float | None:
        state = self._state
        return state.T_odom_from_body.yaw if state and abs(now_ns - state.stamp_ns) <= _HEADING_NS else None

    def _ask(self, now_ns: int) -> Iterator[Out]:
        yield Out(COMMAND, vehicle_command(now_ns, DO_SET_MODE, self._params.system_id, _CUSTOM_MODE, _OFFBOARD))
        if self._params.ask == "offboard_and_arm":
            yield Out(COMMAND, vehicle_command(now_ns, ARM_DISARM, self._params.system_id, _ARM))


def heartbeat(now_ns: int) -> bytes | memoryview:
    """px4_msgs/OffboardControlMode: velocities will come."""
    msg = codec().new(
        "px4_msgs/msg/OffboardControlMode", timestamp=now_ns // 1000, position=False, velocity=True,
        acceleration=False, attitude=False, body_rate=False, thrust_and_torque=False, direct_actuator=False,
    )  # fmt: skip
    return codec().encode(msg)


def setpoint(now_ns: int, velocity_ned: F64, yawspeed: float) -> bytes | memoryview:
    """px4_msgs/TrajectorySetpoint of a velocity (3,) m/s NED and a turn rate clockwise rad/s."""
    free = np.full(3, np.nan, np.float32)
    msg = codec().new(
        "px4_msgs/msg/TrajectorySetpoint", timestamp=now_ns // 1000, position=free,
        velocity=np.asarray(velocity_ned, np.float32), acceleration=free, jerk=free, yaw=math.nan, yawspeed=yawspeed,
    )  # fmt: skip
    return codec().encode(msg)


def vehicle_command(now_ns: int, number: int, system: int, first: float, second: float = 0.0) -> bytes | memoryview:
    """px4_msgs/VehicleCommand with its first two parameters."""
    msg = codec().new(
        "px4_msgs/msg/VehicleCommand", timestamp=now_ns // 1000, param1=first, param2=second, param3=0.0, param4=0.0,
        param5=0.0, param6=0.0, param7=0.0, command=number, target_system=system, target_component=1,
        source_system=system, source_component=1, confirmation=0, from_external=True,
    )  # fmt: skip
    return codec().encode(msg)


def odometry(msg: Any) -> RobotState:
    """Pose ENU and twist FLU of a VehicleOdometry; DataError when it is in other frames than NED, or not known."""
    if msg.pose_frame != _NED or msg.velocity_frame not in (_NED, _BODY_FRD):
        raise DataError(
            f"{ODOMETRY} has pose frame {msg.pose_frame} and velocity frame {msg.velocity_frame}; expected NED (1), "
            "and NED (1) or body FRD (3)"
        )
    w, x, y, z = np.asarray(msg.q, np.float64)
    position, velocity, rates = (np.asarray(v, np.float64) for v in (msg.position, msg.velocity, msg.angular_velocity))
    if not np.isfinite([*position, w, x, y, z, *velocity, *rates]).all():
        raise DataError(f"{ODOMETRY} does not know its position, attitude or velocity yet (NaN)")
    try:
        R = attitude(SE3.from_quaternion((x, y, z, w), np.zeros(3)).R)
    except ValueError as error:
        raise DataError(f"{ODOMETRY}: {error}") from error
    linear = R.T @ ned_enu(velocity) if msg.velocity_frame == _NED else frd_flu(velocity)
    twist = np.concatenate([linear, frd_flu(rates)])
    return RobotState(int(msg.timestamp_sample) * 1000, "odom", SE3(R, ned_enu(position)), twist)
