"""RosBus: a live bus through rclpy, with serialised messages passed through as they are.

Names are relative, so a node's namespace and remappings apply. A subscription keeps only the newest message. Waiting is
done here and not by rclpy's executor, which builds a new wait set for every message: see `bench/transport.py`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions

from saccade.errors import ConfigError, choices
from saccade.node import BusEnd, Sample
from saccade.topics import Topic, topic
from saccade.wire.diagnostics import Level, encode_diagnostics
from saccade.wire.endpoints import Endpoint, reading, writing
from saccade.wire.ros_process import RosProcess
from saccade.wire.ros_types import message_class
from saccade.wire.ros_wait import Waiter

_LONGEST_WAIT_NS = 3600 * 10**9
_OVERRIDABLE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
_log = logging.getLogger("saccade.ros")


class RosBus:
    """A bus on a ROS node that subscribes to `reads` and advertises `writes`, and to nothing else.

    `then` is called once the bus is closed.
    """

    def __init__(
        self,
        process: RosProcess,
        reads: Iterable[str] = (),
        writes: Iterable[str] = (),
        then: Callable[[], None] = lambda: None,
    ) -> None:
        self._process, self._then = process, then
        self.now_ns = process.now_ns
        self._ended = self._closed = False
        self._calls: deque[Callable[[], None]] = deque()
        self._publishers = {name: self._publisher(topic(name)) for name in sorted(writes)}
        self._names = sorted(reads)
        self._subscriptions = [self._subscription(topic(name)) for name in self._names]
        self._takes = [(s.handle.take_message, s.msg_type) for s in self._subscriptions]
        self._waiter = Waiter(process.context, [s.handle for s in self._subscriptions])
        process.on_time(self._waiter.wake)

    def recv(self, deadline_ns: int) -> Sample | None:
        """See `Bus.recv`. A deadline that has passed comes before any message: ticks are served first."""
        while not self._ended:
            while self._calls:
                self._calls.popleft()()
            now_ns = self.now_ns()
            if now_ns >= deadline_ns:
                return None
            wait_ns = _LONGEST_WAIT_NS if self._process.simulated else min(deadline_ns - now_ns, _LONGEST_WAIT_NS)
            index = self._waiter.wait(wait_ns)
            if index is None:
                continue
            take, cls = self._takes[index]
            taken = take(cls, True)
            if taken is not None:
                return Sample(self._names[index], self.now_ns(), _unpadded(taken[0]))
        raise BusEnd

    def send(self, topic: str, cdr: bytes | memoryview) -> None:
        """See `Bus.send`; ConfigError for a topic that was not announced in `writes`."""
        if self._closed:
            raise ConfigError(f"cannot send {topic!r}: this bus is closed")
        if topic not in self._publishers:
            raise ConfigError(f"cannot send {topic!r} on this bus; {choices(topic, self._publishers)}")
        self._publishers[topic].publish(_padded(cdr))

    def call(self, what: Callable[[], None]) -> None:
        """Have `recv` call this in the thread of the node, between two messages; any thread may ask for it."""
        self._calls.append(what)
        self._waiter.wake()

    @property
    def ended(self) -> bool:
        """Whether `end` or `close` was called."""
        return self._ended

    def end(self) -> None:
        """Make `recv` raise BusEnd, now and from now on; any thread may call it."""
        self._ended = True
        if not self._closed:
            self._waiter.wake()

    def close(self) -> None:
        """See `Bus.close`."""
        if self._closed:
            return
        self._closed = self._ended = True
        self._process.off_time(self._waiter.wake)
        self._waiter.close()
        for subscription in self._subscriptions:
            self._process.node.destroy_subscription(subscription)
        for publisher in self._publishers.values():
            self._process.node.destroy_publisher(publisher)
        self._then()

    def _subscription(self, row: Topic) -> Any:
        events = SubscriptionEventCallbacks(incompatible_qos=lambda event: self._mismatch(row, "publisher", event))
        return self._process.node.create_subscription(
            message_class(row.type), row.wire_name, _never, _profile(reading(row)), callback_group=self._process.group,
            event_callbacks=events, qos_overriding_options=_overridable(), raw=True,
        )  # fmt: skip

    def _publisher(self, row: Topic) -> Any:
        events = PublisherEventCallbacks(incompatible_qos=lambda event: self._mismatch(row, "subscription", event))
        return self._process.node.create_publisher(
            message_class(row.type), row.wire_name, _profile(writing(row)), callback_group=self._process.group,
            event_callbacks=events, qos_overriding_options=_overridable(),
        )  # fmt: skip

    def _mismatch(self, row: Topic, other: str, event: Any) -> None:
        """Say that a peer's QoS does not go with ours, so that nothing comes across."""
        policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
        text = (
            f"no messages on {row.wire_name!r} between this node and {event.total_count} {other}(s):"
            f" their QoS does not go with ours, by its {policy}; see the parameters qos_overrides.*"
        )
        _log.warning("%s", text)
        if "diagnostics" in self._publishers:
            name = f"{self._process.node.get_name()}/qos"
            self.call(lambda: self.send(
                "diagnostics", encode_diagnostics(self.now_ns(), name, Level.WARN, text, {"topic": row.wire_name})
            ))  # fmt: skip


def _never(_: object) -> None:
    """A subscription must have a callback; ours are read by `recv`."""


def _profile(end: Endpoint) -> QoSProfile:
    return QoSProfile(
        depth=end.depth,
        reliability=ReliabilityPolicy.RELIABLE if end.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if end.latched else DurabilityPolicy.VOLATILE,
    )


def _overridable() -> QoSOverridingOptions:
    return QoSOverridingOptions(_OVERRIDABLE)


def _padded(cdr: bytes | memoryview) -> bytes:
    """A multiple of four bytes, as RTPS wants it; the header says how many are padding (XTypes 1.3, 7.6.3.1.2)."""
    padding = -len(cdr) % 4
    if padding:
        return b"".join((cdr[:3], bytes((cdr[3] | padding,)), cdr[4:], bytes(padding)))
    return cdr if isinstance(cdr, bytes) else bytes(cdr)


def _unpadded(cdr: bytes) -> bytes:
    padding = cdr[3] & 3
    return b"".join((cdr[:3], bytes((cdr[3] ^ padding,)), cdr[4:-padding])) if padding else cdr
