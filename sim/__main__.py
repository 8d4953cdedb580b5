"""`world_node`: the embedded world in real time, as a process of its own."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the world on a bus until SIGINT or SIGTERM. Returns the exit code."""
    from saccade.wire.node_main import node_main
    from sim.live import WorldNode, WorldParams

    return node_main("world_node", WorldParams, WorldNode, argv, about=__doc__)


if __name__ == "__main__":
    raise SystemExit(main())
