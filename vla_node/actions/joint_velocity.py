"""Velocities of joints: rad/s, or m/s of one that slides."""

from __future__ import annotations

import numpy as np

from saccade.geometry import F64
from vla_node.actions.base import Start, checked, columns, known_positions
from vla_node.actions.bounds import open_speeds
from vla_node.embodiments.base import AxisLimits


class JointVelocity:
    """Joints by name: one that the policy does not speak of stands still. A joint stops before the end of its range."""

    def __init__(self, axes: tuple[str, ...], limits: AxisLimits) -> None:
        self.limits = limits
        self._axes, self._columns = axes, columns(axes, limits, "the policy")

    def speeds(self, rows: F64, start: Start, dt_s: float) -> F64:
        """See `Converter.speeds`."""
        rows, at, limits = checked(rows, self._axes), known_positions(start, self.limits), self.limits
        wanted = np.zeros((len(rows), len(limits.axes)))
        wanted[:, self._columns] = rows
        out, last = np.empty_like(wanted), start.speeds
        for i, speeds in enumerate(wanted):
            out[i] = last = np.clip(speeds, *open_speeds(at, last, limits.low, limits.high, limits, dt_s))
            at = at + last * dt_s
        return out
