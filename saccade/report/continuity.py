"""Whether the robot waited for its next action: LiveVLN's figures (Wang et al. 2026, arXiv 2604.19536) of any run."""

from __future__ import annotations

from bisect import bisect_right
from itertools import zip_longest
from typing import Any, Generic, TypeVar

from saccade.clock import SEC
from saccade.report.run import Run
from saccade.types import ActionChunk, Plan, PlanKind, Verdict

T = TypeVar("T")

PAUSE_NS = SEC // 2
"""A longer wait is a pause that people see."""
_TICK_NS = SEC // 10
"""A verdict counts until the next, for this long at most."""


def continuity(run: Run) -> dict[str, Any]:
    """Mission, waiting time and their ratio, longest wait and pauses, in seconds; from plan, chunk and verdict alone.

    A mission lasts from an epoch's first plan to the one that ends it (a final STOP) or to the next epoch. In it the
    robot waits while the gate grants no motion and there is no fresh action: no chunk of the epoch covers the tick, or
    the newest plan has expired. A robot that stands because a plan or a policy says so, or because the gate stops a
    request, does not wait. The first thinking about an instruction is no part of the mission. waiting_ratio is waiting
    / mission (the paper's: waiting time per wall-clock time of the episode); visible_gap_s the longest wait.
    """
    chunks, plans = _Newest(run.chunks), _Newest(run.plans)
    mission_ns, waiting = 0, False
    waits: list[int] = []
    for verdict, after in zip_longest(run.verdicts, run.verdicts[1:]):
        lasted_ns = min(after.stamp_ns - verdict.stamp_ns, _TICK_NS) if after else 0
        plan, chunk = plans.at(verdict.stamp_ns), chunks.at(verdict.stamp_ns)
        if plan is None or (chunk and chunk.epoch > plan.epoch) or not _mission(plan):
            waiting = False
            continue
        mission_ns += lasted_ns
        waits_now = _waits(verdict, chunk, plan)
        if waits_now and waiting:
            waits[-1] += lasted_ns
        elif waits_now:
            waits.append(lasted_ns)
        waiting = waits_now
    return {
        "mission_s": round(mission_ns / SEC, 6),
        "waiting_s": round(sum(waits) / SEC, 6),
        "waiting_ratio": round(sum(waits) / mission_ns, 6) if mission_ns else None,
        "visible_gap_s": round(max(waits, default=0) / SEC, 6) if mission_ns else None,
        "pauses": sum(wait > PAUSE_NS for wait in waits) if mission_ns else None,
    }


class _Newest(Generic[T]):
    """The newest of values (heard ns, value), by when they were heard."""

    def __init__(self, heard: list[tuple[int, T]]) -> None:
        self._heard = heard
        self._times = [ns for ns, _ in heard]

    def at(self, now_ns: int) -> T | None:
        """The value heard last by then, or None."""
        i = bisect_right(self._times, now_ns)
        return self._heard[i - 1][1] if i else None


def _mission(plan: Plan) -> bool:
    """Whether the newest plan leaves something to do."""
    return not (plan.kind is PlanKind.STOP and plan.final)


def _waits(verdict: Verdict, chunk: ActionChunk | None, plan: Plan) -> bool:
    if verdict.granted.any() or plan.kind is PlanKind.STOP:
        return False
    covered = chunk is not None and chunk.epoch == plan.epoch and chunk.at(verdict.stamp_ns) is not None
    return not covered or plan.expired(verdict.stamp_ns)
