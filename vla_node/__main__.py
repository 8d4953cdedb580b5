"""The VLA node as a process: `python -m vla_node --bus dds:0 --params robot.yaml`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM; 2 and one line on stderr when the parameters or the bus cannot be used."""
    parser = argparse.ArgumentParser(prog="vla_node", description=__doc__)
    parser.add_argument("--bus", default="dds:0", metavar="URL", help="default: %(default)s")
    parser.add_argument("--params", metavar="FILE", help="ROS parameter file; its section vla_node is read")
    args = parser.parse_args(argv)

    from saccade import params
    from saccade.errors import SaccadeError
    from saccade.wire.live import serve
    from vla_node.node import VlaNode
    from vla_node.params import VlaParams

    try:
        serve(VlaNode(params.load(VlaParams, args.params, "vla_node") if args.params else VlaParams()), args.bus)
    except SaccadeError as error:
        sys.stderr.write(f"vla_node: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
