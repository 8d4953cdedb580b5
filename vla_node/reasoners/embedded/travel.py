"""Travelling: to a goal or along the open way, with what is done where the way is not known to be free."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from saccade.clock import SEC
from saccade.geometry import F64, wrap_angle
from saccade.types import Plan, PlanKind
from vla_node.planner import Observation, make_plan
from vla_node.reasoners.embedded.grounding import Sighting
from vla_node.reasoners.embedded.mission import Mission, Progress, coasted_yaw, rests_then, standing
from vla_node.reasoners.embedded.patience import length_m
from vla_node.reasoners.embedded.recovery import TRIES
from vla_node.reasoners.embedded.routes import open_way, route

ARRIVED_M = 0.20
FACING_RAD = 0.20
CLOSED_NS = 4 * SEC
"""A way that has been closed for so long is looked for elsewhere; before, whoever stands in it may go."""
HELD_NS = 3 * SEC
"""Who is held for so long looks around for another way; before, whoever holds it may go."""
HELD_SHORT_M = 0.4
"""A robot that the gate holds this near to its stand-off counts as arrived."""


def approach(
    obs: Observation, mission: Mission, target: Sighting, note: str, radius_m: float, standoff_m: float
) -> Plan | None:
    """Drive up to the stand-off from what was seen and face it; None when it stands there."""
    here = obs.state.T_odom_from_body.t
    bearing = math.atan2(target.centre[1] - here[1], target.centre[0] - here[0])
    reach_m = target.radius_m + standoff_m
    left_m = float(np.hypot(*(target.centre - here)[:2])) - reach_m
    turned = abs(wrap_angle(bearing - obs.yaw_then)) < FACING_RAD
    if turned and rests_then(obs) and (left_m < ARRIVED_M or (left_m < HELD_SHORT_M and obs.held_ns)):
        if abs(wrap_angle(bearing - coasted_yaw(obs))) < FACING_RAD:
            return None
        # A body that obeys late still turns when its policy has done: turning it back would make it swing for ever.
        if not len(obs.lead):
            return mission.halt(obs, "there, coming to rest")
    text = f"{mission.label()}: {max(0.0, left_m):.1f} m to go, {note}"
    if left_m < ARRIVED_M and standing(obs):
        return mission.face(obs, bearing, text, last=mission.last)
    return follow(obs, mission, radius_m, target.centre, reach_m, None, text, target.confidence)


def follow(
    obs: Observation, mission: Mission, radius_m: float, goal: F64, reach_m: float, yaw: float | None, text: str,
    confidence: float = 1.0, detour_m: float = math.inf,
) -> Plan:  # fmt: skip
    """Waypoints to within `reach_m` of a goal, ending with heading `yaw`, or facing the goal when None."""
    if obs.grid is None:
        return mission.halt(obs, "there is no fresh local map")
    # While somebody stands in the way it is still the plan: the fast half stops before them, and goes on when it sees
    # them go, which is sooner than the next plan.
    closed = mission.closed_ns is not None and obs.stamp_ns - mission.closed_ns >= CLOSED_NS
    way, plan = _way(
        obs, mission, radius_m, text,
        lambda strict: route(obs, goal, reach_m, yaw, radius_m, strict, mission.kept.to(goal)), closed,
    )  # fmt: skip
    if plan is not None:
        return plan
    if way is None and mission.closed_ns is None:
        mission.closed_ns = obs.stamp_ns
    elif way is not None:
        mission.closed_ns = None
    straight_m = float(np.hypot(*(goal - obs.state.T_odom_from_body.t)[:2]))
    old = mission.kept.to(goal)
    if way is None or length_m(way) > straight_m + detour_m:
        if old is None:
            return mission.halt(obs, "no path: the way is blocked")
        way, text = old, f"{text}; waiting, as the way is blocked"
    elif mission.kept.waits(obs, goal, way) and old is not None:
        way, text = old, f"{text}; waiting, as the other way is {length_m(way):.1f} m long"
    return make_plan(
        obs, PlanKind.WAYPOINTS, text, waypoints=way, confidence=confidence, final=mission.last
    )  # fmt: skip


def roam(obs: Observation, mission: Mission, progress: Progress, radius_m: float, text: str) -> Plan | None:
    """Drive along the open way; None when it has ended. Looking around for it does not turn it around."""
    if obs.grid is None:
        return mission.halt(obs, "there is no fresh local map")
    if not mission.recovery.active:
        progress.yaw = obs.state.T_odom_from_body.yaw
    way, plan = _way(obs, mission, radius_m, text, lambda strict: open_way(obs, radius_m, progress.yaw, strict))
    if plan is not None or way is None:
        return plan
    return make_plan(obs, PlanKind.WAYPOINTS, text, waypoints=way)


def _way(
    obs: Observation, mission: Mission, radius_m: float, text: str, find: Callable[[bool], F64 | None],
    closed: bool = False,
) -> tuple[F64 | None, Plan | None]:  # fmt: skip
    """A way by `find(strict)`, None where there is none; or the plan that looks for one, or gives up looking.

    `closed`: there has been none for a while, and standing does not show where else one may be.
    """
    recovery = mission.recovery
    strict = recovery.active or obs.held_ns >= HELD_NS or closed
    way = find(strict)
    if way is not None:
        recovery.end()
    elif strict:
        if recovery.tries == TRIES and not recovery.active:
            why = "no way there is known to be free, wherever it looked from"
            return None, mission.halt(obs, why, final=True)
        turned_rad = mission.progress.turned_rad if mission.progress else 0.0
        move = recovery.step(obs, turned_rad, radius_m)
        if move is not None:
            text = f"{text}; looking for a way that is free"
            return None, make_plan(obs, PlanKind.WAYPOINTS, text, waypoints=move)
        way = find(False)
    return way, None
