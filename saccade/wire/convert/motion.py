"""Where a robot is and how it moves: odometry, velocities, transforms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from saccade.geometry import F64, SE3
from saccade.types import Command, RobotState
from saccade.wire.codec import codec
from saccade.wire.convert.basic import Cdr, header, pose_msg, se3, stamp_ns, vector3_msg

_UNKNOWN: F64 = np.zeros((6, 6))
_TWIST_AXES = ("vx", "vy", "vz", "wx", "wy", "wz")


def encode_odom(
    state: RobotState,
    child_frame_id: str = "base_link",
    pose_covariance: F64 = _UNKNOWN,
    twist_covariance: F64 = _UNKNOWN,
) -> Cdr:
    """nav_msgs/Odometry; covariances (6, 6) that are not given are zero, which ROS reads as unknown."""
    new = codec().new
    twist = new("geometry_msgs/msg/Twist", linear=vector3_msg(state.twist[:3]), angular=vector3_msg(state.twist[3:]))
    pose = pose_msg(state.T_odom_from_body)
    msg = new(
        "nav_msgs/msg/Odometry", header=header(state.stamp_ns, state.frame_id), child_frame_id=child_frame_id,
        pose=new("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=pose_covariance.reshape(36)),
        twist=new("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=twist_covariance.reshape(36)),
    )  # fmt: skip
    return codec().encode(msg)


def decode_odom(cdr: Cdr) -> tuple[RobotState, str]:
    """(state, child frame) of a nav_msgs/Odometry, in whatever axes the child frame has."""
    msg = codec().decode("nav_msgs/msg/Odometry", cdr)
    T = se3(msg.pose.pose.position, msg.pose.pose.orientation)
    lin, ang = msg.twist.twist.linear, msg.twist.twist.angular
    twist = np.array([lin.x, lin.y, lin.z, ang.x, ang.y, ang.z])
    return RobotState(stamp_ns(msg.header.stamp), msg.header.frame_id, T, twist), msg.child_frame_id


def encode_command(command: Command, frame_id: str = "base_link") -> Cdr:
    """geometry_msgs/TwistStamped; axes that the command does not name are zero."""
    twist = twist_msg(command)
    msg = codec().new("geometry_msgs/msg/TwistStamped", header=header(command.stamp_ns, frame_id), twist=twist)
    return codec().encode(msg)


def decode_command(cdr: Cdr) -> Command:
    """All six axes of a geometry_msgs/TwistStamped."""
    msg = codec().decode("geometry_msgs/msg/TwistStamped", cdr)
    return twist_command(stamp_ns(msg.header.stamp), msg.twist)


def twist_msg(command: Command) -> Any:
    """geometry_msgs/Twist of a command; axes that it does not name are zero."""
    twist = np.zeros(6)
    for axis, value in zip(command.axes, command.values, strict=True):
        twist[_TWIST_AXES.index(axis)] = value
    return codec().new("geometry_msgs/msg/Twist", linear=vector3_msg(twist[:3]), angular=vector3_msg(twist[3:]))


def twist_command(stamp: int, twist: Any) -> Command:
    """The command, all six axes, that a geometry_msgs/Twist is."""
    lin, ang = twist.linear, twist.angular
    return Command(stamp, _TWIST_AXES, np.array([lin.x, lin.y, lin.z, ang.x, ang.y, ang.z]))


def encode_transforms(stamp: int, links: Iterable[tuple[str, str, SE3]]) -> Cdr:
    """tf2_msgs/TFMessage of (parent, child, T_parent_from_child), all with one stamp."""
    new = codec().new
    transforms = []
    for parent, child, T in links:
        x, y, z, w = T.quaternion()
        rotation = new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
        transform = new("geometry_msgs/msg/Transform", translation=vector3_msg(T.t), rotation=rotation)
        transforms.append(
            new(
                "geometry_msgs/msg/TransformStamped", header=header(stamp, parent), child_frame_id=child,
                transform=transform,
            )
        )  # fmt: skip
    return codec().encode(new("tf2_msgs/msg/TFMessage", transforms=transforms))


def decode_transforms(cdr: Cdr) -> list[tuple[int, str, str, SE3]]:
    """(stamp, parent, child, T_parent_from_child) of each transform in a tf2_msgs/TFMessage."""
    return [
        (
            stamp_ns(t.header.stamp),
            t.header.frame_id,
            t.child_frame_id,
            se3(t.transform.translation, t.transform.rotation),
        )
        for t in codec().decode("tf2_msgs/msg/TFMessage", cdr).transforms
    ]
