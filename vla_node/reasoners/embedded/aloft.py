"""Where a robot that flies will be when the plan comes, and ways from there."""

from __future__ import annotations

import numpy as np

from saccade.geometry import F64
from saccade.types import Plan, PlanKind
from vla_node.planner import Observation, make_plan
from vla_node.reasoners.embedded.mission import settles
from vla_node.reasoners.embedded.routes import LEAD_ROWS, facing

STANDING_M_S = 0.15
_NEAR_M = 0.15
"""A lead that leads no farther is no way; wind alone moves a robot that hovers so far."""


def place_then(obs: Observation) -> F64:
    """Where (3,) in odom the robot will be when the plan comes: where its lead ends, or here."""
    return obs.lead[-1, :3] if len(obs.lead) else obs.state.T_odom_from_body.t


def hovers_then(obs: Observation) -> bool:
    """Whether the robot will hover when the plan comes: by its lead, where it has one."""
    if len(obs.lead) < 2:
        return bool(np.linalg.norm(obs.state.twist[:3]) < STANDING_M_S)
    return settles(obs.lead, STANDING_M_S)


def at_height(point: F64, z_m: float) -> F64:
    """The place (3,) above or below `point` (3,)."""
    return np.array([point[0], point[1], z_m])


def fly(obs: Observation, text: str, points: list[F64], yaw: float | None = None, final: bool = False) -> Plan:
    """From where it is through points (3,), ending with a heading where one is given.

    The way begins with the lead, but where it would double back on that: then it begins where the lead ends, as the
    place on a course that is nearest to the robot must be the one that it is at.
    """
    here, then = obs.state.T_odom_from_body.t, place_then(obs)
    begin = [here]
    if np.linalg.norm(then - here) > _NEAR_M:
        back = bool(points) and float((then - here) @ (points[0] - then)) < 0.0
        begin = [then] if back else [here, *obs.lead[:-1:LEAD_ROWS, :3], then]
    way = np.array([*begin, *points])
    if yaw is not None:
        way = np.vstack([way[:-1], facing(way[-1], yaw)])
    return make_plan(obs, PlanKind.WAYPOINTS, text, waypoints=way, final=final)
