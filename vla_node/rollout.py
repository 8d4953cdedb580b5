"""The robot rolled forward in closed loop: regulated pure pursuit on a track, within accelerations and jerks.

Pure pursuit after Coulter (1992); regulation of speed by curvature and distance after Macenski et al. (2023).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from saccade.clock import seconds
from saccade.geometry import SE3, wrap_angle
from saccade.types import RobotState
from vla_node.embodiments.base import BaseLimits
from vla_node.track import Track

_EASE = 0.6
"""Share of the acceleration limit that planned braking uses, so that jerk limits and latency do not overshoot."""
_TURN_FIRST_RAD = 1.0
"""A target further aside than this is turned to in place."""
_ABOUT_FACE_RAD = 2.6
"""Beyond this error both ways round are as good: the one already begun is kept."""
_WINDOW_M = 1.5
_STOPPED = 1.4
"""A standstill within this many times the reach is not worth another approach."""
_STANDING_M_S = 0.05


class Motion(NamedTuple):
    """Pose (m, rad), speeds (m/s, rad/s) and accelerations at one instant."""

    x: float
    y: float
    yaw: float
    v: float
    w: float
    a: float = 0.0
    aw: float = 0.0


@dataclass(frozen=True, slots=True)
class Style:
    """How to drive: cruising speeds, when the end counts as reached, and how far to look ahead."""

    cruise_m_s: float
    turn_rad_s: float
    reached_m: float
    reached_rad: float
    lookahead_m: float
    lookahead_s: float


def approach(value: float, rate: float, target: float, rate_max: float, jerk: float, dt: float) -> tuple[float, float]:
    """Move `value` towards `target` within a rate and a change of rate; (value, rate) after `dt` seconds."""
    notch = jerk * dt
    # The largest rate from which steps of `notch` lead down to zero just as the target is met: k whole ones and a rest.
    notches = abs(target - value) / (notch * dt)
    k = math.floor((math.sqrt(1.0 + 8.0 * notches) - 1.0) / 2.0)
    bound = min(rate_max, notch * (notches + k * (k + 1) / 2) / (k + 1))
    wanted = math.copysign(bound, target - value)
    rate = min(rate + notch, max(rate - notch, wanted))
    after = value + rate * dt
    if value > 0.0 > after or value < 0.0 < after:
        return 0.0, 0.0  # a change of direction goes through a standstill
    return after, rate


def step(m: Motion, v_target: float, w_target: float, limits: BaseLimits, dt: float) -> Motion:
    """One step of `dt` seconds towards target speeds."""
    v, a = approach(m.v, m.a, v_target, limits.a_m_s2, limits.jerk_m_s3, dt)
    w, aw = approach(m.w, m.aw, w_target, limits.aw_rad_s2, limits.jerk_w_rad_s3, dt)
    middle = m.yaw + 0.5 * w * dt
    return Motion(m.x + v * dt * math.cos(middle), m.y + v * dt * math.sin(middle), m.yaw + w * dt, v, w, a, aw)


def brake(m: Motion, limits: BaseLimits, dt: float, count: int) -> list[Motion]:
    """To a standstill as fast as the accelerations allow, then standing; jerk does not matter here."""
    out = []
    for _ in range(count):
        v = math.copysign(max(0.0, abs(m.v) - limits.a_m_s2 * dt), m.v)
        w = math.copysign(max(0.0, abs(m.w) - limits.aw_rad_s2 * dt), m.w)
        m = Motion(m.x + v * dt * math.cos(m.yaw), m.y + v * dt * math.sin(m.yaw), m.yaw + w * dt, v, w)
        out.append(m)
    return out


def follow(
    m: Motion, track: Track, style: Style, limits: BaseLimits, dt: float, count: int, left_s: float,
    aside_m: float = 0.0, pace: float = 1.0,
) -> list[Motion]:  # fmt: skip
    """`count` steps along a track; speeds reach zero before `left_s`, when the plan ends.

    `aside_m` aims to the left of the track and `pace` scales the cruising speed; a pace of 0 only turns.
    """
    out = []
    s = track.nearest(m.x, m.y)
    for i in range(count):
        s = track.nearest(m.x, m.y, s, _WINDOW_M)
        v_target, w_target = _targets(m, track, s, style, limits, aside_m, pace)
        until_end = max(0.0, left_s - (i + 1) * dt)
        v_cap, w_cap = _EASE * limits.a_m_s2 * until_end, _EASE * limits.aw_rad_s2 * until_end
        m = step(m, min(v_target, v_cap), max(-w_cap, min(w_cap, w_target)), limits, dt)
        out.append(m)
    return out


def at_end(m: Motion, track: Track, style: Style) -> bool:
    """Whether the end of the track and its heading are reached."""
    faces = track.end_yaw is None or abs(wrap_angle(track.end_yaw - m.yaw)) <= style.reached_rad
    return faces and _there(m, track, style)


def _there(m: Motion, track: Track, style: Style) -> bool:
    """Whether the end is near enough: within reach, or a little further for a robot that has come to a standstill."""
    end_m = math.hypot(track.end[0] - m.x, track.end[1] - m.y)
    return end_m <= style.reached_m or (end_m <= _STOPPED * style.reached_m and abs(m.v) < _STANDING_M_S)


def _targets(
    m: Motion, track: Track, s: float, style: Style, limits: BaseLimits, aside_m: float, pace: float
) -> tuple[float, float]:
    """Speeds wanted now: turn to the track, drive along it, or turn to its last heading."""
    end_m = math.hypot(track.end[0] - m.x, track.end[1] - m.y)
    if _there(m, track, style):
        return 0.0, 0.0 if track.end_yaw is None else _turn(track.end_yaw - m.yaw, m.w, style, limits)
    ahead_m = style.lookahead_m + style.lookahead_s * abs(m.v)
    x, y = track.point(s + ahead_m, aside_m)
    distance = max(1e-3, math.hypot(x - m.x, y - m.y))
    alpha = wrap_angle(math.atan2(y - m.y, x - m.x) - m.yaw)
    if abs(alpha) > _TURN_FIRST_RAD or pace == 0.0:
        return 0.0, _turn(alpha, m.w, style, limits)
    curvature = 2.0 * math.sin(alpha) / distance
    left_m = max(end_m, track.length_m - s)
    v = min(pace * style.cruise_m_s, math.sqrt(2.0 * _EASE * limits.a_m_s2 * left_m))
    if abs(curvature) > 1e-6:
        v = min(v, style.turn_rad_s / abs(curvature))
    return v, v * curvature


def _turn(error_rad: float, w: float, style: Style, limits: BaseLimits) -> float:
    """Turn rate that takes away a heading error and stops there."""
    error = wrap_angle(error_rad)
    if abs(error) < 0.5 * style.reached_rad:
        return 0.0
    rate = min(style.turn_rad_s, math.sqrt(2.0 * _EASE * limits.aw_rad_s2 * abs(error)))
    if abs(error) > _ABOUT_FACE_RAD and abs(w) > 0.05:
        return math.copysign(rate, w)
    return math.copysign(rate, error)


def moved(state: RobotState, to_ns: int) -> RobotState:
    """The state at `to_ns` if its planar speeds stay as they are."""
    dt, v, w = seconds(to_ns - state.stamp_ns), float(state.twist[0]), float(state.twist[5])
    step_m = (v * dt * math.cos(0.5 * w * dt), v * dt * math.sin(0.5 * w * dt), 0.0)
    return replace(
        state, stamp_ns=to_ns, T_odom_from_body=state.T_odom_from_body @ SE3.from_rpy(0.0, 0.0, w * dt, step_m)
    )  # fmt: skip
