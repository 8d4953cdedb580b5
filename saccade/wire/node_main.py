"""A node's `main`: its arguments, its parameters, and the bus that it runs on."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from saccade import params
from saccade.errors import ConfigError, SaccadeError
from saccade.node import Node
from saccade.wire.live import serve

P = TypeVar("P")


def node_main(
    name: str,
    cls: type[P],
    make: Callable[[P], Node],
    argv: Sequence[str] | None = None,
    *,
    about: str | None = None,
    prepare: Callable[[], str] = str,
    linger_s: float = 0.0,
) -> int:
    """Run a node as a process: `[--bus URL] [--params FILE] [--ros-args …]`; returns the exit code.

    `cls` is its dataclass of parameters; `linger_s`: see `serve`. `prepare` is called before the bus is opened and says
    what to log. With `--ros-args`, as `ros2 run` and launch files give them, the bus is `ros:` unless another is named.
    """
    ours, ros = split_ros_args(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog=name, description=about)
    default = "ros:" if ros else "dds:0"
    parser.add_argument("--bus", default=default, metavar="URL", help="dds:DOMAIN, or ros:, where --ros-args follow")
    parser.add_argument("--params", type=Path, metavar="FILE", help=f"parameter file with a section {name}")
    args = parser.parse_args(ours)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    log = logging.getLogger(name)
    try:
        chosen = params.load(cls, args.params, name) if args.params else cls()
        scheme, _, rest = args.bus.partition(":")
        sources = f"{args.params or 'defaults'}{' and ROS' if scheme == 'ros' else ''}"
        log.info("%s", "; ".join(filter(None, (f"parameters from {sources}", prepare()))))
        if scheme == "ros":
            from saccade.wire.ros import serve_ros

            serve_ros(rest or name, chosen, make, ros, linger_s)
        elif ros:
            raise ConfigError(f"--ros-args are of no use on bus {args.bus!r}; leave them out, or use --bus ros:")
        else:
            serve(make(chosen), args.bus, linger_s)
    except SaccadeError as error:
        log.error("%s", error)
        return 2
    return 0


def split_ros_args(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is ours and what is for ROS, from `--ros-args` to `--` or the end; the latter keeps its `--ros-args`.

    >>> split_ros_args(["--bus", "ros:", "--ros-args", "-r", "__ns:=/go2"])
    (['--bus', 'ros:'], ['--ros-args', '-r', '__ns:=/go2'])
    """
    ours: list[str] = []
    ros: list[str] = []
    into = ours
    for arg in argv:
        if arg == "--ros-args":
            into = ros
        if not (into is ros and arg == "--"):
            into.append(arg)
        else:
            into = ours
    return ours, ros
