"""Robots by name: their files load, and their own topic names are topics that exist."""

from pathlib import Path

import pytest

from map_node.params import MapNodeParams
from perception_node.params import PerceptionParams
from saccade import params
from saccade.errors import ConfigError
from saccade.robots import nodes, remapping, robot_file, robots
from safety_node.params import SafetyParams
from vla_node.params import VlaParams


@pytest.mark.parametrize("robot", robots())
def test_every_node_of_every_robot_reads_its_section(robot):
    path = robot_file(robot)
    for cls, node in ((PerceptionParams, "perception_node"), (VlaParams, "vla_node"), (SafetyParams, "safety_node")):
        assert params.section(path, node), f"{path} has nothing for {node}"
        params.load(cls, path, node)
    params.load(MapNodeParams, path, "map_node")
    remapping(path)


@pytest.mark.parametrize("robot", robots())
def test_the_planner_asks_for_no_more_than_the_gate_grants(robot):
    vla = params.load(VlaParams, robot_file(robot), "vla_node")
    gate = params.load(SafetyParams, robot_file(robot), "safety_node")
    if vla.embodiment == "arm":
        arm = vla.arm
        assert arm.axes == gate.axes
        for asked, granted in (
            (arm.max_speed, gate.max_speed), (arm.max_accel, gate.max_accel), (arm.max_accel, gate.max_brake),
        ):  # fmt: skip
            assert all(a <= g for a, g in zip(asked, granted, strict=True))
        assert all(g < a for g, a in zip(gate.position_min, arm.position_min, strict=True))  # rounding stops nothing
        assert all(a < g for a, g in zip(arm.position_max, gate.position_max, strict=True))
        assert gate.max_lag[-1] >= gate.position_max[-1] - gate.position_min[-1]  # it closes on things
        return
    speed = dict(zip(gate.axes, gate.max_speed, strict=True))
    assert vla.policy.cruise_m_s <= speed["vx"]
    assert vla.policy.turn_rad_s <= speed["wz"]
    assert vla.limits.radius_m >= gate.radius_m


def test_a_bridge_belongs_to_those_that_have_a_section_for_it():
    assert nodes(robot_file("walker")) == ("perception_node", "vla_node", "safety_node")
    assert nodes(robot_file("go2_dds"))[-1] == "bridge_node"


def test_a_map_belongs_to_those_that_have_a_section_for_it():
    assert nodes(robot_file("hall")) == ("perception_node", "map_node", "vla_node", "safety_node")


def test_an_unknown_robot_is_answered_with_those_there_are():
    with pytest.raises(ConfigError, match=r"no robot 'halll'.*did you mean 'hall'.*car, .*walker"):
        robot_file("halll")
    assert robot_file("somewhere/mine.yaml") == Path("somewhere/mine.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [("odmo: /odom", "names 'odmo'; did you mean 'odom'"), ("odom: 7", "expected the name of a topic")],
)
def test_wrong_names_are_told(tmp_path, text, says):
    path = tmp_path / "robot.yaml"
    path.write_text(f"topics:\n  ros__parameters: {{{text}}}\n")
    with pytest.raises(ConfigError, match=says):
        remapping(path)


def test_a_section_for_any_namespace_yields_to_the_nodes_own(tmp_path):
    path = tmp_path / "robot.yaml"
    path.write_text("node: {ros__parameters: {a: 1}}\n/**/node: {ros__parameters: {a: 2, b: 2}}\n")
    assert params.section(path, "node") == {"a": 1, "b": 2}
