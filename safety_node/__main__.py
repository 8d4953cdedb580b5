"""`safety_node`: the gate as a process of its own."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

LINGER_S = 0.5
"""How long the gate works on after a stop signal: the others stop sending, and it brakes within its limits."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the gate on a bus until SIGINT or SIGTERM; the last it sends is a zero command. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="safety_node", description=__doc__)
    parser.add_argument("--bus", default="dds:0", metavar="URL", help="the bus to join (default: %(default)s)")
    parser.add_argument("--params", type=Path, metavar="FILE", help="limits or robot file with a safety_node section")
    args = parser.parse_args(argv)

    from saccade import params
    from saccade.errors import SaccadeError
    from saccade.wire.live import real_time, serve
    from safety_node.limits import Limits
    from safety_node.node import SafetyNode

    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    log = logging.getLogger("safety_node")
    try:
        node = SafetyNode(params.load(Limits, args.params, "safety_node") if args.params else Limits())
        log.info("limits from %s; %s", args.params or "defaults", real_time())
        serve(node, args.bus, LINGER_S)
    except SaccadeError as error:
        log.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
