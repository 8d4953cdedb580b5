"""When an arm is where on its path: the shape of least jerk, as slow as its limits ask for."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F64


def timed(path: F64, speed: F64, accel: F64, dt_s: float) -> F64:
    """Rows (k, d), one every `dt_s`, along a path (n, d) of positions, from rest at its first to rest at its last.

    No row asks for more than `speed` and `accel` (d,) on the way from the one before it. The profile is the quintic of
    least jerk (Flash and Hogan 1985) over the path's length in the time that the limit of speed gives it.
    """
    legs = (np.abs(np.diff(path, axis=0)) / speed).max(axis=1)
    along = np.concatenate([[0.0], np.cumsum(legs)])
    count = 1
    while True:
        t = np.arange(1, count + 1) / count
        at = along[-1] * t**3 * (10.0 - 15.0 * t + 6.0 * t**2)
        rows = np.stack([np.interp(at, along, joint) for joint in path.T], axis=1)
        v = np.diff(rows, axis=0, prepend=path[:1]) / dt_s
        nothing = np.zeros((1, path.shape[1]))
        a = np.diff(v, axis=0, prepend=nothing, append=nothing) / dt_s
        over = max(float((np.abs(v) / speed).max()), math.sqrt(float((np.abs(a) / accel).max())))
        if over <= 1.0:
            return rows
        count = max(count + 1, math.ceil(count * min(over, 100.0)))
