"""The readers and writers of a DDS bus, from the rows of the topic table."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Qos
from cyclonedds.sub import DataReader

from saccade.errors import ConfigError
from saccade.topics import topic
from saccade.wire.dds_qos import Address, reader_qos, volatile_reader_qos, writer_qos
from saccade.wire.dds_raw import RawReader, RawWriter, VolatileReader
from saccade.wire.dds_services import HeldReply, ReplyWriter, RequestReader, service_id
from saccade.wire.dds_types import RawTopic
from saccade.wire.endpoints import volatile_too


class Ends:
    """`names[i]` is the topic of `readers[i]`; a topic may have two. `held` are replies that wait for their readers."""

    def __init__(
        self, participant: DomainParticipant, address: Address, reads: Iterable[str], writes: Iterable[str],
        now_ns: Callable[[], int],
    ) -> None:  # fmt: skip
        self.names: list[str] = []
        self.readers: list[RawReader] = []
        self.writers: dict[str, RawWriter] = {}
        self.held: deque[HeldReply] = deque()
        self._participant, self._address, self._now_ns = participant, address, now_ns
        rows = {name: topic(name) for name in sorted({*reads, *writes})}
        services = sorted({row.service for row in rows.values() if row.service})
        self._ids = {service: service_id(participant, number) for number, service in enumerate(services, 1)}
        self._topics = {
            name: RawTopic(participant, address.dds_name(row), row.message_type) for name, row in rows.items()
        }
        for name in sorted(reads):
            self._add_reader(name)
        for name in sorted(writes):
            self._add_writer(name)

    def _add_reader(self, name: str) -> None:
        row, depth = topic(name), self._address.depth

        def made(qos: Qos) -> DataReader[Any]:
            return DataReader(self._participant, self._topics[name], qos)

        reader = made(reader_qos(row, depth, self._ids.get(row.service, "")))
        self.readers.append(RequestReader(reader) if row.service else RawReader(reader))
        if volatile_too(row):
            self.readers.append(VolatileReader(made(volatile_reader_qos(row, depth))))
        self.names += [name] * (len(self.readers) - len(self.names))

    def _add_writer(self, name: str) -> None:
        row = topic(name)
        writer = DataWriter(self._participant, self._topics[name], writer_qos(row, self._ids.get(row.service, "")))
        if not row.service:
            self.writers[name] = RawWriter(writer)
            return
        request = f"{row.service}/request"
        if request not in self.names:
            raise ConfigError(f"cannot write {name!r} without reading {request!r}: a node answers, it does not ask")
        requests = self.readers[self.names.index(request)].entity
        self.writers[name] = ReplyWriter(writer, requests, self.held, self._now_ns)
