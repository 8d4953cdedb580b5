"""Who else is on our topics but is not heard: of another type, or with a QoS that does not match, told by name.

On DDS such endpoints just do not meet, and nobody says so. They are seen in discovery, at microseconds a look.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator

from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication, BuiltinTopicDcpsSubscription
from cyclonedds.builtin_types import DcpsEndpoint
from cyclonedds.domain import DomainParticipant
from cyclonedds.qos import Policy, Qos

from saccade.topics import Role, Topic, topic
from saccade.wire.dds_qos import Address, reader_qos, volatile_reader_qos, writer_qos
from saccade.wire.dds_types import dds_typename
from saccade.wire.endpoints import Peer

_AT_ONCE = 256


class Peers:
    """Watches the other ends of the topics that we read and write. Of two rows of one name a peer need meet one."""

    def __init__(
        self, participant: DomainParticipant, address: Address, reads: Iterable[str], writes: Iterable[str]
    ) -> None:
        self._senders = _Ends(participant, BuiltinTopicDcpsPublication, address, reads)
        self._listeners = _Ends(participant, BuiltinTopicDcpsSubscription, address, writes)

    def problems(self) -> list[str]:
        """What keeps peers that are here now from being heard, or from hearing us: one sentence each."""
        senders = (_unheard(rows, end) for rows, end in self._senders.known())
        listeners = (_unhearing(rows, end) for rows, end in self._listeners.known())
        return sorted({*senders, *listeners} - {""})


def everybody(participant: DomainParticipant) -> list[Peer]:
    """All ends of ROS topics on the domain that discovery has told of by now, but for this participant's own."""
    found = []
    for kind, sends in ((BuiltinTopicDcpsPublication, True), (BuiltinTopicDcpsSubscription, False)):
        discovery = BuiltinDataReader(participant, kind)
        while news := discovery.take(N=_AT_ONCE):
            there = (end for end in news if end.sample_info.valid_data and end.topic_name.startswith("rt/"))
            found += [_peer(end, sends) for end in there if end.participant_key != participant.guid]
    return found


def _peer(end: DcpsEndpoint, sends: bool) -> Peer:
    reliable = end.qos[Policy.Reliability] != Policy.Reliability.BestEffort
    latched = end.qos[Policy.Durability] != Policy.Durability.Volatile
    return Peer(end.topic_name.removeprefix("rt/"), _ros_type(end), sends, reliable, latched)


class _Ends:
    """Endpoints of one kind on our topics, our own among them, kept up to date from discovery."""

    def __init__(self, participant: DomainParticipant, kind: object, address: Address, names: Iterable[str]) -> None:
        self._discovery = BuiltinDataReader(participant, kind)
        self._ends: dict[uuid.UUID, DcpsEndpoint] = {}
        self._rows: dict[str, list[Topic]] = {}
        for row in (topic(name) for name in sorted(set(names))):
            if row.role is not Role.SERVICE:
                self._rows.setdefault(address.dds_name(row), []).append(row)

    def known(self) -> Iterator[tuple[list[Topic], DcpsEndpoint]]:
        """(our rows, endpoint) of each, but for those of another type beside one of ours of the same participant."""
        while news := self._discovery.take(N=_AT_ONCE):
            for end in news:
                if not end.sample_info.valid_data:  # it has gone
                    self._ends.pop(end.key, None)
                elif end.topic_name in self._rows:
                    self._ends[end.key] = end
        ends = [(self._rows[end.topic_name], end) for end in self._ends.values()]
        meeting = {(end.participant_key, end.topic_name) for rows, end in ends if _meeting(rows, end)}
        return ((r, e) for r, e in ends if _meeting(r, e) or (e.participant_key, e.topic_name) not in meeting)


def _meeting(rows: list[Topic], end: DcpsEndpoint) -> Topic | None:
    return next((row for row in rows if dds_typename(row.type) == end.type_name), None)


def _unheard(rows: list[Topic], sender: DcpsEndpoint) -> str:
    """Why a sender on the topic of our rows is not heard, or empty."""
    name, row = sender.topic_name.removeprefix("rt/"), _meeting(rows, sender)
    if row is None:
        return f"{name}: a peer sends {_ros_type(sender)}, expected {_types(rows)}; remap it or convert it"
    # A plain `ros2 topic pub` is heard on latched requests too: see dds_ends.
    volatile = row.latched and row.role is Role.REQUEST
    unmet = _unmet(sender.qos, volatile_reader_qos(row) if volatile else reader_qos(row))
    return unmet and f"{name}: a peer sends {unmet[0]}, expected {unmet[1]}"


def _unhearing(rows: list[Topic], listener: DcpsEndpoint) -> str:
    """Why a listener on the topic of our rows does not hear us, or empty."""
    name, row = listener.topic_name.removeprefix("rt/"), _meeting(rows, listener)
    if row is None:
        return f"{name}: a peer listens for {_ros_type(listener)}, but this node sends {_types(rows)}"
    unmet = _unmet(writer_qos(row), listener.qos)
    return unmet and f"{name}: a peer listens for {unmet[1]}, but this node sends {unmet[0]}"


def _unmet(offered: Qos, asked: Qos) -> tuple[str, str] | str:
    """(offered, asked) of the policy by which a writer gives less than a reader wants (DDS 1.4, 2.2.3), or empty."""
    best_effort = Policy.Reliability.BestEffort
    if offered[Policy.Reliability] == best_effort != asked[Policy.Reliability]:
        return "best effort", "reliable"
    volatile = Policy.Durability.Volatile
    if offered[Policy.Durability] == volatile != asked[Policy.Durability]:
        return "volatile", "transient local"
    return ""


def _types(rows: list[Topic]) -> str:
    return " or ".join(row.type for row in rows)


def _ros_type(end: DcpsEndpoint) -> str:
    """The ROS name of an endpoint's type, or the name as it is for what is not ROS's."""
    name: str = end.type_name
    return name.replace("::dds_::", "::").removesuffix("_").replace("::", "/") if "::dds_::" in name else name
