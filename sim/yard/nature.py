"""What differs from yard to yard besides the layout: ground, light, cameras, clocks and odometry, drawn by seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Nature:
    """One yard's draw; the ranges are in `draw`.

    friction of the feet on the ground; slip is the share of a step that is lost at 1 m/s, growing with speed;
    gait_s from a command to the step that obeys it; latencies from capture to arrival; noise in grey levels; gain and
    right_gain of the cameras; blur as a standard deviation in pixels; drift of the odometry in metres a metre,
    gyro_bias in rad/s; sun as (azimuth, elevation) in radians with its brightness, and the ambient light's.
    """

    friction: float
    slip: float
    gait_s: float
    camera_latency_ns: int
    odom_latency_ns: int
    noise: float
    gain: float
    right_gain: float
    blur_px: float
    drift: float
    gyro_bias: float
    sun: tuple[float, float]
    sunlight: float
    ambient: float


def draw(seed: int) -> Nature:
    """The nature of a seed's yard."""
    rng = np.random.default_rng((seed, 3))

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    return Nature(
        friction=between(0.35, 0.9), slip=between(0.0, 0.06), gait_s=between(0.06, 0.14),
        camera_latency_ns=round(between(10, 45)) * 1_000_000, odom_latency_ns=round(between(1, 6)) * 1_000_000,
        noise=between(1.0, 3.5), gain=between(0.75, 1.25), right_gain=between(0.95, 1.05), blur_px=between(0.0, 0.6),
        drift=float(rng.normal(0.0, 0.01)), gyro_bias=float(rng.normal(0.0, 0.0006)),
        sun=(between(-np.pi, np.pi), between(0.5, 1.3)), sunlight=between(0.35, 1.1), ambient=between(0.45, 0.8),
    )  # fmt: skip
