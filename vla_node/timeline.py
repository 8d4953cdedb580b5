"""What is executed when: the rows of the past, of the chunks, and of the way to a rest, without a gap between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from saccade.clock import seconds
from saccade.geometry import F64
from saccade.types import ActionChunk
from vla_node.policies.base import NO_ROWS
from vla_node.seam import Bounds, Reach, bridge, rest, standstill

_PAST_ROWS = 256
"""So many executed rows are remembered; looks may be as old."""


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """`chunk` has all rows, `start` what came before; from `ends_ns` on they are no chunk's but the way to a rest."""

    chunk: ActionChunk
    ends_ns: int
    start: Reach

    def output(self, now_ns: int) -> ActionChunk | None:
        """The rows that are not past, or None."""
        past = max(0, (now_ns - self.chunk.t0_ns) // self.chunk.dt_ns)
        t0_ns, rows = self.chunk.t0_ns + past * self.chunk.dt_ns, self.chunk.actions[past:]
        return replace(self.chunk, t0_ns=t0_ns, actions=rows) if len(rows) else None

    def promised(self, t0_ns: int) -> F64:
        """The chunks' rows (n, d) from `t0_ns` on; none where nothing ran then."""
        if not self.chunk.t0_ns <= t0_ns < self.ends_ns:
            return NO_ROWS
        return self.chunk.actions[self._index(t0_ns) : self._index(self.ends_ns)]

    def past(self, at_ns: int) -> F64:
        """The rows (n, d) right before `at_ns`; none where the last of them had ended by then."""
        rows = self.chunk.actions[: max(0, self._index(at_ns))]
        return rows[-_PAST_ROWS:] if at_ns <= self.chunk.end_ns else rows[:0]

    def reach(self, at_ns: int, bounds: Bounds) -> Reach:
        """Where the rows before `at_ns` lead: at rest after the last one."""
        rows, i = self.chunk.actions, self._index(at_ns)
        if at_ns > self.chunk.end_ns:
            return standstill(np.where(bounds.position, rows[-1] if len(rows) else self.start.value, 0.0))
        if i <= 0:
            return self.start
        rate = (rows[i - 1] - (rows[i - 2] if i > 1 else self.start.value)) / seconds(self.chunk.dt_ns)
        return Reach(rows[i - 1], np.where(bounds.position, rate, 0.0))

    def moved(self, since_ns: int, until_ns: int, bounds: Bounds | None) -> bool:
        """Whether any axis was to move between two instants."""
        lo, hi = max(0, self._index(since_ns)), max(0, self._index(until_ns))
        rows = self.chunk.actions
        if bounds is not None:
            rows = np.where(bounds.position, np.diff(rows, axis=0, prepend=self.start.value[None]), rows)
        return bool(rows[lo:hi].any())

    def _index(self, ns: int) -> int:
        return (ns - self.chunk.t0_ns) // self.chunk.dt_ns


def continued(
    past: Timeline | None, chunk: ActionChunk, at_ns: int, bounds: Bounds | None, before: Reach | None
) -> Timeline:
    """`past` until `at_ns`, from there on `chunk`, bridged; a chunk that begins later is waited for at rest.

    `before` is where the axes are at `at_ns` when it is not where `past` leads.
    """
    head = past.past(at_ns) if past else NO_ROWS
    t0_ns = at_ns - len(head) * chunk.dt_ns
    if bounds is None:
        rows, tail, start = chunk.actions, NO_ROWS, standstill(np.zeros(chunk.actions.shape[1]))
        if chunk.t0_ns > at_ns:
            head, t0_ns = NO_ROWS, chunk.t0_ns
    else:
        dt_s = seconds(chunk.dt_ns)
        at = before or (past.reach(at_ns, bounds) if past else _at_rest(bounds))
        start = past.reach(t0_ns, bounds) if past and len(head) else at
        rows, goal = NO_ROWS, None
        if chunk.t0_ns <= at_ns:
            (rows, at), goal = bridge(at, chunk.actions, dt_s, bounds), chunk.actions[-1]
        tail = rest(at, goal, dt_s, bounds)
    ends_ns = t0_ns + (len(head) + len(rows)) * chunk.dt_ns
    return Timeline(replace(chunk, t0_ns=t0_ns, actions=_joined(chunk, head, rows, tail)), ends_ns, start)


def stopped(past: Timeline, at_ns: int, epoch: int, bounds: Bounds) -> Timeline:
    """`past` until `at_ns`, then to rest as soon as the bounds allow, in the name of a new epoch."""
    chunk, head, at = past.chunk, past.past(at_ns), past.reach(at_ns, bounds)
    t0_ns = at_ns - len(head) * chunk.dt_ns
    actions = _joined(chunk, head, rest(at, None, seconds(chunk.dt_ns), bounds))
    start = past.reach(t0_ns, bounds) if len(head) else at
    return Timeline(replace(chunk, t0_ns=t0_ns, plan_id=0, epoch=epoch, actions=actions), t0_ns, start)


def _joined(chunk: ActionChunk, *parts: F64) -> F64:
    return np.concatenate([chunk.actions[:0], *(part for part in parts if len(part))])


def _at_rest(bounds: Bounds) -> Reach:
    if bounds.position.any():
        raise ValueError("positions are to be executed, but nobody said where the axes are: give `before`")
    return standstill(np.zeros(bounds.position.shape))
