"""Open loop: a chunk runs to its end."""

from __future__ import annotations

from dataclasses import dataclass

from saccade.types import ActionChunk
from vla_node.schedulers.base import Chunks, live, splice, trim


@dataclass(frozen=True, slots=True)
class Hold:
    """A chunk runs to its end before the newest one takes over, for policies that must not be cut."""

    def keep(self, chunks: Chunks, new: ActionChunk, now_ns: int, delay_rows: int) -> Chunks:
        """See `Scheduler.keep`."""
        return (*live(chunks, now_ns)[:1], new)

    def blend(self, chunks: Chunks, now_ns: int) -> ActionChunk | None:
        """See `Scheduler.blend`."""
        running, *waiting = live(chunks, now_ns)
        joined = splice(running, waiting[0], max(running.end_ns, waiting[0].t0_ns)) if waiting else running
        return trim(joined, now_ns)
