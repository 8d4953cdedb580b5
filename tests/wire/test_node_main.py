"""A node's arguments, and parameters that it takes while it runs."""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import replace

import pytest

from perception_node.node import PerceptionNode
from perception_node.params import PerceptionParams
from saccade.node import Tunable
from saccade.params import leaves
from saccade.wire.node_main import split_ros_args
from safety_node.__main__ import main
from safety_node.limits import Limits
from safety_node.node import SafetyNode
from vla_node.node import VlaNode
from vla_node.params import VlaParams


@pytest.mark.parametrize(
    ("argv", "ours", "ros"),
    [
        ("--bus dds:0", "--bus dds:0", ""),
        ("--params f --ros-args -r __ns:=/a -p x:=1", "--params f", "--ros-args -r __ns:=/a -p x:=1"),
        ("--ros-args -r a:=b -- --bus ros:", "--bus ros:", "--ros-args -r a:=b"),
        ("--ros-args", "", "--ros-args"),
        ("--ros-args -r a:=b --ros-args -r c:=d", "", "--ros-args -r a:=b --ros-args -r c:=d"),
    ],
)
def test_ros_arguments_are_told_from_ours(argv: str, ours: str, ros: str) -> None:
    assert split_ros_args(argv.split()) == (ours.split(), ros.split())


def test_ros_arguments_belong_to_the_ros_bus(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saccade.wire.live.real_time", lambda: "")
    with caplog.at_level(logging.ERROR):
        assert main(["--bus", "dds:0", "--ros-args", "-r", "a:=b"]) == 2
        assert "of no use on bus 'dds:0'" in caplog.text


@pytest.mark.skipif(importlib.util.find_spec("rclpy") is not None, reason="ROS 2 is sourced")
def test_without_ros_the_ros_bus_says_what_to_do(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saccade.wire.live.real_time", lambda: "")
    with caplog.at_level(logging.ERROR):
        assert main(["--ros-args", "-r", "a:=b"]) == 2
    assert "source ROS 2 first" in caplog.text
    assert "--bus dds:0" in caplog.text


def test_running_nodes_take_live_parameters() -> None:
    gate = SafetyNode(Limits())
    gate.retune(replace(Limits(), margin_m=0.3))
    assert gate._gate.limits.margin_m == gate.limits.margin_m == 0.3
    perception = PerceptionNode()
    perception.retune(replace(PerceptionParams(), map=replace(PerceptionParams().map, occupancy_hz=7.0)))
    assert perception._params.map.occupancy_hz == 7.0
    params = VlaParams()
    planner = VlaNode(params)
    slow = replace(params, policy=replace(params.policy, cruise_m_s=0.2), planner=replace(params.planner, period_s=3.0))
    planner.retune(slow)
    assert planner._pilot._acting.policy.style.cruise_m_s == 0.2
    assert planner._slow._period_ns == 3 * 10**9
    list(planner.close())
    assert all(isinstance(node, Tunable) for node in (gate, perception, planner))


@pytest.mark.parametrize("params", [PerceptionParams(), VlaParams(), Limits()])
def test_every_parameter_is_described(params: object) -> None:
    assert [leaf.name for leaf in leaves(params) if not leaf.about] == []
    for leaf in leaves(params):
        low, high = leaf.low, leaf.high
        assert low is None or low <= leaf.value
        assert high is None or leaf.value <= high
