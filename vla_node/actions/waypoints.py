"""Waypoints in the body's frame: where a base or a UAV is to be."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from saccade.errors import ConfigError
from saccade.geometry import F64, wrap_angle
from vla_node.actions.base import Start, checked
from vla_node.actions.bounds import stopping_speed, toward
from vla_node.embodiments.base import AxisLimits, BaseLimits, Embodiment, twist_limits
from vla_node.policies.base import PolicyError
from vla_node.rollout import Motion, Style, follow
from vla_node.track import Track

AXES = (("x", "y"), ("x", "y", "yaw"), ("x", "y", "z"), ("x", "y", "z", "yaw"))
"""What a policy may say of a waypoint, m and rad; a base that drives passes over z."""
_FARTHEST_M = 1000.0
_EASE = 0.6
"""Share of the acceleration that a UAV's braking is planned with; turning while it moves may take the rest."""


class DriveWaypoints:
    """For a base: regulated pursuit along the rows (`vla_node.rollout`), no faster than the fastest step between them.

    It ends at the last row, facing as that says, or in any direction where the policy speaks of none.
    """

    def __init__(self, axes: tuple[str, ...], embodiment: Embodiment, limits: BaseLimits, style: Style) -> None:
        self._axes, self._embodiment, self._limits, self._style = _known(axes), embodiment, limits, style
        speed = {embodiment.forward: (limits.v_m_s, limits.a_m_s2), embodiment.turn: (limits.w_rad_s, limits.aw_rad_s2)}
        pairs = [speed[i] for i in range(len(embodiment.axes))]
        self.limits = twist_limits(embodiment.axes, tuple(v for v, _ in pairs), tuple(a for _, a in pairs))

    def speeds(self, rows: F64, start: Start, dt_s: float) -> F64:
        """See `Converter.speeds`."""
        rows = _near(checked(rows, self._axes))
        forward, turn = self._embodiment.forward, self._embodiment.turn
        begin = start.T_look_from_body
        motion = Motion(
            float(begin.t[0]), float(begin.t[1]), begin.yaw, float(start.speeds[forward]), float(start.speeds[turn]),
            float(start.rates[forward]), float(start.rates[turn]),
        )  # fmt: skip
        points = np.zeros((len(rows) + 1, 3))
        points[1:, :2] = rows[:, :2]
        track = Track(points)
        track.end_yaw = float(rows[-1, -1]) if self._axes[-1] == "yaw" else None
        legs = np.diff(rows[:, :2] if len(rows) > 1 else np.vstack([begin.t[:2], rows[0, :2]]), axis=0)
        pace_m_s = float(np.hypot(*legs.T).max()) / dt_s
        style = replace(self._style, cruise_m_s=min(self._style.cruise_m_s, pace_m_s))
        motions = follow(motion, track, style, self._limits, dt_s, len(rows), math.inf)
        out = np.zeros((len(rows), len(self._embodiment.axes)))
        out[:, forward] = [m.v for m in motions]
        out[:, turn] = [m.w for m in motions]
        return out


class FlyWaypoints:
    """For a body that moves in all directions (vx vy vz wz): each row as its time comes, within limits.

    A UAV's heading is left as it is where the policy says nothing of yaw, and its height where it says nothing of z.
    """

    def __init__(self, axes: tuple[str, ...], limits: AxisLimits) -> None:
        if limits.axes != ("vx", "vy", "vz", "wz"):
            raise ConfigError(f"waypoints are flown with vx, vy, vz and wz, but the robot has {', '.join(limits.axes)}")
        self._axes, self.limits = _known(axes), limits
        self._plane = float(limits.speed[:2].min()), _EASE * float(limits.accel[:2].min())

    def speeds(self, rows: F64, start: Start, dt_s: float) -> F64:
        """See `Converter.speeds`."""
        rows = _near(checked(rows, self._axes))
        T = start.T_look_from_body
        at, last = np.array([*T.t, T.yaw]), start.speeds
        targets = np.tile(at, (len(rows), 1))
        targets[:, [("x", "y", "z", "yaw").index(axis) for axis in self._axes]] = rows
        # What is still to go after a row: it need not be braked for as if it were the last.
        legs = np.linalg.norm(np.diff(targets[:, :3], axis=0), axis=1)
        beyond = np.append(np.cumsum(legs[::-1])[::-1], 0.0)
        out = np.empty((len(rows), 4))
        for i, target in enumerate(targets):
            wanted = self._wanted(target, at, last, float(beyond[i]), dt_s)
            middle = at[3] + 0.5 * wanted[3] * dt_s
            out[i] = last = toward(_turned(wanted, -middle), last, self.limits, dt_s)
            at = at + dt_s * _turned(last, at[3] + 0.5 * last[3] * dt_s)
        return out

    def _wanted(self, target: F64, at: F64, last: F64, beyond_m: float, dt_s: float) -> F64:
        """Speeds (4,) along the look's axes that lead to a row and could stop where the rows end."""
        (speed, accel), limits = self._plane, self.limits
        away = target - at
        turn, plane_m = wrap_angle(float(away[3])), math.hypot(away[0], away[1])
        far = np.array([plane_m + beyond_m, abs(away[2]) + beyond_m, abs(turn)])
        stopping = stopping_speed(far, np.array([accel, *(_EASE * limits.accel[2:])]), dt_s)
        turn_room = (1.0 - _EASE) / _EASE * accel / max(math.hypot(last[0], last[1]), 1e-9)
        room = np.minimum(stopping, [speed, limits.speed[2], min(float(limits.speed[3]), turn_room)])
        in_plane = away[:2] / max(plane_m, 1e-9) * min(plane_m / dt_s, float(room[0]))
        rest = np.clip(np.array([away[2], turn]) / dt_s, -room[1:], room[1:])
        return np.array([*in_plane, *rest])


def _turned(speeds: F64, by_rad: float) -> F64:
    """Speeds vx vy vz wz as seen from axes turned back by an angle about z."""
    c, s = math.cos(by_rad), math.sin(by_rad)
    return np.array([c * speeds[0] - s * speeds[1], s * speeds[0] + c * speeds[1], speeds[2], speeds[3]])


def _known(axes: tuple[str, ...]) -> tuple[str, ...]:
    if axes not in AXES:
        raise ConfigError(f"waypoints with axes {list(axes)}; expected one of {', '.join(' '.join(a) for a in AXES)}")
    return axes


def _near(rows: F64) -> F64:
    farthest_m = float(np.abs(rows).max())
    if farthest_m > _FARTHEST_M:
        raise PolicyError(
            f"a waypoint of {farthest_m:g}; expected metres, at most {_FARTHEST_M:g}, in the body's frame"
        )
    return rows
