"""A guard buffer with a revisable tail (LiveVLN, Wang et al. 2026, arXiv 2604.19536)."""

from __future__ import annotations

from dataclasses import dataclass

from saccade.types import ActionChunk
from vla_node.schedulers.base import Chunks, splice, trim, until


@dataclass(frozen=True, slots=True)
class Guard:
    """Rows are committed in blocks, the guards, and never changed then; the tail behind may be revised at any time.

    A guard is `rows` long, or as long as answers take at the moment, whichever is more, so that the next answer is
    there before it ends. When none is, the tail runs on (LiveVLN's robot waits), as long as its plan is valid.
    """

    rows: int = 4

    def keep(self, chunks: Chunks, new: ActionChunk, now_ns: int, delay_rows: int) -> Chunks:
        """See `Scheduler.keep`. What is kept is the guard, whose end is where the tail, the newest chunk, begins."""
        block_ns = max(self.rows, delay_rows) * new.dt_ns
        running = self.blend(chunks, now_ns) if chunks else None
        if running is None:
            return (until(new, max(new.t0_ns, now_ns) + block_ns), new)
        end_ns = chunks[0].end_ns
        if end_ns < now_ns:
            end_ns -= (end_ns - now_ns) // block_ns * block_ns
        return (until(running, max(end_ns, new.t0_ns)), new)

    def blend(self, chunks: Chunks, now_ns: int) -> ActionChunk | None:
        """See `Scheduler.blend`."""
        guard, tail = chunks
        joined = splice(guard, tail, max(guard.end_ns, tail.t0_ns)) if guard.end_ns > now_ns else tail
        return trim(joined, now_ns)
