"""Run a world live, in real time: its sensors are on the bus, and the robot in it obeys `cmd_vel`. Ctrl-C ends it."""

from __future__ import annotations

import argparse

from rich.console import Console

from saccade.cli import OK
from saccade.wire.live import serve

EXAMPLES = """examples:
  saccade sim                                               # the hall, on DDS domain 0 of this machine
  saccade up --robot hall                                   # in a second terminal: the nodes that drive the robot in it
  saccade sim 'hall?seed=3&instruction=go to the red box'   # another hall, and something to do
  saccade sim table                                         # an arm; its nodes: saccade up --robot table
  saccade sim 'yard?seed=3'                                 # a dog among walls and people: saccade up --robot yard
  ros2 run saccade world_node --ros-args -p world:=hall     # as a ROS 2 node
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade sim`."""
    parser.add_argument("world", nargs="?", default="hall", help="world and its options (default: hall)")
    parser.add_argument("--bus", default="dds:0", metavar="URL", help="live bus (default dds:0, loopback only)")


def run(args: argparse.Namespace) -> int:
    """Run `saccade sim`."""
    from sim.live import WorldNode, WorldParams

    world, console = WorldNode(WorldParams(args.world)), Console(stderr=True)
    console.print(f"{args.world} on {args.bus}; Ctrl-C ends it", soft_wrap=True)
    serve(world, args.bus)
    if judged := world.judge():
        console.print(told(judged), soft_wrap=True)
    return OK


def told(judged: dict[str, object]) -> str:
    """The judge's findings in a line."""
    if "on_tray" in judged:
        named = {key: ", ".join(map(str, judged[key])) or "nothing" for key in ("lifted", "on_tray")}  # type: ignore[call-overload]
        return f"lifted: {named['lifted']}; on the tray: {named['on_tray']}; collisions: {judged['collisions']}"
    goal = judged["goal"]
    reached = f"reached the {goal}" if judged["reached"] else f"came to {judged['closest_m']} m of the {goal}"
    back = ", returned" if judged["returned"] else f", is {judged['from_start_m']} m from the start"
    return f"the robot drove {judged['travelled_m']} m, {reached}{back}, collisions: {judged['collisions']}"
