"""What differs from one flying ground to another besides the layout: wind, mass, light, cameras, clocks, odometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.nature import Outdoors, draw_senses


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature(Outdoors):
    """One ground's draw; the ranges are in `draw`.

    wind: its mean (x, y) in m/s; gust: standard deviation of what comes on top along each axis; load: true mass by
    what the autopilot reckons with; motor_s: time constant of a rotor; climb_bias of the odometry's height in m/s; all
    else is `Outdoors`'.
    """

    wind: tuple[float, float]
    gust: float
    load: float
    motor_s: float
    climb_bias: float


def draw(seed: int) -> Nature:
    """The nature of a seed's flying ground."""
    rng = np.random.default_rng((seed, 3))

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    speed, towards = between(0.0, 1.5), between(-np.pi, np.pi)
    return Nature(
        wind=(speed * float(np.cos(towards)), speed * float(np.sin(towards))), gust=between(0.1, 0.5),
        load=between(0.94, 1.06), motor_s=between(0.03, 0.05),
        **draw_senses(between),
        drift=float(rng.normal(0.0, 0.008)), gyro_bias=float(rng.normal(0.0, 0.0006)),
        climb_bias=float(rng.normal(0.0, 0.001)),
        sun=(between(-np.pi, np.pi), between(0.5, 1.3)), sunlight=between(0.35, 1.0), ambient=between(0.5, 0.85),
    )  # fmt: skip
