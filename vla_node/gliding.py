"""A robot that flies, rolled forward in closed loop along a course: pure pursuit in space, looking where it goes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from saccade.geometry import F64, wrap_angle
from saccade.types import RobotState
from vla_node.course import Course, Point
from vla_node.embodiments.uav import UavLimits
from vla_node.rollout import Style

_EASE = 0.6
"""Share of the acceleration limits that planned braking uses."""
_SEEN_RAD = (0.25, 0.55)
"""Up to the first heading error it flies at its pace, from the second on not at all: it looks where it goes."""
_STEER_M = 0.25
"""A point to steer for that is nearer to the side than this gives no heading."""
_WINDOW_M = 1.5
_TURN_HZ = 1.5
"""Turn rate by heading error: above this a vehicle that obeys a quarter of a second late would swing."""
_HOLD_HZ = 0.8
"""At the end it is pulled back to its place with so much speed a metre."""


class Flying(NamedTuple):
    """Place (m) and heading (rad), velocity in the frame of the place (m/s), turn rate (rad/s)."""

    x: float
    y: float
    z: float
    yaw: float
    vx: float
    vy: float
    vz: float
    w: float

    @property
    def at(self) -> Point:
        """The place alone."""
        return self.x, self.y, self.z


class Aside(NamedTuple):
    """How a rollout leaves the course: share of the cruising speed, and how far left of and above its aim it flies."""

    pace: float = 1.0
    left_rad: float = 0.0
    up_rad: float = 0.0


def flying(state: RobotState, asked: F64) -> Flying:
    """Where a robot is, with the velocity that it has been `asked` for, (vx, vy, vz, wz) level and along its heading.

    With the measured one where nothing was asked, or nothing finite.
    """
    T, twist = state.T_odom_from_body, state.twist
    velocity, w = T.R @ twist[:3], float(twist[5])
    yaw = T.yaw
    if len(asked) and np.isfinite(asked).all():
        c, s = math.cos(yaw), math.sin(yaw)
        forward, left, up, w = (float(value) for value in asked)
        velocity = np.array((c * forward - s * left, s * forward + c * left, up))
    (x, y, z), (vx, vy, vz) = T.t.tolist(), velocity.tolist()
    return Flying(x, y, z, yaw, vx, vy, vz, w)


def glide(
    m: Flying, course: Course, style: Style, limits: UavLimits, dt: float, count: int, left_s: float,
    aside: Aside = Aside(),  # noqa: B008
) -> list[Flying]:  # fmt: skip
    """`count` steps along a course; speeds reach zero before `left_s`, when the plan ends. A pace of 0 only turns."""
    out, s = [], course.nearest(m.at)
    for i in range(count):
        s = course.nearest(m.at, s, _WINDOW_M)
        until_end = max(0.0, left_s - (i + 1) * dt)
        m = _step(m, *_wanted(m, course, s, style, limits, aside, until_end), limits, dt)
        out.append(m)
    return out


def halted(m: Flying, limits: UavLimits, dt: float, count: int) -> list[Flying]:
    """To a standstill as fast as the limits allow, then hovering."""
    out = []
    for _ in range(count):
        m = _step(m, 0.0, 0.0, 0.0, 0.0, limits, dt)
        out.append(m)
    return out


def at_end(m: Flying, course: Course, style: Style) -> bool:
    """Whether the end of the course and its heading are reached."""
    faces = course.end_yaw is None or abs(wrap_angle(course.end_yaw - m.yaw)) <= style.reached_rad
    return faces and math.dist(m.at, course.end) <= style.reached_m


def _wanted(
    m: Flying, course: Course, s: float, style: Style, limits: UavLimits, aside: Aside, until_end_s: float
) -> tuple[float, float, float, float]:
    """Velocity (3) and turn rate wanted now."""
    w_cap = _EASE * limits.aw_rad_s2 * until_end_s
    end_m = math.dist(m.at, course.end)
    if end_m <= style.reached_m:
        w = 0.0 if course.end_yaw is None else _turn(course.end_yaw - m.yaw, style, limits)
        pull = [_HOLD_HZ * (to - at) for to, at in zip(course.end, m.at, strict=True)]
        return pull[0], pull[1], pull[2], max(-w_cap, min(w_cap, w))
    x, y, z = course.point(s + style.lookahead_m + style.lookahead_s * math.hypot(m.vx, m.vy, m.vz))
    dx, dy, dz = x - m.x, y - m.y, z - m.z
    level = math.hypot(dx, dy)
    bearing = math.atan2(dy, dx) if level > _STEER_M else course.end_yaw
    size = max(1e-6, math.hypot(level, dz))
    if aside.left_rad or aside.up_rad:
        c, s_ = math.cos(aside.left_rad), math.sin(aside.left_rad)
        dx, dy, dz = c * dx - s_ * dy, s_ * dx + c * dy, dz + level * math.tan(aside.up_rad)
        size = max(1e-6, math.hypot(dx, dy, dz))
    a_m_s2 = limits.a_m_s2 if level > abs(dz) else limits.az_m_s2
    left_m = max(end_m, course.length_m - s)
    v = min(aside.pace * style.cruise_m_s, math.sqrt(2.0 * _EASE * a_m_s2 * left_m), _EASE * a_m_s2 * until_end_s)
    v = min(v, 0.9 * limits.vz_m_s * size / max(1e-6, abs(dz)))
    error = 0.0 if bearing is None else wrap_angle(bearing - m.yaw)
    sees = min(1.0, max(0.0, (_SEEN_RAD[1] - abs(error)) / (_SEEN_RAD[1] - _SEEN_RAD[0])))
    if level <= _STEER_M:
        sees = 1.0
    w = max(-w_cap, min(w_cap, _turn(error, style, limits)))
    return sees * v * dx / size, sees * v * dy / size, sees * v * dz / size, w


def _turn(error_rad: float, style: Style, limits: UavLimits) -> float:
    """Turn rate that takes away a heading error and stops there."""
    error = wrap_angle(error_rad)
    if abs(error) < 0.5 * style.reached_rad:
        return 0.0
    rate = min(style.turn_rad_s, math.sqrt(2.0 * _EASE * limits.aw_rad_s2 * abs(error)), _TURN_HZ * abs(error))
    return math.copysign(rate, error)


def _step(m: Flying, vx: float, vy: float, vz: float, w: float, limits: UavLimits, dt: float) -> Flying:
    """One step of `dt` seconds towards a velocity, within accelerations."""
    ax, ay = vx - m.vx, vy - m.vy
    share = min(1.0, limits.a_m_s2 * dt / max(1e-9, math.hypot(ax, ay)))
    rise = limits.az_m_s2 * dt
    vx, vy, vz = m.vx + share * ax, m.vy + share * ay, min(m.vz + rise, max(m.vz - rise, vz))
    spin = limits.aw_rad_s2 * dt
    w = min(m.w + spin, max(m.w - spin, w))
    return Flying(m.x + vx * dt, m.y + vy * dt, m.z + vz * dt, m.yaw + w * dt, vx, vy, vz, w)
