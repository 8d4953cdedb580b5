"""DdsBus: a live bus over CycloneDDS that ROS 2 nodes can talk to without ROS being installed.

Topic `odom` is `rt/odom` of type `nav_msgs::msg::dds_::Odometry_`, its samples are XCDR1 bytes passed through as they
are. A reader keeps only the newest sample, so a slow node drops what it missed. Nothing leaves the machine unless the
address names a network interface. Endpoints announce no type information (see dds_types), as rmw's do not, so typed
CycloneDDS 0.10.x peers have nothing to look up and come to no harm.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterable, Iterator, Mapping
from weakref import WeakValueDictionary

from cyclonedds.core import DDSException
from cyclonedds.domain import Domain, DomainParticipant

from saccade.clock import LiveClock
from saccade.errors import ConfigError, choices
from saccade.node import BusEnd, Sample
from saccade.topics import topic
from saccade.wire.dds_ends import Ends
from saccade.wire.dds_graph import ENCLAVE, GraphEntry
from saccade.wire.dds_peers import Peers, everybody
from saccade.wire.dds_qos import Address, domain_config, parse
from saccade.wire.dds_raw import Waiter
from saccade.wire.dds_services import RETRY_NS, send_held
from saccade.wire.endpoints import Peer

_domains: WeakValueDictionary[Address, Domain] = WeakValueDictionary()
"""The domains open in this process: CycloneDDS has one set of network settings for each, shared by all its buses."""


class DdsBus:
    """A bus on a DDS domain that subscribes to `reads` and advertises `writes`, and to nothing else."""

    def __init__(self, address: Address, reads: Iterable[str] = (), writes: Iterable[str] = ()) -> None:
        self._clock = LiveClock()
        self._domain = _open_domain(address)
        self._participant = DomainParticipant(address.domain, ENCLAVE)
        ends = Ends(self._participant, address, reads, writes, self._clock.now_ns)
        self._names, self._readers, self._writers, self._held = ends.names, ends.readers, ends.writers, ends.held
        self._waiter = Waiter(self._participant, self._readers)
        self._peers = Peers(self._participant, address, self._names, self._writers)
        self._graph: GraphEntry | None = None
        self._address = address
        self._ended = self._closed = False

    def now_ns(self) -> int:
        """See `Bus.now_ns`: the system's UTC, made smooth."""
        return self._clock.now_ns()

    def recv(self, deadline_ns: int) -> Sample | None:
        """See `Bus.recv`. A deadline that has passed comes before any message: ticks are served first."""
        while not self._ended:
            now_ns = self._clock.now_ns()
            if now_ns >= deadline_ns:
                return None
            wait_ns = deadline_ns - now_ns
            if self._held:
                send_held(self._held, now_ns)
                wait_ns = min(wait_ns, RETRY_NS)
            index = self._waiter.wait(wait_ns)
            if index is None:
                continue
            cdr = self._readers[index].take()
            if cdr is not None:
                return Sample(self._names[index], self._clock.now_ns(), cdr)
        raise BusEnd

    def send(self, topic: str, cdr: bytes | memoryview) -> None:
        """See `Bus.send`; ConfigError for a topic that was not announced in `writes`."""
        if self._closed:
            raise ConfigError(f"cannot send {topic!r}: this bus is closed")
        if topic not in self._writers:
            raise ConfigError(f"cannot send {topic!r} on this bus; {choices(topic, self._writers)}")
        self._writers[topic].write(cdr)

    @property
    def dropped(self) -> dict[str, int]:
        """Messages per topic that were not sent because a reliable reader held the line."""
        return {name: writer.dropped for name, writer in self._writers.items() if writer.dropped}

    def problems(self) -> list[str]:
        """Which peers on our topics are not heard, or do not hear us, and why."""
        return self._peers.problems()

    def peers(self) -> list[Peer]:
        """Every other end of a ROS topic that is on this domain now."""
        return everybody(self._participant)

    def own_name(self, name: str) -> str:
        """What a canonical topic is called on this bus, without the first slash."""
        return self._address.full_name(topic(name).wire_name)

    def introduce(self, name: str) -> None:
        """Appear in the ROS 2 graph as node `name`, with this bus' topics."""
        readers, writers = (reader.entity for reader in self._readers), (w.entity for w in self._writers.values())
        self._graph = GraphEntry(self._participant, f"/{self._address.namespace}", name, readers, writers)

    def end(self) -> None:
        """Make `recv` raise BusEnd, now and from now on; any thread may call it."""
        self._ended = True
        if not self._closed:
            self._waiter.interrupt()

    def close(self) -> None:
        """See `Bus.close`."""
        if not self._closed:
            self._closed = self._ended = True
            self._participant._delete(self._participant._ref)  # readers and writers go with it
            del self._domain


def _open_domain(address: Address) -> Domain:
    for other, domain in _domains.items():
        if other.domain == address.domain:
            if other.interface != address.interface:
                raise ConfigError(
                    f"domain {address.domain} is open in this process on {other.interface or 'loopback'};"
                    f" it cannot be opened on {address.interface or 'loopback'} too"
                )
            return domain
    try:
        domain = Domain(address.domain, domain_config(address))
    except DDSException as error:
        where = f"network interface {address.interface!r}" if address.interface else "the loopback interface"
        raise ConfigError(f"cannot open DDS domain {address.domain} on {where}: {error}") from error
    _domains[address] = domain
    if address.interface is None:
        _confine_to_loopback(address.domain)
    return domain


def _confine_to_loopback(domain: int) -> None:
    """CycloneDDS sends on its interface alone but listens on all: tie its sockets to the loopback device as well."""
    for port, listener in udp_sockets():
        if (port - 7400) // 250 == domain:  # RTPS 2.5, 9.6.2.3
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
            except OSError as error:
                raise ConfigError(
                    f"cannot keep DDS on this machine ({error.strerror}): it takes Linux 5.7 or CAP_NET_RAW;"
                    " to go on with sockets that listen on every interface, open dds:DOMAIN?interface=lo"
                ) from error


def udp_sockets() -> Iterator[tuple[int, socket.socket]]:
    """(port, socket) of every UDP socket of this process; the socket is valid until the next one is asked for."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            is_socket = stat.S_ISSOCK(os.fstat(fd).st_mode)
        except OSError:  # the listing's own descriptor
            continue
        if is_socket:
            listener = socket.socket(fileno=fd)
            try:
                if (listener.family, listener.type) == (socket.AF_INET, socket.SOCK_DGRAM):
                    yield listener.getsockname()[1], listener
            finally:
                listener.detach()


def open_dds(
    rest: str, reads: frozenset[str], writes: frozenset[str], *,
    latency_ns: Mapping[str, int] | None = None, pace: float | None = None,
) -> DdsBus:  # fmt: skip
    """Open `dds:DOMAIN[?interface=NAME&depth=N&namespace=NAME&remap=TOPIC:=NAME]`; see `open_bus`."""
    if latency_ns or pace is not None:
        raise ConfigError(f"bus 'dds:{rest}' is live: latency and pace belong to buses on virtual time (bag:, sim:)")
    return DdsBus(parse(rest), reads, writes)
