"""Commands in the other forms that robots take, and what joints say: Twist, JointTrajectory, JointState."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saccade.errors import DataError
from saccade.geometry import F64
from saccade.types import Command
from saccade.wire.codec import codec
from saccade.wire.convert import Cdr, duration_msg, header, stamp_ns, twist_command, twist_msg


def encode_twist(command: Command) -> Cdr:
    """geometry_msgs/Twist, which carries no stamp; axes that the command does not name are zero."""
    return codec().encode(twist_msg(command))


def decode_twist(cdr: Cdr, stamp: int) -> Command:
    """All six axes of a geometry_msgs/Twist that arrived at `stamp`."""
    return twist_command(stamp, codec().decode("geometry_msgs/msg/Twist", cdr))


def encode_joint_trajectory(joints: Sequence[str], positions: F64, reach_ns: int) -> Cdr:
    """trajectory_msgs/JointTrajectory of one point: positions (d,) rad or m, to be reached in `reach_ns`.

    Its stamp is zero, "begin now": ros2_control's joint_trajectory_controller refuses what ended before it arrived.
    """
    new, none = codec().new, np.zeros(0)
    point = new(
        "trajectory_msgs/msg/JointTrajectoryPoint", positions=np.asarray(positions, np.float64), velocities=none,
        accelerations=none, effort=none, time_from_start=duration_msg(reach_ns),
    )  # fmt: skip
    msg = new("trajectory_msgs/msg/JointTrajectory", header=header(0, ""), joint_names=list(joints), points=[point])
    return codec().encode(msg)


def decode_joint_trajectory(cdr: Cdr) -> tuple[tuple[str, ...], F64, int]:
    """(joints, positions (d,), reach_ns) of the one point of a trajectory; DataError when there is not just one."""
    msg = codec().decode("trajectory_msgs/msg/JointTrajectory", cdr)
    if len(msg.points) != 1:
        raise DataError(f"joint_trajectory with {len(msg.points)} points; expected one")
    (point,) = msg.points
    return tuple(msg.joint_names), np.array(point.positions, np.float64), stamp_ns(point.time_from_start)


def encode_joint_state(stamp: int, joints: Sequence[str], positions: F64) -> Cdr:
    """sensor_msgs/JointState with positions alone."""
    none = np.zeros(0)
    msg = codec().new(
        "sensor_msgs/msg/JointState", header=header(stamp, ""), name=list(joints),
        position=np.asarray(positions, np.float64), velocity=none, effort=none,
    )  # fmt: skip
    return codec().encode(msg)


def decode_joint_state(cdr: Cdr, joints: Sequence[str]) -> tuple[int, F64]:
    """(stamp, positions (d,) of `joints` in their order); others are passed over.

    DataError names the joint that is missing, or whose position is not finite.
    """
    msg = codec().decode("sensor_msgs/msg/JointState", cdr)
    if len(msg.name) != len(msg.position):
        raise DataError(f"joint_states has {len(msg.name)} names and {len(msg.position)} positions; expected as many")
    known = dict(zip(msg.name, msg.position.tolist(), strict=True))
    if lacking := [joint for joint in joints if joint not in known]:
        raise DataError(f"joint_states lacks {', '.join(lacking)}; it has {', '.join(known) or 'no joints'}")
    positions = np.array([known[joint] for joint in joints], np.float64)
    if not np.isfinite(positions).all():
        raise DataError(f"joint_states has positions {positions.tolist()} of {', '.join(joints)}; expected finite ones")
    return stamp_ns(msg.header.stamp), positions
