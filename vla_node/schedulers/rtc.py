"""Real-time chunking (Black, Galliker, Levine 2025, arXiv 2506.07339)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from saccade.geometry import F64
from saccade.types import ActionChunk
from vla_node.schedulers.base import Chunks, row_after, splice, trim


def soft_mask(rows: int) -> F64:
    """Weight (rows,) of the chunk that runs, from the first row that is not frozen to the end of the overlap.

    The paper's equation 5: c (exp(c) - 1) / (e - 1), c falling linearly between 1 (frozen) and 0 (no longer covered).
    """
    c = np.arange(rows, 0, -1) / (rows + 1)
    weight: F64 = c * np.expm1(c) / np.expm1(1.0)
    return weight


@dataclass(frozen=True, slots=True)
class Rtc:
    """Rows that run before the answer is there are frozen; the new chunk takes over at the first that is not.

    A policy that is given the promised rows continues them by itself (guided inpainting): overlap_rows = 0, and its
    chunk is taken as it is. The chunk of another one is blended into the one that runs, over `overlap_rows` at most,
    with the mask that the paper guides by.
    """

    overlap_rows: int = 0

    def keep(self, chunks: Chunks, new: ActionChunk, now_ns: int, delay_rows: int) -> Chunks:
        """See `Scheduler.keep`."""
        running = self.blend(chunks, now_ns) if chunks else None
        if running is None or running.t0_ns > now_ns:
            return (new,)
        fresh = trim(new, row_after(now_ns, new.dt_ns))
        return (running, fresh) if fresh else (running,)

    def blend(self, chunks: Chunks, now_ns: int) -> ActionChunk | None:
        """See `Scheduler.blend`."""
        first, last = chunks[0], chunks[-1]
        joined = self._join(first, last) if first is not last and first.end_ns > now_ns else last
        return trim(joined, now_ns)

    def _join(self, first: ActionChunk, last: ActionChunk) -> ActionChunk:
        frozen = max(0, (last.t0_ns - first.t0_ns) // last.dt_ns)
        old = first.actions[frozen:][: min(self.overlap_rows, len(last.actions))]
        w, actions = soft_mask(len(old))[:, None], last.actions.copy()
        actions[: len(old)] = w * old + (1.0 - w) * actions[: len(old)]
        return splice(first, replace(last, actions=actions), last.t0_ns)
