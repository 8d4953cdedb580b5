"""What can be read of recordings without a usable index: crashed, cut short, never indexed, damaged.

Files are read once from their start; whatever is intact is given, and what is not is named in `problems`.
"""

from __future__ import annotations

import heapq
import struct
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import breakup_chunk
from mcap.writer import MCAP0_MAGIC
from rosbags.rosbag1.reader import Header, RecordType, decompressors, normalize, read_bytes, read_uint32
from rosbags.typesys.msg import normalize_msgtype

_RECORD_LIMIT = 2**30
"""Bytes; a longer record is taken for a damaged length field."""
_MCAP_FRAME = struct.Struct("<BQ")


class Raw(NamedTuple):
    """One message as found: the recording's own topic, ROS 2 type name, log time in ns, bytes, and whether ROS 1's."""

    topic: str
    type: str
    stamp_ns: int
    data: bytes
    ros1: bool


def in_order(messages: Iterable[Raw], window_ns: int) -> Iterator[Raw]:
    """The same messages sorted by log time, as long as none is later than `window_ns` behind the newest."""
    heap: list[tuple[int, int, Raw]] = []
    newest_ns = 0
    for count, message in enumerate(messages):
        heapq.heappush(heap, (message.stamp_ns, count, message))
        newest_ns = max(newest_ns, message.stamp_ns)
        while heap[0][0] < newest_ns - window_ns:
            yield heapq.heappop(heap)[2]
    while heap:
        yield heapq.heappop(heap)[2]


def salvage_mcap(path: Path, problems: list[str]) -> Iterator[Raw]:
    """Messages of an MCAP file up to the break, without those of damaged chunks."""
    types: dict[int, str] = {}
    channels: dict[int, tuple[str, str, bool]] = {}
    for record in _mcap_records(path, problems):
        if isinstance(record, Schema):
            types[record.id] = normalize_msgtype(record.name)
        elif isinstance(record, Channel):
            type_ = types.get(record.schema_id, "")
            channels[record.id] = (record.topic, type_, record.message_encoding == "ros1")
        elif isinstance(record, Message) and record.channel_id in channels:
            topic, type_, ros1 = channels[record.channel_id]
            yield Raw(topic, type_, record.log_time, record.data, ros1)


def _mcap_records(path: Path, problems: list[str]) -> Iterator[McapRecord]:
    """Schemas, channels and messages; those inside of a chunk by log time."""
    damaged = 0
    with path.open("rb") as file:
        for opcode, body in _mcap_frames(file, path, problems):
            try:
                inside = _mcap_parse(opcode, body)
            except Exception:  # whatever damaged bytes lead the parsers and decompressors to
                damaged += 1
                continue
            yield from sorted(inside, key=lambda r: r.log_time if isinstance(r, Message) else 0)
    if damaged:
        problems.append(f"{path}: {damaged} damaged record(s) or chunk(s) left out.")


def _mcap_frames(file: BinaryIO, path: Path, problems: list[str]) -> Iterator[tuple[int, bytes]]:
    """Opcode and bytes of each whole record of the data section, without the summary."""
    if file.read(len(MCAP0_MAGIC)) != MCAP0_MAGIC:
        problems.append(f"{path} does not begin as an MCAP file.")
        return
    while header := file.read(_MCAP_FRAME.size):
        start = file.tell() - len(header)
        opcode, length = _MCAP_FRAME.unpack(header) if len(header) == _MCAP_FRAME.size else (0, _RECORD_LIMIT)
        body = file.read(length) if length < _RECORD_LIMIT else b""
        if len(body) < length:
            problems.append(f"{path} breaks off in the record at byte {start}.")
            return
        if opcode in (Opcode.DATA_END, Opcode.FOOTER):
            return
        yield opcode, body


def _mcap_parse(opcode: int, body: bytes) -> list[McapRecord]:
    stream = ReadDataStream(BytesIO(body))
    if opcode == Opcode.CHUNK:
        return breakup_chunk(Chunk.read(stream), validate_crc=True)
    if opcode == Opcode.SCHEMA:
        return [Schema.read(stream)]
    if opcode == Opcode.CHANNEL:
        return [Channel.read(stream)]
    return [Message.read(stream, len(body))] if opcode == Opcode.MESSAGE else []


def salvage_bag(path: Path, problems: list[str]) -> Iterator[Raw]:
    """Messages of a ROS 1 bag (format 2.0) in the order of the file, which needs no index."""
    with path.open("rb") as file:
        magic = file.readline()
        if magic != b"#ROSBAG V2.0\n":
            problems.append(f"{path} begins with {magic[:20]!r}; expected a ROS 1 bag of format 2.0.")
            return
        connections: dict[int, tuple[str, str]] = {}
        damaged = 0
        for header, data in _bag_records(file, path, problems):
            try:
                raw = _bag_message(header, data, connections)
            except Exception:  # whatever damaged bytes lead the parsers to
                damaged += 1
                continue
            if raw is not None:
                yield raw
        if damaged:
            problems.append(f"{path}: {damaged} damaged record(s) left out.")


def _bag_message(header: Header, data: bytes, connections: dict[int, tuple[str, str]]) -> Raw | None:
    """The message of a record, or None after taking note of a connection."""
    conn = header.get_uint32("conn")
    if header.get_uint8("op") == RecordType.MSGDATA:
        return Raw(*connections[conn], header.get_time("time"), data, True)
    type_ = Header.read(BytesIO(struct.pack("<I", len(data)) + data)).get_string("type")
    connections[conn] = (normalize(header.get_string("topic")), normalize_msgtype(type_))
    return None


def _bag_records(file: BinaryIO, path: Path, problems: list[str]) -> Iterator[tuple[Header, bytes]]:
    """Connections and messages (op, data), those inside of chunks too, up to the first that is cut short."""
    while True:
        start = file.tell()
        if not file.read(1):
            return
        file.seek(start)
        try:
            header = Header.read(file)
            op, data = header.get_uint8("op"), read_bytes(file, read_uint32(file))
            if op == RecordType.CHUNK:
                chunk = BytesIO(decompressors[header.get_string("compression")](data))
        except Exception as error:  # whatever damaged bytes lead the parsers and decompressors to
            problems.append(f"{path} breaks off at byte {start} ({error}).")
            return
        if op == RecordType.CHUNK:
            yield from _bag_records(chunk, path, problems)
        elif op in (RecordType.CONNECTION, RecordType.MSGDATA):
            yield header, data


SALVAGERS: dict[str, Callable[[Path, list[str]], Iterator[Raw]]] = {
    ".mcap": salvage_mcap,
    ".bag": salvage_bag,
    ".active": salvage_bag,
}
"""By the file's suffix."""
