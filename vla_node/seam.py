"""The seam between what was executed and what follows: bridged within limits, and a rest where nothing follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saccade.geometry import F64

_REACHED = 1e-9
"""Nearer to a position than this, in m or rad, is there."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """How fast the rows of actions may change, axis by axis.

    position (d,) bool: the axis is a position (m, rad), else a velocity. accel (d,) > 0: per s². speed (d,) > 0: per s,
    of positions; not looked at elsewhere.

    **The bound.** Let e(k) be the rows that are executed, dt apart, whatever chunks arrive, end or are revoked. Then
    for every k, on a velocity axis |e(k+1) - e(k)| <= accel dt. On a position axis, with u(k) = (e(k) - e(k-1)) / dt,
    |e(k+1) - e(k)| <= speed dt and |u(k+1) - u(k)| <= accel dt. `step` makes every row that is executed, and the last
    operation on it is the one that keeps the bound (a clip; of two nested intervals for positions: a value between
    u(k), within speed by induction, and one that was clipped to speed, is within speed).
    """

    position: npt.NDArray[np.bool_]
    accel: F64
    speed: F64

    def __post_init__(self) -> None:
        if not (self.position.shape == self.accel.shape == self.speed.shape):
            raise ValueError("bounds differ in their number of axes; expected one position, accel and speed an axis")
        if not ((self.accel > 0).all() and (self.speed > 0).all()):
            raise ValueError(f"bounds must be above 0, got accel {self.accel.tolist()}, speed {self.speed.tolist()}")


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Where the axes are: value (d,) of the row executed last; rate (d,) of change per s, of the positions."""

    value: F64
    rate: F64


def standstill(value: F64) -> Reach:
    """At `value` (d,), not moving."""
    return Reach(value, np.zeros_like(value))


def step(at: Reach, target: F64, drift: F64, dt_s: float, bounds: Bounds) -> Reach:
    """One row further, as near to `target` (d,) as the bound allows.

    drift (d,) per s: how fast the target moves. A position that lags approaches at its target's speed plus the most
    from which it can still brake to it: m accel dt, where the lag is the m (m + 1) / 2 accel dt² of braking row by row.
    """
    a = bounds.accel * dt_s
    value = at.value + np.clip(target - at.value, -a, a)
    if not bounds.position.any():  # most robots: all that follows is of positions only, and 100 rows a tick pay for it
        return standstill(value)
    lag = target - drift * dt_s - at.value
    most = a * (np.sqrt(0.25 + 2.0 * np.abs(lag) / (a * dt_s)) - 0.5)
    wanted = drift + np.sign(lag) * np.minimum(np.abs(lag) / dt_s, most)
    rate = at.rate + np.clip(np.clip(wanted, -bounds.speed, bounds.speed) - at.rate, -a, a)
    return Reach(np.where(bounds.position, at.value + rate * dt_s, value), np.where(bounds.position, rate, 0.0))


def bridge(at: Reach, rows: F64, dt_s: float, bounds: Bounds) -> tuple[F64, Reach]:
    """The rows (k, d) that follow from `at` as near to `rows` (k, d) as the bound allows, and where they lead."""
    drifts = np.diff(rows, axis=0, prepend=rows[:1]) / dt_s
    drifts[0] = drifts[min(1, len(rows) - 1)]
    out = np.empty_like(rows)
    for k, (row, drift) in enumerate(zip(rows, drifts, strict=True)):
        at = step(at, row, drift, dt_s, bounds)
        out[k] = at.value
    return out, at


def rest(at: Reach, goal: F64 | None, dt_s: float, bounds: Bounds) -> F64:
    """Rows (k, d) until all velocities are 0 and all positions are at rest, at `goal` (d,) or, if None, at once.

    Nothing where it is at rest already.
    """
    out, still = [], np.zeros_like(at.value)
    while not _rests(at, goal, bounds):
        if goal is None:
            a = bounds.accel * dt_s
            rate = at.rate - np.clip(at.rate, -a, a)
            value = at.value - np.clip(at.value, -a, a)
            at = Reach(np.where(bounds.position, at.value + rate * dt_s, value), rate)
        else:
            at = step(at, np.where(bounds.position, goal, 0.0), still, dt_s, bounds)
        out.append(at.value)
    return np.array(out).reshape(-1, len(still))


def _rests(at: Reach, goal: F64 | None, bounds: Bounds) -> bool:
    there = np.abs(at.value - goal) <= _REACHED if goal is not None else True
    return bool(np.where(bounds.position, there & (np.abs(at.rate) <= _REACHED), at.value == 0.0).all())
