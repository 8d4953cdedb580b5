"""Offer what thinks or acts to robots elsewhere: a reasoner of your own, and keys for those who may ask it."""

from __future__ import annotations

import argparse
import importlib

KINDS = {
    "reasoner": "host a Python callable as a reasoner",
    "policy": "answer robots, or openpi's or GR00T's clients, with an ONNX graph or a recording",
    "keys": "make keys for a server and for the robots that may ask it",
}
EXAMPLES = """examples:
  saccade serve reasoner my_model:plan                      # for robots on this machine
  saccade serve policy --onnx my-card.yaml                  # for openpi's clients on this machine
  saccade serve keys keys/ --robot hall-3                   # keys for the server and for one robot
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade serve` and of what it can serve, one file each: `serve/<kind>.py`."""
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    for kind, help_ in KINDS.items():
        module = importlib.import_module(f"saccade.cli.serve.{kind}")
        sub = kinds.add_parser(
            kind, help=help_, description=module.__doc__, epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        module.add_arguments(sub)


def run(args: argparse.Namespace) -> int:
    """Run `saccade serve KIND`."""
    return int(importlib.import_module(f"saccade.cli.serve.{args.kind}").run(args))
