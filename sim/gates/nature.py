"""What differs from one flying ground to another besides the layout: wind, mass, light, cameras, clocks, odometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Nature:
    """One ground's draw; the ranges are in `draw`.

    wind: its mean (x, y) in m/s; gust: standard deviation of what comes on top along each axis; load: true mass by
    what the autopilot reckons with; motor_s: time constant of a rotor; latencies from capture to arrival; noise in grey
    levels; gain and right_gain of the cameras; blur as a standard deviation in pixels; drift of the odometry in metres
    a metre, gyro_bias in rad/s, climb_bias of its height in m/s; sun as (azimuth, elevation) in radians with its
    brightness, and the ambient light's.
    """

    wind: tuple[float, float]
    gust: float
    load: float
    motor_s: float
    camera_latency_ns: int
    odom_latency_ns: int
    noise: float
    gain: float
    right_gain: float
    blur_px: float
    drift: float
    gyro_bias: float
    climb_bias: float
    sun: tuple[float, float]
    sunlight: float
    ambient: float


def draw(seed: int) -> Nature:
    """The nature of a seed's flying ground."""
    rng = np.random.default_rng((seed, 3))

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    speed, towards = between(0.0, 1.5), between(-np.pi, np.pi)
    return Nature(
        wind=(speed * float(np.cos(towards)), speed * float(np.sin(towards))), gust=between(0.1, 0.5),
        load=between(0.94, 1.06), motor_s=between(0.03, 0.05),
        camera_latency_ns=round(between(10, 45)) * 1_000_000, odom_latency_ns=round(between(1, 6)) * 1_000_000,
        noise=between(1.0, 3.5), gain=between(0.75, 1.25), right_gain=between(0.95, 1.05), blur_px=between(0.0, 0.6),
        drift=float(rng.normal(0.0, 0.008)), gyro_bias=float(rng.normal(0.0, 0.0006)),
        climb_bias=float(rng.normal(0.0, 0.001)),
        sun=(between(-np.pi, np.pi), between(0.5, 1.3)), sunlight=between(0.35, 1.0), ambient=between(0.5, 0.85),
    )  # fmt: skip
