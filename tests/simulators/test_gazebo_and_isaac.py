"""Gazebo and Isaac Sim as configuration, as far as it can be checked without them: against the table of topics.

Neither was run. That libsdformat accepts the world, and that its base stands and drives, is told in docs/bridges.md.
"""

from __future__ import annotations

import math
import re
import runpy
import sys
import xml.etree.ElementTree as ET
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from saccade import params
from saccade.cli.doctor.needs import read_robot
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3
from saccade.paths import share
from saccade.robots import robot_file
from saccade.topics import Role, on_wire, topic
from safety_node.limits import Limits
from safety_node.node import COMMANDS

GZ_TYPES = {
    "rosgraph_msgs/msg/Clock": "gz.msgs.Clock", "sensor_msgs/msg/Image": "gz.msgs.Image",
    "sensor_msgs/msg/CameraInfo": "gz.msgs.CameraInfo", "nav_msgs/msg/Odometry": "gz.msgs.Odometry",
    "sensor_msgs/msg/Imu": "gz.msgs.IMU", "tf2_msgs/msg/TFMessage": "gz.msgs.Pose_V",
    "geometry_msgs/msg/TwistStamped": "gz.msgs.Twist", "geometry_msgs/msg/Twist": "gz.msgs.Twist",
}  # fmt: skip
"""From the table of ros_gz_bridge's README."""
LAUNCHED = {"tf_static"}
"""What the launch files give, not the simulator."""


@pytest.fixture(scope="module")
def world() -> ET.Element:
    return ET.parse(share("config") / "gazebo" / "hall.sdf").getroot()


@pytest.fixture(scope="module")
def bridged() -> dict[str, dict[str, str]]:
    rows = yaml.safe_load((share("config") / "gazebo" / "ros_gz_bridge.yaml").read_text())
    assert len({row["ros_topic_name"] for row in rows}) == len(rows)
    return {row["ros_topic_name"]: row for row in rows}


def needed(robot: str) -> set[str]:
    return {need.names[0] for need in read_robot(robot_file(robot)).needs(()) if need.names[0] not in LAUNCHED}


def test_all_that_the_robot_needs_is_bridged_with_its_type_and_direction(bridged: dict[str, dict[str, str]]) -> None:
    command = COMMANDS[params.load(Limits, robot_file("gazebo"), "safety_node").command]
    assert {*needed("gazebo"), topic(command).wire_name, "/clock"} <= set(bridged)
    for name, row in bridged.items():
        types = {r.type for r in on_wire(name)} or {"rosgraph_msgs/msg/Clock"}
        assert row["ros_type_name"] in types
        assert row["gz_type_name"] == GZ_TYPES[row["ros_type_name"]]
        sensor = name == "/clock" or topic(name).role is Role.SENSOR
        assert row["direction"] == ("GZ_TO_ROS" if sensor else "ROS_TO_GZ")
    assert bridged["cmd_vel"]["ros_type_name"] == topic(command).type


def test_every_bridged_topic_is_one_of_the_worlds(bridged: dict[str, dict[str, str]], world: ET.Element) -> None:
    named = {e.text for e in world.iter() if e.tag in ("topic", "camera_info_topic", "odom_topic", "tf_topic")}
    assert {row["gz_topic_name"] for row in bridged.values()} == {*named, "/clock"}


def test_the_pair_is_one_that_gazebo_gives_a_baseline(world: ET.Element) -> None:
    """gz-sim: cameras of one link, the second with "right" in its topic; B is their distance along the link's y."""
    (head,) = [link for link in world.iter("link") if link.findall("sensor[@type='camera']")]
    left, right = head.findall("sensor")
    assert ("left" in left.findtext("topic", ""), "right" in right.findtext("topic", "")) == (True, True)
    places = [list(map(float, sensor.findtext("pose", "").split())) for sensor in (left, right)]
    assert places[0][1] - places[1][1] == pytest.approx(0.12)
    assert places[0][:1] + places[0][2:] == places[1][:1] + places[1][2:]
    for sensor in (left, right):
        assert sensor.findtext("camera/optical_frame_id") == f"{sensor.get('name')}_optical"
        assert sensor.findtext("camera/camera_info_topic") == f"/{sensor.get('name')}/camera_info"
        assert float(sensor.findtext("update_rate", "")) == topic("left/image_rect").rate_hz
        assert sensor.find("camera/lens") is None  # it would take the baseline's place, and changes what is rendered
    assert [ET.tostring(e) for e in left.find("camera/image")] == [ET.tostring(e) for e in right.find("camera/image")]


def test_the_base_is_what_its_robot_file_says(world: ET.Element) -> None:
    limits = params.load(Limits, robot_file("gazebo"), "safety_node")
    (drive,) = [p for p in world.iter("plugin") if p.get("filename") == "gz-sim-diff-drive-system"]
    told = {e.tag: e.text for e in drive}
    assert (told["frame_id"], told["child_frame_id"]) == ("odom", "base_link")
    assert float(told["odom_publish_frequency"] or 0) == topic("odom").rate_hz
    assert float(told["max_linear_velocity"] or 0) >= limits.max_speed[0]
    assert float(told["max_angular_velocity"] or 0) >= limits.max_speed[1]
    joints = {j.get("name"): j for j in world.iter("joint")}
    wheels = [joints[told[f"{side}_joint"] or ""].findtext("child") for side in ("left", "right")]
    poses = {link.get("name"): link.findtext("pose", "0 0 0 0 0 0").split() for link in world.iter("link")}
    y = [float(poses[wheel or ""][1]) for wheel in wheels]
    assert y[0] - y[1] == pytest.approx(float(told["wheel_separation"] or 0))
    assert {float(poses[wheel or ""][2]) for wheel in wheels} == {float(told["wheel_radius"] or 0)}
    assert float(world.findtext("world/physics/max_step_size") or 1) <= 0.01  # the gate ticks by /clock


class Recorder(ModuleType):
    """A module of Isaac's that notes how it was called."""

    calls: list[tuple[Any, ...]]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args: self.calls.append((name, *args)) or self


@pytest.fixture(scope="module")
def isaac() -> dict[str, Any]:
    """The graph that the script makes: nodes, values, wires; and its constants."""
    made: dict[str, Any] = {}
    keys = SimpleNamespace(CREATE_NODES="nodes", SET_VALUES="values", CONNECT="wires")
    graph = ModuleType("omni.graph.core")
    graph.Controller = SimpleNamespace(Keys=keys, edit=lambda where, what: made.update(what, where=where))  # type: ignore[attr-defined]
    modules = {"omni": ModuleType("omni"), "omni.graph": ModuleType("omni.graph"), "omni.graph.core": graph}
    for name in ("omni.usd", "pxr"):
        modules[name] = Recorder(name)
        modules[name].calls = []  # type: ignore[attr-defined]
    modules["omni"].usd, modules["omni"].graph = modules["omni.usd"], modules["omni.graph"]  # type: ignore[attr-defined]
    modules["omni.graph"].core = graph  # type: ignore[attr-defined]
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        script = runpy.run_path(str(share("config") / "isaac" / "saccade_graph.py"))
        script["add_graph"]()
    finally:
        for name, module in before.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})
    return {**script, **made, "values": dict(made["values"]), "kinds": dict(made["nodes"])}


def test_isaacs_graph_has_all_topics_that_the_robot_needs(isaac: dict[str, Any]) -> None:
    sent = {
        "ROS2PublishClock": "rosgraph_msgs/msg/Clock", "ROS2CameraHelper": "sensor_msgs/msg/Image",
        "ROS2CameraInfoHelper": "sensor_msgs/msg/CameraInfo", "ROS2PublishOdometry": "nav_msgs/msg/Odometry",
        "ROS2SubscribeTwist": "geometry_msgs/msg/Twist",
    }  # fmt: skip
    topics = {value: key for key, value in isaac["values"].items() if ":topicName" in key}
    assert {*needed("isaac"), "cmd_vel", "/clock"} == set(topics)
    for name, key in topics.items():
        kind = sent[isaac["kinds"][key.partition(".")[0]].rpartition(".")[2]]
        assert kind in ({r.type for r in on_wire(name)} or {"rosgraph_msgs/msg/Clock"})
    command = COMMANDS[params.load(Limits, robot_file("isaac"), "safety_node").command]
    assert topic(command).type == "geometry_msgs/msg/Twist"


def test_isaacs_graph_is_wired_between_nodes_that_are_there(isaac: dict[str, Any]) -> None:
    ends = [end for wire in isaac["wires"] for end in wire]
    assert {end.partition(".")[0] for end in (*ends, *isaac["values"])} == set(isaac["kinds"])
    for start, end in isaac["wires"]:
        assert re.fullmatch(r"\w+\.outputs:\w+", start)
        assert re.fullmatch(r"\w+\.inputs:\w+", end)
    stamped = {end for start, end in isaac["wires"] if start == "time.outputs:simulationTime"}
    assert stamped == {"clock.inputs:timeStamp", "odom.inputs:timeStamp"}
    frames = {value for key, value in isaac["values"].items() if ":frameId" in key}
    assert frames == {"left_optical", "right_optical"}


def test_isaacs_cameras_look_ahead_where_the_launch_file_says(isaac: dict[str, Any]) -> None:
    w, x, y, z = isaac["CAMERA_WXYZ"]
    usd = SE3.from_quaternion((x, y, z, w), np.zeros(3)).R  # looks along -z, y up
    np.testing.assert_allclose(usd @ np.diag([1.0, -1.0, -1.0]), R_BODY_FROM_OPTICAL, atol=1e-12)
    said = dict(re.findall(r"(\w+)=([\d.]+)", (share("launch") / "isaac.launch.py").read_text()))
    assert (float(said["x_m"]), float(said["z_m"])) == (isaac["HEAD_M"][0], isaac["HEAD_M"][2])
    assert float(said["baseline_m"]) == isaac["BASELINE_M"]


def test_gazebos_cameras_are_where_the_launch_file_says(world: ET.Element) -> None:
    said = dict(re.findall(r"(\w+)=([\d.]+)", (share("launch") / "gazebo.launch.py").read_text()))
    (head,) = [link for link in world.iter("link") if link.findall("sensor[@type='camera']")]
    x, _, z, *turn = map(float, head.findtext("pose", "").split())
    assert (float(said["x_m"]), float(said["z_m"]), turn) == (x, z, [0, 0, 0])
    assert math.isclose(float(said["baseline_m"]), 0.12)
