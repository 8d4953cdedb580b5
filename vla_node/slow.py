"""The slow half: when to think again, about what, and what came of it. It never keeps the fast half waiting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from saccade.clock import nanoseconds, seconds
from saccade.geometry import F64, SE3
from saccade.node import NEVER_NS
from saccade.types import Plan
from saccade.wire.exchange import Exchange
from saccade.worker import ModelledWorker, ThreadWorker, Worker
from vla_node.held import Held
from vla_node.history import History
from vla_node.params import PlannerParams
from vla_node.planner import NO_LEAD, Answer, Job, Observation, Reasoner, think
from vla_node.senses import Senses
from vla_node.views import newest_picture, observation

MOST_FEEDBACK = 8
"""What the operator said longer ago than this many times is forgotten."""
HELD_NS = nanoseconds(1.0)
"""A robot that is held at a standstill for longer than this needs another plan, and then again."""


class Thought(NamedTuple):
    """A finished plan, whether it may still be followed, and the words of it if there were any."""

    plan: Plan
    valid: bool
    exchange: Exchange | None


class SlowHalf:
    """Asks the reasoner about the newest observation, one at a time: on a period, or when something has happened."""

    def __init__(self, reasoner: Reasoner, params: PlannerParams) -> None:
        ask = partial(think, reasoner)
        self._worker: Worker[Job, Answer] = (
            ThreadWorker(ask, "planner", reasoner.cancel, Job.decode)
            if params.worker == "thread"
            else ModelledWorker(ask, nanoseconds(params.latency_s))
        )
        self._reasoner = reasoner
        self._history = History(params.history)
        self.retune(params)
        self._epoch, self._instruction = 0, ""
        self._start: SE3 | None = None
        self._occasions: list[str] = []
        self._feedback: list[str] = []
        self._asked_ns: int | None = None
        self._under_way = ""
        self._took_ns: int | None = None
        self.discarded = 0

    @property
    def busy(self) -> bool:
        """Whether it is thinking."""
        return self._worker.busy

    def retune(self, params: PlannerParams) -> None:
        """See `Tunable.retune`."""
        self._period_ns, self._valid_for_ns = nanoseconds(params.period_s), nanoseconds(params.valid_for_s)

    def short_lived(self, took_ns: int) -> str:
        """What to do where plans that take so long expire before they are followed by another; "" where they do not."""
        needed_ns = took_ns + max(took_ns, self._period_ns)
        if needed_ns < self._valid_for_ns:
            return ""
        return (
            f"plans take {seconds(took_ns):.1f} s and expire before the next one comes: "
            f"set planner.valid_for_s above {seconds(needed_ns):.1f}"
        )

    def begin(self, epoch: int, instruction: str, start: SE3 | None) -> None:
        """Forget the old epoch; think about this instruction, given where the robot is at `start`, if known."""
        self._worker.cancel()
        self._epoch, self._instruction, self._start = epoch, instruction, start
        self._occasions, self._feedback, self._asked_ns = ["instruction"], [], None
        self._history.clear()

    def note(self, occasion: str) -> None:
        """Something has happened that the plan should be looked at for: think again as soon as may be."""
        if occasion not in self._occasions:
            self._occasions.append(occasion)

    def tell(self, feedback: str) -> None:
        """The operator says something: a thought under way does not know of it and is dropped. "" only asks anew."""
        self._worker.cancel()
        if feedback:
            self._feedback = [*self._feedback, feedback][-MOST_FEEDBACK:]
        self.note(f"feedback: {feedback}" if feedback else "asked to")

    def look(self, senses: Senses) -> None:
        """Remember the newest picture if it shows something new."""
        if self._history.most and (seen := newest_picture(senses)) is not None:
            self._history.offer(*seen)

    def ask(
        self, now_ns: int, senses: Senses, plan: Plan | None, held: Held, lead: Callable[[int], F64] = lambda _: NO_LEAD
    ) -> None:
        """Have the reasoner think, if it is idle and there is reason to.

        `lead(ns)` are the poses that the robot goes through in the next `ns`; what it takes for thinking is known from
        the last time.
        """
        if self._worker.busy:
            return
        since_ns = now_ns - self._asked_ns if self._asked_ns is not None else NEVER_NS
        if plan is not None and plan.expired(now_ns):
            self.note("plan expired")
        held_ns = held.for_ns(now_ns)
        if min(held_ns, since_ns) > HELD_NS:
            self.note(held.by)
        if since_ns >= self._period_ns:
            self.note("period")
        odom = senses.odom(now_ns)
        if self._start is None and odom.fresh:
            self._start = odom.value.T_odom_from_body
        if not self._occasions or self._start is None:
            return
        blank = partial(
            Observation, epoch=self._epoch, instruction=self._instruction, start=self._start,
            held_ns=held_ns if held_ns > HELD_NS else 0,
            valid_for_ns=self._valid_for_ns, event="; ".join(self._occasions), feedback=tuple(self._feedback),
            lead=NO_LEAD if self._took_ns is None or held_ns else lead(self._took_ns),
        )  # fmt: skip
        observe = observation(senses, now_ns, blank, self._history)
        if observe is None:
            return
        self._under_way, self._occasions = "; ".join(self._occasions), []
        self._asked_ns = now_ns
        self._worker.offer(Job(self._epoch, observe), now_ns)

    def poll(self, now_ns: int) -> Thought | None:
        """What was thought, once; not to be followed when it is of another epoch."""
        done = self._worker.poll(now_ns)
        if done is None:
            return None
        answer, took_ns = done
        self._took_ns = took_ns
        plan = replace(answer.plan, inference_ns=took_ns)
        valid = plan.epoch == self._epoch
        self.discarded += not valid
        if not answer.asked:
            return Thought(plan, valid, None)
        words = answer.asked, answer.answered
        return Thought(plan, valid, Exchange(plan.obs_stamp_ns, 0, plan.epoch, self._under_way, *words, took_ns))

    def close(self) -> None:
        """Stop thinking."""
        self._worker.close()
        self._reasoner.close()
