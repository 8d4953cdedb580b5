"""A rollout in spans of one step and phase, as its plans tell: looking round, on the way, arriving, coming back.

Steps are told by the embedded reasoners' own label, "step 2 of 3, ..."; another reasoner's errand is one span.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np

from saccade.cli.collect.film import Film
from saccade.cli.collect.rollout import Rollout, Thought
from saccade.clock import SEC
from saccade.types import Plan, PlanKind
from vla_node.reasoners.embedded.steps import GoTo, Pass, Put, Return, Step, Until

ARRIVE_M = 1.2
"""A way that is no longer than this is the last of it."""
DOOR_AROUND_NS = round(1.5 * SEC)
"""So long before and after the views of a door belongs to passing it."""
_LABEL = re.compile(r"step (\d+) of \d+, ")
_TRY = re.compile(r", try (\d+) of ")
_LOOKING, _CLIMBING = ": looking for it", ": taking off"
_DONE = 10_000
_AWAITED = ("arrive", "return", "gate")
"""Ends that are judged for when the next plan comes (`mission.rests_then`): there the stage ends, too."""


@dataclass(frozen=True, slots=True)
class Span:
    """Thoughts of one step and phase: from the observation of the first to that of the first after them.

    One that arrives lasts until that plan comes.
    """

    step: int
    phase: str
    begin_ns: int
    end_ns: int
    ended: bool


def spans(rollout: Rollout, steps: Sequence[Step]) -> list[Span]:
    """The spans in order."""
    return _arrivals_last(list(_marked(rollout, steps)), rollout.film)


def _marked(rollout: Rollout, steps: Sequence[Step]) -> Iterator[Span]:
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
    for i, (((_, name, _), _), (_, after)) in enumerate(pairwise(groups)):
        if name in _AWAITED:
            begins[i + 1] = min(after[0].observation.stamp_ns + after[0].plan.inference_ns, rollout.end_ns)
    for i, ((at, name, _), _) in enumerate(groups):
        if at != _DONE:
            yield Span(at, name, begins[i], begins[i + 1], ended=i + 1 < len(groups))


def _arrivals_last(spans: Sequence[Span], film: Film) -> list[Span]:
    """With what led on, to more of the way or through a door, in the approach: an arrival is the last of it."""
    out: list[Span] = []
    onward = None
    for span in reversed(spans):
        parts = [span]
        if span.phase == "arrive":
            doors = [b.stamp_ns for b in film.beside if b.door and span.begin_ns <= b.stamp_ns < span.end_ns]
            begin_ns = doors[-1] + DOOR_AROUND_NS if doors else span.begin_ns
            if onward is not None and (onward.step, onward.phase) == (span.step, "approach"):
                parts = [replace(span, phase="approach")]
            elif span.begin_ns < begin_ns < span.end_ns:
                approach = replace(span, phase="approach", end_ns=begin_ns, ended=True)
                parts = [approach, replace(span, begin_ns=begin_ns)]
        last = parts[-1]
        if onward is not None and last.phase == "approach" == onward.phase and last.step == onward.step:
            parts[-1] = replace(last, end_ns=out.pop(0).end_ns, ended=onward.ended)
        out[:0] = parts
        onward = out[0]
    return out


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
    near = _left_m(plan) <= ARRIVE_M if plan.kind is PlanKind.WAYPOINTS else before == "arrive"
    return "arrive" if near else "approach"


def _left_m(plan: Plan) -> float:
    points = np.vstack([plan.obs_pose.t[None], plan.waypoints])
    return sum(math.dist(a[:2], b[:2]) for a, b in pairwise(points))
