"""Writes what a bus says to an MCAP file that ROS 2, rosbags and Foxglove open; a crash costs a second at most."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from queue import Queue

from mcap.writer import CompressionType, Writer

from saccade.clock import SEC, TickGrid
from saccade.errors import SaccadeError
from saccade.node import Out, Sample
from saccade.stages import Stages
from saccade.topics import Topic, topic
from saccade.wire.codec import codec

_FLUSH_NS = SEC // 2
"""Half of what a crash may cost: the flush of one tick is waited for at the next."""
_CHUNK_BYTES = 4 * 2**20
_BATCH_BYTES = 8 * 2**20
"""Messages go to the thread in batches: one by one, they would make the threads fight for the interpreter."""
_WAITING = 4
"""Batches that may wait for the disk before the bus is held up."""
_NO_LIMIT = "{sec: 9223372036, nsec: 854775807}"


class Recorder:
    """A node that records `topics`, what nodes on the same bus send included; log time is the bus' time.

    Two runs that hear the same write the same bytes. Compressing (LZ4: twice as fast as zstd on depth images, six times
    on grey ones, for half again the size) and writing happen in a thread, in order. SaccadeError when the file cannot
    be written.
    """

    name = "recorder"
    writes: frozenset[str] = frozenset()

    def __init__(self, path: Path, topics: Iterable[str]) -> None:
        self.reads = frozenset(topic(name).name for name in topics)
        self.stages = Stages()
        self._path = path
        self._grid = TickGrid(_FLUSH_NS)
        self._batch: list[Sample] = []
        self._batch_bytes = 0
        self._queue: Queue[list[Sample] | threading.Event | None] = Queue(_WAITING)
        self._flushed = threading.Event()
        self._flushed.set()
        self._error: Exception | None = None
        self._file = _McapFile(path)
        self._thread = threading.Thread(target=self._work, name=f"record {path.name}", daemon=True)
        self._thread.start()

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        return self._grid.due(now_ns)

    def on_sample(self, sample: Sample, now_ns: int) -> tuple[Out, ...]:
        """See `Node.on_sample`."""
        with self.stages.timed("record"):
            self._batch.append(sample)
            self._batch_bytes += len(sample.cdr)
            if self._batch_bytes >= _BATCH_BYTES:
                self._hand_over()
        return ()

    def on_tick(self, now_ns: int) -> tuple[Out, ...]:
        """See `Node.on_tick`."""
        self._grid.advance(now_ns)
        self._flushed.wait()
        self._flushed = threading.Event()
        self._hand_over()
        self._queue.put(self._flushed)
        return ()

    def close(self) -> tuple[Out, ...]:
        """Finish the file; it is readable without, only without its index."""
        if self._thread.is_alive():
            self._hand_over()
            self._queue.put(None)
            self._thread.join()
            self._check()
        return ()

    def _hand_over(self) -> None:
        self._check()
        self._queue.put(self._batch)
        self._batch, self._batch_bytes = [], 0

    def _check(self) -> None:
        if self._error is not None:
            raise SaccadeError(f"cannot write {self._path}: {self._error}") from self._error

    def _work(self) -> None:
        """The thread: everything that touches the file. After an error it only empties the queue."""
        while (item := self._queue.get()) is not None:
            try:
                if self._error is None:
                    if isinstance(item, threading.Event):
                        self._file.flush()
                    else:
                        self._file.add(item)
            except Exception as error:  # told in the node's own thread by _check
                self._error = error
            if isinstance(item, threading.Event):
                item.set()
        try:
            self._file.close()
        except Exception as error:
            self._error = self._error or error


class _McapFile:
    """An MCAP file as rosbag2 writes them, but without wall clock or versions in it."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("wb")
        except OSError as error:
            raise SaccadeError(f"cannot write {path}: {error.strerror}; give a path that can be written") from error
        self._writer = Writer(self._stream, chunk_size=_CHUNK_BYTES, compression=CompressionType.LZ4)
        self._writer.start(profile="ros2", library="saccade")
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}

    def add(self, samples: Iterable[Sample]) -> None:
        """Append messages."""
        for sample in samples:
            channel = self._channels.get(sample.topic)
            if channel is None:
                channel = self._channels[sample.topic] = self._channel(topic(sample.topic))
            data = sample.cdr if isinstance(sample.cdr, bytes) else bytes(sample.cdr)
            self._writer.add_message(channel, log_time=sample.stamp_ns, data=data, publish_time=sample.stamp_ns)

    def flush(self) -> None:
        """Hand everything so far to the operating system, which survives the death of this process."""
        self._writer.flush()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Write the index and close."""
        self._writer.finish()  # type: ignore[no-untyped-call]
        self._stream.close()

    def _channel(self, row: Topic) -> int:
        text, type_hash = codec().definition(row.type)
        if row.type not in self._schemas:
            self._schemas[row.type] = self._writer.register_schema(row.type, "ros2msg", text.encode())
        metadata = {"offered_qos_profiles": _qos(row), "topic_type_hash": type_hash}
        return self._writer.register_channel(f"/{row.wire_name}", "cdr", self._schemas[row.type], metadata)


def _qos(row: Topic) -> str:
    """rosbag2's YAML of what was offered, in the numbers that every distribution reads; reliable, as REP 2003 says."""
    durability, depth = (1, 1) if row.latched else (2, 10)
    return (
        f"- history: 1\n  depth: {depth}\n  reliability: 1\n  durability: {durability}\n"
        f"  deadline: {_NO_LIMIT}\n  lifespan: {_NO_LIMIT}\n  liveliness: 1\n"
        f"  liveliness_lease_duration: {_NO_LIMIT}\n  avoid_ros_namespace_conventions: false"
    )
