"""Where a command would take the robot before it could be stopped again, and how near to obstacles that is.

Points of the plane are complex numbers, x + iy in metres: a rotation is then one product.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from saccade.clock import seconds
from saccade.geometry import F64
from saccade.inbox import Reading
from saccade.types import LocalMap
from safety_node.limits import AXES, PLANAR_AXES, TICK_NS, Limits

C128 = npt.NDArray[np.complex128]
SAMPLES = 24
"""Points along a predicted path."""
FAR_M = 1e3
"""Clearances are cut off here, so that a map without any obstacle (infinite clearance) can be interpolated."""


class Motion:
    """Predicts with one robot's limits."""

    def __init__(self, limits: Limits) -> None:
        self._reaction_s = limits.reaction_s
        self._brake = np.array(limits.max_brake)
        self._axes = [AXES.index(axis) for axis in limits.axes if axis in AXES]  # joints move no base
        self._planar = np.array([[float(axis == p) for p in PLANAR_AXES] for axis in limits.axes])
        self._along = self._planar @ np.array([1.0, 1.0j, 0.0])
        self._turn = self._planar[:, 2]
        self._middle = ((np.arange(SAMPLES) + 0.5) / SAMPLES)[:, None]

    def translates(self, command: F64) -> bool:
        """Whether a command does more than turn on the spot."""
        return bool(command @ self._along != 0)

    def nearest(self, commands: F64, odom: Reading, grid: Reading, *, from_rest: bool = False) -> F64:
        """Least clearance (k,) in metres on the way of each command (k, d), the way to standstill included.

        The robot is where `odom` saw it, and went on as it was seen for the reading's age and the reaction time, unless
        `from_rest`. The command is in force for a tick at least, and for as long as the map is old: what has happened
        since will be known, and the robot told to stop, only so much later.
        """
        T = odom.value.T_odom_from_body
        odom_age_ns, map_age_ns = (max(0, reading.age_ns) for reading in (odom, grid))
        lag_s = self._reaction_s + seconds(odom_age_ns)
        hold_s = lag_s + seconds(TICK_NS + map_age_ns)
        twist = odom.value.twist[self._axes] * (not from_rest)
        velocities, dt = self._velocities(commands, twist, lag_s, hold_s)
        wz = velocities @ self._turn
        heading = T.yaw + (np.cumsum(wz, axis=1) - wz / 2) * dt
        moved = np.cumsum(velocities @ self._along * dt * np.exp(1j * heading), axis=1)
        points = complex(T.t[0], T.t[1]) + np.concatenate([np.zeros((len(moved), 1)), moved], axis=1)
        near: F64 = clearance_at(grid.value, points).min(axis=1)
        return near

    def _velocities(self, commands: F64, twist: F64, lag_s: float, hold_s: float) -> tuple[F64, float]:
        """Velocities (k, SAMPLES, d) in the middle of each step, and one step's length in seconds.

        A command is held until `hold_s`, then the base brakes to zero. Of what it may do in between, this takes it
        furthest: an axis that is to go faster does so at once, one that is to go slower keeps `twist` (d,) for `lag_s`
        and then slows down by its braking limit.
        """
        brake = self._brake
        total_s = hold_s + float((np.maximum(np.abs(twist), np.abs(commands)) / brake).max())
        t = total_s * self._middle
        slower = (commands * twist < twist * twist)[:, None, :]
        change = np.where(slower, brake * np.maximum(np.minimum(t, hold_s) - lag_s, 0.0), np.inf)
        held = twist + np.minimum(np.maximum(commands[:, None, :] - twist, -change), change)
        left = np.maximum(np.abs(held) - brake * np.maximum(t - hold_s, 0.0), 0.0)
        return np.copysign(left, held), total_s / SAMPLES


def clearance_at(grid: LocalMap, points: C128) -> F64:
    """Clearance in metres at points (k, n), bilinear between the cells' centres.

    0 beyond the outermost centres, beside a cell that holds NaN, and where a coordinate is not finite. Between centres
    and not in steps, because the gate has to tell whether a motion of millimetres makes things worse.
    """
    height, width = grid.clearance_m.shape
    if min(height, width) < 2:
        return np.zeros(points.shape)
    cells = (points - complex(*grid.origin_m)) / grid.resolution_m - (0.5 + 0.5j)
    inside = (cells.real >= 0) & (cells.real < width - 1) & (cells.imag >= 0) & (cells.imag < height - 1)
    cells = np.where(inside, cells, 0.0)
    col, row = cells.real.astype(np.intp), cells.imag.astype(np.intp)
    right, up = cells.real - col, cells.imag - row
    first = row * width + col
    corners = grid.clearance_m.ravel()[first + np.array([0, 1, width, width + 1])[:, None, None]]
    low_left, low_right, up_left, up_right = np.minimum(corners, FAR_M)
    low = low_left + right * (low_right - low_left)
    high = up_left + right * (up_right - up_left)
    between = low + up * (high - low)
    return np.where(inside, np.fmax(between, 0.0), 0.0)
