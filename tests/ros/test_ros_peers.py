"""Peers of another type on our topics are named, as ROS itself leaves them in silence."""

from __future__ import annotations

import time

import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip("rclpy", reason="ROS 2 is not sourced")

from geometry_msgs.msg import PoseStamped, Twist, TwistStamped

from saccade.wire.open import open_bus


@pytest.fixture
def other():
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("other", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def settled(bus, wanted):
    """Problems once there are as many as wanted, or after five seconds."""
    for _ in range(100):
        if len(bus.problems()) == wanted:
            break
        time.sleep(0.05)
    return bus.problems()


def test_peers_of_another_type_are_named_until_they_have_gone(other):
    bus = open_bus("ros:watching", ["odom"], ["cmd_vel"])
    try:
        assert bus.problems() == []
        sender = other.create_publisher(PoseStamped, "odom", 1)
        listener = other.create_subscription(Twist, "cmd_vel", print, 1)
        assert settled(bus, 2) == [
            "/cmd_vel: a peer listens for geometry_msgs/msg/Twist, but this node sends geometry_msgs/msg/TwistStamped",
            "/odom: a peer sends geometry_msgs/msg/PoseStamped, expected nav_msgs/msg/Odometry; remap it or convert it",
        ]
        other.create_subscription(TwistStamped, "cmd_vel", print, 1)  # it takes either form: nothing is amiss
        assert len(settled(bus, 1)) == 1
        other.destroy_publisher(sender)
        other.destroy_subscription(listener)
        assert settled(bus, 0) == []
    finally:
        bus.close()
