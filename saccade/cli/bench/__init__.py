"""Measure Saccade: stereo matching and the map on real data, beside what others have, and errands in our worlds."""

from __future__ import annotations

import argparse
import importlib

BENCHES = {
    "stereo": "stereo matching against true disparity",
    "map": "the map: surface, distances, clearance, memory, odometry",
    "nav": "errands in the yard, many of them",
    "fly": "errands among gates, many of them",
    "reach": "errands at the table, many of them",
}
EXAMPLES = """examples:
  saccade bench stereo                                     # every data set and method that is there
  saccade bench map --open3d ~/o3d/bin/python              # the map, beside Open3D
  saccade bench nav --episodes 20                          # a model of a dog on held-out seeds
  saccade bench fly --episodes 20                          # a quadrotor among gates, likewise
  saccade bench reach --episodes 20                        # an arm at a table, likewise
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade bench` and of what it can measure, one file each: `bench/<what>.py`."""
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    for name, help_ in BENCHES.items():
        module = importlib.import_module(f"saccade.cli.bench.{name}")
        sub = what.add_parser(
            name, help=help_, description=module.__doc__, epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        module.add_arguments(sub)


def run(args: argparse.Namespace) -> int:
    """Run `saccade bench WHAT`."""
    return int(importlib.import_module(f"saccade.cli.bench.{args.what}").run(args))
