"""The embedded reasoner of an arm: takes what is named by colour and shape, puts it down, and looks whether it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from saccade.clock import SEC, nanoseconds, seconds
from saccade.geometry import F64
from saccade.types import Plan, PlanKind
from vla_node.arms.target import grasp_plan
from vla_node.embodiments.arm import ArmParams
from vla_node.lift import LiftError
from vla_node.planner import Answer, Observation, make_plan
from vla_node.reasoners.embedded.language import Misunderstood, parse
from vla_node.reasoners.embedded.steps import GoTo, Put, Step, Stop, Take, Wait
from vla_node.reasoners.embedded.tabletop import Seen, best, foot, grip_point, things, top

TRIES = 3
TRY_NS = {Take: 15 * SEC, Put: 25 * SEC}
"""A motion that has not done what it was for by then is tried again."""
UNSEEN_NS = 5 * SEC
"""What is not in the picture for so long is not there; before, the arm may stand before it."""
LIFTED_M = 0.04
SETTLED_NS = {Take: nanoseconds(1.5), Put: nanoseconds(3.5)}
"""How long it must have been so: the gripper then has closed and risen, or opened and gone."""
NEAR_M = 0.10
"""What is further aside than this is another thing."""
ON_M, ABOVE_M = 0.08, 0.02
"""Within this of where it was to be put, sideways and upwards, something lies there."""


_NOT_TAKEN = ("door", "tray")


@dataclass(slots=True)
class _Attempt:
    """What is aimed at: the point, what the thing's middle was then, and since when it is as it was to be."""

    point: F64
    began: F64
    since_ns: int
    tries: int
    so_since_ns: int | None = None


@dataclass(slots=True)
class _Errand:
    steps: list[Step]
    index: int = 0
    attempt: _Attempt | None = None
    tries: int = 0
    step_ns: int | None = None
    held: GoTo | None = None
    tall_m: float = 0.0
    """From what it stood on to the face by which the held thing was taken."""
    places: dict[GoTo, F64] = field(default_factory=dict)
    """Where something can be put, seen before the arm stood before it."""
    unseen_ns: int | None = None


class HandReasoner:
    """Executes `take`, `put`, `wait` and `stop` of `language.py` by one picture with depth at a time."""

    def __init__(self, arm: ArmParams) -> None:
        self._arm = arm
        self._epoch = -1
        self._errand = _Errand([])

    def refuses(self, instruction: str) -> str:
        """See `Reasoner.refuses`."""
        steps = parse(instruction)
        if isinstance(steps, Misunderstood):
            return str(steps)
        held = False
        for step in steps:
            if not isinstance(step, Take | Put | Wait | Stop):
                return f"an arm cannot {step}: it can take a thing, put it on another, wait, and stop"
            thing = step.thing if isinstance(step, Take) else step.what if isinstance(step, Put) else None
            if thing is not None and thing.shape in _NOT_TAKEN:
                return f"an arm cannot take the {thing.name}: a {thing.shape} does not fit its gripper"
            if isinstance(step, Put) and not (held or step.what):
                return f"{step}: say what to take first, as in 'take the red box and put it on the purple tray'"
            held = isinstance(step, Take) or (held and not isinstance(step, Put))
        return ""

    def plan(self, observation: Observation) -> Answer:
        """See `Reasoner.plan`."""
        return Answer(self._plan(observation))

    def cancel(self) -> None:
        """See `Reasoner.cancel`; it never thinks for long."""

    def close(self) -> None:
        """See `Reasoner.close`."""

    def _plan(self, obs: Observation) -> Plan:
        if obs.epoch != self._epoch:
            why = self.refuses(obs.instruction)
            steps = parse(obs.instruction)
            if why or isinstance(steps, Misunderstood):
                return make_plan(obs, PlanKind.STOP, why or str(steps), final=True)
            self._epoch, self._errand = obs.epoch, _Errand(_expanded(steps))
        errand = self._errand
        self._look_for_places(obs)
        while errand.index < len(errand.steps):
            step = errand.steps[errand.index]
            errand.step_ns = obs.stamp_ns if errand.step_ns is None else errand.step_ns
            plan = self._step(step, obs)
            if plan is not None:
                return plan
            errand.index, errand.attempt, errand.tries = errand.index + 1, None, 0
            errand.step_ns = errand.unseen_ns = None
        return make_plan(obs, PlanKind.STOP, f"done: {obs.instruction}", final=True, progress=1.0)

    def _step(self, step: Step, obs: Observation) -> Plan | None:
        """What to do for a step; None where it is done."""
        if isinstance(step, Stop):
            return make_plan(obs, PlanKind.STOP, f"told to stop: {obs.instruction!r}", final=True, progress=1.0)
        if isinstance(step, Wait):
            assert self._errand.step_ns is not None
            left_ns = self._errand.step_ns + nanoseconds(step.seconds) - obs.stamp_ns
            return None if left_ns <= 0 else self._halt(obs, f"{seconds(left_ns):.1f} s left")
        assert isinstance(step, Take | Put)
        if obs.blind or obs.depth_m is None or obs.image is None:
            return self._halt(obs, f"cannot look: {obs.blind or 'no depth image came'}")
        if obs.image.data.ndim == 2:
            return self._halt(obs, "the camera's picture is grey, so colours cannot be told", final=True)
        try:
            return self._take(step, obs) if isinstance(step, Take) else self._put(step, obs)
        except LiftError as error:
            return self._halt(obs, str(error))

    def _take(self, step: Take, obs: Observation) -> Plan | None:
        errand = self._errand
        if errand.attempt is None:
            thing = best(obs, step.thing)
            if thing is None:
                return self._missing(obs, step.thing)
            point = grip_point(obs, thing, step.thing.shape, self._up(obs))
            errand.tall_m = float((point - foot(obs, thing)) @ self._up(obs))
            self._begin(obs, point, thing.middle)
        attempt = errand.attempt
        assert attempt is not None
        seen = self._nearest(obs, step.thing, attempt.point)
        lifted = seen is not None and float((seen.middle - attempt.began) @ self._up(obs)) > LIFTED_M
        if self._settled(lifted, step, obs):
            errand.held = step.thing
            return None
        if obs.stamp_ns - attempt.since_ns > TRY_NS[Take] and not lifted:
            return self._again(obs, step, "it was not lifted")
        return self._go(obs, step, np.array([1.0, attempt.tries]))

    def _put(self, step: Put, obs: Observation) -> Plan | None:
        errand, up = self._errand, self._up(obs)
        assert errand.held is not None
        place = errand.places.get(step.where)
        if place is None:
            return self._missing(obs, step.where)
        if errand.attempt is None:
            self._begin(obs, place + errand.tall_m * up, place)
        attempt = errand.attempt
        assert attempt is not None
        seen = self._nearest(obs, errand.held, place)
        away = seen.middle - place if seen is not None else np.full(3, np.inf)
        height_m = float(away @ up) if seen is not None else np.inf
        there = bool(height_m < errand.tall_m + ABOVE_M and np.linalg.norm(away - height_m * up) < ON_M)
        if self._settled(there, step, obs):
            return None
        if obs.stamp_ns - attempt.since_ns > TRY_NS[Put] and not there:
            return self._again(obs, step, f"it is not seen on the {step.where.name}")
        return self._go(obs, step, np.array([0.0, attempt.tries]))

    def _nearest(self, obs: Observation, thing: GoTo, point: F64) -> Seen | None:
        """What has the thing's colour and is nearest to being over a point; fingers hide what shape it has."""
        up = self._up(obs)

        def aside_m(seen: Seen) -> float:
            away = seen.middle - point
            return float(np.linalg.norm(away - float(away @ up) * up))

        near = [seen for _, _, seen in things(obs, GoTo(thing.colour, None)) if aside_m(seen) < NEAR_M]
        return min(near, key=aside_m, default=None)

    def _begin(self, obs: Observation, point: F64, began: F64) -> None:
        errand = self._errand
        errand.tries += 1
        errand.attempt, errand.unseen_ns = _Attempt(point, began, obs.stamp_ns, errand.tries), None

    def _again(self, obs: Observation, step: Take | Put, why: str) -> Plan:
        """Aim anew, at most TRIES times; what slipped on the way to its place has to be taken again."""
        errand = self._errand
        if errand.tries >= TRIES or isinstance(step, Put):
            return self._halt(obs, f"{why} after {errand.tries} tries", final=True)
        errand.attempt = None
        return self._halt(obs, f"{why}; once more")

    def _settled(self, holds: bool, step: Take | Put, obs: Observation) -> bool:
        attempt = self._errand.attempt
        assert attempt is not None
        if not holds:
            attempt.so_since_ns = None
        elif attempt.so_since_ns is None:
            attempt.so_since_ns = obs.stamp_ns
        return attempt.so_since_ns is not None and obs.stamp_ns - attempt.so_since_ns >= SETTLED_NS[type(step)]

    def _missing(self, obs: Observation, thing: GoTo) -> Plan:
        errand = self._errand
        errand.unseen_ns = obs.stamp_ns if errand.unseen_ns is None else errand.unseen_ns
        return self._halt(obs, f"no {thing.name} is seen", final=obs.stamp_ns - errand.unseen_ns >= UNSEEN_NS)

    def _go(self, obs: Observation, step: Take | Put, values: F64) -> Plan:
        attempt = self._errand.attempt
        assert attempt is not None
        text = f"{self._label(step)}, try {attempt.tries} of {TRIES}"
        return grasp_plan(obs, attempt.point, text, obs.valid_for_ns, values)

    def _halt(self, obs: Observation, why: str, *, final: bool = False) -> Plan:
        text = f"{self._label(self._errand.steps[self._errand.index])}: {why}"
        return make_plan(obs, PlanKind.STOP, text, final=final, progress=self._errand.index / len(self._errand.steps))

    def _label(self, step: Step) -> str:
        return f"step {self._errand.index + 1} of {len(self._errand.steps)}, {step}"

    def _look_for_places(self, obs: Observation) -> None:
        for step in self._errand.steps[self._errand.index :]:
            if not isinstance(step, Put) or step.where in self._errand.places:
                continue
            if (seen := best(obs, step.where)) is not None:
                self._errand.places[step.where] = top(seen, self._up(obs))

    def _up(self, obs: Observation) -> F64:
        up: F64 = (obs.state.T_odom_from_body @ self._arm.T_body_from_arm).R[:, 2]
        return up


def _expanded(steps: Sequence[Step]) -> list[Step]:
    """`put the red box on the tray` as two steps."""
    out: list[Step] = []
    for step in steps:
        if isinstance(step, Put) and step.what is not None:
            out += [Take(step.what), Put(step.where)]
        else:
            out.append(step)
    return out
