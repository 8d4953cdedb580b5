"""Positions of joints: rad, or m of one that slides."""

from __future__ import annotations

import numpy as np

from saccade.geometry import F64
from vla_node.actions.base import Start, checked, columns, known_positions
from vla_node.actions.bounds import open_speeds
from vla_node.embodiments.base import AxisLimits


class JointPosition:
    """Joints by name: one that the policy does not speak of stays where it is.

    Rows that keep to the limits are followed exactly; others as fast as the limits allow, and without going beyond what
    the rows still ask for.
    """

    def __init__(self, axes: tuple[str, ...], limits: AxisLimits) -> None:
        self.limits = limits
        self._axes, self._columns = axes, columns(axes, limits, "the policy")

    def speeds(self, rows: F64, start: Start, dt_s: float) -> F64:
        """See `Converter.speeds`."""
        at = known_positions(start, self.limits)
        rows = checked(rows, self._axes)
        wanted = np.tile(at, (len(rows), 1))
        wanted[:, self._columns] = rows
        return follow(wanted, at, start.speeds, self.limits, dt_s)


def follow(wanted: F64, at: F64, last: F64, limits: AxisLimits, dt_s: float) -> F64:
    """Speeds (k, d) that lead joints from `at` (d,), moving at `last` (d,), to positions `wanted` (k, d) row by row."""
    wanted = np.clip(wanted, limits.low, limits.high)
    high = np.maximum.accumulate(wanted[::-1])[::-1]
    low = np.minimum.accumulate(wanted[::-1])[::-1]
    out = np.empty_like(wanted)
    for i, target in enumerate(wanted):
        out[i] = last = np.clip((target - at) / dt_s, *open_speeds(at, last, low[i], high[i], limits, dt_s))
        at = at + last * dt_s
    return out
