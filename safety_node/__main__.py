"""`safety_node`: the gate as a process of its own."""

from __future__ import annotations

from collections.abc import Sequence

LINGER_S = 0.5
"""How long the gate works on after a stop signal: the others stop sending, and it brakes within its limits."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the gate on a bus until SIGINT or SIGTERM; the last it sends is a zero command. Returns the exit code."""
    from saccade.wire.live import real_time
    from saccade.wire.node_main import node_main
    from safety_node.limits import Limits
    from safety_node.node import SafetyNode

    return node_main("safety_node", Limits, SafetyNode, argv, about=__doc__, prepare=real_time, linger_s=LINGER_S)


if __name__ == "__main__":
    raise SystemExit(main())
