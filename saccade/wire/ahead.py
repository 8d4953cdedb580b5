"""Decoding ahead: while the nodes work on one frame of a recording, a thread unpacks the pictures of the next.

A picture comes back on its own topic, as a CompressedImage that holds it uncompressed (PGM, BMP or TIFF): the nodes
notice nothing but the time, and what cannot be decoded reaches them as it is, to be diagnosed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np

from saccade.errors import DataError
from saccade.node import Sample
from saccade.topics import TOPICS
from saccade.wire.codec import codec
from saccade.wire.convert import Cdr
from saccade.wire.virtual import Source

_COMPRESSED = "sensor_msgs/msg/CompressedImage"
_PICTURES_AHEAD, _SAMPLES_AHEAD = 6, 256
_TIFF_UNCOMPRESSED = [cv2.IMWRITE_TIFF_COMPRESSION, 1]
_PNG_MAGIC = b"\x89PNG"
_PLAIN = ((np.uint8,), (np.uint8, 3), (np.uint16,))
"""What is unpacked: grey, colour and depth. Colour of 16 bit would lose its lower half otherwise than from a PNG."""


class DecodeAhead:
    """A source like the one it wraps, except for pictures on `topics`; it must not depend on what it hears."""

    def __init__(self, source: Source, topics: Collection[str]) -> None:
        self._source = source
        self.start_ns = source.start_ns
        self._topics = frozenset(name for name in topics if TOPICS[name].type == _COMPRESSED)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead")
        self._queue: deque[tuple[Sample, Future[Cdr] | None]] = deque()
        self._pictures = 0

    def next_ns(self) -> int | None:
        """See `Source.next_ns`."""
        self._read()
        return self._queue[0][0].stamp_ns if self._queue else None

    def take(self) -> Sample:
        """See `Source.take`."""
        sample, unpacked = self._queue.popleft()
        if unpacked is None:
            return sample
        self._pictures -= 1
        return sample._replace(cdr=unpacked.result())

    def advance(self, to_ns: int) -> None:
        """See `Source.advance`."""
        self._source.advance(to_ns)

    def heard(self, topic: str, cdr: Cdr, now_ns: int) -> None:
        """See `Source.heard`."""
        self._source.heard(topic, cdr, now_ns)

    def close(self) -> None:
        """See `Source.close`."""
        self._worker.shutdown(cancel_futures=True)
        self._queue.clear()
        self._source.close()

    def _read(self) -> None:
        while self._pictures < _PICTURES_AHEAD and len(self._queue) < _SAMPLES_AHEAD:
            if self._source.next_ns() is None or (sample := self._source.take()) is None:
                return
            picture = sample.topic in self._topics
            self._pictures += picture
            self._queue.append((sample, self._worker.submit(unpack, sample.cdr) if picture else None))


def unpack(cdr: Cdr) -> Cdr:
    """The same CompressedImage with its picture uncompressed; as it is when there is nothing that can be decoded."""
    try:
        msg = codec().decode(_COMPRESSED, cdr)
    except DataError:
        return cdr
    before = 0 if "compressedDepth" not in msg.format else max(0, bytes(msg.data[:64]).find(_PNG_MAGIC))
    try:
        picture = cv2.imdecode(msg.data[before:], cv2.IMREAD_UNCHANGED) if msg.data.size > before else None
        if picture is None or (picture.dtype, *picture.shape[2:]) not in _PLAIN:
            return cdr
        suffix = ".tiff" if picture.dtype == np.uint16 else ".pgm" if picture.ndim == 2 else ".bmp"
        _, plain = cv2.imencode(suffix, picture, _TIFF_UNCOMPRESSED if suffix == ".tiff" else [])
    except cv2.error:
        return cdr
    data = np.concatenate([msg.data[:before], plain.reshape(-1)])
    return codec().encode(codec().new(_COMPRESSED, header=msg.header, format=msg.format, data=data))
