"""What the launch files share: their arguments, and lifecycle nodes that come up one after the other.

For launch files only: it needs ROS 2's `launch_ros`, which the rest of Saccade does not.
"""

from __future__ import annotations

import posixpath
from pathlib import Path

from launch import Action, Event, EventHandler, LaunchContext
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.events.process import ProcessIO
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.parameter_descriptions import ParameterValue

from saccade.paths import share
from saccade.robots import nodes as needed
from saccade.robots import remapping, robots
from saccade.topics import TOPICS, Role

_CONFIG = str(share("config"))


def arguments(use_sim_time: bool = False, default_robot: str = "hall") -> list[Action]:
    """The arguments that every launch file has, and CycloneDDS' settings unless CYCLONEDDS_URI is there already."""
    robot, dds = LaunchConfiguration("robot"), LaunchConfiguration("dds")
    given = {
        "robot": (default_robot, "name of a file in config/robots"),
        "params": ([f"{_CONFIG}/robots/", robot, ".yaml"], "parameter file of all nodes, instead of the robot's"),
        "odometry": (
            "auto",
            "robot: its own; visual: from its pictures; auto: visual where its file has odometry_node",
        ),
        "map": ("auto", "whether there is a map in three dimensions; auto: where the robot's file has map_node"),
        "namespace": ("", "namespace of the nodes and of every topic that the robot file does not give in full"),
        "use_sim_time": (str(use_sim_time).lower(), "whether time comes from /clock"),
        "dds": (f"{_CONFIG}/cyclonedds.xml", "path of CycloneDDS settings; a CYCLONEDDS_URI in the environment wins"),
        "log_level": ("info", "debug, info, warn, error or fatal"),
        "rviz": ("false", "whether to start RViz with config/saccade.rviz"),
    }
    either = ["true", "false"]
    choices = {"robot": robots(), "odometry": ["auto", "robot", "visual"], "map": ["auto", *either]}
    choices |= {"use_sim_time": either, "rviz": either}
    uri = EnvironmentVariable("CYCLONEDDS_URI", default_value=["file://", dds])
    return [
        *(
            DeclareLaunchArgument(name, default_value=default, description=about, choices=choices.get(name))
            for name, (default, about) in given.items()
        ),
        SetEnvironmentVariable("CYCLONEDDS_URI", uri),
        LogInfo(msg=["CYCLONEDDS_URI is ", uri, "; terminals need the same to see the nodes"]),
    ]


def bring_up(*names: str, then: list[Action] | None = None) -> Action:
    """Start these lifecycle nodes, each once the one before it is active, and then `then`; nodes that die come back.

    They configure and activate themselves (parameter `autostart`): a node that comes back after a crash must not wait
    for a request that launch would still be sending to the dead one. All get the stop signal at once; the gate outlives
    the others by itself (see safety_node). `odometry_node` comes before perception and `map_node` after it, where they
    are asked for; `bridge_node` is left out where the parameter file has no section for it.
    """
    return OpaqueFunction(function=_bring_up, args=[names, then or []])


def play() -> Action:
    """`ros2 bag play` of the argument `bag`: what a robot gives and what it is told, not what a runtime said to it."""
    return OpaqueFunction(function=_play)


def optical_frames(x_m: float, z_m: float, baseline_m: float) -> list[Action]:
    """base_link -> left_optical and right_optical on tf_static, of a level pair that looks ahead; middle at x, z."""
    turn = ["--qx", "-0.5", "--qy", "0.5", "--qz", "-0.5", "--qw", "0.5"]  # REP 103: z forward, x right, y down
    return [
        Node(
            package="tf2_ros", executable="static_transform_publisher", name=f"{side}_optical_frame",
            namespace=LaunchConfiguration("namespace"), remappings=[("/tf_static", "tf_static")],
            arguments=["--x", str(x_m), "--y", str(y_m), "--z", str(z_m), *turn,
                       "--frame-id", "base_link", "--child-frame-id", f"{side}_optical"],
        )
        for side, y_m in (("left", baseline_m / 2), ("right", -baseline_m / 2))
    ]  # fmt: skip


def rviz() -> Action:
    """RViz with the shipped view, if the argument `rviz` says so."""
    return Node(
        package="rviz2", executable="rviz2", arguments=["-d", f"{_CONFIG}/saccade.rviz"],
        parameters=[{"use_sim_time": _use_sim_time()}], condition=IfCondition(LaunchConfiguration("rviz")),
    )  # fmt: skip


def _use_sim_time() -> ParameterValue:
    return ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)


def _bring_up(context: LaunchContext, names: tuple[str, ...], then: list[Action]) -> list[Action]:
    params = LaunchConfiguration("params").perform(context)
    wanted = [name for name in names if name != "bridge_node" or name in needed(Path(params))]
    if _visual(context):
        wanted.insert(wanted.index("perception_node"), "odometry_node")
    if _mapped(context):
        wanted.append("map_node")
    nodes = [_node(name, params) for name in wanted]
    followers = [*([node] for node in nodes[1:]), then]
    return [*(_once_active(*pair) for pair in zip(nodes, followers, strict=True)), nodes[0]]


def _play(context: LaunchContext) -> list[Action]:
    own = remapping(Path(LaunchConfiguration("params").perform(context)))
    namespace = LaunchConfiguration("namespace").perform(context).strip("/")
    inputs = [row.wire_name for row in TOPICS.values() if row.role in (Role.SENSOR, Role.REQUEST)]
    if _visual(context):
        inputs.remove("odom")
    topics = ["--topics", *(posixpath.join("/", namespace, own.get(name, name)) for name in inputs)]
    qos = ["--qos-profile-overrides-path", f"{_CONFIG}/replay_qos.yaml"]
    command = ["ros2", "bag", "play", LaunchConfiguration("bag"), "--rate", LaunchConfiguration("rate")]
    over = Shutdown(reason="the recording is over")
    return [ExecuteProcess(cmd=[*command, "--clock", "200", *qos, *topics], output="screen", on_exit=over)]


def _visual(context: LaunchContext) -> bool:
    asked = str(LaunchConfiguration("odometry").perform(context))
    params = Path(LaunchConfiguration("params").perform(context))
    return asked == "visual" or (asked == "auto" and "odometry_node" in needed(params))


def _mapped(context: LaunchContext) -> bool:
    asked = str(LaunchConfiguration("map").perform(context))
    params = Path(LaunchConfiguration("params").perform(context))
    return asked == "true" or (asked == "auto" and "map_node" in needed(params))


def _node(name: str, params: str) -> LifecycleNode:
    return LifecycleNode(
        package="saccade", executable=name, name=name, namespace=LaunchConfiguration("namespace"),
        parameters=[params, {"use_sim_time": _use_sim_time()}], remappings=list(remapping(Path(params)).items()),
        ros_arguments=["--log-level", LaunchConfiguration("log_level")], output="screen", respawn=True,
        respawn_delay=1.0,
    )  # fmt: skip


def _once_active(node: LifecycleNode, followers: list[Action]) -> Action:
    """Start what follows a node when it says for the first time that it is active.

    It says so on its own output: at that moment discovery may not have made its transition events heard yet.
    """

    def active(event: Event) -> bool:
        return isinstance(event, ProcessIO) and event.action is node and b": active" in event.text

    return RegisterEventHandler(EventHandler(matcher=active, entities=followers, handle_once=True))
