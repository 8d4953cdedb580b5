"""`bridge_node`: between the gate and a robot that takes no `cmd_vel`, as a process of its own."""

from __future__ import annotations

from collections.abc import Sequence

LINGER_S = 0.8
"""How long the bridge works on after a stop signal: the gate, told at once, brakes meanwhile (safety_node.LINGER_S)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bridge on a bus until SIGINT or SIGTERM; the last it sends is a stop. Returns the exit code."""
    from bridge_node.bridges import bridge_of
    from bridge_node.params import BridgeParams
    from saccade.wire.node_main import node_main

    return node_main("bridge_node", BridgeParams, bridge_of, argv, about=__doc__, linger_s=LINGER_S)


if __name__ == "__main__":
    raise SystemExit(main())
