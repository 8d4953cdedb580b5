"""The VLA node: instruction, pictures, map and odometry in; plans at about 1 Hz and action chunks at 20 Hz out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from saccade.clock import SEC, TickGrid, seconds
from saccade.errors import DataError
from saccade.geometry import SE3
from saccade.inbox import Arrival
from saccade.node import NEVER_NS, Out, Sample
from saccade.stages import Stages
from saccade.types import Plan, PlanKind
from saccade.wire.convert import decode, decode_verdict, encode_chunk, encode_path, encode_plan
from saccade.wire.diagnostics import Level
from saccade.wire.exchange import encode_exchange
from vla_node import requests
from vla_node.epochs import Epochs
from vla_node.health import Health
from vla_node.held import Held
from vla_node.params import VlaParams
from vla_node.pilot import Pilot
from vla_node.planner import NO_POINTS, NO_VALUES, VALID_FOR_NS, Reasoner
from vla_node.policies.base import FastPolicy
from vla_node.policies.open import open_policy
from vla_node.reasoners.embedded.language import says_stop
from vla_node.reasoners.open import reasoner_of
from vla_node.requests import Outcome, Requests, Told
from vla_node.senses import Senses
from vla_node.slow import SlowHalf, Thought

REPEAT_NS = 2 * SEC
"""The same words again within this time, or while they are being carried out, are an echo and no new instruction."""
CLOCK_BACK_NS = SEC
"""A mission outlasts a clock that is set back by no more; see `Inbox`."""
HELD_BY_OPERATOR = "the operator stop is pressed; release it, then give the instruction again"


ASKS = frozenset({"instruction", "feedback", "operator_stop", "verdict"})


class VlaNode:
    """Fast in slow: the worker thinks, the pilot acts on what it thought last; every instruction is an epoch."""

    name = "vla_node"
    writes = requests.WRITES | {"plan", "plan/path", "plan/exchange", "chunk", "diagnostics"}

    def __init__(
        self, params: VlaParams, reasoner: Reasoner | None = None, policy: FastPolicy | None = None
    ) -> None:  # fmt: skip
        """With the reasoner and the policy that the parameters name, unless these are given."""
        planner, card = params.planner, params.policy.card
        self.stages = Stages()
        self._reasoner = reasoner or reasoner_of(params)
        self._slow = SlowHalf(self._reasoner, planner)
        self._ticks = TickGrid(round(SEC / params.policy.rate_hz))
        self._pilot = Pilot(params, policy or (open_policy(card) if card else None))
        self._senses = Senses(params.stands, params.planner.birdseye, params.embodiment == "uav")
        self._epochs = Epochs()
        self._seen = self._senses.reads | self._pilot.reads
        self.reads = self._seen | requests.READS | ASKS
        self.retune(params)
        self._health = Health(self.name, self.stages)
        self._requests = Requests(self._tell, self._refuse)
        self._instruction = ""
        self._heard_ns = -NEVER_NS
        self._active = False
        self._operator_stop = False
        self._held = Held()
        self._now_ns = self._acted_ns = 0
        self._plans = 0

    def retune(self, params: VlaParams) -> None:
        """See `Tunable.retune`."""
        self._slow.retune(params.planner)
        self._on_map = params.policy.on_map
        self._pilot.retune(params)

    def next_ns(self, now_ns: int) -> int:
        """See `Node.next_ns`."""
        return self._ticks.due(now_ns)

    def on_sample(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        """See `Node.on_sample`."""
        stop = self._clock(now_ns)
        return [*stop, *self._listen(sample, now_ns)] if stop else self._listen(sample, now_ns)

    def _listen(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        if sample.topic in self._seen:
            return self._sense(sample, now_ns)
        try:
            if sample.topic == "instruction":
                return self._instruct(str(decode("instruction", sample.cdr).data), now_ns)
            if sample.topic == "operator_stop":
                return self._operator(bool(decode("operator_stop", sample.cdr).data), now_ns)
            if sample.topic == "feedback":
                return self._hear(str(decode("feedback", sample.cdr).data), now_ns)
            if sample.topic in requests.READS:
                return self._requests.take(sample, now_ns)
            self._held.judged(decode_verdict(sample.cdr))
            self._requests.judged(sample.cdr)
        except (DataError, ValueError) as error:
            self._senses.fault(sample, error)
            if sample.topic == "operator_stop":  # as the gate reads it: its next, legible word must not set off a robot
                return self._operator(True, now_ns)
        return ()

    def on_tick(self, now_ns: int) -> Iterable[Out]:
        """See `Node.on_tick`."""
        self._ticks.advance(now_ns)
        self.stages.frame.clear()
        outs = self._clock(now_ns)
        self._slow.look(self._senses)
        if (thought := self._slow.poll(now_ns)) is not None:
            outs += self._thought(thought, now_ns)
        outs += self._act(now_ns)
        self._ask(now_ns)
        self._report(now_ns)
        outs += self._requests.tick(now_ns, self._held.standing)
        return outs + self._health.due(now_ns)

    def close(self) -> Iterable[Out]:
        """See `Node.close`."""
        self._slow.close()
        self._pilot.close()
        outs = self._requests.end(Outcome.STOPPED, f"{self.name} ended", self._acted_ns)
        return outs + self._begin("", self._acted_ns) if self._active else outs

    def _clock(self, now_ns: int) -> list[Out]:
        """Where the clock went back, rows and plans of then would come round again: nobody has asked for that now."""
        back_ns, self._now_ns = self._now_ns - now_ns, now_ns
        if back_ns <= 0:
            return []
        self._pilot.forget()
        why = f"the clock went back by {seconds(back_ns):.1f} s; give the instruction again"
        return self._stop(why, now_ns) if back_ns > CLOCK_BACK_NS else []

    def _sense(self, sample: Sample, now_ns: int) -> Iterable[Out]:
        arrival = self._senses.take(sample)
        if why := self._senses.jumped:
            self._senses.jumped = ""
            return self._stop(f"{why}; give the instruction again", now_ns)
        if sample.topic == "local_map" and arrival is Arrival.ACCEPTED and self._on_map:
            return self._act(now_ns)
        return ()

    def _instruct(self, text: str, now_ns: int) -> Iterable[Out]:
        """An instruction on the topic, where the same words may come more than once."""
        echo = text == self._instruction and (self._active or 0 <= now_ns - self._heard_ns < REPEAT_NS)
        self._heard_ns = now_ns
        return () if echo else self._tell(text, now_ns).outs

    def _tell(self, text: str, now_ns: int) -> Told:
        """A new instruction begins a new epoch and, first of all, a standstill; one that is refused is a STOP plan."""
        outs = self._requests.end(Outcome.REPLACED, f"replaced by {text!r}", now_ns)
        refusal = self._reasoner.refuses(text) or (HELD_BY_OPERATOR if self._operator_stop else "")
        self._instruction = text
        if refusal:
            self._health.set("instruction", Level.WARN, refusal, instruction=text)
            outs += self._refuse(refusal, now_ns)
        else:
            self._health.set("instruction", Level.OK, f"understood: {text}")
            outs += self._begin(text, now_ns)
            self._active = True
        return Told(refusal, self._epochs.current, outs)

    def _hear(self, text: str, now_ns: int) -> Iterable[Out]:
        """What the operator says about the mission under way; a word that means stop is not left to a model."""
        if not self._active:
            return ()
        if text.strip() and says_stop(text):
            return self._stop(f"told to stop: {text!r}", now_ns)
        self._slow.tell(text)
        return ()

    def _operator(self, stop: bool, now_ns: int) -> Iterable[Out]:
        """An operator's stop ends the mission: its release alone must not set the robot in motion (ISO 13850)."""
        pressed, self._operator_stop = stop and not self._operator_stop, stop
        return self._stop("operator stop; give the instruction again", now_ns) if pressed else ()

    def _stop(self, why: str, now_ns: int) -> list[Out]:
        """End the mission, whoever asked for it."""
        return self._requests.end(Outcome.STOPPED, why, now_ns) + self._refuse(why, now_ns)

    def _begin(self, text: str, now_ns: int) -> list[Out]:
        """A new epoch: nothing of the old one counts, and the robot brakes until the first plan."""
        odom = self._senses.odom(now_ns)
        self._instruction, self._active = text, False
        epoch = self._epochs.begin(now_ns)
        self._slow.begin(epoch, text, odom.value.T_odom_from_body if odom.fresh else None)
        self._pilot.begin(epoch)
        return self._act(now_ns)

    def _refuse(self, why: str, now_ns: int) -> list[Out]:
        """A new epoch that consists of one STOP plan."""
        text = self._instruction
        outs = self._begin(text, now_ns)
        odom = self._senses.odom(now_ns)
        pose, frame = (odom.value.T_odom_from_body, odom.value.frame_id) if odom.fresh else (SE3.identity(), "odom")
        plan = Plan(
            0, self._epochs.current, text, PlanKind.STOP, now_ns, pose, 0, VALID_FOR_NS, frame, NO_POINTS, NO_VALUES,
            1.0, True, why,
        )  # fmt: skip
        return outs + self._adopt(plan, now_ns)

    def _thought(self, thought: Thought, now_ns: int) -> list[Out]:
        """Follow what was thought if it is still wanted; its words are for the record either way."""
        outs, plan_id = [], 0
        if self._active and thought.valid and self._epochs.accepts(thought.plan.epoch):
            self._health.made("planner", thought.plan.obs_stamp_ns, now_ns)
            outs = self._adopt(thought.plan, now_ns)
            plan_id = self._plans
        if thought.exchange is not None:
            outs.append(Out("plan/exchange", encode_exchange(replace(thought.exchange, plan_id=plan_id))))
        return outs

    def _adopt(self, answer: Plan, now_ns: int) -> list[Out]:
        self._plans += 1
        plan = replace(answer, id=self._plans)
        if plan.kind is PlanKind.STOP and plan.final:
            self._active = False
        self._pilot.adopt(plan)
        stops, short = plan.kind is PlanKind.STOP, self._slow.short_lived(plan.inference_ns)
        level = Level.WARN if short or (stops and plan.progress < 1.0) else Level.OK
        self._health.set(
            "planner", level, f"{plan.text}; {short}" if short else plan.text, plan=plan.id, epoch=plan.epoch,
            kind=plan.kind.name, dropped=self._slow.discarded,
        )  # fmt: skip
        said = [Out("plan", encode_plan(plan)), Out("plan/path", encode_path(plan))]
        return said + self._requests.planned(plan, now_ns)

    def _act(self, now_ns: int) -> list[Out]:
        self._acted_ns = now_ns
        reached = self._pilot.arrived
        with self.stages.timed("policy"):
            chunk = self._pilot.act(now_ns, self._senses, self._held.stopped)
        if self._pilot.arrived and not reached:
            self._slow.note("goal reached")
        self._held.tick(self._pilot.blocked, now_ns)
        if chunk is None:
            return []
        self._health.made("policy", chunk.obs_stamp_ns, now_ns)
        return [Out("chunk", encode_chunk(chunk))]

    def _ask(self, now_ns: int) -> None:
        """Have the slow half think, if there is an instruction and reason to."""
        if not self._active:
            return
        with self.stages.timed("planner"):
            self._slow.ask(
                now_ns, self._senses, self._pilot.plan, self._held, partial(self._pilot.lead, now_ns, self._senses)
            )

    def _report(self, now_ns: int) -> None:
        pilot, self._health.judged = self._pilot, self._active
        plan_age_ms = round((now_ns - pilot.plan.obs_stamp_ns) / 1e6) if pilot.plan else -1
        level = Level.WARN if pilot.why and self._active else Level.OK
        self._health.set(
            "policy", level, pilot.why or "following", plan_age_ms=plan_age_ms, planner_busy=self._slow.busy,
            dropped=self._ticks.missed,
        )  # fmt: skip
        faults = self._senses.faults(now_ns)
        self._health.set("inputs", Level.ERROR if faults else Level.OK, "; ".join(faults) or "all readable")
