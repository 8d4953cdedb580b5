"""The verifier that knows what the robot itself could know: pictures with depth, its map, odometry, joints.

It works where nobody knows the truth, on recordings of a real robot as well as in a simulation, and is only as good as
the robot's eyes: how far it agrees with the truth is measured in every collection.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np

from saccade.cli.collect.rollout import Rollout
from saccade.cli.collect.seen import landmark, look_for
from saccade.cli.collect.stages import DOOR_M, Stage
from saccade.cli.collect.verify import Opinion
from saccade.clock import MS, SEC
from saccade.geometry import F64
from vla_node.embodiments.arm import ArmParams
from vla_node.planner import Observation
from vla_node.reasoners.embedded.gates import GateMemory, find_gate
from vla_node.reasoners.embedded.grounding import Sighting
from vla_node.reasoners.embedded.sight import Memory
from vla_node.reasoners.embedded.steps import GoTo
from vla_node.reasoners.embedded.tabletop import Seen, best, things

THERE_M, NEARER_M, PASSED_M = 1.2, 0.3, 0.8
STANDING_M_S = 0.1
LIFTED_M, ON_M, AIMED_M = 0.04, 0.09, 0.03
NOT_CLOSED = 0.05
"""A gripper that stands still by this share of its way before it is closed holds something."""
_NEAR_NS = 1500 * MS
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
        return check(_Look(stage, rollout))


class _Look:
    """What there is to look at around a stage."""

    def __init__(self, stage: Stage, rollout: Rollout) -> None:
        self.stage, self.rollout = stage, rollout
        self.target = landmark(stage.thing)

    @cached_property
    def end(self) -> Observation | None:
        """What was observed when the stage was over; None where nothing was, near that instant."""
        near = [t.observation for t in self.rollout.thoughts]
        near = [o for o in near if abs(o.stamp_ns - self.stage.end_ns) <= _NEAR_NS and o.image is not None]
        return min(near, key=lambda o: abs(o.stamp_ns - self.stage.end_ns), default=None)

    def pose(self, at_ns: int) -> F64:
        """x, y, yaw, forward speed and turning in odom."""
        _, track = self.rollout.film.state()
        values: F64 = track.between(np.array([at_ns]))[0]
        return values

    def home_m(self, at_ns: int) -> float:
        """How far it is by odometry from where the instruction was given."""
        start = self.rollout.thoughts[-1].observation.start
        return math.dist(self.pose(at_ns)[:2], start.t[:2])

    def where(self, since_ns: int) -> Sighting | None:
        """The best sighting of the thing from an instant until the stage's end."""
        memory = Memory()
        for thought in self.rollout.thoughts_in(since_ns, self.stage.end_ns + _NEAR_NS // 3):
            if self.target is not None:
                look_for(memory, thought.observation, [self.target], self.rollout)
        return memory.recall(self.target) if self.target is not None else None

    def arm(self) -> ArmParams:
        """Of the robot."""
        assert self.rollout.arm is not None
        return self.rollout.arm

    def gripper(self) -> float:
        """How far it is closed at the end, 0 to 1."""
        gripper, at = self.arm().gripper, np.array([self.stage.end_ns])
        q = float(self.rollout.film.state()[1].between(at)[0, -1])
        return (q - gripper.open) / (gripper.closed - gripper.open)

    def first(self, target: GoTo | None) -> Seen | None:
        """A thing where it was first seen, before the arm was at it."""
        seen = (best(t.observation, target) for t in self.rollout.thoughts if target is not None)
        return next((s for s in seen if s is not None), None)


def _search(look: _Look) -> Opinion:
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


def _approach(look: _Look) -> Opinion:
    """What was seen of it is nearer by odometry than when the stage began."""
    sighting = look.where(look.stage.begin_ns - _BEFORE_NS)
    if sighting is None:
        return Opinion(False, f"no {look.stage.thing} was seen on the way")
    begin, end = look.pose(look.stage.begin_ns), look.pose(look.stage.end_ns)
    nearer_m = math.dist(begin[:2], sighting.centre[:2]) - math.dist(end[:2], sighting.centre[:2])
    return Opinion(nearer_m > NEARER_M, f"{nearer_m:.1f} m nearer to where it was seen", min(1.0, sighting.confidence))


def _arrive(look: _Look) -> Opinion:
    """The robot stands, within reach of what it saw."""
    sighting = look.where(look.stage.begin_ns - _BEFORE_NS)
    if sighting is None:
        return Opinion(False, f"no {look.stage.thing} is seen")
    end = look.pose(look.stage.end_ns)
    left_m = math.dist(end[:2], sighting.centre[:2]) - sighting.radius_m
    standing = abs(end[3]) < STANDING_M_S
    why = f"{left_m:.2f} m from its edge{'' if standing else ', and moving'}"
    return Opinion(left_m <= THERE_M and standing, why, min(1.0, sighting.confidence))


def _pass(look: _Look) -> Opinion:
    """Between two obstacles in the robot's own map, and out of between them again."""
    begin_ns, end_ns = look.stage.begin_ns, look.stage.end_ns
    during = [b for b in look.rollout.film.beside if begin_ns <= b.stamp_ns <= end_ns]
    if len(during) < 3:
        return Opinion(None, "the map was not heard")
    widths = [b.left_m + b.right_m for b in during]
    gone_m = math.dist(look.pose(begin_ns)[:2], look.pose(end_ns)[:2])
    through = min(widths[1:-1]) <= DOOR_M < min(widths[0], widths[-1])
    why = f"{gone_m:.1f} m, {min(widths):.1f} m between left and right at the narrowest"
    return Opinion(through and gone_m >= PASSED_M, why)


def _climb(look: _Look) -> Opinion:
    """Odometry says that it is higher."""
    names, track = look.rollout.film.state()
    low, high = track.between(np.array([look.stage.begin_ns, look.stage.end_ns]))[:, names.index("z.pos")]
    return Opinion(bool(high - low > NEARER_M), f"{high - low:.1f} m higher by odometry")


def _gate(look: _Look) -> Opinion:
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


def _homeward(look: _Look) -> Opinion:
    """Odometry says that it is nearer to where the instruction was given."""
    nearer_m = look.home_m(look.stage.begin_ns) - look.home_m(look.stage.end_ns)
    return Opinion(nearer_m > NEARER_M, f"{nearer_m:.1f} m nearer to the start by odometry")


def _return(look: _Look) -> Opinion:
    """Odometry says that it is where the instruction was given."""
    left_m = look.home_m(look.stage.end_ns)
    return Opinion(left_m <= THERE_M, f"{left_m:.2f} m from the start by odometry")


def _reach(look: _Look) -> Opinion:
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


def _grasp(look: _Look) -> Opinion:
    left = 1.0 - look.gripper()
    return Opinion(left > NOT_CLOSED, f"the gripper stands {left:.0%} of its way before closed")


def _lift(look: _Look) -> Opinion:
    """What has the thing's colour is higher than at first, and the gripper still holds something."""
    began, target = look.first(look.target), look.target
    if began is None or target is None or look.end is None:
        return Opinion(None, f"no {look.stage.thing} was seen before")
    now = [seen for _, _, seen in things(look.end, replace(target, shape=None))]
    risen_m = max((float(seen.middle[2] - began.middle[2]) for seen in now), default=-math.inf)
    held = 1.0 - look.gripper() > NOT_CLOSED
    why = f"seen {100 * risen_m:.0f} cm higher" if now else "it is not seen any more"
    return Opinion(risen_m > LIFTED_M and held, why if held else f"{why}, and the gripper is closed on nothing")


def _place(look: _Look) -> Opinion:
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


_CHECKS: dict[str, Callable[[_Look], Opinion]] = {
    "search": _search, "approach": _approach, "pass": _pass, "arrive": _arrive, "homeward": _homeward,
    "return": _return, "climb": _climb, "gate": _gate, "reach": _reach, "grasp": _grasp, "lift": _lift, "place": _place,
}  # fmt: skip
