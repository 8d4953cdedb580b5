"""Executes chunks of actions on absolute time: what is done when, in whatever order and however late they come."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from saccade.geometry import F64
from saccade.types import ActionChunk
from vla_node.params import ExecutorParams
from vla_node.policies.base import NO_ROWS
from vla_node.schedulers.base import Chunks, Scheduler, row_after, trim, until
from vla_node.schedulers.ensemble import Ensemble
from vla_node.schedulers.guard import Guard
from vla_node.schedulers.hold import Hold
from vla_node.schedulers.rtc import Rtc
from vla_node.schedulers.swap import Swap
from vla_node.seam import Bounds, Reach
from vla_node.timeline import Timeline, continued, stopped


class Promise(NamedTuple):
    """What a policy is told of the rows that run while it thinks: `Look.promised` and `Look.delay_rows`.

    Its answer is a chunk that begins at `t0_ns`, the instant of the grid nearest to the look.
    """

    t0_ns: int
    rows: F64
    delay_rows: int


class Executor:
    """Takes chunks as they come and answers for any instant what to do.

    Never executed: a row of another epoch, a row that lasts longer than its plan is valid, a row at any instant but its
    own. Only a chunk for a robot that has stood still ever since the look it was made from is shifted, as a whole, so
    that it begins with action 0. With `bounds`, rows change within them (see there), a row that has begun is not
    changed, and where no chunk follows the robot is brought to rest.
    """

    def __init__(self, scheduler: Scheduler, dt_ns: int, bounds: Bounds | None = None, delays: int = 10) -> None:
        self._scheduler, self._dt_ns, self._bounds = scheduler, dt_ns, bounds
        self._delays: deque[int] = deque(maxlen=delays)
        self._epoch = 0
        self._revoked = False
        self._done: Timeline | None = None
        self._chunks: Chunks = ()
        self._newest: ActionChunk | None = None
        self._promise = Promise(0, NO_ROWS, 0)

    @property
    def delay_rows(self) -> int:
        """Rows that pass between a look and the arrival of its answer: the most of the last few; 0 before any."""
        return max(self._delays, default=0)

    def begin(self, epoch: int) -> None:
        """Forget all chunks; from now on only those of this epoch are taken. What was executed comes to rest."""
        self._epoch, self._revoked = epoch, True
        self._chunks, self._newest, self._promise = (), None, Promise(0, NO_ROWS, 0)

    def forget(self) -> None:
        """Forget all chunks, and what was executed: nothing is brought to rest, for nobody knows from what."""
        self.begin(self._epoch)
        self._done = None

    def offer(
        self, chunk: ActionChunk, now_ns: int, expires_ns: int | None = None, before: Reach | None = None
    ) -> bool:
        """Take a chunk, of which nothing is executed at or after `expires_ns`, the end of its plan's validity.

        `before` is where the axes are, when it is not where the executed rows led. False for a chunk of another epoch,
        wholly past or expired, empty, not finite, off the grid, of other axes, made from an older look than the newest
        that was taken, or not to begin before what runs has ended. A chunk that comes again changes nothing.
        """
        self._settle(now_ns)
        if not self._in_order(chunk):
            return False
        if self._newest is not None and _same(chunk, self._newest):
            return True
        self._delays.append(max(0, row_after(now_ns - chunk.t0_ns, self._dt_ns) // self._dt_ns))
        first_ns = self._free_ns(now_ns)
        fresh = trim(self._anchored(chunk, first_ns, before), max(first_ns, self._promised(chunk.t0_ns)))
        fresh = until(fresh, expires_ns) if fresh and expires_ns is not None else fresh
        ends_ns = max(first_ns, self._done.ends_ns) if self._done else first_ns
        if fresh is None or not len(fresh.actions) or fresh.t0_ns > ends_ns:
            return False
        self._newest = chunk
        self._chunks = self._scheduler.keep(self._chunks, fresh, now_ns, self.delay_rows)
        blended = self._scheduler.blend(self._chunks, first_ns)
        if blended is not None:
            self._done = continued(self._done, blended, first_ns, self._bounds, before)
        return True

    def output(self, now_ns: int) -> ActionChunk | None:
        """What is executed from now on, without past rows; None when nothing covers any later instant."""
        self._settle(now_ns)
        return self._done.output(now_ns) if self._done else None

    def at(self, now_ns: int) -> F64 | None:
        """The action (d,) for an instant that is not yet past, or None where nothing covers it."""
        self._settle(now_ns)
        return self._done.chunk.at(now_ns) if self._done else None

    def begins(self, stamp_ns: int, now_ns: int, before: Reach | None = None) -> tuple[int, int]:
        """When action 0 of the answer to a look at `stamp_ns` applies, and the first row that may still be changed.

        Action 0 applies at the instant of the grid nearest to the look, or, where nothing has moved since, at that row.
        `before` as in `offer`.
        """
        self._settle(now_ns)
        t0_ns, first_ns = self._nearest(stamp_ns), self._free_ns(now_ns)
        return (t0_ns if self._moved(t0_ns, first_ns, before) else max(t0_ns, first_ns)), first_ns

    def promise(self, stamp_ns: int) -> Promise:
        """What runs from a look at `stamp_ns` on, as far as chunks reach; `offer` of its answer keeps to it.

        Without rows where nothing ran at that time.
        """
        t0_ns = self._nearest(stamp_ns)
        rows = self._done.promised(t0_ns) if self._done and not self._revoked else NO_ROWS
        self._promise = Promise(t0_ns, rows, min(self.delay_rows, len(rows)))
        return self._promise

    def due(self, now_ns: int, least_rows: int) -> bool:
        """Whether the policy is to be asked again (d <= s <= H - d of real-time chunking).

        It is when `least_rows` have passed since the newest look that was answered, or when what is left will be used
        up before an answer can be there.
        """
        if self._newest is None or self._done is None:
            return True
        left = (self._done.ends_ns - now_ns) // self._dt_ns
        return now_ns - self._newest.t0_ns >= least_rows * self._dt_ns or left <= self.delay_rows

    def _nearest(self, stamp_ns: int) -> int:
        return (2 * stamp_ns + self._dt_ns) // (2 * self._dt_ns) * self._dt_ns

    def _settle(self, now_ns: int) -> None:
        """After a new epoch has begun: nothing of what was to be executed remains but the way to a rest."""
        if not self._revoked:
            return
        self._revoked, done, self._done = False, self._done, None
        if done and self._bounds:
            self._done = stopped(done, self._free_ns(now_ns), self._epoch, self._bounds)

    def _in_order(self, chunk: ActionChunk) -> bool:
        newest, dt_ns = self._newest, self._dt_ns
        on_grid = chunk.dt_ns == dt_ns and chunk.t0_ns % dt_ns == 0
        usable = len(chunk.actions) > 0 and bool(np.isfinite(chunk.actions).all())
        if chunk.epoch != self._epoch or not on_grid or not usable:
            return False
        return newest is None or (chunk.axes == newest.axes and chunk.t0_ns >= newest.t0_ns)

    def _promised(self, t0_ns: int) -> int:
        """Until when the policy that was shown the look at `t0_ns` was promised the rows that run."""
        return t0_ns + (self._promise.delay_rows * self._dt_ns if t0_ns == self._promise.t0_ns else 0)

    def _anchored(self, chunk: ActionChunk, first_ns: int, before: Reach | None) -> ActionChunk:
        """The chunk at its own time, or, if nothing has moved since then, from the first row that can be executed."""
        late = chunk.t0_ns < first_ns
        return replace(chunk, t0_ns=first_ns) if late and not self._moved(chunk.t0_ns, first_ns, before) else chunk

    def _moved(self, since_ns: int, until_ns: int, before: Reach | None) -> bool:
        """Whether the robot was to move between two instants, or does, as is known of it otherwise."""
        if before is not None:
            speeds = before.value[~self._bounds.position] if self._bounds else before.value
            if speeds.any() or before.rate.any():
                return True
        return self._done is not None and self._done.moved(since_ns, until_ns, self._bounds)

    def _free_ns(self, now_ns: int) -> int:
        """The beginning of the first row that may still be changed."""
        return row_after(now_ns, self._dt_ns) if self._bounds else now_ns // self._dt_ns * self._dt_ns


def _same(a: ActionChunk, b: ActionChunk) -> bool:
    names = (a.t0_ns, a.obs_stamp_ns, a.plan_id) == (b.t0_ns, b.obs_stamp_ns, b.plan_id)
    return names and np.array_equal(a.actions, b.actions)


def scheduler(params: ExecutorParams, takes_promised: bool = False) -> Scheduler:
    """The scheduler that the parameters name; `takes_promised` says that the policy continues the promised rows."""
    schedulers: dict[str, Scheduler] = {
        "hold": Hold(),
        "swap": Swap(),
        "ensemble": Ensemble(params.ensemble_m),
        "rtc": Rtc(0 if takes_promised else params.overlap_rows),
        "guard": Guard(params.guard_rows),
    }
    return schedulers[params.scheduler]


def ramped(chunk: ActionChunk, before: F64, parts: int) -> ActionChunk:
    """The chunk with each row split into `parts` steps that lead from the row before it, first `before` (d,), to it.

    A row says what is reached at its end; commanding it at its beginning would ask for all of the change at once.
    """
    begin = np.concatenate([before[None], chunk.actions[:-1]])[:, None, :]
    fraction = (np.arange(1, parts + 1) / parts)[None, :, None]
    actions = (1.0 - fraction) * begin + fraction * chunk.actions[:, None, :]
    return replace(chunk, dt_ns=chunk.dt_ns // parts, actions=actions.reshape(-1, chunk.actions.shape[1]))
