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

from mcap.exceptions import McapError
from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from rosbags.rosbag1.reader import Header, RecordType, decompressors, normalize, read_bytes, read_uint32
from rosbags.rosbag1.reader import ReaderError as Ros1Error
from rosbags.typesys.msg import normalize_msgtype

_RECORD_LIMIT = 2**30
"""Bytes; a longer record is taken for a damaged length field."""


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
    damaged = 0
    with path.open("rb") as file:
        records = iter(StreamReader(file, emit_chunks=True, record_size_limit=_RECORD_LIMIT).records)
        while True:
            try:
                record = next(records, None)
            except (McapError, struct.error, ValueError) as error:
                problems.append(f"{path} breaks off at byte {file.tell()} ({type(error).__name__}: {error}).")
                break
            if record is None:
                break
            if not isinstance(record, Chunk):
                yield record
                continue
            try:
                inside = breakup_chunk(record, validate_crc=True)
            except Exception:  # whatever broken bytes lead the decompressors to
                damaged += 1
                continue
            yield from sorted(inside, key=lambda r: r.log_time if isinstance(r, Message) else 0)
    if damaged:
        problems.append(f"{path}: {damaged} damaged chunk(s) left out.")


def salvage_bag(path: Path, problems: list[str]) -> Iterator[Raw]:
    """Messages of a ROS 1 bag (format 2.0) in the order of the file, which needs no index."""
    with path.open("rb") as file:
        magic = file.readline()
        if magic != b"#ROSBAG V2.0\n":
            problems.append(f"{path} begins with {magic[:20]!r}; expected a ROS 1 bag of format 2.0.")
            return
        connections: dict[int, tuple[str, str]] = {}
        for header, data in _bag_records(file, path, problems):
            conn = header.get_uint32("conn")
            if header.get_uint8("op") == RecordType.CONNECTION:
                type_ = Header.read(BytesIO(struct.pack("<I", len(data)) + data)).get_string("type")
                connections[conn] = (normalize(header.get_string("topic")), normalize_msgtype(type_))
            elif conn in connections:
                yield Raw(*connections[conn], header.get_time("time"), data, True)


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
        except (Ros1Error, KeyError, ValueError, OSError, RuntimeError) as error:
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
