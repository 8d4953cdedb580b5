"""The newest knows best."""

from __future__ import annotations

from dataclasses import dataclass

from saccade.types import ActionChunk
from vla_node.schedulers.base import Chunks, splice, trim


@dataclass(frozen=True, slots=True)
class Swap:
    """The newest chunk takes over as soon as it covers the present; until then the one before it runs on.

    What has been taken over from does not come back when the newer chunk ends.
    """

    def keep(self, chunks: Chunks, new: ActionChunk, now_ns: int, delay_rows: int) -> Chunks:
        """See `Scheduler.keep`."""
        running = self.blend(chunks, now_ns) if chunks and new.t0_ns > now_ns else None
        return (running, new) if running else (new,)

    def blend(self, chunks: Chunks, now_ns: int) -> ActionChunk | None:
        """See `Scheduler.blend`."""
        first, last = chunks[0], chunks[-1]
        joined = splice(first, last, last.t0_ns) if first is not last and first.end_ns > now_ns else last
        return trim(joined, now_ns)
