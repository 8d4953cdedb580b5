"""The expert that is imitated: resolved rates (Whitney 1969) by the true Jacobian, within limits, to a stand-still.

It needs no memory: joints, the speeds they are asked for and the goal say what to do next, wherever the arm is. That is
what makes it an expert for aggregation (DAgger): it can be asked about states that it would never have come to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.geometry import F64
from training.reach.chain import Chain
from vla_node.arms.mover import off_by, turned

GAIN = 4.0
"""Of what is left near the goal, 1/s: a servo's lag of a tenth of a second does not make it swing."""
_BRAKE = 0.35
"""Of the limit of acceleration, what braking for the goal counts on."""
_EASE = 0.5
"""Share of a change of speed that is asked for in one step: acceleration comes and goes in several."""
_DAMPING = 1e-4


@dataclass(frozen=True, slots=True)
class Expert:
    """For one arm; `speed` and `accel` (d,) are by joint, `dt_s` is a row."""

    chain: Chain
    speed: F64
    accel: F64
    turn_rad: float
    dt_s: float

    def step(self, q: F64, v: F64, goal: F64) -> F64:
        """Speeds (n, d) of the next row for arms at q, v (n, d) that are to go to `goal` (n, 3)."""
        left = self.left(q, goal)
        share = np.abs(left) / self.speed
        brake = np.abs(left) / (2.0 * _BRAKE * self.accel)
        rate = 1.0 / np.maximum.reduce([share.max(axis=1), np.sqrt(brake.max(axis=1)), np.full(len(q), 1.0 / GAIN)])
        change = _EASE * (rate[:, None] * left - v)
        over = (np.abs(change) / (self.accel * self.dt_s)).max(axis=1, keepdims=True)
        speeds: F64 = np.clip(v + change / np.maximum(1.0, over), -self.speed, self.speed)
        return speeds

    def rows(self, q: F64, v: F64, goal: F64, count: int) -> F64:
        """Speeds (n, count, d) of the next rows, if they are followed."""
        out = []
        for _ in range(count):
            v = self.step(q, v, goal)
            q = q + v * self.dt_s
            out.append(v)
        return np.stack(out, axis=1)

    def left(self, q: F64, goal: F64) -> F64:
        """By how much joints (n, d) would have to move, if the arm were as it is here all the way."""
        t, R, J = self.chain.tool(q)
        off = off_by(t, R, goal, self.turn_rad)
        bearing = np.arctan2(t[:, 1], t[:, 0])
        back = np.swapaxes(turned(bearing), 1, 2)
        J = np.concatenate([back @ J[:, :3], back @ J[:, 3:]], axis=1)
        wanted = off.copy()
        wanted[:, 5] += off[:, 1] / np.maximum(np.hypot(t[:, 0], t[:, 1]), 0.1)  # a tool that goes round turns with it
        square = J @ np.swapaxes(J, 1, 2) + _DAMPING * np.eye(6)
        found: F64 = (np.swapaxes(J, 1, 2) @ np.linalg.solve(square, wanted[:, :, None]))[:, :, 0]
        return found
