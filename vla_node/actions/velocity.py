"""Velocities of a body: m/s and rad/s by axis."""

from __future__ import annotations

import numpy as np

from saccade.geometry import F64
from vla_node.actions.base import Start, checked, columns
from vla_node.actions.bounds import toward
from vla_node.embodiments.base import AxisLimits


class Velocity:
    """Axes by name: one that the policy does not speak of stands still, one that the robot lacks is a ConfigError."""

    def __init__(self, axes: tuple[str, ...], limits: AxisLimits) -> None:
        self.limits = limits
        self._axes, self._columns = axes, columns(axes, limits, "the policy")

    def speeds(self, rows: F64, start: Start, dt_s: float) -> F64:
        """See `Converter.speeds`."""
        rows = checked(rows, self._axes)
        targets = np.zeros((len(rows), len(self.limits.axes)))
        targets[:, self._columns] = rows
        out, last = np.empty_like(targets), start.speeds
        for i, target in enumerate(targets):
            out[i] = last = toward(target, last, self.limits, dt_s)
        return out
