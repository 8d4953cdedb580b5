"""Chunk schedulers on absolute time: which of several overlapping action chunks says what the robot does when.

A scheduler is two pure functions on a tuple of chunks, oldest first: `keep` (what is remembered when a chunk arrives)
and `blend` (the one chunk that is executed). All chunks lie on one grid of instants, so no row is ever shifted,
skipped or repeated, however late a chunk arrives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from saccade.geometry import F64
from saccade.types import ActionChunk

Chunks = tuple[ActionChunk, ...]


def live(chunks: Chunks, now_ns: int) -> Chunks:
    """The chunks that still cover some instant from now on."""
    return tuple(chunk for chunk in chunks if chunk.end_ns > now_ns)


def trim(chunk: ActionChunk, now_ns: int) -> ActionChunk | None:
    """The chunk without the rows that are wholly past, by absolute time; None when nothing is left."""
    past = max(0, (now_ns - chunk.t0_ns) // chunk.dt_ns)
    if past >= len(chunk.actions):
        return None
    return replace(chunk, t0_ns=chunk.t0_ns + past * chunk.dt_ns, actions=chunk.actions[past:]) if past else chunk


def splice(first: ActionChunk, second: ActionChunk, at_ns: int) -> ActionChunk:
    """`first` until `at_ns`, `second` from then on; cut short where `second` does not follow without a gap.

    `at_ns` lies on the chunks' grid. The result says of itself what `second` does (stamp, plan) only if it has a row
    of it.
    """
    head = first.actions[: max(0, (at_ns - first.t0_ns) // first.dt_ns)]
    start = (at_ns - second.t0_ns) // second.dt_ns
    joined_ns = first.t0_ns + len(head) * first.dt_ns
    if start < 0 or start >= len(second.actions) or (len(head) and joined_ns < at_ns):
        return replace(first, actions=head)
    tail = second.actions[start:]
    t0_ns = first.t0_ns if len(head) else at_ns
    return replace(second, t0_ns=t0_ns, actions=np.concatenate([head, tail]))


def ramped(chunk: ActionChunk, before: F64, parts: int) -> ActionChunk:
    """The chunk with each row split into `parts` steps that lead from the row before it, first `before` (d,), to it.

    A row says what is reached at its end; commanding it at its beginning would ask for all of the change at once.
    """
    begin = np.concatenate([before[None], chunk.actions[:-1]])[:, None, :]
    fraction = (np.arange(1, parts + 1) / parts)[None, :, None]
    actions = (1.0 - fraction) * begin + fraction * chunk.actions[:, None, :]
    return replace(chunk, dt_ns=chunk.dt_ns // parts, actions=actions.reshape(-1, chunk.actions.shape[1]))


class Scheduler(Protocol):
    """See the module's text. Real-time chunking and a guard buffer fit here too."""

    def keep(self, chunks: Chunks, new: ActionChunk, now_ns: int) -> Chunks:
        """What is remembered after `new` arrived; chunks that have ended may be among those given."""

    def blend(self, chunks: Chunks, now_ns: int) -> ActionChunk | None:
        """The chunk to execute from now on; its first row covers `now_ns` unless nothing covers it yet."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A chunk runs to its end before the newest one takes over: open loop, for policies that must not be cut."""

    def keep(self, chunks: Chunks, new: ActionChunk, now_ns: int) -> Chunks:
        """See `Scheduler.keep`."""
        return (*live(chunks, now_ns)[:1], new)

    def blend(self, chunks: Chunks, now_ns: int) -> ActionChunk | None:
        """See `Scheduler.blend`."""
        running, *waiting = live(chunks, now_ns)
        joined = splice(running, waiting[0], max(running.end_ns, waiting[0].t0_ns)) if waiting else running
        return trim(joined, now_ns)


@dataclass(frozen=True, slots=True)
class Swap:
    """The newest chunk takes over as soon as it covers the present; until then the one before it runs on.

    What has been taken over from does not come back when the newer chunk ends.
    """

    def keep(self, chunks: Chunks, new: ActionChunk, now_ns: int) -> Chunks:
        """See `Scheduler.keep`."""
        running = self.blend(chunks, now_ns) if chunks and new.t0_ns > now_ns else None
        return (running, new) if running else (new,)

    def blend(self, chunks: Chunks, now_ns: int) -> ActionChunk | None:
        """See `Scheduler.blend`."""
        first, last = chunks[0], chunks[-1]
        joined = splice(first, last, last.t0_ns) if first is not last and first.end_ns > now_ns else last
        return trim(joined, now_ns)


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Temporal ensembling (ACT, Zhao et al. 2023): weight exp(-m i), i = 0 the OLDEST prediction of an instant."""

    m: float = 0.1
    most: int = 32

    def keep(self, chunks: Chunks, new: ActionChunk, now_ns: int) -> Chunks:
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


class Executor:
    """Takes chunks as they come and answers for any instant what to do; never reads past an end."""

    def __init__(self, scheduler: Scheduler, dt_ns: int) -> None:
        self._scheduler = scheduler
        self._dt_ns = dt_ns
        self._chunks: Chunks = ()
        self._epoch = 0

    def begin(self, epoch: int) -> None:
        """Forget everything; from now on only chunks of this epoch are taken."""
        self._epoch, self._chunks = epoch, ()

    def offer(self, chunk: ActionChunk, now_ns: int) -> bool:
        """Take a chunk; False for one of another epoch, wholly past, empty, not finite or off the grid."""
        on_grid = chunk.dt_ns == self._dt_ns and chunk.t0_ns % self._dt_ns == 0
        usable = len(chunk.actions) and chunk.end_ns > now_ns and np.isfinite(chunk.actions).all()
        if chunk.epoch != self._epoch or not on_grid or not usable:
            return False
        if self._chunks and self._chunks[-1].axes != chunk.axes:
            return False
        self._chunks = self._scheduler.keep(self._chunks, chunk, now_ns)
        return True

    def output(self, now_ns: int) -> ActionChunk | None:
        """The chunk to execute from now on, without past rows; None when nothing covers any later instant."""
        return self._scheduler.blend(self._chunks, now_ns) if live(self._chunks, now_ns) else None

    def at(self, now_ns: int) -> F64 | None:
        """The action (d,) for an instant that is not yet past, or None where no chunk covers it."""
        chunk = self.output(now_ns)
        return chunk.at(now_ns) if chunk else None


def scheduler(name: Literal["hold", "swap", "ensemble"], ensemble_m: float) -> Scheduler:
    """A scheduler by its name; `ensemble_m` is the decay of the ensemble's weights."""
    schedulers: dict[str, Scheduler] = {"hold": Hold(), "swap": Swap(), "ensemble": Ensemble(ensemble_m)}
    return schedulers[name]
