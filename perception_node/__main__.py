"""`perception_node`: frames to depth and a local map, as a process of its own."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Run perception on a bus until SIGINT or SIGTERM. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="perception_node", description=__doc__)
    parser.add_argument("--bus", default="dds:0", metavar="URL", help="the bus to join (default: %(default)s)")
    parser.add_argument("--params", type=Path, metavar="FILE", help="robot file with a perception_node section")
    args = parser.parse_args(argv)

    from perception_node.node import PerceptionNode
    from perception_node.params import PerceptionParams
    from saccade import params
    from saccade.errors import SaccadeError
    from saccade.wire.live import serve

    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    log = logging.getLogger("perception_node")
    try:
        chosen = params.load(PerceptionParams, args.params, "perception_node") if args.params else PerceptionParams()
        log.info("engine %s; parameters from %s", chosen.engine, args.params or "defaults")
        serve(PerceptionNode(chosen), args.bus)
    except SaccadeError as error:
        log.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
