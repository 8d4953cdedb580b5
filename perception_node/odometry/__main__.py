"""`odometry_node`: where the robot is, from its cameras alone, as a process of its own."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run visual odometry on a bus until SIGINT or SIGTERM. Returns the exit code."""
    from perception_node.odometry.node import OdometryNode
    from perception_node.odometry.params import OdometryParams
    from saccade.wire.node_main import node_main

    return node_main("odometry_node", OdometryParams, OdometryNode, argv, about=__doc__)


if __name__ == "__main__":
    raise SystemExit(main())
