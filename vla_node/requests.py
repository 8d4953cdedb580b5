"""Instructions that want an answer: the service `set_instruction` and the action `execute_instruction`."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from saccade.clock import SEC
from saccade.geometry import SE3
from saccade.node import Out, Sample
from saccade.topics import SERVICES
from saccade.types import Decision, Plan, PlanKind, Verdict
from saccade.wire.action import ActionServer, Status
from saccade.wire.codec import codec
from saccade.wire.convert import Cdr, encode_plan, encode_verdict
from saccade.wire.service import decode_request, encode_reply
from vla_node.planner import NO_POINTS, NO_VALUES

READS = frozenset(name for name in SERVICES if name.endswith("/request"))
WRITES = frozenset(SERVICES) - READS
STANDING_NS = 2 * SEC
"""A canceled goal has ended when the robot stands, or after this time."""
_ACTION, _SET = "execute_instruction", "set_instruction"


class Outcome(IntEnum):
    """How a goal ended; values as in saccade_msgs/ExecuteInstruction."""

    UNKNOWN = 0
    DONE = 1
    FAILED = 2
    REPLACED = 3
    CANCELED = 4
    STOPPED = 5


class Told(NamedTuple):
    """What came of telling the robot something: why it was refused, or ""; the epoch it began; what to send."""

    refusal: str
    epoch: int
    outs: list[Out]


class Requests:
    """Answers for the node. `tell` gives it an instruction, `halt` stops it; the node says what else happens."""

    def __init__(self, tell: Callable[[str, int], Told], halt: Callable[[str, int], list[Out]]) -> None:
        self._tell, self._halt = tell, halt
        self._action = ActionServer(
            _ACTION, "saccade_msgs/action/ExecuteInstruction", {"outcome": int(Outcome.UNKNOWN), "reason": ""}
        )
        self._epoch, self._text = 0, ""
        self._plan: Plan | None = None
        self._verdict: Cdr | None = None

    def take(self, sample: Sample, now_ns: int) -> list[Out]:
        """A sample on one of READS; DataError if it cannot be read."""
        service = sample.topic.removesuffix("/request").removeprefix(f"{_ACTION}/_action/")
        if service == "send_goal":
            return self._begin(sample, now_ns)
        if service == "cancel_goal":
            before, outs = self._action.status, self._action.cancel(sample, now_ns)
            canceled = before is Status.EXECUTING and self._action.status is Status.CANCELING
            return outs + (self._halt("canceled", now_ns) if canceled else [])
        if service == "get_result":
            return self._action.ask_result(sample, now_ns)
        address, request = decode_request(sample)
        told = self._tell(request.instruction, now_ns)
        message = told.refusal or f"understood: {request.instruction}"
        reply = encode_reply(_SET, address, success=not told.refusal, epoch=told.epoch, message=message)
        return [*told.outs, reply]

    def end(self, outcome: Outcome, reason: str, now_ns: int) -> list[Out]:
        """The goal under way, if any, ends for this reason; one that is being canceled ends as canceled."""
        if self._action.status is None:
            return []
        if self._action.status is Status.CANCELING:
            status, outcome = Status.CANCELED, Outcome.CANCELED
        else:
            status = Status.SUCCEEDED if outcome is Outcome.DONE else Status.ABORTED
        return self._action.finish(status, now_ns, outcome=int(outcome), reason=reason)

    def planned(self, plan: Plan, now_ns: int) -> list[Out]:
        """The node follows this plan from now on."""
        if plan.epoch != self._epoch:
            return []
        self._plan = plan
        if plan.kind is not PlanKind.STOP or not plan.final:
            return []
        return self.end(Outcome.DONE if plan.progress >= 1.0 else Outcome.FAILED, plan.text, now_ns)

    def judged(self, cdr: Cdr) -> None:
        """The gate's newest verdict."""
        self._verdict = cdr

    def tick(self, now_ns: int, standing: bool) -> list[Out]:
        """Feedback, and the end of a goal that was canceled once the robot is `standing`."""
        outs = []
        if self._action.feedback_due(now_ns):
            outs.append(self._feedback(now_ns))
        if self._action.status is Status.CANCELING and (standing or now_ns - self._action.since_ns > STANDING_NS):
            outs += self.end(Outcome.CANCELED, "canceled" if standing else "canceled; not seen standing yet", now_ns)
        return outs

    def _begin(self, sample: Sample, now_ns: int) -> list[Out]:
        wish = self._action.wish(sample)
        if self._action.knows(wish.goal_id):
            return self._action.accept(wish, now_ns)
        told = self._tell(wish.goal.instruction, now_ns)
        self._epoch, self._text, self._plan = told.epoch, wish.goal.instruction, None
        outs = told.outs + self._action.accept(wish, now_ns)
        return outs + (self.end(Outcome.FAILED, told.refusal, now_ns) if told.refusal else [])

    def _feedback(self, now_ns: int) -> Out:
        plan = self._plan or Plan(
            0, self._epoch, self._text, PlanKind.TEXT, now_ns, SE3.identity(), 0, 0, "", NO_POINTS, NO_VALUES, 0.0,
            False, "no plan yet",
        )  # fmt: skip
        nothing = Verdict(now_ns, Decision.STOP, "no verdict yet", (), NO_VALUES, NO_VALUES, 0.0, 0.0, 0, 0, 0)
        verdict = self._verdict or encode_verdict(nothing)
        return self._action.feedback(
            now_ns, plan=codec().decode("saccade_msgs/msg/Plan", encode_plan(plan)), progress=plan.progress,
            verdict=codec().decode("saccade_msgs/msg/Verdict", verdict),
        )  # fmt: skip
