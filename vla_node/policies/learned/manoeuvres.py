"""What a base may do in the next three seconds, and what is known of it beforehand.

A plain pursuit of its way and fourteen manoeuvres, rolled forward as the dynamic window approach does (Fox, Burgard and
Thrun 1997). Costs are in metres of progress along the way, so that they add up.
"""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F32, F64, wrap_angle
from saccade.types import LocalMap
from vla_node.embodiments.base import BaseLimits
from vla_node.rollout import Motion, Style, follow, step
from vla_node.track import Track

STEP_S, STEPS = 0.05, 60
"""As long as a row: a turn rate that changes its sign stands at zero for a step, and longer ones would stick there."""
WAYS = 15
EVERY = 4
PLACES = STEPS // EVERY
"""Of a way, one each EVERY steps, is what the learned policy's graph is shown."""
PERSON_M = 0.35
"""Distance kept from people, who do not keep theirs."""
PER_PERSON = 8.0
"""What a metre too near to a person costs."""
_PER_MAP = 8.0
_GATED_STEPS = 24
"""So far ahead the robot's own map counts: later it will be another map."""
_ASIDE_M, _SLOW_ASIDE_M = (0.4, -0.4, 0.9, -0.9), (0.0, 0.4, -0.4)
_SLOW = 0.4
"""Of the cruising speed."""
_SPEEDS = ((0.0, 0.0), (-0.3, 0.0), (-0.3, 0.5), (-0.3, -0.5), (0.35, 0.8), (0.35, -0.8))
_PER_ASIDE, _PER_ERROR, _BACK = 0.25, 0.15, 0.1
"""What a metre beside the way costs, a radian off it, and backing at all."""
_ESCAPE_M = 0.02
Way = list[Motion]


def others(m: Motion, track: Track, style: Style, limits: BaseLimits, left_s: float) -> list[Way]:
    """Beside the way, slower; turning to it, standing, backing, and turning aside: WAYS - 1 of them."""
    out = [
        follow(m, track, style, limits, STEP_S, STEPS, left_s, aside, pace)
        for pace, asides in ((1.0, _ASIDE_M), (_SLOW, _SLOW_ASIDE_M), (0.0, (0.0,)))
        for aside in asides
    ]  # fmt: skip
    for v, w in _SPEEDS:
        way, now = [], m
        for _ in range(STEPS):
            now = step(now, v, w, limits, STEP_S)
            way.append(now)
        out.append(way)
    return out


def places(ways: list[Way]) -> tuple[F64, F64]:
    """x and y (k, STEPS) of ways."""
    x, y = (np.array([[getattr(s, k) for s in way] for way in ways]) for k in ("x", "y"))
    return x, y


def ahead(m: Motion, x: F64, y: F64) -> F32:
    """Places (k, PLACES, 2) of ways, given all of them (k, STEPS), in the body's frame at `m`."""
    dx, dy, c, s = x[:, EVERY - 1 :: EVERY] - m.x, y[:, EVERY - 1 :: EVERY] - m.y, math.cos(m.yaw), math.sin(m.yaw)
    return np.stack([c * dx + s * dy, c * dy - s * dx], axis=-1).astype(np.float32)


def by_map(m: Motion, x: F64, y: F64, grid: LocalMap, need_m: float) -> F64:
    """What ways (k, STEPS) cost (k,) that the gate would not let pass by the robot's own map."""
    gated = np.s_[:, :_GATED_STEPS]
    here_m = float(grid.clearance_at(*np.array([[m.x], [m.y]]))[0])
    return _PER_MAP * too_near(grid.clearance_at(x[gated], y[gated]), need_m, here_m)


def too_near(distance_m: F64, need_m: float, here_m: float) -> F64:
    """By how much a way (k, n) comes too near, (k,): of what is needed, or of a little more than there is now."""
    return np.asarray(np.maximum(0.0, min(need_m, here_m + _ESCAPE_M) - distance_m.min(axis=1)))


def course(m: Motion, way: Way, track: Track, style: Style) -> float:
    """What a manoeuvre costs by where it leads: little along the way, much beside or away from it."""
    begin, last = track.nearest(m.x, m.y), way[-1]
    s = track.nearest(last.x, last.y, begin)
    x, y = track.point(s)
    ahead_x, ahead_y = track.point(s + style.lookahead_m + style.lookahead_s * abs(last.v))
    far = math.hypot(ahead_x - last.x, ahead_y - last.y)
    error = wrap_angle(math.atan2(ahead_y - last.y, ahead_x - last.x) - last.yaw) if far > 0.05 else 0.0
    gain = s - begin
    if min(step.v for step in way) < -0.05:  # it has no eyes there: to make room, and not to get on
        gain = min(0.0, gain) - _BACK
    return _PER_ASIDE * math.hypot(last.x - x, last.y - y) + _PER_ERROR * abs(error) - gain
