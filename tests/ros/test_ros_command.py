"""Commands as ROS nodes get them: Twist under the name cmd_vel, joints as a trajectory of positions."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not sourced")

from geometry_msgs.msg import Twist
from trajectory_msgs.msg import JointTrajectory

from saccade.clock import MS
from saccade.types import Command
from saccade.wire.commands import encode_joint_trajectory, encode_twist
from saccade.wire.open import open_bus

TWIST = encode_twist(Command(1, ("vx", "wz"), np.array([0.5, -0.25])))
POINT = encode_joint_trajectory(("shoulder", "elbow"), np.array([0.1, -0.2]), 10 * MS)


@pytest.mark.parametrize(
    ("topic", "cdr", "name", "msgtype", "value"),
    [
        ("cmd_vel_unstamped", TWIST, "cmd_vel", Twist, lambda m: (m.linear.x, m.angular.z) == (0.5, -0.25)),
        (
            "joint_trajectory", POINT, "joint_trajectory", JointTrajectory,
            lambda m: (m.joint_names, list(m.points[0].positions)) == (["shoulder", "elbow"], [0.1, -0.2]),
        ),
    ],
)  # fmt: skip
def test_a_ros_node_gets_the_command(topic, cdr, name, msgtype, value):
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("base", context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    heard = []
    node.create_subscription(msgtype, name, heard.append, 1)
    bus = open_bus("ros:gate", [], [topic])
    end = time.monotonic() + 10
    try:
        while not heard and time.monotonic() < end:
            bus.send(topic, cdr)
            executor.spin_once(timeout_sec=0.1)
        assert heard
        assert value(heard[-1])
        assert bus.problems() == []
    finally:
        bus.close()
        node.destroy_node()
        rclpy.shutdown(context=context)
