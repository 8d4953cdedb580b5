"""Unitree's Go2 and B2: sport requests, as their own SDK sends them, and their odometry.

    saccade up --robot go2_dds --bus 'dds:0?interface=eth0'

Requests are `unitree_api/Request` on `api/sport/request`: an api id, and for `Move` JSON with x, y (m/s) and z (rad/s)
in the body's axes, forward, left, counter-clockwise (unitreerobotics/unitree_ros2, ros2_sport_client). A dog goes on
for about a second after the last Move, so silence alone would not stop it in time: StopMove does. It is said for a
fifth of a second and then no more, so that the hand-held remote works while the gate is silent or holds the robot.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import numpy as np

from bridge_node.driver import AXES
from bridge_node.params import UnitreeParams
from saccade.clock import MS
from saccade.errors import ConfigError, DataError
from saccade.geometry import F64, SE3
from saccade.node import Out, Sample
from saccade.types import RobotState
from saccade.wire.codec import codec
from saccade.wire.convert import encode_odom, stamp_ns

REQUEST, STATE = "api/sport/request", "sportmodestate"
STOP_MOVE, MOVE = 1003, 1008
_STOP_FOR_NS = 200 * MS
_LOST_NS = 1_000 * MS


class Unitree:
    """See `Driver`."""

    name = "unitree"
    reads = frozenset({STATE})
    writes = frozenset({REQUEST, "odom"})

    def __init__(self, params: UnitreeParams) -> None:
        if not params.velocity_frame:
            raise ConfigError(
                "unitree.velocity_frame is not set; expected 'body' or 'odom': walk ahead after a turn of 90° and look "
                "which of sportmodestate's velocities is the large one (x: body, y: odom)"
            )
        self.limits = {"vx": params.vx_m_s, "vy": params.vy_m_s, "wz": params.wz_rad_s}
        self._params = params
        self._stopping_until_ns: int | None = None
        self._state_stamp_ns = -1
        self._state_heard_ns = 0

    def hear(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """Odometry, stamped with its arrival: the dog's clock is its own.

        A state whose stamp stands still is not passed on, so that what is frozen goes stale.
        """
        msg = codec().decode("unitree_go/msg/SportModeState", sample.cdr)
        if (stamp := stamp_ns(msg.stamp)) == self._state_stamp_ns:
            return ()
        self._state_stamp_ns, self._state_heard_ns = stamp, now_ns
        state = odometry(msg, now_ns, self._params)
        return (Out("odom", encode_odom(state, self._params.child_frame)),)

    def drive(self, command: F64 | None, silent_ns: int, now_ns: int) -> Iterator[Out]:
        """Move while there is somewhere to go; StopMove, for a while, when there is not."""
        if command is not None and command.any():
            self._stopping_until_ns = None
            yield Out(REQUEST, move(command))
            return
        if self._stopping_until_ns is None:
            self._stopping_until_ns = now_ns + _STOP_FOR_NS
        if self._stopping_until_ns - _STOP_FOR_NS <= now_ns < self._stopping_until_ns:
            yield Out(REQUEST, request(STOP_MOVE))

    def problem(self, now_ns: int) -> str:
        """See `Driver.problem`."""
        if now_ns - self._state_heard_ns <= _LOST_NS:
            return ""
        return "sportmodestate is not heard, or its stamp stands still: is the sport service on, and the domain right?"

    def close(self, now_ns: int) -> Iterable[Out]:
        """See `Driver.close`."""
        return (Out(REQUEST, request(STOP_MOVE)),)


def move(command: F64) -> bytes | memoryview:
    """The request to go with this command (6,)."""
    vx, vy, wz = (float(command[AXES.index(axis)]) for axis in ("vx", "vy", "wz"))
    return request(MOVE, json.dumps({"x": vx, "y": vy, "z": wz}))


def request(api_id: int, parameter: str = "") -> bytes | memoryview:
    """unitree_api/Request; `id` 0 and no lease, as Unitree's ROS 2 examples leave them."""
    new = codec().new
    header = new(
        "unitree_api/msg/RequestHeader",
        identity=new("unitree_api/msg/RequestIdentity", id=0, api_id=api_id),
        lease=new("unitree_api/msg/RequestLease", id=0),
        policy=new("unitree_api/msg/RequestPolicy", priority=0, noreply=False),
    )
    msg = new("unitree_api/msg/Request", header=header, parameter=parameter, binary=np.zeros(0, np.uint8))
    return codec().encode(msg)


def odometry(msg: object, stamp: int, params: UnitreeParams) -> RobotState:
    """Pose and body twist of a SportModeState; DataError when it is not finite or its attitude has no direction."""
    imu = msg.imu_state  # type: ignore[attr-defined]
    w, x, y, z = np.asarray(imu.quaternion, np.float64)
    position, velocity = (np.asarray(v, np.float64) for v in (msg.position, msg.velocity))  # type: ignore[attr-defined]
    try:
        T = SE3.from_quaternion((x, y, z, w), position)
    except ValueError as error:
        raise DataError(f"sportmodestate: {error}") from error
    linear = T.R.T @ velocity if params.velocity_frame == "odom" else velocity
    twist = np.array([*linear, *imu.gyroscope], np.float64)
    if not (np.isfinite(position).all() and np.isfinite(twist).all()):
        raise DataError(f"sportmodestate with position {position.tolist()} and twist {twist.tolist()}; expected finite")
    return RobotState(stamp, params.odom_frame, T, twist)
