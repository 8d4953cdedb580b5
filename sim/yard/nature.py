"""What differs from yard to yard besides the layout: ground, light, cameras, clocks and odometry, drawn by seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.nature import Outdoors, draw_senses


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature(Outdoors):
    """One yard's draw; the ranges are in `draw`.

    friction of the feet on the ground; slip is the share of a step that is lost at 1 m/s, growing with speed;
    gait_s from a command to the step that obeys it; all else is `Outdoors`'.
    """

    friction: float
    slip: float
    gait_s: float


def draw(seed: int) -> Nature:
    """The nature of a seed's yard."""
    rng = np.random.default_rng((seed, 3))

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    return Nature(
        friction=between(0.35, 0.9), slip=between(0.0, 0.06), gait_s=between(0.06, 0.14),
        **draw_senses(between),
        drift=float(rng.normal(0.0, 0.01)), gyro_bias=float(rng.normal(0.0, 0.0006)),
        sun=(between(-np.pi, np.pi), between(0.5, 1.3)), sunlight=between(0.35, 1.1), ambient=between(0.45, 0.8),
    )  # fmt: skip
