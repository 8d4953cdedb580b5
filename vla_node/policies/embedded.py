"""The fast policy: follow the newest plan on the newest local map, and say so as a chunk on absolute time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from saccade.clock import seconds
from saccade.geometry import F64
from saccade.types import ActionChunk, LocalMap, Plan, PlanKind
from vla_node.embodiments.base import BaseLimits, Embodiment
from vla_node.rollout import Motion, Style, at_end, brake, follow, step
from vla_node.track import Track

_VARIANTS = ((1.0, 1.2), (1.0, -1.2), (0.4, 0.0), (0.4, 1.2), (0.4, -1.2))
"""(pace, robot radii to the left of the path) tried where the plain pursuit is not clear."""
_SEE_MORE_M = 0.03
"""A robot that stands closer than it should may move if that brings it at least this much more clearance."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Pure: the same plan, map and motion give the same chunk. H = `horizon` actions of `dt_ns`."""

    embodiment: Embodiment
    limits: BaseLimits
    style: Style
    margin_m: float
    horizon: int
    dt_ns: int

    def act(self, t0_ns: int, plan: Plan, track: Track | None, grid: LocalMap, motion: Motion) -> ActionChunk:
        """The chunk from `t0_ns` on for a plan that has not expired; `track` is that of its waypoints."""
        left_s = seconds(plan.obs_stamp_ns + plan.valid_for_ns - t0_ns)
        motions = None
        if plan.kind is PlanKind.WAYPOINTS and track is not None:
            motions = self._pursue(motion, track, grid, left_s)
        elif plan.kind is PlanKind.VELOCITY:
            motions = self._steady(motion, plan.values, grid, left_s)
        return self._chunk(t0_ns, grid.stamp_ns, plan.id, plan.epoch, motions or self._stop(motion))

    def brake(self, t0_ns: int, obs_stamp_ns: int, plan_id: int, epoch: int, motion: Motion) -> ActionChunk:
        """A chunk that brings the robot to a standstill and keeps it there."""
        return self._chunk(t0_ns, obs_stamp_ns, plan_id, epoch, self._stop(motion))

    def arrived(self, track: Track, motion: Motion) -> bool:
        """Whether the robot has reached a track's end and stands."""
        return abs(motion.v) < 0.05 and abs(motion.w) < 0.1 and at_end(motion, track, self.style)

    def _pursue(self, motion: Motion, track: Track, grid: LocalMap, left_s: float) -> list[Motion]:
        """The plain pursuit when it is clear; else the clear variant with the most progress; else turn, no further."""
        roll = partial(
            follow, motion, track, self.style, self.limits, seconds(self.dt_ns), self.horizon, left_s
        )  # fmt: skip
        plain = roll()
        if self._clear(motion, plain, grid) is not None:
            return plain
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

    def _stop(self, motion: Motion) -> list[Motion]:
        return brake(motion, self.limits, seconds(self.dt_ns), self.horizon)

    def _chunk(self, t0_ns: int, obs_stamp_ns: int, plan_id: int, epoch: int, motions: list[Motion]) -> ActionChunk:
        actions = np.zeros((len(motions), len(self.embodiment.axes)))
        actions[:, self.embodiment.forward] = [m.v for m in motions]
        actions[:, self.embodiment.turn] = [m.w for m in motions]
        return ActionChunk(obs_stamp_ns, t0_ns, self.dt_ns, self.embodiment.axes, actions, plan_id, epoch)


def grid_floor(now_ns: int, dt_ns: int) -> int:
    """The instant of the chunk grid at or before `now_ns`."""
    return now_ns - now_ns % dt_ns


def ahead(motion: Motion, by_ns: int) -> Motion:
    """The motion `by_ns` later at constant speeds."""
    dt = seconds(by_ns)
    yaw = motion.yaw + 0.5 * motion.w * dt
    return motion._replace(
        x=motion.x + motion.v * dt * math.cos(yaw), y=motion.y + motion.v * dt * math.sin(yaw),
        yaw=motion.yaw + motion.w * dt,
    )  # fmt: skip
