"""The compiled part of both predictions; in one file, as the compiler's cache does not see that another has changed."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i64, kernel, u8, void
from saccade.types import U8

SAMPLES = 24
"""Points along a predicted path."""
FAR_M = 1e3
"""Clearances are cut off here, so that a map without any obstacle (infinite clearance) can be interpolated."""


@kernel(f64, f64, f64, f64, f64, f64, f64, counted=False)
def speed_at(t: float, command: float, twist: float, brake: float, lag_s: float, hold_s: float) -> float:
    """Speed of one axis after `t` seconds. A command is held until `hold_s`, then the base brakes to zero.

    Of what it may do in between, this takes it furthest: an axis that is to go faster does so at once, one that is to
    go slower keeps its speed `twist` for `lag_s` and then slows down by its limit `brake`.
    """
    velocity = command
    if command * twist < twist * twist:  # slower, or the other way
        change = brake * max(min(t, hold_s) - lag_s, 0.0)
        velocity = twist + min(max(command - twist, -change), change)
    left = max(abs(velocity) - brake * max(t - hold_s, 0.0), 0.0)
    return math.copysign(left, velocity)


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

    Speeds are `speed_at`'s, for each axis by its own `twist` and `brake`. `planar` (d, 3) says what each axis adds to
    vx, vy, wz.
    """
    dt = (hold_s + (np.maximum(np.abs(twist), np.abs(command)) / brake).max()) / SAMPLES
    x_m, y_m, yaw = pose
    nearest_m = clearance_at(clearance_m, frame, x_m, y_m)
    for sample in range(SAMPLES):
        t = (sample + 0.5) * dt
        vx, vy, wz = 0.0, 0.0, 0.0
        for a in range(len(command)):
            velocity = speed_at(t, command[a], twist[a], brake[a], lag_s, hold_s)
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
def nearest_in_plane(
    commands: F64, twist: F64, brake: F64, planar: F64, lag_s: float, hold_s: float, pose: F64, clearance_m: F32,
    frame: F64, near: F64,
) -> None:  # fmt: skip
    for i in range(len(commands)):
        near[i] = _nearest_on_way(commands[i], twist, brake, planar, lag_s, hold_s, pose, clearance_m, frame)


@kernel(f64, array(u8, 3), i64, i64, i64, f64, f64, counted=False)
def _in_plane(cells: U8, i: int, j: int, k: int, y: float, z: float) -> float:
    """Bilinear in plane `i`, between cells (j, k) and (j + 1, k + 1); exact where all four are equal."""
    low, high = float(cells[i, j, k]), float(cells[i, j + 1, k])
    low, high = low + z * (float(cells[i, j, k + 1]) - low), high + z * (float(cells[i, j + 1, k + 1]) - high)
    return low + y * (high - low)


@kernel(f64, array(u8, 3), array(f64, 1), f64, f64, f64, counted=False)
def clearance_in(cells: U8, scale: F64, x_m: float, y_m: float, z_m: float) -> float:
    """Clearance in metres at a point, trilinear between the cells' centres; `scale` as `ClearanceField.scale`.

    0 beyond the outermost centres and where a coordinate is not finite.
    """
    x, y, z = (x_m - scale[0]) / scale[3] - 0.5, (y_m - scale[1]) / scale[3] - 0.5, (z_m - scale[2]) / scale[3] - 0.5
    if not (0.0 <= x < cells.shape[0] - 1 and 0.0 <= y < cells.shape[1] - 1 and 0.0 <= z < cells.shape[2] - 1):
        return 0.0
    i, j, k = int(x), int(y), int(z)
    low, high = _in_plane(cells, i, j, k, y - j, z - k), _in_plane(cells, i + 1, j, k, y - j, z - k)
    return float(max(0.0, (low + (x - i) * (high - low)) * scale[4]))  # 0 and not NaN where the scale is none


@kernel(f64, array(u8, 3), array(f64, 1), array(f64, 1), f64, counted=False)
def _upright(cells: U8, scale: F64, at: F64, half_m: float) -> float:
    """Least clearance in metres along the footprint's axis, read in steps of a cell; `at` (3,) is its middle."""
    nearest_m, above_m = clearance_in(cells, scale, at[0], at[1], at[2] + half_m), -half_m
    while above_m < half_m:
        nearest_m = min(nearest_m, clearance_in(cells, scale, at[0], at[1], at[2] + above_m))
        above_m += scale[3]
    return nearest_m


@kernel(void, buffer(f64, 2), array(f64, 1), counted=False)
def _turn(R: F64, by: F64) -> None:
    """Turn axes R (3, 3) by a rotation vector along themselves, in radians (Rodrigues)."""
    x, y, z = by[0], by[1], by[2]
    angle = math.sqrt(x * x + y * y + z * z)
    if angle == 0.0:
        return
    s, c = math.sin(angle) / angle, (1.0 - math.cos(angle)) / (angle * angle)
    for i in range(3):
        a, b, d = R[i, 0], R[i, 1], R[i, 2]
        p, q, r = b * z - d * y, d * x - a * z, a * y - b * x
        R[i, 0] = a + s * p + c * (q * z - r * y)
        R[i, 1] = b + s * q + c * (r * x - p * z)
        R[i, 2] = d + s * r + c * (p * y - q * x)


@kernel(
    void, array(f64, 2), array(f64, 1), array(f64, 1), array(i64, 1), f64, f64, array(f64, 2), array(f64, 1), f64,
    array(u8, 3), array(f64, 1), buffer(f64, 1),
)  # fmt: skip
def nearest_in_space(
    commands: F64, twist: F64, brake: F64, axes: F64, lag_s: float, hold_s: float, R0: F64, t0: F64, half_m: float,
    cells: U8, scale: F64, near: F64,
) -> None:  # fmt: skip
    """Least clearance in metres on the way of each command (k, d), from the pose R0, t0 to standstill."""
    R, at, velocity = np.empty((3, 3)), np.empty(3), np.zeros(6)
    for n in range(len(commands)):
        command = commands[n]
        R[:], at[:] = R0, t0
        near[n] = _upright(cells, scale, at, half_m)
        dt = (hold_s + (np.maximum(np.abs(twist), np.abs(command)) / brake).max()) / SAMPLES
        for sample in range(SAMPLES):
            for a in range(len(command)):
                velocity[axes[a]] = speed_at((sample + 0.5) * dt, command[a], twist[a], brake[a], lag_s, hold_s)
            half_turn = velocity[3:] * (dt / 2)
            _turn(R, half_turn)
            for i in range(3):
                at[i] += (R[i, 0] * velocity[0] + R[i, 1] * velocity[1] + R[i, 2] * velocity[2]) * dt
            _turn(R, half_turn)
            near[n] = min(near[n], _upright(cells, scale, at, half_m))
