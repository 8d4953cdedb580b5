"""A way that is much longer all of a sudden: whoever stands in the old one may go, so a detour is put off a little."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.geometry import F64
from vla_node.planner import Observation
from vla_node.track import Track

DETOUR_M, DETOUR_SHARE = 1.5, 0.3
"""A detour of more than both, metres and share of what was left to go, is worth waiting for."""


@dataclass(slots=True)
class Kept:
    """The way that a mission follows; `since_ns` is since when a much longer one has been put off.

    `patience_ns` is for how long that is done.
    """

    patience_ns: int = 0
    goal: F64 | None = None
    way: F64 | None = None
    since_ns: int | None = None

    def to(self, goal: F64) -> F64 | None:
        """The way (n, 3) that is followed to this goal, if there is one."""
        if self.way is None or self.goal is None or float(np.hypot(*(goal - self.goal)[:2])) >= DETOUR_M:
            return None
        return self.way

    def waits(self, obs: Observation, goal: F64, way: F64) -> bool:
        """Whether the old way is kept; if not, `way` (n, 3) is to be taken, and is the one that is kept from now on."""
        here = obs.state.T_odom_from_body.t
        kept = self.to(goal)
        if kept is not None:
            track = Track(kept)
            at_m = track.nearest(float(here[0]), float(here[1]))
            left_m = track.length_m - at_m
            if length_m(way) > left_m + max(DETOUR_M, DETOUR_SHARE * left_m):
                self.since_ns = obs.stamp_ns if self.since_ns is None else self.since_ns
                if obs.stamp_ns - self.since_ns < self.patience_ns:
                    return True
        self.goal, self.way, self.since_ns = goal, way, None
        return False


def length_m(way: F64) -> float:
    """Length in metres of waypoints (n, 3), on the ground."""
    return float(np.hypot(*np.diff(way[:, :2], axis=0).T).sum())
