"""The launch files without ROS: `launch` is played by stand-ins that note what they were made of.

What a real `ros2 launch` makes of them is tested where ROS is (mark `ros`).
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml

from saccade.errors import ConfigError
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3
from saccade.paths import share
from saccade.robots import robot_file, robots
from saccade.topics import TOPICS, Role

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
HALL = {"params": str(robot_file("hall")), "odometry": "auto", "map": "auto"}
FILES = sorted(path.name for path in LAUNCH.glob("*.launch.py"))
MODULES = (
    "launch", "launch.actions", "launch.conditions", "launch.events", "launch.events.process", "launch.substitutions",
    "launch_ros", "launch_ros.actions", "launch_ros.parameter_descriptions",
)  # fmt: skip


class Made:
    """Anything of `launch`: remembers its arguments; substitutions look into a dict instead of a LaunchContext."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs

    def perform(self, context: dict[str, str]) -> str:
        return context[self.args[0]]


class StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (Made,), {})
        setattr(self, name, made)
        return made


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in MODULES:
        monkeypatch.setitem(sys.modules, name, StandIn(name))
    monkeypatch.delitem(sys.modules, "saccade.launching", raising=False)
    yield
    sys.modules.pop("saccade.launching", None)


def entities(file: str) -> list[Any]:
    description = runpy.run_path(str(LAUNCH / file))["generate_launch_description"]()
    return list(description.args[0])


def named(made: list[Any], kind: str) -> list[Any]:
    return [one for one in made if type(one).__name__ == kind]


def brought_up(file: str, context: dict[str, str]) -> list[Any]:
    (bring_up,) = named(entities(file), "OpaqueFunction")
    return list(bring_up.kwargs["function"](context, *bring_up.kwargs["args"]))


def chain(made: list[Any]) -> list[Any]:
    """What is started, one after the other, as each node says that it is active."""
    (first,) = named(made, "LifecycleNode")
    order = [first]
    for registered in named(made, "RegisterEventHandler"):
        handler = registered.args[0].kwargs
        assert handler["handle_once"]  # a node that comes back must not start the next one again
        assert handler["matcher"](line(order[-1], b"[INFO] safety_node: active\n"))
        assert not handler["matcher"](line(order[-1], b"safety_node: parameters from defaults\n"))
        assert not handler["matcher"](line(Made(), b"other_node: active\n"))
        order += handler["entities"]
    return order


def line(action: Any, text: bytes) -> Any:
    said = sys.modules["launch.events.process"].ProcessIO()
    said.action, said.text = action, text
    return said


def test_all_are_there() -> None:
    names = ("gazebo", "isaac", "perception", "replay", "robot", "sim")
    assert [f"{name}.launch.py" for name in names] == FILES
    assert not (LAUNCH / "__init__.py").exists()  # it would hide ROS' own `launch`


@pytest.mark.parametrize("file", FILES)
def test_every_argument_is_described(file: str) -> None:
    declared = named(entities(file), "DeclareLaunchArgument")
    assert {one.args[0] for one in declared} >= {"robot", "params", "odometry", "namespace", "use_sim_time", "dds"}
    assert all(len(one.kwargs["description"]) > 10 for one in declared)


@pytest.mark.parametrize("file", FILES)
def test_every_program_is_installed(file: str) -> None:
    installed = {point.name for point in entry_points(group="console_scripts")}
    made = entities(file) + brought_up(file, HALL)
    for node in (one for kind in ("Node", "LifecycleNode") for one in named(made, kind)):
        assert node.kwargs["package"] != "saccade" or node.kwargs["executable"] in installed


@pytest.mark.parametrize("file", FILES)
def test_settings_of_the_environment_win(file: str) -> None:
    (setting,) = named(entities(file), "SetEnvironmentVariable")
    name, value = setting.args
    assert (name, value.args[0], type(value).__name__) == ("CYCLONEDDS_URI", "CYCLONEDDS_URI", "EnvironmentVariable")
    (default,) = [a for a in named(entities(file), "DeclareLaunchArgument") if a.args[0] == "dds"]
    assert Path(default.kwargs["default_value"]).is_file()


def test_robots_to_choose_from_are_those_that_ship() -> None:
    (robot,) = [a for a in named(entities("robot.launch.py"), "DeclareLaunchArgument") if a.args[0] == "robot"]
    assert robot.kwargs["choices"] == robots()
    assert "go2" in robots()


def test_nodes_come_up_one_after_the_other_and_come_back() -> None:
    order = chain(brought_up("robot.launch.py", HALL))
    assert [node.kwargs["name"] for node in order] == ["safety_node", "perception_node", "vla_node", "map_node"]
    assert all(node.kwargs["respawn"] and node.kwargs["executable"] == node.kwargs["name"] for node in order)


def test_a_robot_with_a_bridge_gets_it_before_the_gate() -> None:
    order = chain(brought_up("robot.launch.py", {**HALL, "params": str(robot_file("px4"))}))
    assert [node.kwargs["name"] for node in order] == ["bridge_node", "safety_node", "perception_node", "vla_node"]


@pytest.mark.parametrize("by", ["argument", "file"])
def test_visual_odometry_comes_before_perception_and_the_recorded_one_is_not_played(by: str, tmp_path: Path) -> None:
    context = {**HALL, "odometry": "visual", "namespace": ""}
    if by == "file":
        own = tmp_path / "own.yaml"
        own.write_text("/**/odometry_node: {ros__parameters: {max_speed_m_s: 2.0}}")
        context |= {"odometry": "auto", "params": str(own)}
    order = chain(brought_up("robot.launch.py", context))
    names = [node.kwargs["name"] for node in order if node.kwargs["name"] != "map_node"]
    assert names == ["safety_node", "odometry_node", "perception_node", "vla_node"]
    (process,) = chain(brought_up("replay.launch.py", context))[-1].kwargs["function"](context)
    played = [part if isinstance(part, str) else part.args[0] for part in process.kwargs["cmd"]]
    assert "/odom" not in played
    assert "/imu" in played


def test_the_map_comes_last_where_it_is_asked_for(tmp_path: Path) -> None:
    none = tmp_path / "none.yaml"
    none.write_text("/**/perception_node: {ros__parameters: {engine: sgbm}}")

    def started(file: str, **asked: str) -> list[str]:
        return [node.kwargs["name"] for node in chain(brought_up(file, {**HALL, **asked}))]

    without = ["safety_node", "perception_node", "vla_node"]
    with_map = [*without, "map_node"]  # nothing that moves the robot waits for it
    assert started("robot.launch.py") == with_map  # its file has a section for it
    assert started("robot.launch.py", map="false") == without
    assert started("robot.launch.py", params=str(none)) == without
    assert started("robot.launch.py", params=str(none), map="true") == with_map
    assert started("perception.launch.py") == ["perception_node", "map_node"]


@pytest.mark.parametrize("file", ["gazebo.launch.py", "isaac.launch.py"])
def test_a_simulators_cameras_are_placed_as_optical_frames(file: str) -> None:
    placed = [n.kwargs for n in named(entities(file), "Node") if n.kwargs["package"] == "tf2_ros"]
    for node, side in zip(placed, ("left", "right"), strict=True):
        said = dict(zip(node["arguments"][::2], node["arguments"][1::2], strict=True))
        T = SE3.from_quaternion(tuple(float(said[f"--q{axis}"]) for axis in "xyzw"), np.zeros(3))  # type: ignore[arg-type]
        np.testing.assert_allclose(T.R, R_BODY_FROM_OPTICAL, atol=1e-12)
        assert (said["--frame-id"], said["--child-frame-id"]) == ("base_link", f"{side}_optical")
        assert float(said["--y"]) == (0.06 if side == "left" else -0.06)
        assert node["remappings"] == [("/tf_static", "tf_static")]


@pytest.mark.parametrize(("file", "robot"), [("gazebo.launch.py", "gazebo"), ("isaac.launch.py", "isaac")])
def test_a_simulator_has_its_robot_and_its_time(file: str, robot: str) -> None:
    defaults = {a.args[0]: a.kwargs.get("default_value") for a in named(entities(file), "DeclareLaunchArgument")}
    assert (defaults["robot"], defaults["use_sim_time"]) == (robot, "true")
    assert robot in robots()


def test_the_recording_starts_when_all_are_up_and_ends_all() -> None:
    context = {"params": str(robot_file("go2")), "namespace": "", "odometry": "auto", "map": "auto"}
    *nodes, play = chain(brought_up("replay.launch.py", context))
    assert [node.kwargs["name"] for node in nodes[-2:]] == ["vla_node", "map_node"]
    (process,) = play.kwargs["function"](context)
    command = [part if isinstance(part, str) else part.args[0] for part in process.kwargs["cmd"]]
    assert command[:4] == ["ros2", "bag", "play", "bag"]
    assert "--clock" in command
    assert type(process.kwargs["on_exit"]).__name__ == "Shutdown"
    played = command[command.index("--topics") + 1 :]
    assert {"/left/image_rect", "/tf_static", "/instruction", "/odom"} <= set(played)
    assert "/camera/camera/color/image_raw" in played  # the robot's own name
    assert not {"/cmd_vel", "/chunk", "/plan", "/local_map", "/verdict"} & set(played)  # they are for the nodes to say
    (in_namespace,) = play.kwargs["function"]({**context, "namespace": "/r1"})
    assert {"/r1/imu", "/odom"} <= set(in_namespace.kwargs["cmd"])  # where the nodes listen
    declared = named(entities("replay.launch.py"), "DeclareLaunchArgument")
    assert [a.kwargs["default_value"] for a in declared if a.args[0] == "use_sim_time"] == ["true"]


def test_latched_inputs_are_played_as_latched() -> None:
    overrides = yaml.safe_load((share("config") / "replay_qos.yaml").read_text())
    latched = {row.name for row in TOPICS.values() if row.latched and row.role in (Role.SENSOR, Role.REQUEST)}
    assert {name[1:] for name in overrides} == latched
    assert all(qos["durability"] == "transient_local" for qos in overrides.values())


def test_the_robots_own_names_and_parameters_reach_the_nodes() -> None:
    go2 = str(robot_file("go2"))
    (node,) = named(brought_up("perception.launch.py", {**HALL, "params": go2}), "LifecycleNode")
    assert node.kwargs["parameters"][0] == go2
    assert ("odom", "/odom") in node.kwargs["remappings"]
    assert node.kwargs["namespace"].args == ("namespace",)


def test_a_robot_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("topics: {ros__parameters: {odmo: /odom}}")
    with pytest.raises(ConfigError, match="did you mean 'odom'"):
        brought_up("robot.launch.py", {**HALL, "params": str(path)})
