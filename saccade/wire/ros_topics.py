"""Serialised messages in and out of rclpy's subscriptions and publishers, with QoS that its users can override."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions

from saccade.topics import Topic
from saccade.wire.endpoints import Endpoint, reading, volatile_too, writing
from saccade.wire.ros_process import RosProcess
from saccade.wire.ros_types import message_class

Report = Callable[[Topic, str], None]
"""What is told of a topic whose peers' QoS does not go with ours: the topic, and a sentence."""
_RECENT = 16
_OVERRIDABLE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)


def readers_of(process: RosProcess, row: Topic, report: Report) -> list[Reader]:
    """What it takes to hear everybody on a topic; see `volatile_too`."""
    end = reading(row)
    if not volatile_too(row):
        return [Reader(process, row, end, report)]
    seen: deque[int] = deque(maxlen=_RECENT)
    return [
        OnceReader(process, row, end, lambda *_: None, seen),
        OnceReader(process, row, end._replace(latched=False), report, seen, entity_id="volatile"),
    ]


class Reader:
    """The newest messages of a topic."""

    def __init__(self, process: RosProcess, row: Topic, end: Endpoint, report: Report, entity_id: str = "") -> None:
        events = SubscriptionEventCallbacks(incompatible_qos=lambda event: report(row, _mismatch(row, event)))
        overriding = QoSOverridingOptions(_OVERRIDABLE, entity_id=entity_id or None)
        self._node = process.node
        self._subscription = self._node.create_subscription(
            message_class(row.type), row.wire_name, _never, _profile(end), callback_group=process.group,
            event_callbacks=events, qos_overriding_options=overriding, raw=True,
        )  # fmt: skip
        self.handle = self._subscription.handle
        self._take, self._type = self.handle.take_message, self._subscription.msg_type

    def take(self) -> bytes | None:
        """The oldest message not taken yet, or None."""
        taken = self._take(self._type, True)
        return None if taken is None else _unpadded(taken[0])

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)


class OnceReader(Reader):
    """One of two readers of a topic: what either has taken, by when it was sent, the other passes over."""

    def __init__(
        self, process: RosProcess, row: Topic, end: Endpoint, report: Report, seen: deque[int], entity_id: str = ""
    ) -> None:
        super().__init__(process, row, end, report, entity_id)
        self._seen = seen

    def take(self) -> bytes | None:
        """See `Reader.take`."""
        while (taken := self._take(self._type, True)) is not None:
            sent_ns = taken[1]["source_timestamp"]
            if sent_ns not in self._seen:
                self._seen.append(sent_ns)
                return _unpadded(taken[0])
        return None


class Writer:
    """Messages to a topic."""

    def __init__(self, process: RosProcess, row: Topic, report: Report) -> None:
        events = PublisherEventCallbacks(incompatible_qos=lambda event: report(row, _mismatch(row, event)))
        self._node = process.node
        self._publisher = self._node.create_publisher(
            message_class(row.type), row.wire_name, _profile(writing(row)), callback_group=process.group,
            event_callbacks=events, qos_overriding_options=QoSOverridingOptions(_OVERRIDABLE),
        )  # fmt: skip

    def write(self, cdr: bytes | memoryview) -> None:
        """Send one message."""
        self._publisher.publish(_padded(cdr))

    def close(self) -> None:
        """Unadvertise."""
        self._node.destroy_publisher(self._publisher)


def _never(_: object) -> None:
    """A subscription must have a callback; ours are read by the bus."""


def _profile(end: Endpoint) -> QoSProfile:
    return QoSProfile(
        depth=end.depth,
        reliability=ReliabilityPolicy.RELIABLE if end.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if end.latched else DurabilityPolicy.VOLATILE,
    )


def _mismatch(row: Topic, event: Any) -> str:
    policy = qos_policy_name_from_kind(event.last_policy_kind).rpartition(".")[2].lower()
    return (
        f"QoS of {event.total_count} peer(s) on {row.wire_name!r} does not go with ours, by its {policy}: no messages"
        " pass between them and this node; see the parameters qos_overrides.*"
    )


def _padded(cdr: bytes | memoryview) -> bytes:
    """A multiple of four bytes, as RTPS wants it; the header says how many are padding (XTypes 1.3, 7.6.3.1.2)."""
    padding = -len(cdr) % 4
    if padding:
        return b"".join((cdr[:3], bytes((cdr[3] | padding,)), cdr[4:], bytes(padding)))
    return cdr if isinstance(cdr, bytes) else bytes(cdr)


def _unpadded(cdr: bytes) -> bytes:
    padding = cdr[3] & 3
    return b"".join((cdr[:3], bytes((cdr[3] ^ padding,)), cdr[4:-padding])) if padding else cdr
