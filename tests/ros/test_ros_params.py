"""One dataclass of parameters as ROS parameters: declared, described, overridden, changed or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip("rclpy", reason="ROS 2 is not sourced")

from rclpy.parameter import Parameter

from saccade.errors import ConfigError
from saccade.params import param
from saccade.wire.ros_params import RosParameters
from saccade.wire.ros_process import RosProcess


@dataclass(frozen=True)
class Group:
    """Settings of one part."""

    gain: float = param(1.0, "how much", low=0, high=10, live=True)
    count: int = param(3, "how many", low=1)


@dataclass(frozen=True)
class Settings:
    """Of every type that parameters have."""

    mode: Literal["slow", "fast"] = param("slow", "how")
    axes: tuple[str, ...] = param(("x", "y"), "names")
    speeds: tuple[float, ...] = param((1.0, 2.0), "m/s by axis", live=True)
    none: tuple[float, ...] = param((), "no numbers")
    ages: dict[str, float] = param(lambda: {"odom": 0.2, "map": 0.4}, "s by topic")
    on: bool = param(True, "whether", live=True)
    group: Group = field(default_factory=Group)

    def __post_init__(self) -> None:
        if len(self.speeds) != len(self.axes):
            raise ValueError(f"speeds has {len(self.speeds)} numbers for {len(self.axes)} axes")


class Node:
    """A node with such parameters."""

    def __init__(self, *args: str, initial: Settings | None = None) -> None:
        self.process = RosProcess("settings", ["--ros-args", *(a for arg in args for a in ("-p", arg))])
        self.node, self.free, self.changes = self.process.node, False, list[Settings]()
        try:
            self.parameters = RosParameters(self.node, initial or Settings(), lambda: self.free, self.changes.append)
        except ConfigError:
            self.process.close()
            raise

    def set(self, **values: Any) -> str:
        """The reason why not, or empty."""
        results = self.node.set_parameters_atomically(
            [Parameter(n.replace("__", "."), value=v) for n, v in values.items()]
        )
        assert results.successful != bool(results.reason)
        return str(results.reason)


MakeNode = Callable[..., Node]


@pytest.fixture
def make_node() -> Iterator[MakeNode]:
    made: list[Node] = []

    def make(*args: str, **options: Any) -> Node:
        made.append(Node(*args, **options))
        return made[-1]

    yield make
    for node in made:
        node.process.close()


def test_defaults_are_declared_with_their_types(make_node: MakeNode) -> None:
    node = make_node().node
    types = {p.name: p.type_ for p in node.get_parameters(["mode", "axes", "speeds", "ages.map", "on", "group.count"])}
    assert types == {
        "mode": Parameter.Type.STRING, "axes": Parameter.Type.STRING_ARRAY, "speeds": Parameter.Type.DOUBLE_ARRAY,
        "ages.map": Parameter.Type.DOUBLE, "on": Parameter.Type.BOOL, "group.count": Parameter.Type.INTEGER,
    }  # fmt: skip
    assert node.get_parameter("group.gain").value == 1.0
    assert node.describe_parameter("none").type == Parameter.Type.DOUBLE_ARRAY.value


def test_descriptions_ranges_and_choices_are_shown(make_node: MakeNode) -> None:
    node = make_node().node
    gain = node.describe_parameter("group.gain")
    assert gain.description == "how much"
    assert (gain.floating_point_range[0].from_value, gain.floating_point_range[0].to_value) == (0.0, 10.0)
    assert gain.additional_constraints == ""
    count = node.describe_parameter("group.count")
    assert (count.integer_range[0].from_value, count.integer_range[0].to_value) == (1, 2**63 - 1)
    mode = node.describe_parameter("mode").additional_constraints
    assert mode == "one of slow, fast; can be changed only while the node is not active"
    assert node.describe_parameter("ages.map").description == "s by topic"


def test_the_command_line_overrides_the_file(make_node: MakeNode) -> None:
    """An integer may stand for a float; keys of a dict that are given replace all of it, as in a file."""
    initial = Settings(on=False, group=Group(gain=5.0))
    made = make_node("group.count:=7", "speeds:=[1, 2]", "ages.odom:=1", initial=initial)
    assert made.parameters.value == Settings(
        on=False, speeds=(1.0, 2.0), ages={"odom": 1.0}, group=Group(gain=5.0, count=7)
    )
    assert made.node.get_parameter("speeds").type_ is Parameter.Type.DOUBLE_ARRAY
    assert not made.node.has_parameter("ages.map")


@pytest.mark.parametrize(
    ("arg", "error"),
    [
        ("group.gian:=2.0", "unknown parameter 'gian'.*gain"),
        ("mode:=quick", "mode is 'quick'"),
        ("group.count:=2.5", "count is 2.5.*expected int"),
        ("speeds:=[1.0]", "speeds has 1 numbers for 2 axes"),
    ],
)
def test_wrong_overrides_end_the_node(make_node: MakeNode, arg: str, error: str) -> None:
    with pytest.raises(ConfigError, match=error):
        make_node(arg)


def test_a_running_node_takes_live_changes_only(make_node: MakeNode) -> None:
    made = make_node()
    assert made.set(group__gain=2.0, on=False) == ""
    assert made.changes == [Settings(on=False, group=Group(gain=2.0))]
    assert "mode can be changed only while the node is not active: ros2 lifecycle set /settings" in made.set(
        mode="fast"
    )
    assert made.set(mode="slow") == ""  # no change
    assert made.node.get_parameter("mode").value == "slow"
    made.free = True
    assert made.set(mode="fast") == ""
    assert made.parameters.value == Settings(mode="fast", on=False, group=Group(gain=2.0))


def test_what_the_dataclass_refuses_is_refused_with_its_reason(make_node: MakeNode) -> None:
    made = make_node()
    assert "speeds has 3 numbers for 2 axes" in made.set(speeds=[1.0, 2.0, 3.0])
    assert "out of range" in made.set(group__gain=11.0)
    assert made.set(on=False, speeds=[0.0]) != ""
    assert made.parameters.value == Settings()
    assert not made.changes
    assert made.node.get_parameter("on").value is True


def test_other_parameters_of_ros_are_left_alone(make_node: MakeNode) -> None:
    made = make_node("use_sim_time:=true", "qos_overrides./plan.publisher.depth:=3")
    assert "use_sim_time can be changed only" in made.set(use_sim_time=False)
    made.free = True
    assert made.set(use_sim_time=False) == ""
    assert not made.changes
