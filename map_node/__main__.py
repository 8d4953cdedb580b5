"""`map_node`: depth and poses to a map in three dimensions, as a process of its own."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the map on a bus until SIGINT or SIGTERM. Returns the exit code."""
    from map_node.node import MapNode
    from map_node.params import MapNodeParams
    from saccade.wire.node_main import node_main

    return node_main("map_node", MapNodeParams, MapNode, argv, about=__doc__)


if __name__ == "__main__":
    raise SystemExit(main())
