"""The verifier that knows what the robot itself could know: pictures with depth, its map, odometry, joints.

It works where nobody knows the truth, on recordings of a real robot as well as in a simulation, and is only as good as
the robot's eyes: how far it agrees with the truth is measured in every collection.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from saccade.cli.collect.look import Look
from saccade.cli.collect.rollout import Rollout
from saccade.cli.collect.seen import landmark, look_for
from saccade.cli.collect.stages import Stage
from saccade.cli.collect.verify import NEARER_M, Opinion, at_rest, there_m
from saccade.clock import SEC
from vla_node.reasoners.embedded.gates import GateMemory, find_gate
from vla_node.reasoners.embedded.sight import Memory
from vla_node.reasoners.embedded.tabletop import things

PASSED_M = 0.8
DRIFT, RANGED, EDGE_M = 0.02, 0.05, 0.10
"""Standard uncertainties: of odometry, a share of the way; of a sighting's place, a share of its range; of where
a thing's edge is."""
LIFTED_M, ON_M, AIMED_M = 0.04, 0.09, 0.03
NOT_CLOSED = 0.05
"""A gripper that stands still by this share of its way before it is closed holds something."""
_BEFORE_NS = 5 * SEC


class PictureVerifier:
    """See `Verifier`."""

    name = "pictures"

    def judge(self, stage: Stage, rollout: Rollout) -> Opinion:
        """See `Verifier.judge`."""
        if not stage.ended:
            return Opinion(False, "the errand ended in it")
        check = _CHECKS.get(stage.kind)
        if check is None:
            return Opinion(None, f"nothing is known of a stage of kind {stage.kind}")
        return check(Look(stage, rollout))


def _search(look: Look) -> Opinion:
    """The thing is in the picture when the search is over."""
    if look.end is not None and look.stage.thing.endswith(" gate"):
        gate = find_gate(look.end, look.stage.thing.partition(" ")[0])
        return Opinion(
            gate is not None, f"seen {gate.range_m:.1f} m away" if gate else f"no {look.stage.thing} is seen"
        )
    if look.end is None or look.target is None:
        return Opinion(None, "there is no picture of its end")
    memory = Memory()
    look_for(memory, look.end, [look.target], look.rollout)
    sighting = memory.recall(look.target)
    if sighting is None:
        return Opinion(False, memory.describe(look.target))
    return Opinion(True, f"seen {sighting.range_m:.1f} m away", min(1.0, sighting.confidence))


def _told(over_m: float, uncertain_m: float, why: str, seen: float = 1.0) -> Opinion:
    """Of what is measured: by how much it is over the bar, negative where it is not, and how uncertain that is.

    What is nearer to the bar than its uncertainty cannot be told; `seen` is how surely the right thing was.
    """
    sure = math.erf(abs(over_m) / (math.sqrt(2.0) * max(uncertain_m, 1e-3)))
    good = None if abs(over_m) < uncertain_m else over_m > 0.0
    return Opinion(good, f"{why} by odometry, to {uncertain_m:.2f} m", min(seen, sure))


def _approach(look: Look) -> Opinion:
    """What was seen of it is nearer by odometry than when the stage began."""
    sighting = look.where(look.stage.begin_ns - _BEFORE_NS)
    if sighting is None:
        return Opinion(False, f"no {look.stage.thing} was seen on the way")
    begin, end = look.pose(look.stage.begin_ns), look.pose(look.stage.end_ns)
    nearer_m = math.dist(begin[:2], sighting.centre[:2]) - math.dist(end[:2], sighting.centre[:2])
    uncertain_m = DRIFT * look.way_m(look.stage.begin_ns, look.stage.end_ns)
    why = f"{nearer_m:.1f} m nearer to where it was seen"
    return _told(nearer_m - NEARER_M, uncertain_m, why, sighting.confidence)


def _arrive(look: Look) -> Opinion:
    """The robot stands, within reach of what it saw."""
    begin_ns, end_ns = look.stage.begin_ns - _BEFORE_NS, look.stage.end_ns
    sighting = look.where(begin_ns)
    if sighting is None:
        return Opinion(False, f"no {look.stage.thing} is seen")
    left_m = math.dist(look.pose(end_ns)[:2], sighting.centre[:2]) - sighting.radius_m
    why = f"{left_m:.2f} m from its edge"
    if not at_rest(lambda ns: look.pose(ns)[:2], end_ns, look.rollout.film.flies):
        return Opinion(False, f"{why}, and moving", sighting.confidence)
    uncertain_m = math.hypot(EDGE_M, RANGED * sighting.range_m, DRIFT * look.way_m(begin_ns, end_ns))
    return _told(there_m(look.rollout.film.flies) - left_m, uncertain_m, why, sighting.confidence)


def _pass(look: Look) -> Opinion:
    """Through between two pieces of wall in the robot's own map, and out of between them again."""
    begin_ns, end_ns = look.stage.begin_ns, look.stage.end_ns
    during = [b for b in look.rollout.film.beside if begin_ns <= b.stamp_ns <= end_ns]
    if len(during) < 3:
        return Opinion(None, "the map was not heard")
    doors = [b for b in during[1:-1] if b.door]
    if not doors or during[0].door or during[-1].door:
        return Opinion(
            False, "it is between the walls at the end of it" if doors else "no wall with a door is beside it"
        )
    narrowest = min(doors, key=lambda b: b.left_m + b.right_m)
    yaw = look.pose(narrowest.stamp_ns)[2]
    gone_m = float((look.pose(end_ns) - look.pose(begin_ns))[:2] @ (math.cos(yaw), math.sin(yaw)))
    why = f"{gone_m:.1f} m, {narrowest.left_m + narrowest.right_m:.1f} m between walls at the narrowest"
    return Opinion(gone_m >= PASSED_M, why)


def _climb(look: Look) -> Opinion:
    """Odometry says that it is higher."""
    names, track = look.rollout.film.state()
    low, high = track.between(np.array([look.stage.begin_ns, look.stage.end_ns]))[:, names.index("z.pos")]
    risen_m = float(high - low)
    return _told(risen_m - NEARER_M, DRIFT * risen_m, f"{risen_m:.1f} m higher")


def _gate(look: Look) -> Opinion:
    """Its way by odometry led through the opening as it was seen."""
    memory, colour = GateMemory(), look.stage.thing.partition(" ")[0]
    for thought in look.rollout.thoughts_in(look.stage.begin_ns - _BEFORE_NS, look.stage.end_ns):
        memory.look(thought.observation, [colour])
    gate = memory.recall(colour)
    if gate is None:
        return Opinion(False, f"no {look.stage.thing} was seen")
    names, track = look.rollout.film.state()
    during = (track.stamps >= look.stage.begin_ns) & (track.stamps <= look.stage.end_ns)
    way = track.values[during][:, [names.index(name) for name in ("x.pos", "y.pos", "z.pos")]] - gate.centre
    ahead = way @ gate.normal
    crossed = np.flatnonzero(ahead[:-1] * ahead[1:] <= 0)
    if not len(crossed):
        return Opinion(False, "it did not come to the other side")
    aside_m = float(np.linalg.norm(way[crossed] - ahead[crossed, None] * gate.normal, axis=1).min())
    return Opinion(aside_m < 0.5 * min(gate.width_m, gate.height_m), f"{aside_m:.2f} m from its middle")


def _homeward(look: Look) -> Opinion:
    """Odometry says that it is nearer to where the instruction was given."""
    nearer_m = look.home_m(look.stage.begin_ns) - look.home_m(look.stage.end_ns)
    uncertain_m = DRIFT * look.way_m(look.stage.begin_ns, look.stage.end_ns)
    return _told(nearer_m - NEARER_M, uncertain_m, f"{nearer_m:.1f} m nearer to the start")


def _return(look: Look) -> Opinion:
    """Odometry says that it is where the instruction was given."""
    left_m, start_ns = look.home_m(look.stage.end_ns), look.rollout.start_ns
    over_m, way_m = there_m(look.rollout.film.flies) - left_m, look.way_m(start_ns, look.stage.end_ns)
    return _told(over_m, DRIFT * way_m, f"{left_m:.2f} m from the start")


def _reach(look: Look) -> Opinion:
    """The tool is over where the thing was seen, and below its top."""
    from vla_node.arms.kinematics import Kinematics  # needs mink

    seen = look.first(look.target)
    if seen is None:
        return Opinion(False, f"no {look.stage.thing} was seen")
    arm = look.arm()
    q = look.rollout.film.state()[1].between(np.array([look.stage.end_ns]))[0]
    tool = arm.T_body_from_arm @ Kinematics(arm).pose(q[: len(arm.joints)])
    low, high = np.percentile(seen.points, (5, 95), axis=0)
    aside_m = float(np.hypot(*(tool.t - 0.5 * (low + high))[:2]))
    good = aside_m <= AIMED_M and float(tool.t[2]) <= float(high[2])
    return Opinion(good, f"the tool is {100 * aside_m:.1f} cm beside where it was seen")


def _grasp(look: Look) -> Opinion:
    left = 1.0 - look.gripper()
    return Opinion(left > NOT_CLOSED, f"the gripper stands {left:.0%} of its way before closed")


def _lift(look: Look) -> Opinion:
    """What has the thing's colour is higher than at first, and the gripper still holds something."""
    began, target = look.first(look.target), look.target
    if began is None or target is None or look.end is None:
        return Opinion(None, f"no {look.stage.thing} was seen before")
    now = [seen for _, _, seen in things(look.end, replace(target, shape=None))]
    risen_m = max((float(seen.middle[2] - began.middle[2]) for seen in now), default=-math.inf)
    held = 1.0 - look.gripper() > NOT_CLOSED
    why = f"seen {100 * risen_m:.0f} cm higher" if now else "it is not seen any more"
    return Opinion(risen_m > LIFTED_M and held, why if held else f"{why}, and the gripper is closed on nothing")


def _place(look: Look) -> Opinion:
    """The thing is seen over the place, and as low."""
    where, target = look.first(landmark(look.stage.place)), look.target
    if where is None or target is None or look.end is None:
        return Opinion(None, f"no {look.stage.place} was seen")
    low, high = np.percentile(where.points, (5, 95), axis=0)
    middle = 0.5 * (low + high)
    now = [seen.middle for _, _, seen in things(look.end, replace(target, shape=None))]
    if not now:
        return Opinion(False, f"no {look.stage.thing} is seen")
    away_m = min(float(np.hypot(*(at - middle)[:2])) for at in now)
    return Opinion(away_m <= ON_M, f"seen {100 * away_m:.0f} cm from the middle of the {look.stage.place}")


_CHECKS: dict[str, Callable[[Look], Opinion]] = {
    "search": _search, "approach": _approach, "pass": _pass, "arrive": _arrive, "homeward": _homeward,
    "return": _return, "climb": _climb, "gate": _gate, "reach": _reach, "grasp": _grasp, "lift": _lift, "place": _place,
}  # fmt: skip
