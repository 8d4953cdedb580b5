"""A rollout cut into stages, by its plans: what was tried when, in words that a policy can be told.

A body that travels searches, approaches, passes doors, arrives and returns; one that flies takes off, and goes through
gates; an arm reaches, grasps, lifts and places.
Steps are told by the embedded reasoners' own label, "step 2 of 3, ..."; another reasoner's errand is one stage a plan
kind. Within a step the plan tells (a turn in place to look round; how much of the way is left), then what was felt: the
robot's own map for doors, the gripper for a grasp.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np

from saccade.cli.collect.rollout import Rollout, Thought
from saccade.clock import SEC
from saccade.types import Plan, PlanKind
from vla_node.reasoners.embedded.language import Misunderstood, parse
from vla_node.reasoners.embedded.steps import GoTo, Pass, Put, Return, Step, Take, Until

KINDS = (
    "search",
    "approach",
    "pass",
    "arrive",
    "homeward",
    "return",
    "climb",
    "gate",
    "reach",
    "grasp",
    "lift",
    "place",
    "other",
)
ARRIVE_M = 1.2
"""A way that is no longer than this is the last of it."""
DOOR_M = 2.1
"""What leaves no more than this between left and right is a door, or as narrow as one."""
_DOOR_APART_NS, _DOOR_AROUND_NS = 1 * SEC, round(1.5 * SEC)
"""Narrow places nearer in time than this are one; so long before and after belongs to passing it."""
_CLOSING = 0.1
"""Share of the gripper's way after which it is closing."""
_STILL_NS, _STILL = 200_000_000, 0.01
"""For so long, and by no more than this share of its way, has a gripper that is closed not moved."""
_LABEL = re.compile(r"step (\d+) of \d+, ")
_TRY = re.compile(r", try (\d+) of ")
_LOOKING, _CLIMBING = ": looking for it", ": taking off"
_DONE = 10_000


@dataclass(frozen=True, slots=True)
class Stage:
    """What was tried from one instant to another: `task` in words, `thing` the noun in it, `place` where it was put.

    `ended` says whether the plan went on after it; an errand that breaks off in a stage did not end it.
    """

    kind: str
    task: str
    thing: str
    place: str
    begin_ns: int
    end_ns: int
    ended: bool


@dataclass(frozen=True, slots=True)
class _Span:
    """Thoughts of one step and phase: from the observation of the first to that of the first after them."""

    step: int
    phase: str
    begin_ns: int
    end_ns: int
    ended: bool


def cut(rollout: Rollout) -> list[Stage]:
    """The stages in order; none where nothing was planned."""
    parsed = parse(rollout.errand.instruction)
    steps = [] if isinstance(parsed, Misunderstood) else _flat(parsed)
    stages = []
    for span in _spans(rollout, steps):
        step = steps[span.step] if span.step < len(steps) else None
        if isinstance(step, Take):
            stages += _hand(rollout, span, step)
        elif span.phase in ("approach", "return") and not rollout.film.flies:
            stages += _doors(rollout, span, _travel(span, step))
        else:
            stages.append(_travel(span, step, _held(steps, span.step)))
    return [stage for stage in stages if stage.end_ns > stage.begin_ns]


def _flat(steps: Sequence[Step]) -> list[Step]:
    """`put the red box on the tray` as the two steps that a hand makes of it."""
    out: list[Step] = []
    for step in steps:
        out += [Take(step.what), Put(step.where)] if isinstance(step, Put) and step.what else [step]
    return out


def _held(steps: Sequence[Step], index: int) -> str:
    """What a hand holds at a step."""
    return next((step.thing.name for step in reversed(steps[:index]) if isinstance(step, Take)), "")


def _spans(rollout: Rollout, steps: Sequence[Step]) -> Iterator[_Span]:
    marked: list[tuple[tuple[int, str, int], Thought]] = []
    step, phase, attempt = 0, "", 0
    for thought in rollout.thoughts:
        plan = thought.plan
        label, retry = _LABEL.match(plan.text), _TRY.search(plan.text)
        if plan.final and plan.progress >= 1.0:
            step, phase = _DONE, ""
        elif label:
            now = int(label[1]) - 1
            step, phase = now, _phase(thought, steps[now] if now < len(steps) else None, phase if now == step else "")
        attempt = int(retry[1]) if retry else attempt
        marked.append(((step, phase, attempt), thought))
    groups = [(key, [t for _, t in group]) for key, group in groupby(marked, key=lambda pair: pair[0])]
    begins = [group[0].observation.stamp_ns for _, group in groups] + [rollout.end_ns]
    for i, ((at, name, _), _) in enumerate(groups):
        if at != _DONE:
            yield _Span(at, name, begins[i], begins[i + 1], ended=i + 1 < len(groups))


def _phase(thought: Thought, step: Step | None, before: str) -> str:
    """Of a thought in a step, after the phase of the one `before` it in the same step."""
    plan = thought.plan
    if _CLIMBING in plan.text:
        return "climb"
    if isinstance(step, Return):
        return "return"
    if isinstance(step, Pass):
        return "search" if _LOOKING in plan.text else "gate"
    if not isinstance(step, GoTo | Until):
        return "place" if isinstance(step, Put) else "other"
    if _LOOKING in plan.text:
        return "search"
    if plan.kind is PlanKind.STOP:
        return before or "search"
    near = plan.kind is PlanKind.WAYPOINTS and _left_m(plan) <= ARRIVE_M
    return "arrive" if near or before == "arrive" else "approach"


def _left_m(plan: Plan) -> float:
    points = np.vstack([plan.obs_pose.t[None], plan.waypoints])
    return sum(math.dist(a[:2], b[:2]) for a, b in pairwise(points))


def _travel(span: _Span, step: Step | None, held: str = "") -> Stage:
    landmark = step.landmark if isinstance(step, Until) else step
    thing, place = (landmark.name, "") if isinstance(landmark, GoTo | Pass) else ("", "")
    words = {
        "search": f"look for the {thing}", "approach": f"go to the {thing}", "arrive": f"stop at the {thing}",
        "return": "come back", "climb": "take off",
    }.get(span.phase, str(step) if step else "do as told")  # fmt: skip
    if isinstance(step, Put):
        thing, place = held, step.where.name
        words = f"put the {thing} on the {place}"
    return Stage(span.phase or "other", words, thing, place, span.begin_ns, span.end_ns, span.ended)


def _doors(rollout: Rollout, span: _Span, stage: Stage) -> list[Stage]:
    """A way with the doors in it cut out."""
    narrow = [
        b.stamp_ns for b in rollout.film.beside
        if span.begin_ns <= b.stamp_ns <= span.end_ns and b.left_m + b.right_m <= DOOR_M
    ]  # fmt: skip
    doors: list[list[int]] = []
    for stamp in narrow:
        if doors and stamp - doors[-1][1] < _DOOR_APART_NS:
            doors[-1][1] = stamp
        else:
            doors.append([stamp, stamp])
    out, at = [], span.begin_ns
    before = "homeward" if stage.kind == "return" else stage.kind  # it is not back before it is through
    for i, (first, last) in enumerate(doors):
        begin = max(at, first - _DOOR_AROUND_NS)
        most = doors[i + 1][0] if i + 1 < len(doors) else span.end_ns
        end = min(last + _DOOR_AROUND_NS, most)
        out.append(replace(stage, kind=before, begin_ns=at, end_ns=begin, ended=True))
        passing = replace(stage, kind="pass", task="go through the door", thing="", begin_ns=begin, end_ns=end)
        out.append(replace(passing, ended=end < span.end_ns or span.ended))
        at = end
    return [*out, replace(stage, begin_ns=at)]


def _hand(rollout: Rollout, span: _Span, step: Take) -> list[Stage]:
    """Reach until the gripper is told to close, grasp until it stands still, lift."""
    arm, film = rollout.arm, rollout.film
    assert arm is not None
    opened, closed = arm.gripper.open, arm.gripper.closed
    way = closed - opened
    told = [at for at, sent in film.sent if span.begin_ns <= at < span.end_ns and (sent[-1] - opened) / way > _CLOSING]
    closing_ns = told[0] if told else span.end_ns
    felt = [(at, float(q[-1])) for at, q in film.felt if closing_ns <= at < span.end_ns]
    still_ns = span.end_ns
    since, where = closing_ns, math.nan
    for at, q in felt:
        moving = not abs(q - where) <= _STILL * abs(way)
        if moving or (q - opened) / way < _CLOSING:
            since, where = at, q
        elif at - since >= _STILL_NS:
            still_ns = at
            break
    name = step.thing.name
    ends = (span.begin_ns, closing_ns, still_ns, span.end_ns)
    out = []
    for kind, words, (begin, end) in zip(
        ("reach", "grasp", "lift"), ("reach for", "grasp", "lift"), pairwise(ends), strict=True
    ):
        out.append(Stage(kind, f"{words} the {name}", name, "", begin, end, span.ended or end < span.end_ns))
    return out
