"""The speeds that limits leave open for one step: the arithmetic that all kinds of actions share."""

from __future__ import annotations

import numpy as np

from saccade.geometry import F64
from vla_node.embodiments.base import AxisLimits

_MOST_NOTCHES = 1e12
"""A distance of so many times what one step of acceleration covers is as good as none."""


def stopping_speed(distance: F64, accel: F64, dt_s: float) -> F64:
    """The largest speeds (d,) that steps of `accel` bring down to zero just as `distance` (d,) >= 0 is covered.

    A step moves by its speed times `dt_s`: k + 1 of them, each slower by a notch of `accel` times `dt_s`.
    """
    notch = accel * dt_s
    notches = np.minimum(distance / (notch * dt_s), _MOST_NOTCHES)
    k = np.floor((np.sqrt(1.0 + 8.0 * notches) - 1.0) / 2.0)
    speeds: F64 = notch * (notches + k * (k + 1) / 2) / (k + 1)
    return speeds


def open_speeds(at: F64, speeds: F64, low: F64, high: F64, limits: AxisLimits, dt_s: float) -> tuple[F64, F64]:
    """Lowest and highest speeds (d,) of the next step from positions `at` at `speeds`.

    They keep to the limits of speed and acceleration, and let every axis stop between `low` and `high`; one that can no
    longer do so brakes as hard as it may.
    """
    notch = limits.accel * dt_s
    up = np.minimum(limits.speed, stopping_speed(np.maximum(high - at, 0.0), limits.accel, dt_s))
    down = -np.minimum(limits.speed, stopping_speed(np.maximum(at - low, 0.0), limits.accel, dt_s))
    return np.clip(down, speeds - notch, speeds + notch), np.clip(up, speeds - notch, speeds + notch)


def toward(target: F64, last: F64, limits: AxisLimits, dt_s: float) -> F64:
    """The speeds (d,) of one step from `last` towards `target`: as the gate does it, one ratio for all axes."""
    target = target * float(np.min(limits.speed / np.maximum(np.abs(target), limits.speed)))
    change, notch = target - last, limits.accel * dt_s
    share = float(np.min(notch / np.maximum(np.abs(change), notch)))
    return (1.0 - share) * last + share * target
