"""A policy that answers what a recording's chunks said: everything around a policy can be run again without a model."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path

import numpy as np

from saccade.clock import SEC
from saccade.errors import ConfigError, DataError
from saccade.geometry import F64
from saccade.types import ActionChunk
from saccade.wire.convert import decode_chunk
from saccade.wire.reader import open_reader
from vla_node.policies.base import Look, PolicyError, PolicySpec
from vla_node.policies.card import PolicyCard
from vla_node.policies.stub import check_look

_TYPE = "saccade_msgs/msg/ActionChunk"


class ReplayPolicy:
    """A `FastPolicy` that answers a recording's chunks, by their time, or in turn from the beginning of each epoch."""

    def __init__(self, card: PolicyCard) -> None:
        """ConfigError where the recording has no chunks, or others than the card says."""
        self.spec: PolicySpec = card.spec
        self._by = card.by
        self._chunks = _chunks(card, self.spec)
        self._t0 = [chunk.t0_ns for chunk in self._chunks]
        self._next = 0
        self._epoch: int | None = None
        self._closed = False

    def begin(self, epoch: int) -> None:
        """See `FastPolicy.begin`."""
        self._epoch, self._next = epoch, 0

    def act(self, look: Look, timeout_ns: int) -> F64:
        """See `FastPolicy.act`; PolicyError where the recording has nothing for the look, or has ended."""
        check_look(self.spec, look, self._epoch, self._closed)
        rows = self._at(look.stamp_ns) if self._by == "time" else self._in_turn()
        out: F64 = rows[: self.spec.horizon].copy()
        return out

    def close(self) -> None:
        """See `FastPolicy.close`."""
        self._closed = True

    def _at(self, stamp_ns: int) -> F64:
        """The rows from an instant on, of the newest chunk that had begun by then."""
        i = bisect_right(self._t0, stamp_ns) - 1
        chunk = self._chunks[i]
        past = (stamp_ns - chunk.t0_ns) // chunk.dt_ns
        if i < 0 or past >= len(chunk.actions):
            raise PolicyError(f"{self.spec.name}: no recorded chunk covers {stamp_ns} ns")
        return chunk.actions[past:]

    def _in_turn(self) -> F64:
        if self._next >= len(self._chunks):
            raise PolicyError(f"{self.spec.name}: the recording's {len(self._chunks)} chunks have all been answered")
        self._next += 1
        return self._chunks[self._next - 1].actions


def _chunks(card: PolicyCard, spec: PolicySpec) -> list[ActionChunk]:
    """The recording's chunks in the order of their beginnings; of those that begin together, the newest last."""
    path = card.beside(card.recording)
    try:
        chunks = recorded(path)
    except DataError as error:
        raise ConfigError(f"{card.name}: {error}") from error
    for chunk in chunks:
        if (chunk.axes, chunk.dt_ns) != (spec.axes, spec.dt_ns):
            is_ = f"axes [{', '.join(chunk.axes)}] and dt_s {chunk.dt_ns / SEC:g}"
            raise ConfigError(f"{card.name}: {path} has a chunk of {is_}, unlike the card's actions; write those there")
        if not np.isfinite(chunk.actions).all():
            raise ConfigError(f"{card.name}: {path} has a chunk with numbers that are not finite")
    return sorted(chunks, key=lambda chunk: chunk.t0_ns)


def recorded(path: Path) -> list[ActionChunk]:
    """All chunks of a recording, at least one; DataError where that is not so."""
    reader = open_reader(path)
    try:
        topics = {topic.topic: topic.type for topic in reader.topics if topic.type == _TYPE}
        if len(topics) != 1:
            found = ", ".join(sorted(topics)) or "no topic"
            raise DataError(f"{path} has chunks on {found}; expected exactly one topic of {_TYPE}")
        chunks = [decode_chunk(record.cdr) for record in reader.records(topics)]
    finally:
        reader.close()
    if not chunks:
        raise DataError(f"{path} has no chunks")
    return chunks
