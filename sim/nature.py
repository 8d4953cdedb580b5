"""What differs between places outdoors besides their layout and their robot: cameras, clocks, odometry and light."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Outdoors:
    """Of one seed.

    Latencies from capture to arrival; noise in grey levels; gain and right_gain of the cameras; blur as a standard
    deviation in pixels; drift of the odometry in metres a metre, gyro_bias in rad/s; sun as (azimuth, elevation) in
    radians with its brightness, and the ambient light's.
    """

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


def draw_senses(between: Callable[[float, float], float]) -> dict[str, Any]:
    """Latencies and cameras, by name, with numbers `between` two."""
    return {
        "camera_latency_ns": round(between(10, 45)) * 1_000_000,
        "odom_latency_ns": round(between(1, 6)) * 1_000_000,
        "noise": between(1.0, 3.5), "gain": between(0.75, 1.25), "right_gain": between(0.95, 1.05),
        "blur_px": between(0.0, 0.6),
    }  # fmt: skip
