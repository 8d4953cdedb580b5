"""The verifier that knows the truth of a simulated world: its judge, and where the body and things truly were."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from saccade.cli.collect.doors import passed
from saccade.cli.collect.film import Track, Truth
from saccade.cli.collect.rollout import Rollout
from saccade.cli.collect.seen import landmark
from saccade.cli.collect.stages import Stage, cut
from saccade.cli.collect.verify import NEARER_M, Opinion, at_rest, there_m
from saccade.clock import SEC, seconds
from saccade.geometry import wrap_angle
from sim.things import Thing

LIFTED_NS = {"reach": 5 * SEC, "grasp": 3 * SEC}
"""So long after these a thing must have been lifted that was well reached and grasped."""


class TruthVerifier:
    """See `Verifier`. A stage in which something was run into, pushed about, or tipped over is not good."""

    name = "truth"

    def judge(self, stage: Stage, rollout: Rollout) -> Opinion:
        """See `Verifier.judge`."""
        truth = rollout.film.truth
        during = [t for t in truth if stage.begin_ns <= t.stamp_ns <= stage.end_ns]
        if len(during) < 2:
            return Opinion(None, "shorter than the truth was looked at")
        why = _harm(during[0], during[-1])
        if why:
            return Opinion(False, why)
        if not stage.ended:
            return Opinion(False, "the errand ended in it")
        check = _CHECKS.get(stage.kind)
        if check is None:
            return Opinion(None, f"nothing is known of a stage of kind {stage.kind}")
        return check(stage, rollout, during)


def _harm(first: Truth, last: Truth) -> str:
    """What went wrong between two instants, whatever the stage was for."""
    before, after = first.verdict, last.verdict
    hit = Counter(after["hit"]) - Counter(before["hit"])
    if hit:
        return f"ran into {', '.join(hit)}"
    return "it tipped over" if after.get("fallen_s") is not None else ""


def _thing(stage: Stage, rollout: Rollout) -> Thing | None:
    """The thing that is meant, by that name or by one that means the same; of a gate, one side of its frame."""
    meant = landmark(stage.thing)
    for thing in rollout.things:
        if thing.name == stage.thing or thing.name.startswith(f"{stage.thing} "):
            return thing
        if meant is not None and landmark(thing.name) == meant:
            return thing
    return None


def _search(stage: Stage, rollout: Rollout, during: list[Truth]) -> Opinion:
    """The thing is in the camera's view at the end, and nothing stands between."""
    thing, at = _thing(stage, rollout), during[-1]
    if thing is None:
        return Opinion(False, f"there is no {stage.thing}")
    camera = next((t.observation.camera for t in rollout.thoughts if t.observation.camera is not None), None)
    if camera is None:
        return Opinion(False, "there is no camera")
    view_rad = math.atan(0.5 * camera.width / camera.fx)
    off = wrap_angle(math.atan2(thing.y - at.y, thing.x - at.x) - at.yaw)
    if abs(off) > view_rad + math.atan2(thing.radius_m, math.dist((at.x, at.y), (thing.x, thing.y))):
        return Opinion(False, f"it is {abs(math.degrees(off)):.0f} degrees aside")
    others = [o for o in rollout.things if o is not thing and not o.name.startswith(f"{stage.thing} ")]
    hidden = next((other.name for other in others if _between(at, thing, other)), "")
    return Opinion(not hidden, f"{hidden} stands before it" if hidden else "it can be seen")


def _between(at: Truth, thing: Thing, other: Thing) -> bool:
    """Whether the straight line to a thing's middle meets another that is taller than knees."""
    if other.height_m < 0.4 or other.kind == "capsule":
        return False
    steps = 40
    points = ((at.x + (thing.x - at.x) * i / steps, at.y + (thing.y - at.y) * i / steps) for i in range(1, steps))
    return any(other.distance_m(x, y) <= 0.0 for x, y in points)


def _approach(stage: Stage, rollout: Rollout, during: list[Truth]) -> Opinion:
    thing = _thing(stage, rollout)
    if thing is None:
        return Opinion(False, f"there is no {stage.thing}")
    nearer_m = thing.distance_m(during[0].x, during[0].y) - thing.distance_m(during[-1].x, during[-1].y)
    return Opinion(nearer_m > NEARER_M, f"{nearer_m:.1f} m nearer")


def _arrive(stage: Stage, rollout: Rollout, during: list[Truth]) -> Opinion:
    thing, at = _thing(stage, rollout), during[-1]
    if thing is None:
        return Opinion(False, f"there is no {stage.thing}")
    left_m = math.dist((at.x, at.y), (thing.x, thing.y)) - thing.radius_m
    places = Track.of([(t.stamp_ns, np.array([t.x, t.y])) for t in rollout.film.truth], 2)
    stands = at_rest(lambda ns: places.between(np.array([ns]))[0], at.stamp_ns, rollout.film.flies)
    return Opinion(
        left_m <= there_m(rollout.film.flies) and stands,
        f"{left_m:.2f} m from its edge{'' if stands else ', and moving'}",
    )


def _climb(stage: Stage, rollout: Rollout, during: list[Truth]) -> Opinion:
    risen_m = during[-1].z - during[0].z
    return Opinion(risen_m > NEARER_M, f"{risen_m:.1f} m higher")


def _gate(stage: Stage, rollout: Rollout, during: list[Truth]) -> Opinion:
    """The opening was flown through in this stage, when it was its turn."""
    good = stage.thing in during[-1].verdict["passed"] and stage.thing not in during[0].verdict["passed"]
    return Opinion(good, f"the {stage.thing} was{'' if good else ' not'} flown through")


def _homeward(stage: Stage, rollout: Rollout, during: list[Truth]) -> Opinion:
    nearer_m = float(during[0].verdict["from_start_m"] - during[-1].verdict["from_start_m"])
    return Opinion(nearer_m > NEARER_M, f"{nearer_m:.1f} m nearer to the start")


def _return(stage: Stage, rollout: Rollout, during: list[Truth]) -> Opinion:
    """As the errand is judged: at the start in the end, and so near to it once as its judge asks after the goal."""
    verdict = during[-1].verdict
    home_m = float(verdict["from_start_m"])
    near = rollout.film.flies or verdict["returned"] or not verdict["reached"]
    return Opinion(
        home_m <= there_m(rollout.film.flies) and near,
        f"{home_m:.2f} m from the start{'' if near else ', and never near'}",
    )


def _pass(stage: Stage, rollout: Rollout, during: list[Truth]) -> Opinion:
    """The way crossed the gap between two pieces of one wall."""
    door = passed(rollout.things, [(t.x, t.y) for t in during])
    return Opinion(bool(door), door or "no door was passed")


def _held(stage: Stage, rollout: Rollout, during: list[Truth]) -> Opinion:
    """Reaching and grasping are good if what they were for is lifted soon after, and nothing was pushed."""
    later = [t for t in rollout.film.truth if stage.end_ns <= t.stamp_ns <= stage.end_ns + LIFTED_NS[stage.kind]]
    good = any(stage.thing in t.verdict["lifted"] for t in later)
    return Opinion(good, f"it {'was' if good else 'was not'} lifted after it")


def _lift(stage: Stage, rollout: Rollout, during: list[Truth]) -> Opinion:
    good = stage.thing in during[-1].verdict["lifted"]
    return Opinion(good, "it was lifted" if good else "it was not lifted")


def _place(stage: Stage, rollout: Rollout, during: list[Truth]) -> Opinion:
    good = stage.thing in during[-1].verdict["on_tray"]
    return Opinion(good, "it lies on the tray" if good else "it does not lie on the tray")


_CHECKS: dict[str, Callable[[Stage, Rollout, list[Truth]], Opinion]] = {
    "search": _search, "approach": _approach, "pass": _pass, "arrive": _arrive, "homeward": _homeward,
    "return": _return, "climb": _climb, "gate": _gate, "reach": _held, "grasp": _held, "lift": _lift, "place": _place,
}  # fmt: skip


def judged_stages(rollout: Rollout) -> list[dict[str, Any]]:
    """The stages of an errand in order with the truth's opinions, as values for JSON; seconds since the start."""
    verifier, out = TruthVerifier(), []
    for stage in cut(rollout):
        begin_s, end_s = (round(seconds(ns - rollout.start_ns), 3) for ns in (stage.begin_ns, stage.end_ns))
        opinion = verifier.judge(stage, rollout).row()
        out.append({"kind": stage.kind, "task": stage.task, "begin_s": begin_s, "end_s": end_s, **opinion})
    return out
