"""`bridge_node` as a ROS 2 node: a trajectory is divided between controllers; what is not installed is told."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from saccade.robots import robot_file
from saccade.wire.ros_process import RosProcess

pytestmark = pytest.mark.ros


def bridge(robot: str, *ros: str) -> list[str]:
    params = ["--params", str(robot_file(robot))]
    return [sys.executable, "-m", "bridge_node", *params, "--ros-args", *ros]


@pytest.fixture
def running() -> Iterator[None]:
    process = subprocess.Popen(bridge("arm_gripper"))
    yield
    process.terminate()
    assert process.wait(20) == 0


def test_a_trajectory_reaches_the_controllers_of_arm_and_gripper(client: RosProcess, running: None) -> None:
    got: dict[str, JointTrajectory] = {}
    for part in ("arm", "gripper"):
        name = f"/{part}_controller/joint_trajectory"
        client.node.create_subscription(JointTrajectory, name, lambda msg, part=part: got.update({part: msg}), 1)
    sender = client.node.create_publisher(JointTrajectory, "/joint_trajectory", 1)
    arm = ["shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3"]
    point = JointTrajectoryPoint(positions=[0.04, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    for _ in range(300):
        sender.publish(JointTrajectory(joint_names=["gripper", *arm], points=[point]))
        time.sleep(0.1)
        if len(got) == 2:
            break
    assert list(got["arm"].joint_names) == arm
    assert list(got["arm"].points[0].positions) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert (list(got["gripper"].joint_names), list(got["gripper"].points[0].positions)) == (["gripper"], [0.04])


def test_messages_that_are_not_installed_are_told(tmp_path: Path) -> None:
    done = subprocess.run(bridge("px4"), capture_output=True, text=True, timeout=60)
    if done.returncode == 0:
        pytest.skip("px4_msgs are installed here")
    assert done.returncode == 2
    assert "build its package with `colcon build --packages-select px4_msgs`" in done.stderr
