"""`perception_node`: frames to depth and a local map, as a process of its own."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run perception on a bus until SIGINT or SIGTERM. Returns the exit code."""
    from perception_node.node import PerceptionNode
    from perception_node.params import PerceptionParams
    from saccade.wire.node_main import node_main

    return node_main("perception_node", PerceptionParams, PerceptionNode, argv, about=__doc__)


if __name__ == "__main__":
    raise SystemExit(main())
