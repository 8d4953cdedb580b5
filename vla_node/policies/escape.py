"""Out of the margin: a robot that is nearer to a thing than it may be goes where there is room, whatever is planned."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from saccade.geometry import wrap_angle
from saccade.types import LocalMap
from vla_node.embodiments.base import BaseLimits
from vla_node.rollout import Motion, step

_DIRECTIONS = 32
_REACH_M = 0.8
"""So far away at most is the place that it makes for."""
_STEP_M = 0.025
_PACE_M_S, _TURN_RAD_S = 0.2, 0.3
"""About as slow as a gate lets a robot go that is in its margin."""
_ALIGNED_RAD = 0.2
"""It drives only along the way out; else it turns on the spot first."""
_GAIN_M = 0.1
"""So much more room makes a place worth going to, where none near has enough."""
_SLACK_M = 1e-3


class _Way(NamedTuple):
    direction_rad: float
    length_m: float
    backwards: bool


def escape(motion: Motion, grid: LocalMap, need_m: float, limits: BaseLimits, dt: float, count: int) -> list[Motion]:
    """`count` steps of `dt` seconds on the straight way that leads soonest to `need_m` of clearance; [] without one.

    It is driven forwards or backwards, and nowhere on it is there less room than where it begins.
    """
    way = _soonest(motion, grid, need_m)
    if way is None:
        return []
    faces, sign = (way.direction_rad + math.pi, -1.0) if way.backwards else (way.direction_rad, 1.0)
    motions, m, left_m = [], motion, way.length_m
    for _ in range(count):
        error = wrap_angle(faces - m.yaw)
        pace = min(_PACE_M_S, math.sqrt(limits.a_m_s2 * max(0.0, left_m))) if abs(error) < _ALIGNED_RAD else 0.0
        turn = min(_TURN_RAD_S, math.sqrt(limits.aw_rad_s2 * abs(error)))
        after = step(m, sign * pace, math.copysign(turn, error), limits, dt)
        left_m -= math.hypot(after.x - m.x, after.y - m.y)
        motions.append(m := after)
    return motions


def _soonest(motion: Motion, grid: LocalMap, need_m: float) -> _Way | None:
    directions = np.arange(_DIRECTIONS) * (math.tau / _DIRECTIONS)
    along = np.arange(round(_REACH_M / _STEP_M) + 1) * _STEP_M
    x = motion.x + np.multiply.outer(np.cos(directions), along)
    y = motion.y + np.multiply.outer(np.sin(directions), along)
    clearance = grid.clearance_at(x.ravel(), y.ravel()).reshape(x.shape)
    here_m = float(clearance[0, 0])
    allowed = np.minimum.accumulate(clearance, axis=1) >= here_m - _SLACK_M
    wanted_m = min(need_m, float(clearance[allowed].max()))
    if wanted_m < min(need_m, here_m + _GAIN_M):
        return None
    ends = allowed & (clearance >= wanted_m)
    lengths_m = np.where(ends.any(axis=1), along[ends.argmax(axis=1)] + _STEP_M, math.inf)
    turns = np.array([[wrap_angle(at + by - motion.yaw) for at in directions.tolist()] for by in (0.0, math.pi)])
    takes_s = np.maximum(0.0, abs(turns) - _ALIGNED_RAD) / _TURN_RAD_S + lengths_m / _PACE_M_S
    backwards, i = divmod(int(takes_s.argmin()), _DIRECTIONS)
    return _Way(float(directions[i]), float(lengths_m[i]), bool(backwards))
