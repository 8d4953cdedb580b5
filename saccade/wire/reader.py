"""Records of any recording: rosbag2 (MCAP, SQLite3; zstd, lz4; split) and ROS 1, whole or broken."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Protocol

import rosbags.rosbag1
import rosbags.rosbag2
import zstandard
from rosbags.rosbag2.storage_mcap import McapReader

from saccade.clock import SEC
from saccade.errors import DataError
from saccade.wire.codec import codec
from saccade.wire.salvage import SALVAGERS, in_order

_ROS1 = (".bag", ".active")
_SUFFIXES = (".mcap", ".db3", *_ROS1)
_EXPECTED = "expected a rosbag2 directory or a .mcap, .db3 or .bag file"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ROS2_NAMES = {"tf/msg/tfMessage": "tf2_msgs/msg/TFMessage"}
"""ROS 1 types that have another name in ROS 2 but the same fields."""
_WINDOW_NS = SEC
"""How far log times may be out of order in a file without an index and still be sorted."""


@dataclass(frozen=True, order=True)
class BagTopic:
    """A topic of a recording by the recording's own name; `digest` is its RIHS01 type hash, or empty."""

    topic: str
    type: str
    count: int
    digest: str = ""


class Record(NamedTuple):
    """One recorded message: the recording's own topic, log time in ns, CDR bytes."""

    topic: str
    stamp_ns: int
    cdr: bytes | memoryview


class Reader(Protocol):
    """What every kind of recording offers. `problems` are whole sentences; reading may add to them."""

    topics: list[BagTopic]
    problems: list[str]
    end_ns: int
    """Log time of the last message."""

    def records(self, wanted: Mapping[str, str]) -> Iterator[Record]:
        """Messages of the topics {topic: type} in the order of their log times."""

    def close(self) -> None:
        """Release what the reader holds."""


def open_reader(path: Path) -> Reader:
    """Open a rosbag2 directory or a bare .mcap, .db3 or .bag file; a broken one as far as it goes.

    DataError when there is nothing at `path`, or nothing in it that can be read.
    """
    if not path.exists():
        raise DataError(f"no recording at {path}; {_EXPECTED}")
    if not path.is_dir():
        return _open_file(path)
    files = [file for file in sorted(path.iterdir()) if _kind(file) in _SUFFIXES and file.is_file()]
    if not files:
        raise DataError(f"{path} is a directory without recordings; {_EXPECTED}")
    if not (path / "metadata.yaml").exists():
        return _Joined(files, f"{path} has no metadata.yaml; its {len(files)} file(s) are read by themselves.")
    try:
        return _Indexed(path)
    except Exception as error:  # rosbags and what it rests on raise many kinds
        return _Joined(files, f"{path} cannot be opened as a whole ({error}); its files are read by themselves.")


def _kind(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix == ".zstd" else path.suffix


def _open_file(path: Path) -> Reader:
    if _kind(path) not in _SUFFIXES:
        raise DataError(f"{path} is not a recording; {_EXPECTED}")
    if path.suffix == ".zstd":
        return _Joined([path], "")
    try:
        return _Indexed(path)
    except Exception as error:  # rosbags and what it rests on raise many kinds
        if path.suffix not in SALVAGERS:
            raise DataError(f"{path} cannot be read: {error}") from error
        problem = f"{path} cannot be read by its index ({error}); it is read from its start as far as it goes."
        return _Salvaged(path, problem)


def _bag_topics(counts: Iterable[tuple[BagTopic, int]]) -> list[BagTopic]:
    """One entry a topic and type: several publishers or files of one topic are added up."""
    total: Counter[BagTopic] = Counter()
    for topic, count in counts:
        total[replace(topic, count=0)] += count
    return [replace(topic, count=count) for topic, count in sorted(total.items())]


class _Indexed:
    """A recording that the rosbags library reads; when that fails half way, the rest is salvaged."""

    def __init__(self, path: Path) -> None:
        self.problems: list[str] = []
        self._path, self._ros1 = path, path.suffix in _ROS1
        self._reader = rosbags.rosbag1.Reader(path) if self._ros1 else rosbags.rosbag2.Reader(path)
        self._reader.open()
        if isinstance(self._reader, rosbags.rosbag2.Reader) and not _has_index(self._reader):
            self._reader.close()
            raise DataError("it has none")
        self.end_ns = self._reader.end_time - 1
        self._types = {id(c): _ROS2_NAMES.get(c.msgtype, c.msgtype) for c in self._reader.connections}
        self.topics = _bag_topics(
            (BagTopic(c.topic, self._types[id(c)], 0, "" if self._ros1 else c.digest), c.msgcount)
            for c in self._reader.connections
        )

    def records(self, wanted: Mapping[str, str]) -> Iterator[Record]:
        """See `Reader.records`."""
        connections = [c for c in self._reader.connections if wanted.get(c.topic) == self._types[id(c)]]
        stamp_ns = 0
        if not connections:
            return
        try:
            for connection, stamp_ns, raw in self._reader.messages(connections):
                topic = connection.topic
                cdr = _from_ros1(topic, wanted[topic], raw, self.problems) if self._ros1 else _unpacked(raw)
                if cdr is not None:
                    yield Record(topic, stamp_ns, cdr)
        except Exception as error:  # rosbags and what it rests on raise many kinds
            self.problems.append(f"{self._path} cannot be read past log time {stamp_ns / SEC:.3f} s ({error}).")
            yield from (record for record in self._rest(wanted) if record.stamp_ns > stamp_ns)

    def _rest(self, wanted: Mapping[str, str]) -> Iterator[Record]:
        """The whole recording again, without the help of an index."""
        for file in sorted(self._path.iterdir()) if self._path.is_dir() else [self._path]:
            if file.suffix in SALVAGERS:
                try:
                    yield from _Salvaged(file, "").records(wanted)
                except DataError as error:
                    self.problems.append(f"{str(error).rstrip('.')}.")

    def close(self) -> None:
        """See `Reader.close`."""
        self._reader.close()


def _has_index(reader: rosbags.rosbag2.Reader) -> bool:
    """Whether an MCAP recording has chunk indexes; rosbags reads those without only if they happen to be in order."""
    storages = getattr(reader.storage, "storages", [reader.storage])
    return all(bool(s.chunks) for s in storages if isinstance(s, McapReader) and s.metadata.message_count)


class _Salvaged:
    """A file without a usable index, read from its start; log times are sorted within a window."""

    def __init__(self, path: Path, problem: str) -> None:
        self.problems = [problem] if problem else []
        self._path, self._salvage = path, SALVAGERS[path.suffix]
        self.end_ns = 0
        counts: Counter[BagTopic] = Counter()
        for raw in self._salvage(path, self.problems):
            self.end_ns = max(self.end_ns, raw.stamp_ns)
            counts[BagTopic(raw.topic, _ROS2_NAMES.get(raw.type, raw.type), 0)] += 1
        if not counts:
            raise DataError(f"{path} holds no message that can be read. {' '.join(self.problems)}")
        self.topics = _bag_topics(counts.items())

    def records(self, wanted: Mapping[str, str]) -> Iterator[Record]:
        """See `Reader.records`."""
        everything = self._salvage(self._path, [])
        found = (raw for raw in everything if wanted.get(raw.topic) == _ROS2_NAMES.get(raw.type, raw.type))
        for raw in in_order(found, _WINDOW_NS):
            topic, data = raw.topic, raw.data
            cdr = _from_ros1(topic, wanted[topic], data, self.problems) if raw.ros1 else _unpacked(data)
            if cdr is not None:
                yield Record(topic, raw.stamp_ns, cdr)

    def close(self) -> None:
        """See `Reader.close`."""


class _Joined:
    """Several files as one recording, merged by log time; those compressed as a whole are unpacked beside."""

    def __init__(self, files: list[Path], problem: str) -> None:
        self.problems = [problem] if problem else []
        self._stack, self._readers = ExitStack(), list[Reader]()
        for file in files:
            try:
                reader = _open_file(self._unpacked_file(file) if file.suffix == ".zstd" else file)
            except DataError as error:
                self.problems.append(f"{str(error).rstrip('.')}.")
                continue
            self._stack.callback(reader.close)
            self._readers.append(reader)
            self.problems += reader.problems
        if not self._readers:
            raise DataError(" ".join(self.problems))
        self.end_ns = max(reader.end_ns for reader in self._readers)
        self.topics = _bag_topics((topic, topic.count) for reader in self._readers for topic in reader.topics)

    def records(self, wanted: Mapping[str, str]) -> Iterator[Record]:
        """See `Reader.records`."""
        known = {id(reader): len(reader.problems) for reader in self._readers}
        yield from heapq.merge(*(reader.records(wanted) for reader in self._readers), key=lambda r: r.stamp_ns)
        for reader in self._readers:
            self.problems += reader.problems[known[id(reader)] :]

    def close(self) -> None:
        """See `Reader.close`."""
        self._stack.close()

    def _unpacked_file(self, file: Path) -> Path:
        target = Path(self._stack.enter_context(TemporaryDirectory(prefix="saccade-"))) / file.stem
        try:
            with file.open("rb") as packed, target.open("wb") as plain:
                zstandard.ZstdDecompressor().copy_stream(packed, plain)
        except zstandard.ZstdError as error:
            self.problems.append(f"{file} cannot be unpacked to its end ({error}).")
        return target


def _unpacked(data: bytes) -> bytes:
    """The message itself; rosbag2 files compressed by message do not say so when read without their metadata."""
    return zstandard.decompress(data) if data[:4] == _ZSTD_MAGIC else data


def _from_ros1(topic: str, type_: str, raw: bytes, problems: list[str]) -> memoryview | None:
    try:
        return codec().from_ros1(type_, raw)
    except DataError as error:
        if not any(problem.startswith(f"{topic}:") for problem in problems):
            problems.append(f"{topic}: messages that cannot be converted are left out, the first because {error}.")
        return None
