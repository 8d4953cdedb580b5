"""RosBus: a live bus through rclpy, with serialised messages passed through as they are.

Names are relative, so a node's namespace and remappings apply. A subscription keeps only the newest message. Waiting is
done here and not by rclpy's executor, which builds a new wait set for every message: see `bench/transport.py`.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable

from saccade.clock import LiveClock
from saccade.errors import ConfigError, choices
from saccade.node import BusEnd, Sample
from saccade.topics import Role, Topic, topic
from saccade.wire.diagnostics import Level, encode_diagnostics
from saccade.wire.endpoints import Peer
from saccade.wire.ros_clock import SimClock
from saccade.wire.ros_peers import everybody, untyped_peers
from saccade.wire.ros_process import RosProcess
from saccade.wire.ros_services import Server, service_name
from saccade.wire.ros_topics import Reader, Writer, readers_of
from saccade.wire.ros_wait import Waiter

_CLOCK_POLL_S = 0.005
_LONGEST_WAIT_NS = 3600 * 10**9
_log = logging.getLogger("saccade.ros")


class RosBus:
    """A bus on a ROS node that subscribes to `reads` and advertises `writes`, and to nothing else.

    A service's `<service>/reply` in `writes` needs its `<service>/request` in `reads`. `then` is called once the bus is
    closed.
    """

    def __init__(
        self,
        process: RosProcess,
        reads: Iterable[str] = (),
        writes: Iterable[str] = (),
        then: Callable[[], None] = lambda: None,
    ) -> None:
        self._process, self._then = process, then
        self._sim = SimClock(process) if process.simulated else None
        self.now_ns = (self._sim or LiveClock()).now_ns
        self._ended = self._closed = False
        self._calls: deque[Callable[[], None]] = deque()
        rows = sorted(map(topic, reads), key=lambda row: (row.role is Role.SERVICE, row.name))
        heard = [row for row in rows if row.role is not Role.SERVICE]
        readers = [(row.name, reader) for row in heard for reader in readers_of(process, row, self._report)]
        servers = {service_name(row): Server(process, row) for row in rows if row.role is Role.SERVICE}
        writers = {name: self._writer(topic(name), servers) for name in sorted(writes)}
        served = zip((row.name for row in rows if row.role is Role.SERVICE), servers.values(), strict=True)
        ends: list[tuple[str, Reader | Server]] = [*readers, *served]
        self._takes = [(name, end.take) for name, end in ends]
        self._writes = {name: end.write for name, end in writers.items()}
        self._rows = rows, [topic(name) for name in writers]
        self._ends = {*(end for _, end in ends), *writers.values(), *filter(None, [self._sim])}
        handles = [end.handle for _, end in readers], [end.handle for end in servers.values()]
        self._waiter = Waiter(process.context, *handles, self._sim.handle if self._sim else None)

    def recv(self, deadline_ns: int) -> Sample | None:
        """See `Bus.recv`. A deadline that has passed comes before any message: ticks are served first."""
        while not self._ended:
            while self._calls:
                self._calls.popleft()()
            if self._sim:
                self._sim.update()
            now_ns = self.now_ns()
            if now_ns >= deadline_ns:
                return None
            wait_ns = _LONGEST_WAIT_NS if self._sim else min(deadline_ns - now_ns, _LONGEST_WAIT_NS)
            index = self._waiter.wait(wait_ns)
            if index is None:
                continue
            name, take = self._takes[index]
            cdr = take()
            if cdr is not None:
                return Sample(name, self.now_ns(), cdr)
        raise BusEnd

    def await_time(self) -> None:
        """Wait until simulated time has begun, or the bus has ended."""
        while self.now_ns() == 0 and not self._ended:
            time.sleep(_CLOCK_POLL_S)
            if self._sim:
                self._sim.update()

    def send(self, topic: str, cdr: bytes | memoryview) -> None:
        """See `Bus.send`; ConfigError for a topic that was not announced in `writes`."""
        if self._closed:
            raise ConfigError(f"cannot send {topic!r}: this bus is closed")
        if topic not in self._writes:
            raise ConfigError(f"cannot send {topic!r} on this bus; {choices(topic, self._writes)}")
        self._writes[topic](cdr)

    def call(self, what: Callable[[], None]) -> None:
        """Have `recv` call this in the thread of the node, between two messages; any thread may ask for it."""
        self._calls.append(what)
        self._waiter.wake()

    def problems(self) -> list[str]:
        """Which peers on our topics are not heard, or do not hear us, for their type; QoS is told when ROS tells us."""
        return untyped_peers(self._process.node, *self._rows)

    def peers(self) -> list[Peer]:
        """Every other end of a topic that is in the graph now."""
        return everybody(self._process.node)

    def own_name(self, name: str) -> str:
        """What a canonical topic is called on this bus, without the first slash."""
        return str(self._process.node.resolve_topic_name(topic(name).wire_name)).removeprefix("/")

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
        self._waiter.close()
        for end in self._ends:
            end.close()
        self._then()

    def _writer(self, row: Topic, servers: dict[str, Server]) -> Writer | Server:
        if row.role is not Role.SERVICE:
            return Writer(self._process, row, self._report)
        if service_name(row) not in servers:
            raise ConfigError(f"a bus that writes {row.name!r} must read {service_name(row)!r}/request")
        return servers[service_name(row)]

    def _report(self, row: Topic, text: str) -> None:
        """A QoS mismatch, in the log and in the diagnostics, if there are any."""
        _log.warning("%s", text)
        if "diagnostics" in self._writes:
            name = f"{self._process.node.get_name()}/qos"
            self.call(lambda: self.send(
                "diagnostics", encode_diagnostics(self.now_ns(), name, Level.WARN, text, {"topic": row.wire_name})
            ))  # fmt: skip
