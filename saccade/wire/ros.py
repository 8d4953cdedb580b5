"""`ros:` buses: the same topics through rclpy, for processes that live inside a sourced ROS 2 installation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl

from saccade.errors import ConfigError, choices
from saccade.node import Node

if TYPE_CHECKING:
    from saccade.wire.ros_bus import RosBus

P = TypeVar("P")
_NODE = "saccade"
"""What the process is called in the graph when the address says nothing."""
_OPTIONS: dict[str, Callable[[str], list[str]]] = {
    "namespace": lambda value: ["-r", f"__ns:=/{value.strip('/')}"],
    "remap": lambda value: ["-r", value],
    "use_sim_time": lambda value: ["-p", f"use_sim_time:={value}"],
}


def open_ros(
    rest: str, reads: frozenset[str], writes: frozenset[str], *,
    latency_ns: Mapping[str, int] | None = None, pace: float | None = None,
) -> RosBus:  # fmt: skip
    """Open `ros:[NODE_NAME][?namespace=NAME&use_sim_time=true&remap=TOPIC:=NAME&remap=…]`; see `open_bus`.

    The environment says which domain and middleware, as for any ROS node.
    """
    if latency_ns or pace is not None:
        raise ConfigError(f"bus 'ros:{rest}' is live: latency and pace belong to buses on virtual time (bag:, sim:)")
    require_ros()
    from saccade.wire.ros_bus import RosBus
    from saccade.wire.ros_process import RosProcess

    name, _, query = rest.partition("?")
    process = RosProcess(name or _NODE, ros_arguments(query))
    try:
        bus = RosBus(process, reads, writes, then=process.close)
    except BaseException:
        process.close()
        raise
    process.start()
    return bus


def ros_arguments(query: str) -> list[str]:
    """The options of a `ros:` address as ROS 2 takes them; ConfigError for others.

    >>> ros_arguments("namespace=go2&remap=odom:=/utlidar/odom")
    ['--ros-args', '-r', '__ns:=/go2', '-r', 'odom:=/utlidar/odom']
    """
    arguments = []
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in _OPTIONS:
            raise ConfigError(f"bus 'ros:?{query}' has an unknown option {key!r}; {choices(key, _OPTIONS)}")
        arguments += _OPTIONS[key](value)
    return ["--ros-args", *arguments] if arguments else []


def serve_ros(
    name: str, initial: P, make: Callable[[P], Node], args: Sequence[str] = (), linger_s: float = 0.0
) -> None:
    """Run a node as a ROS 2 lifecycle node; see `saccade.wire.ros_life.serve`."""
    require_ros()
    from saccade.wire import ros_life

    ros_life.serve(name, initial, make, args, linger_s)


def require_ros() -> None:
    """ConfigError, saying what to do, where this Python has no rclpy."""
    try:
        import rclpy  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"bus 'ros:' needs rclpy, which cannot be imported here ({error}): source ROS 2 first, as in"
            " `source /opt/ros/jazzy/setup.bash`, and use the Python it was built for; or join the same graph"
            " without ROS by --bus dds:0"
        ) from error
