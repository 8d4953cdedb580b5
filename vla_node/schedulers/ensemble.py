"""Temporal ensembling (ACT, Zhao et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from saccade.types import ActionChunk
from vla_node.schedulers.base import Chunks, live


@dataclass(frozen=True, slots=True)
class Ensemble:
    """All predictions of an instant are averaged, weight exp(-m i), i = 0 the OLDEST of them; at most `most` chunks."""

    m: float = 0.1
    most: int = 32

    def keep(self, chunks: Chunks, new: ActionChunk, now_ns: int, delay_rows: int) -> Chunks:
        """See `Scheduler.keep`."""
        return (*live(chunks, now_ns), new)[-self.most :]

    def blend(self, chunks: Chunks, now_ns: int) -> ActionChunk | None:
        """See `Scheduler.blend`."""
        chunks = live(chunks, now_ns)
        newest = chunks[-1]
        dt_ns = newest.dt_ns
        t0_ns = min(c.t0_ns for c in chunks)
        first = max(t0_ns, now_ns - (now_ns - t0_ns) % dt_ns)
        count = (max(c.end_ns for c in chunks) - first) // dt_ns
        total, weight = np.zeros((count, newest.actions.shape[1])), np.zeros((count, 1))
        rank = np.zeros(count, np.intp)
        for chunk in chunks:
            offset = (chunk.t0_ns - first) // dt_ns
            lo, hi = max(0, offset), min(count, offset + len(chunk.actions))
            if lo >= hi:
                continue
            w = np.exp(-self.m * rank[lo:hi])[:, None]
            total[lo:hi] += w * chunk.actions[lo - offset : hi - offset]
            weight[lo:hi] += w
            rank[lo:hi] += 1
        covered = int(np.argmin(weight[:, 0] > 0)) if not (weight > 0).all() else count
        if covered == 0:
            return None
        return replace(newest, t0_ns=first, actions=total[:covered] / weight[:covered])
