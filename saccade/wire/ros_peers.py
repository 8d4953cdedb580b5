"""Who is on our topics with messages of another type: DDS does not let such ends meet, and nobody says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rclpy.node import Node as RosNode
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from saccade.topics import Role, Topic
from saccade.wire.endpoints import Peer


def untyped_peers(node: RosNode, reads: Iterable[Topic], writes: Iterable[Topic]) -> list[str]:
    """One sentence for each of our topics that a peer sends, or listens to, as another type only; names as resolved."""
    known = dict(node.get_topic_names_and_types())  # one look at all of them: next to always there is nothing to say

    def strange(rows: Iterable[Topic]) -> Iterator[tuple[str, set[str]]]:
        """(full name, our types) of what has other types as well."""
        ours: dict[str, set[str]] = {}
        for row in rows:
            if row.role is not Role.SERVICE:
                ours.setdefault(node.resolve_topic_name(row.wire_name), set()).add(row.type)
        return ((name, types) for name, types in ours.items() if set(known.get(name, ())) - types)

    told = [
        f"{name}: a peer sends {other}, expected {' or '.join(sorted(types))}; remap it or convert it"
        for name, types in strange(reads)
        for other in _others(node.get_publishers_info_by_topic, name, types)
    ]
    told += [
        f"{name}: a peer listens for {other}, but this node sends {' or '.join(sorted(types))}"
        for name, types in strange(writes)
        for other in _others(node.get_subscriptions_info_by_topic, name, types)
    ]
    return sorted(set(told))


def everybody(node: RosNode) -> list[Peer]:
    """All ends of topics in the graph, but for this node's own."""
    found = []
    for name, _ in node.get_topic_names_and_types():
        for ends, sends in ((node.get_publishers_info_by_topic, True), (node.get_subscriptions_info_by_topic, False)):
            for end in ends(name):
                if (end.node_name, end.node_namespace) != (node.get_name(), node.get_namespace()):
                    reliable = end.qos_profile.reliability == ReliabilityPolicy.RELIABLE
                    latched = end.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
                    found.append(Peer(name.removeprefix("/"), end.topic_type, sends, reliable, latched))
    return found


def _others(ends: Callable[[str], list[Any]], name: str, types: set[str]) -> set[str]:
    """Types of ends whose node has none of our types there."""
    found = [((end.node_namespace, end.node_name), end.topic_type) for end in ends(name)]
    meeting = {who for who, type_ in found if type_ in types}
    return {type_ for who, type_ in found if who not in meeting}
