"""`vla_node`: what is seen and said to plans and chunks of actions, as a process of its own."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Plan and act on a bus until SIGINT or SIGTERM. Returns the exit code."""
    from saccade.wire.node_main import node_main
    from vla_node.node import VlaNode
    from vla_node.params import VlaParams

    return node_main("vla_node", VlaParams, VlaNode, argv, about=__doc__)


if __name__ == "__main__":
    raise SystemExit(main())
