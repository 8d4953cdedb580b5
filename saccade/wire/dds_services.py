"""Services on DDS as rmw_cyclonedds has them: a topic of requests and one of replies. In front of each message is who
asked and which of its questions this is (`cdds_request_header_t`: uint64, int64).

The 24 bytes before the message on a `saccade.node.Bus` are rmw's `rmw_request_id_t`: those first 8, the handle by which
this participant knows the client's writer, and the sequence number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from cyclonedds.builtin import DcpsEndpoint
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy
from cyclonedds.sub import DataReader

from saccade.clock import MS, SEC
from saccade.wire.dds_raw import RawReader, RawWriter

RETRY_NS = 2 * MS
"""How often a reply is tried that waits for its client's reader to be discovered."""
_PATIENCE_NS = SEC
_ENCAPSULATION = 4


def service_id(participant: DomainParticipant, number: int) -> str:
    """What clients recognise the two topics of a server by, written as rmw_cyclonedds writes it."""
    return ".".join(f"{byte:x}" for byte in (*participant.guid.bytes[:12], *number.to_bytes(4, "big")))


class RequestReader(RawReader):
    """Takes requests, with the address of who asked in front."""

    def take(self) -> bytes | memoryview | None:
        """See `RawReader.take`."""
        cdr = super().take()
        if cdr is None:
            return None
        handle = self._info.publication_handle.to_bytes(8, "little")
        guid, sequence, body = cdr[4:12], cdr[12:20], cdr[20:]
        return b"".join((guid, handle, sequence, cdr[:_ENCAPSULATION], body))


class ReplyWriter(RawWriter):
    """Writes replies. One whose client's reader is not discovered yet is held back for a while, for it would be lost:
    requests and replies are different topics, and discovery of the one says nothing about the other.
    """

    def __init__(
        self, writer: DataWriter[Any], requests: DataReader[Any], held: deque[HeldReply], now_ns: Callable[[], int]
    ) -> None:
        super().__init__(writer)
        self._requests, self._held, self._now_ns = requests, held, now_ns

    def write(self, cdr: bytes | memoryview) -> None:
        """See `RawWriter.write`."""
        cdr = bytes(cdr)
        guid, handle, sequence = cdr[:8], int.from_bytes(cdr[8:16], "little"), cdr[16:24]
        reply = cdr[24 : 24 + _ENCAPSULATION] + guid + sequence + cdr[24 + _ENCAPSULATION :]
        client = self._requests.get_matched_publication_data(handle)
        if client is None:
            return  # has gone
        late = HeldReply(self, reply, client, self._now_ns() + _PATIENCE_NS)
        if not late.send(0):
            self._held.append(late)

    def hears(self, client: DcpsEndpoint) -> bool:
        """Whether the reader that belongs to a client's writer is matched."""
        readers = map(self.entity.get_matched_subscription_data, self.entity.get_matched_subscriptions())
        return any(reader is not None and _same(client, reader) for reader in readers)

    def write_now(self, reply: bytes) -> None:
        """Write a reply in the form that it has on DDS."""
        super().write(reply)


class HeldReply:
    """A reply that may have to wait for its reader."""

    def __init__(self, writer: ReplyWriter, reply: bytes, client: DcpsEndpoint, until_ns: int) -> None:
        self._writer, self._reply, self._client, self._until_ns = writer, reply, client, until_ns

    def send(self, now_ns: int) -> bool:
        """Send it if its reader is there, or if that has been waited for long enough."""
        if now_ns < self._until_ns and not self._writer.hears(self._client):
            return False
        self._writer.write_now(self._reply)
        return True


def send_held(held: deque[HeldReply], now_ns: int) -> None:
    """Try every reply that is held back, once."""
    for _ in range(len(held)):
        reply = held.popleft()
        if not reply.send(now_ns):
            held.append(reply)


def _same(writer: DcpsEndpoint, reader: DcpsEndpoint) -> bool:
    """Whether a request writer and a reply reader are one client's, by the client id of rmw or else by participant."""
    asks, hears = _client_id(writer), _client_id(reader)
    return asks == hears if asks else writer.participant_key == reader.participant_key


def _client_id(endpoint: DcpsEndpoint) -> bytes:
    user_data = endpoint.qos[Policy.Userdata].data if Policy.Userdata in endpoint.qos else b""
    ids = [part for part in user_data.split(b";") if part.startswith(b"clientid=")]
    return ids[0] if ids else b""
