"""How far what was driven is from the plan that was thought of."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import numpy as np

from saccade.geometry import F64
from saccade.report.run import Run


def followed(run: Run) -> list[dict[str, Any]]:
    """For each of `run.plans`: metres planned, metres travelled and furthest off while it was the newest.

    The way planned goes from where its picture was taken through its waypoints; off is the distance of the travelled
    way from that way, to be read against what odometry and the plan's age allow. None where a plan has no way in the
    frame of odometry, or nothing was travelled under it.
    """
    out: list[dict[str, Any]] = []
    stamps = np.array([state.stamp_ns for state in run.poses])
    places = np.array([state.T_odom_from_body.t for state in run.poses]).reshape(-1, 3)
    frames = {state.frame_id for state in run.poses}
    for (heard_ns, plan), after in zip_longest(run.plans, run.plans[1:]):
        end_ns = after[0] if after else run.end_ns
        way = places[(stamps >= heard_ns) & (stamps <= end_ns)]
        if not len(plan.waypoints) or frames != {plan.frame_id} or not len(way):
            out.append({"planned_m": None, "travelled_m": None, "off_m": None})
            continue
        points = np.vstack([plan.obs_pose.t, plan.waypoints])
        out.append(
            {
                "planned_m": round(length_m(points), 3), "travelled_m": round(length_m(way), 3),
                "off_m": round(float(distance_m(way, points).max()), 3),
            }
        )  # fmt: skip
    return out


def length_m(points: F64) -> float:
    """Of the way through points (n, d), metres."""
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def distance_m(points: F64, way: F64) -> F64:
    """Distance (n,) in metres of points (n, d) from the way through `way` (k, d)."""
    begin, step = way[:-1], np.diff(way, axis=0)
    squared = np.maximum((step**2).sum(axis=1), 1e-12)
    along = np.clip(((points[:, None] - begin) * step).sum(axis=2) / squared, 0.0, 1.0)
    nearest: F64 = np.linalg.norm(points[:, None] - (begin + along[..., None] * step), axis=2).min(axis=1)
    return nearest
