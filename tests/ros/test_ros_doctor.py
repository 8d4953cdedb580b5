"""`saccade doctor --topics` through rclpy: the robot's own names, peers of another type or QoS, simulated time."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import PoseStamped, Twist
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from saccade.cli.doctor.findings import Grade
from saccade.cli.doctor.topics import check_topics
from saccade.errors import ConfigError
from saccade.wire.open import open_bus
from saccade.wire.ros_process import RosProcess

pytestmark = pytest.mark.ros


def test_what_is_wrong_with_a_graph_is_told(client: RosProcess, tmp_path) -> None:
    robot = tmp_path / "mine.yaml"
    robot.write_text("topics: {ros__parameters: {odom: /wheel/odom}}\n")
    node = client.node
    node.create_publisher(PoseStamped, "/wheel/odom", 1)
    node.create_publisher(
        CameraInfo, "/zed/left/camera_info", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    )
    node.create_subscription(Twist, "/cmd_vel", lambda _: None, 1)
    told = {finding.what: finding for finding in check_topics(str(robot), "ros:doctor", 2.0)}
    assert told["odom"].grade is Grade.ERROR
    assert told["odom"].found.startswith("wrongly typed: wheel/odom is sent as geometry_msgs/msg/PoseStamped")
    assert "{left/camera_info: /zed/left/camera_info}" in told["left/camera_info"].advice
    assert "listened to as geometry_msgs/msg/Twist" in told["cmd_vel"].found


def test_an_address_says_names_and_time() -> None:
    bus = open_bus("ros:mine?namespace=go2&remap=odom:=/wheel/odom&use_sim_time=true", ["odom", "imu"])
    assert (bus.own_name("odom"), bus.own_name("imu")) == ("wheel/odom", "go2/imu")
    assert bus.now_ns() == 0  # no /clock yet
    bus.close()
    with pytest.raises(ConfigError, match="did you mean 'remap'"):
        open_bus("ros:mine?remaps=odom:=/wheel/odom")
