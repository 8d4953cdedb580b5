"""A rollout cut into stages, by its plans: what was tried when, in words that a policy can be told.

A body that travels searches, approaches, passes doors, arrives and returns; one that flies takes off, and goes through
gates; an arm reaches, grasps, lifts and places.
Its plans tell (`spans`), then what was felt: the robot's own map for doors, the gripper for a grasp.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from saccade.cli.collect.film import Film
from saccade.cli.collect.rollout import Rollout
from saccade.cli.collect.spans import DOOR_AROUND_NS, Span, spans
from vla_node.reasoners.embedded.language import Misunderstood, parse
from vla_node.reasoners.embedded.steps import GoTo, Pass, Put, Step, Take, Until

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
LEAST_M = 0.5
"""A stretch of way that led no further is no stage of its own, but the beginning of the door or arrival after it."""
DOOR_APART_M = 1.0
"""Two views between which a body went no farther, and did not wait, are of one door."""
_WAYS, _ENDS = ("approach", "homeward"), ("pass", "arrive")
_CLOSING = 0.1
"""Share of the gripper's way after which it is closing."""
_STILL_NS, _STILL = 200_000_000, 0.01
"""For so long, and by no more than this share of its way, has a gripper that is closed not moved."""


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


def cut(rollout: Rollout) -> list[Stage]:
    """The stages in order; none where nothing was planned."""
    parsed = parse(rollout.errand.instruction)
    steps = [] if isinstance(parsed, Misunderstood) else _flat(parsed)
    stages = []
    for span in spans(rollout, steps):
        step = steps[span.step] if span.step < len(steps) else None
        if isinstance(step, Take):
            stages += _hand(rollout, span, step)
        elif span.phase in ("approach", "return") and not rollout.film.flies:
            stages += _doors(rollout, span, _travel(span, step))
        else:
            stages.append(_travel(span, step, _held(steps, span.step)))
    return _joined([stage for stage in stages if stage.end_ns > stage.begin_ns], rollout.film)


def _joined(stages: Sequence[Stage], film: Film) -> list[Stage]:
    """With stretches of way that led nowhere, a turn towards the door say, made the beginning of what they led to."""
    if not film.odom:
        return list(stages)
    _, track = film.state()
    out: list[Stage] = []
    for stage in stages:
        before, begin_ns = out[-1] if out else None, stage.begin_ns
        if before is not None and before.kind in _WAYS and stage.kind in _ENDS and before.end_ns == begin_ns:
            begin, end = track.between(np.array([before.begin_ns, before.end_ns]))[:, :2]
            if math.dist(begin, end) < LEAST_M:
                begin_ns = out.pop().begin_ns
        out.append(replace(stage, begin_ns=begin_ns))
    return out


def _flat(steps: Sequence[Step]) -> list[Step]:
    """`put the red box on the tray` as the two steps that a hand makes of it."""
    out: list[Step] = []
    for step in steps:
        out += [Take(step.what), Put(step.where)] if isinstance(step, Put) and step.what else [step]
    return out


def _held(steps: Sequence[Step], index: int) -> str:
    """What a hand holds at a step."""
    return next((step.thing.name for step in reversed(steps[:index]) if isinstance(step, Take)), "")


def _travel(span: Span, step: Step | None, held: str = "") -> Stage:
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


def _doors(rollout: Rollout, span: Span, stage: Stage) -> list[Stage]:
    """A way with the doors in it cut out."""
    doors = _door_views(rollout.film, span)
    out, at = [], span.begin_ns
    before = "homeward" if stage.kind == "return" else stage.kind  # it is not back before it is through
    for i, (first, last) in enumerate(doors):
        begin = max(at, first - DOOR_AROUND_NS)
        most = doors[i + 1][0] if i + 1 < len(doors) else span.end_ns
        end = min(last + DOOR_AROUND_NS, most)
        out.append(replace(stage, kind=before, begin_ns=at, end_ns=begin, ended=True))
        passing = replace(stage, kind="pass", task="go through the door", thing="", begin_ns=begin, end_ns=end)
        out.append(replace(passing, ended=end < span.end_ns or span.ended))
        at = end
    return [*out, replace(stage, begin_ns=at)]


def _door_views(film: Film, span: Span) -> list[tuple[int, int]]:
    """First and last view of each door that is come by in a span."""
    views = [b.stamp_ns for b in film.beside if b.door and span.begin_ns <= b.stamp_ns <= span.end_ns]
    if not views:
        return []
    _, track = film.state()
    places = track.between(np.array(views))[:, :2]
    gone_m = np.hypot(*np.diff(places, axis=0).T)
    another = (np.diff(views) >= 2 * DOOR_AROUND_NS) | (gone_m >= DOOR_APART_M)
    return [(int(door[0]), int(door[-1])) for door in np.split(views, np.flatnonzero(another) + 1)]


def _hand(rollout: Rollout, span: Span, step: Take) -> list[Stage]:
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
