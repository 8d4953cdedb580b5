"""The VLA node as a process: `python -m vla_node --bus dds:0 --params robot.yaml`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; 2 and one line on stderr when the parameters or the bus cannot be used."""
    parser = argparse.ArgumentParser(prog="vla_node", description=__doc__)
    parser.add_argument("--bus", default="dds:0", metavar="URL", help="default: %(default)s")
    parser.add_argument("--params", metavar="FILE", help="ROS parameter file; its section vla_node is read")
    args = parser.parse_args(argv)

    from saccade.errors import SaccadeError
    from saccade.node import run
    from saccade.params import load
    from saccade.wire.open import open_bus
    from vla_node.node import VlaNode
    from vla_node.params import VlaParams

    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _: asked.append(got))
    try:
        node = VlaNode(load(VlaParams, args.params, "vla_node") if args.params else VlaParams())
        bus = open_bus(args.bus, node.reads, node.writes)
    except SaccadeError as error:
        sys.stderr.write(f"vla_node: {error}\n")
        return 2
    try:
        run([node], bus, stop=lambda: bool(asked))
    finally:
        bus.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
