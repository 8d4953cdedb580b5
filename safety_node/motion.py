"""Where a command would take the robot before it could be stopped again, and how near to obstacles that is."""

from __future__ import annotations

import math

import numpy as np

from saccade.clock import seconds
from saccade.geometry import F32, F64
from saccade.inbox import Reading
from saccade.kernel import array, buffer, f32, f64, kernel, void
from safety_node.limits import AXES, PLANAR_AXES, TICK_NS, Limits

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

    def translates(self, command: F64) -> bool:
        """Whether a command does more than turn on the spot."""
        return bool((command @ self._planar)[:2].any())

    def nearest(self, commands: F64, odom: Reading, grid: Reading, *, from_rest: bool = False) -> F64:
        """Least clearance (k,) in metres on the way of each command (k, d), the way to standstill included.

        The robot is where `odom` saw it, and went on as it was seen for the reading's age and the reaction time, unless
        `from_rest`. The command is in force for a tick at least, and for as long as the map is old: what has happened
        since will be known, and the robot told to stop, only so much later.
        """
        T, local = odom.value.T_odom_from_body, grid.value
        odom_age_ns, map_age_ns = (max(0, reading.age_ns) for reading in (odom, grid))
        lag_s = self._reaction_s + seconds(odom_age_ns)
        hold_s = lag_s + seconds(TICK_NS + map_age_ns)
        twist = odom.value.twist[self._axes] * (not from_rest)
        pose, frame = np.array([T.t[0], T.t[1], T.yaw]), np.array([*local.origin_m, local.resolution_m])
        clearance_m = np.ascontiguousarray(local.clearance_m)
        near = np.empty(len(commands))
        _nearest(
            np.ascontiguousarray(commands), twist, self._brake, self._planar, lag_s, hold_s, pose, clearance_m, frame,
            near,
        )  # fmt: skip
        return near


@kernel(f64, array(f32, 2), array(f64, 1), f64, f64)
def clearance_at(clearance_m: F32, frame: F64, x_m: float, y_m: float) -> float:
    """Clearance in metres at a point, bilinear between the cells' centres; `frame` is the map's origin and resolution.

    0 beyond the outermost centres, beside a cell that holds NaN, and where a coordinate is not finite. Between centres
    and not in steps, because the gate has to tell whether a motion of millimetres makes things worse.
    """
    height, width = clearance_m.shape
    column, row = (x_m - frame[0]) / frame[2] - 0.5, (y_m - frame[1]) / frame[2] - 0.5
    if not (column >= 0.0 and column < width - 1 and row >= 0.0 and row < height - 1):
        return 0.0
    j, i = int(column), int(row)
    right, up = column - j, row - i
    low_left, low_right = min(clearance_m[i, j], FAR_M), min(clearance_m[i, j + 1], FAR_M)
    up_left, up_right = min(clearance_m[i + 1, j], FAR_M), min(clearance_m[i + 1, j + 1], FAR_M)
    low = low_left + right * (low_right - low_left)
    high = up_left + right * (up_right - up_left)
    return float(max(0.0, low + up * (high - low)))  # 0 and not NaN beside a cell that holds NaN


@kernel(
    f64, array(f64, 1), array(f64, 1), array(f64, 1), array(f64, 2), f64, f64, array(f64, 1), array(f32, 2),
    array(f64, 1),
)  # fmt: skip
def _nearest_on_way(
    command: F64, twist: F64, brake: F64, planar: F64, lag_s: float, hold_s: float, pose: F64, clearance_m: F32,
    frame: F64,
) -> float:  # fmt: skip
    """Least clearance in metres on the way of one command (d,), from `pose` (x, y, yaw) to standstill.

    A command is held until `hold_s`, then the base brakes to zero. Of what it may do in between, this takes it
    furthest: an axis that is to go faster does so at once, one that is to go slower keeps `twist` (d,) for `lag_s`
    and then slows down by its braking limit `brake` (d,). `planar` (d, 3) says what each axis adds to vx, vy, wz.
    """
    dt = (hold_s + (np.maximum(np.abs(twist), np.abs(command)) / brake).max()) / SAMPLES
    x_m, y_m, yaw = pose
    nearest_m = clearance_at(clearance_m, frame, x_m, y_m)
    for sample in range(SAMPLES):
        t = (sample + 0.5) * dt
        vx, vy, wz = 0.0, 0.0, 0.0
        for a in range(len(command)):
            velocity = command[a]
            if command[a] * twist[a] < twist[a] * twist[a]:  # slower, or the other way
                change = brake[a] * max(min(t, hold_s) - lag_s, 0.0)
                velocity = twist[a] + min(max(command[a] - twist[a], -change), change)
            left = max(abs(velocity) - brake[a] * max(t - hold_s, 0.0), 0.0)
            velocity = math.copysign(left, velocity)
            vx, vy, wz = vx + velocity * planar[a, 0], vy + velocity * planar[a, 1], wz + velocity * planar[a, 2]
        heading = yaw + wz * dt / 2
        c, s = math.cos(heading), math.sin(heading)
        x_m, y_m, yaw = x_m + (c * vx - s * vy) * dt, y_m + (s * vx + c * vy) * dt, yaw + wz * dt
        nearest_m = min(nearest_m, clearance_at(clearance_m, frame, x_m, y_m))
    return nearest_m


@kernel(
    void, array(f64, 2), array(f64, 1), array(f64, 1), array(f64, 2), f64, f64, array(f64, 1), array(f32, 2),
    array(f64, 1), buffer(f64, 1),
)  # fmt: skip
def _nearest(
    commands: F64, twist: F64, brake: F64, planar: F64, lag_s: float, hold_s: float, pose: F64, clearance_m: F32,
    frame: F64, near: F64,
) -> None:  # fmt: skip
    for i in range(len(commands)):
        near[i] = _nearest_on_way(commands[i], twist, brake, planar, lag_s, hold_s, pose, clearance_m, frame)
