"""The embedded policy: follow the newest plan on the newest local map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from saccade.clock import seconds
from saccade.geometry import F64
from saccade.types import LocalMap, PlanKind
from vla_node.embodiments.base import AxisLimits, BaseLimits, Embodiment
from vla_node.policies.base import ActionKind, Look, PolicyError, PolicySpec
from vla_node.policies.escape import escape
from vla_node.rollout import Motion, Style, brake, follow, step
from vla_node.track import Track

_VARIANTS = ((1.0, 1.2), (1.0, -1.2), (0.4, 0.0), (0.4, 1.2), (0.4, -1.2))
"""(pace, robot radii to the left of the path) tried where the plain pursuit is not clear."""
_SEE_MORE_M = 0.03
"""A robot that stands closer than it should may move if that brings it at least this much more clearance."""


@dataclass(frozen=True, slots=True)
class EmbeddedPolicy:
    """Pure: the same look gives the same rows, `horizon` of them of `dt_ns`; a way that is not clear gives zeros."""

    embodiment: Embodiment
    limits: BaseLimits
    by_axis: AxisLimits
    style: Style
    margin_m: float
    horizon: int
    dt_ns: int

    @property
    def spec(self) -> PolicySpec:
        """See `FastPolicy.spec`."""
        return PolicySpec("embedded", ActionKind.VELOCITY, self.embodiment.axes, self.dt_ns, self.horizon)

    def begin(self, epoch: int) -> None:
        """See `FastPolicy.begin`; it remembers nothing."""

    def act(self, look: Look, timeout_ns: int) -> F64:
        """See `FastPolicy.act`; it takes a millisecond. PolicyError without a map, or for a plan it cannot follow."""
        if look.grid is None:
            raise PolicyError("the embedded policy drives on the local map, and there is none")
        motion, plan = self.motion(look), look.plan
        left_s = seconds(plan.obs_stamp_ns + plan.valid_for_ns - look.stamp_ns)
        motions = None
        if plan.kind is PlanKind.WAYPOINTS and len(plan.waypoints):
            motions = self._pursue(motion, Track(plan.waypoints), look.grid, left_s)
        elif plan.kind is PlanKind.VELOCITY:
            motions = self._steady(motion, plan.values, look.grid, left_s)
        else:
            raise PolicyError(f"the embedded policy follows WAYPOINTS and VELOCITY plans, not {plan.kind.name}")
        if motions is None:
            motions = brake(motion, self.limits, seconds(self.dt_ns), self.horizon)
        rows = np.array([self._row(m.v, m.w) for m in motions])
        if "vz" in self.embodiment.axes:
            rows[:, self.embodiment.axes.index("vz")] = self._climb(look, motions)
        return rows

    def close(self) -> None:
        """See `FastPolicy.close`."""

    def motion(self, look: Look) -> Motion:
        """Where the robot is, with the speeds it has been asked for and how these are about to change."""
        axes, T, twist = self.embodiment, look.state.T_odom_from_body, look.state.twist
        pose = Motion(float(T.t[0]), float(T.t[1]), T.yaw, float(twist[0]), float(twist[5]))
        if not len(look.asked) or not np.isfinite(look.asked).all():
            return pose
        v, w = float(look.asked[axes.forward]), float(look.asked[axes.turn])
        if not len(look.promised):
            return pose._replace(v=v, w=w)
        dt, after = seconds(self.dt_ns), look.promised[0]
        return pose._replace(v=v, w=w, a=(after[axes.forward] - v) / dt, aw=(after[axes.turn] - w) / dt)

    def _climb(self, look: Look, motions: list[Motion]) -> F64:
        """Speeds up and down (k,) that lead to the height of the plan where the robot will be."""
        axis, dt = self.embodiment.axes.index("vz"), seconds(self.dt_ns)
        most, accel = float(self.by_axis.speed[axis]), float(self.by_axis.accel[axis])
        points, z = look.plan.waypoints, float(look.state.T_odom_from_body.t[2])
        vz = float(look.asked[axis]) if len(look.asked) else float(look.state.twist[2])
        speeds = np.zeros(len(motions))
        for i, m in enumerate(motions):
            goal = z
            if look.plan.kind is PlanKind.WAYPOINTS and len(points):
                goal = float(points[np.argmin(np.hypot(points[:, 0] - m.x, points[:, 1] - m.y)), 2])
            wanted = math.copysign(min(most, math.sqrt(1.2 * accel * abs(goal - z))), goal - z)
            vz = min(vz + accel * dt, max(vz - accel * dt, wanted))
            z, speeds[i] = z + vz * dt, vz
        return speeds

    def _row(self, v: float, w: float) -> F64:
        row = np.zeros(len(self.embodiment.axes))
        row[self.embodiment.forward], row[self.embodiment.turn] = v, w
        return row

    def _pursue(self, motion: Motion, track: Track, grid: LocalMap, left_s: float) -> list[Motion]:
        """The pursuit when it is clear; else out of the margin, or the clear variant with most progress, or a turn."""
        roll = partial(
            follow, motion, track, self.style, self.limits, seconds(self.dt_ns), self.horizon, left_s
        )  # fmt: skip
        plain = roll()
        if self._clear(motion, plain, grid) is not None:
            return plain
        need_m = self.limits.radius_m + self.margin_m
        if float(grid.clearance_at(np.array([motion.x]), np.array([motion.y]))[0]) < need_m:
            out = escape(motion, grid, need_m, self.limits, seconds(self.dt_ns), self.horizon)
            if out:
                return out
        best, best_score = None, 0.05
        begin = track.nearest(motion.x, motion.y)
        for pace, aside in _VARIANTS:
            motions = roll(aside_m=aside * self.limits.radius_m, pace=pace)
            clearance = self._clear(motion, motions, grid)
            if clearance is not None:
                progress = track.nearest(motions[-1].x, motions[-1].y, begin) - begin
                score = progress + 0.3 * min(clearance, 0.6)
                if score > best_score + 1e-9 and progress > 0.01:
                    best, best_score = motions, score
        return best or roll(pace=0.0)

    def _steady(self, motion: Motion, values: F64, grid: LocalMap, left_s: float) -> list[Motion] | None:
        """Constant speeds until the plan ends; None when they are no speeds or lead too near to something."""
        if len(values) != 3 or not np.isfinite(values).all():
            return None
        v = max(-self.limits.v_m_s, min(self.limits.v_m_s, float(values[0])))
        w = max(-self.limits.w_rad_s, min(self.limits.w_rad_s, float(values[2])))
        dt, now, out = seconds(self.dt_ns), motion, []
        for i in range(self.horizon):
            until_end = max(0.0, left_s - (i + 1) * dt)
            v_cap, w_cap = self.limits.a_m_s2 * until_end, self.limits.aw_rad_s2 * until_end
            now = step(now, max(-v_cap, min(v_cap, v)), max(-w_cap, min(w_cap, w)), self.limits, dt)
            out.append(now)
        return out if self._clear(motion, out, grid) is not None else None

    def _clear(self, begin: Motion, motions: list[Motion], grid: LocalMap) -> float | None:
        """Least clearance in metres of a rollout and of braking after it, or None where it is too little.

        A robot that is already too close may only move to where it has more room.
        """
        last = motions[-1]
        if abs(last.x - begin.x) + abs(last.y - begin.y) < 1e-3:
            return math.inf
        braking_m = math.copysign(last.v * last.v / (2.0 * self.limits.a_m_s2), last.v)
        xs = [m.x for m in motions] + [last.x + f * braking_m * math.cos(last.yaw) for f in (0.5, 1.0)]
        ys = [m.y for m in motions] + [last.y + f * braking_m * math.sin(last.yaw) for f in (0.5, 1.0)]
        clearance = grid.clearance_at(np.array([begin.x, *xs]), np.array([begin.y, *ys]))
        here, way, end = float(clearance[0]), clearance[1:], float(clearance[-1])
        need = self.limits.radius_m + self.margin_m
        least = float(way.min())
        if least >= need or (here < need and least >= here - 1e-3 and end >= min(need, here + _SEE_MORE_M)):
            return least
        return None
