"""Waypoints on the local map. Convention: at its end the robot faces along the last segment, however short."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F64
from vla_node.planner import Observation
from vla_node.reasoners.embedded.search import CostMap, cost_map, find_path, stay_on

HEADING_M = 0.02
"""Length of the last segment that only carries a heading."""
LOOK_RADII, LEAST_RADII, BLIND_RADII = 8.0, 2.0, 2.0
"""How far to look for a free way, what is too short to be one, and up to where unknown does not yet mean unexplored
(the floor right in front of the robot is below the camera's view), in radii of the robot with its margin."""
UNSEEN_RADII = 2.5
"""Up to where the floor is below the camera's view whichever way the robot turns, in radii with its margin."""
LEAD_ROWS = 3
"""One pose of so many of the lead is a waypoint."""
SPREAD_RAD = tuple(math.radians(a) for a in (0, 10, -10, 20, -20, 35, -35, 50, -50, 65, -65))


def facing(position: F64, yaw: float) -> F64:
    """Waypoints (2, 3) that turn the robot in place to a heading in the waypoints' frame."""
    tip = position + HEADING_M * np.array([math.cos(yaw), math.sin(yaw), 0.0])
    return np.stack([position, tip])


def route(
    obs: Observation, goal: F64, reach_m: float, yaw: float | None, radius_m: float, strict: bool = False,
    kept: F64 | None = None,
) -> F64 | None:  # fmt: skip
    """Waypoints (n, 3) to within `reach_m` of `goal`, ending with heading `yaw`, or facing the goal when None.

    None when the local map offers no path, or none over floor that is known to be free if `strict`. Otherwise a way
    that begins on such floor, as far as the camera does not see it from here, is taken where there is one. Another way
    than `kept` (n, 3), which is followed now, must be much better. It begins with the observation's lead as far as that
    is free: what is decided now the robot does from there on, and a way from where it was would call it back.
    """
    assert obs.grid is not None
    here = obs.state.T_odom_from_body.t
    path = None
    for blind_m in (0.0,) if strict else (UNSEEN_RADII * radius_m, 0.0):
        costs = cost_map(obs.grid, here[:2], radius_m, strict, blind_m)
        if kept is not None:
            stay_on(costs, kept)
        path = _onward(costs, obs, goal, reach_m)
        if path is None:
            path = find_path(costs, here[:2], goal[:2], reach_m)
        if path is not None:
            break
    if path is None:
        return None
    end = np.array([*path[-1], here[2]])
    if yaw is None:
        yaw = math.atan2(goal[1] - end[1], goal[0] - end[0])
    points = np.column_stack([path, np.full(len(path), here[2])])
    return np.vstack([points[:-1], facing(end, yaw)])


def _onward(costs: CostMap, obs: Observation, goal: F64, reach_m: float) -> F64 | None:
    """The way (n, 2) along the lead and from its end, or from where it ceases to be free; None where there is none."""
    lead = obs.lead[:, :2]
    blocked = np.isinf(costs.at(lead)[0])
    lead = lead[: int(np.argmax(blocked))] if blocked.any() else lead
    if not len(lead) or np.hypot(*(lead[-1] - obs.state.T_odom_from_body.t[:2])) < costs.resolution_m:
        return None
    rest = find_path(costs, lead[-1], goal[:2], reach_m)
    return None if rest is None else np.vstack([obs.state.T_odom_from_body.t[:2], lead[:-1:LEAD_ROWS], rest])


def free_behind(obs: Observation, distance_m: float, radius_m: float) -> bool:
    """Whether a robot of this radius can back up in a straight line over floor that is known to be free."""
    if obs.grid is None:
        return False
    pose = obs.state.T_odom_from_body
    back = np.arange(0.0, distance_m + 0.05, 0.05)
    x, y = pose.t[0] - back * math.cos(pose.yaw), pose.t[1] - back * math.sin(pose.yaw)
    return bool(np.all(obs.grid.clearance_at(x, y) >= radius_m))


def open_way(obs: Observation, radius_m: float, yaw: float, strict: bool = False) -> F64 | None:
    """Waypoints (2, 3) along the freest direction that is nearly that of `yaw`; None when none is long enough.

    Only over floor that is known to be free if `strict`.
    """
    assert obs.grid is not None
    pose = obs.state.T_odom_from_body
    costs = cost_map(obs.grid, pose.t[:2], radius_m, strict)
    look_m = LOOK_RADII * radius_m
    along = np.arange(0.0, look_m, costs.resolution_m)
    best, best_score = None, LEAST_RADII * radius_m - 0.05
    for turn in SPREAD_RAD:
        direction = np.array([math.cos(yaw + turn), math.sin(yaw + turn)])
        points = pose.t[:2] + along[:, None] * direction
        cost, unknown = costs.at(points)
        blocked = np.isinf(cost) | (unknown & (along > BLIND_RADII * radius_m))
        free_m = float(along[np.argmax(blocked)]) if blocked.any() else look_m
        score = free_m * math.cos(turn)
        if score > best_score + 0.05:
            best, best_score = np.array([*(pose.t[:2] + free_m * direction), pose.t[2]]), score
    return None if best is None else np.stack([pose.t, best])
