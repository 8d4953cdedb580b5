"""Make keys for a server and for robots that may ask it: encrypted both ways, and strangers are refused."""

from __future__ import annotations

import argparse
from pathlib import Path

from saccade.cli import OK

EXAMPLES = """examples:
  saccade serve keys keys/                          # a server's keys, and those of a robot called `robot`
  saccade serve keys keys/ --robot hall-3 --robot yard-1    # two more robots
  rm keys/clients/yard-1.key                        # shut one out; no restart is needed
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade serve keys`."""
    parser.add_argument("dir", type=Path, metavar="DIR", help="folder of the server's keys; made where there is none")
    parser.add_argument("--robot", action="append", metavar="NAME", help="who may ask (default: robot)")


def run(args: argparse.Namespace) -> int:
    """Run `saccade serve keys`."""
    from vla_node.reasoners.keys import make_robot, make_server

    if make_server(args.dir):
        print(f"{args.dir}: made the server's keys; they stay on this machine (--keys {args.dir})")
    for name in args.robot or ["robot"]:
        folder = make_robot(args.dir, name)
        print(f"{folder}: copy this folder to {name}, remove it here, and set planner.reasoner.keys to it there")
    return OK
