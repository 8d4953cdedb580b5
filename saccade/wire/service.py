"""Questions and answers on a bus: 24 bytes that say where the answer goes, then the CDR of a request or a response.

The 24 bytes are the bus' own business; a server hands back those of the request in front of its response.
"""

from __future__ import annotations

from typing import Any

from saccade.errors import DataError
from saccade.node import Out, Sample
from saccade.topics import topic
from saccade.wire.codec import codec

ADDRESS = 24
"""Bytes in front: the client's id (16) and its question's number (int64, little-endian)."""


def decode_request(sample: Sample) -> tuple[bytes, Any]:
    """(address, request message) of a sample on `<service>/request`; DataError if the bytes are not one."""
    cdr = memoryview(sample.cdr)
    if len(cdr) < ADDRESS:
        raise DataError(f"{sample.topic}: {len(cdr)} bytes are too few for an address and a request")
    return bytes(cdr[:ADDRESS]), codec().decode(topic(sample.topic).message_type, cdr[ADDRESS:])


def encode_reply(service: str, address: bytes, **fields: Any) -> Out:
    """The answer to the question that came with `address`."""
    row = topic(f"{service}/reply")
    return Out(row.name, address + bytes(codec().encode(codec().new(row.message_type, **fields))))
