"""What a scheduler is: two pure functions on a tuple of chunks, all on one grid of absolute instants.

No row is ever shifted, skipped or repeated, however late a chunk arrives: a row belongs to its instant.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from saccade.types import ActionChunk

Chunks = tuple[ActionChunk, ...]


class Scheduler(Protocol):
    """`keep` says what is remembered when a chunk arrives, `blend` which one chunk is executed."""

    def keep(self, chunks: Chunks, new: ActionChunk, now_ns: int, delay_rows: int) -> Chunks:
        """What is remembered, oldest first, after `new` arrived; chunks that have ended may be among those given.

        `delay_rows` is how long answers take at the moment, in rows.
        """

    def blend(self, chunks: Chunks, now_ns: int) -> ActionChunk | None:
        """The chunk to execute from now on; its first row covers `now_ns` unless nothing covers it yet."""


def live(chunks: Chunks, now_ns: int) -> Chunks:
    """The chunks that still cover some instant from now on."""
    return tuple(chunk for chunk in chunks if chunk.end_ns > now_ns)


def trim(chunk: ActionChunk, now_ns: int) -> ActionChunk | None:
    """The chunk without the rows that are wholly past, by absolute time; None when nothing is left."""
    past = max(0, (now_ns - chunk.t0_ns) // chunk.dt_ns)
    if past >= len(chunk.actions):
        return None
    return replace(chunk, t0_ns=chunk.t0_ns + past * chunk.dt_ns, actions=chunk.actions[past:]) if past else chunk


def until(chunk: ActionChunk, end_ns: int) -> ActionChunk:
    """The chunk without the rows that last beyond `end_ns`; possibly without any."""
    rows = max(0, (end_ns - chunk.t0_ns) // chunk.dt_ns)
    return replace(chunk, actions=chunk.actions[:rows]) if rows < len(chunk.actions) else chunk


def splice(first: ActionChunk, second: ActionChunk, at_ns: int) -> ActionChunk:
    """`first` until `at_ns`, `second` from then on; cut short where `second` does not follow without a gap.

    `at_ns` lies on the chunks' grid. The result says of itself what `second` does (stamp, plan) only if it has a row
    of it.
    """
    head = until(first, at_ns)
    start = (at_ns - second.t0_ns) // second.dt_ns
    if start < 0 or start >= len(second.actions) or (len(head.actions) and head.end_ns < at_ns):
        return head
    t0_ns = first.t0_ns if len(head.actions) else at_ns
    return replace(second, t0_ns=t0_ns, actions=np.concatenate([head.actions, second.actions[start:]]))


def row_after(now_ns: int, dt_ns: int) -> int:
    """The first instant of the grid that is not past: a row that has begun is left as it is."""
    return -(-now_ns // dt_ns) * dt_ns
