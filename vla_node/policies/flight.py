"""The embedded policy of a robot that flies: follow the newest plan through the newest clearance in space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from saccade.clearance import ClearanceField
from saccade.clock import seconds
from saccade.geometry import F64
from saccade.types import PlanKind
from vla_node.course import Course
from vla_node.embodiments.uav import AXES, UavLimits
from vla_node.gliding import Aside, Flying, flying, glide, halted
from vla_node.policies.base import ActionKind, Look, PolicyError, PolicySpec
from vla_node.rollout import Style

_ASIDES = (
    Aside(0.5),
    *(
        Aside(pace, left * turn_rad, up * min(turn_rad, 0.8))
        for pace, turn_rad in ((1.0, 0.45), (0.5, 0.45), (0.7, 0.9), (0.4, 1.4))
        for left, up in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ),
)
"""Tried where the plain pursuit is not clear."""
_SEE_MORE_M = 0.02
"""A robot that is closer to something than it should be may move if that brings it so much more room."""
_AHEAD_M, _LEAST_M = 2.0, 0.02
"""Ways aside are judged by how much nearer they lead to the place so far ahead on the course; at least so much."""
_ROOM_M = 0.5
"""More room than this beyond what is needed makes no way better."""


@dataclass(frozen=True, slots=True)
class FlightPolicy:
    """Pure: the same look gives the same rows (vx, vy, vz, wz), `horizon` of them of `dt_ns`; no clear way: a hover.

    `need_m` is the clearance wanted of every place that will be reached.
    """

    limits: UavLimits
    style: Style
    need_m: float
    horizon: int
    dt_ns: int

    @property
    def spec(self) -> PolicySpec:
        """See `FastPolicy.spec`."""
        return PolicySpec("embedded flight", ActionKind.VELOCITY, AXES, self.dt_ns, self.horizon)

    def begin(self, epoch: int) -> None:
        """See `FastPolicy.begin`; it remembers nothing."""

    def act(self, look: Look, timeout_ns: int) -> F64:
        """See `FastPolicy.act`. PolicyError without clearance, or for a plan it cannot follow."""
        if look.space is None:
            raise PolicyError("the flight policy flies by the clearance around it, and there is none")
        plan, m = look.plan, flying(look.state, look.asked)
        if plan.kind is not PlanKind.WAYPOINTS or not len(plan.waypoints):
            raise PolicyError(f"the flight policy follows WAYPOINTS plans, not {plan.kind.name}")
        left_s = seconds(plan.obs_stamp_ns + plan.valid_for_ns - look.stamp_ns)
        way = self._pursue(m, Course(plan.waypoints), look.space, left_s)
        return np.array([_row(step) for step in way])

    def close(self) -> None:
        """See `FastPolicy.close`."""

    def _pursue(self, m: Flying, course: Course, space: ClearanceField, left_s: float) -> list[Flying]:
        """The plain pursuit when it is clear; else the clear one aside with the most progress; else turn, or hover."""
        roll = partial(glide, m, course, self.style, self.limits, seconds(self.dt_ns), self.horizon, left_s)
        plain = roll()
        if self._clear(m, plain, space) is not None:
            return plain
        best, best_score, ahead = None, 0.05, course.point(course.nearest(m.at) + _AHEAD_M)
        far_m = math.dist(m.at, ahead)
        for aside in _ASIDES:
            way = roll(aside=aside)
            clearance = self._clear(m, way, space)
            if clearance is None:
                continue
            progress_m = far_m - math.dist(way[-1].at, ahead)
            score = progress_m + 0.3 * min(clearance, self.need_m + _ROOM_M)
            if progress_m > _LEAST_M and score > best_score + 1e-9:
                best, best_score = way, score
        if best is not None:
            return best
        turn = roll(aside=Aside(pace=0.0))
        hover = halted(m, self.limits, seconds(self.dt_ns), self.horizon)
        return turn if self._clear(m, turn, space) is not None else hover

    def _clear(self, begin: Flying, way: list[Flying], space: ClearanceField) -> float | None:
        """Least clearance in metres of a rollout and of braking after it, or None where it is too little."""
        last = way[-1]
        if math.dist(last.at, begin.at) < 1e-3:
            return math.inf
        v = math.hypot(last.vx, last.vy, last.vz)
        brakes = [0.5 * share * v / self.limits.a_m_s2 for share in (0.5, 1.0)]
        ends = [(last.x + t * last.vx, last.y + t * last.vy, last.z + t * last.vz) for t in brakes]
        clearance = space.clearance_at(np.array([begin.at, *(m.at for m in way), *ends]))
        here, least, end = float(clearance[0]), float(clearance[1:].min()), float(clearance[-1])
        if least >= self.need_m:
            return least
        opens = here < self.need_m and least >= here - 0.01 and end >= min(self.need_m, here + _SEE_MORE_M)
        return least if opens else None


def _row(m: Flying) -> tuple[float, float, float, float]:
    c, s = math.cos(m.yaw), math.sin(m.yaw)
    return c * m.vx + s * m.vy, c * m.vy - s * m.vx, m.vz, m.w
