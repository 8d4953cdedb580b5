"""What the fast policy must know of a robot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.geometry import F64
from saccade.params import param
from saccade.types import ActionChunk


@dataclass(frozen=True, slots=True)
class BaseLimits:
    """What a round mobile base can do: radius m, speeds m/s and rad/s, accelerations, jerks (per s² and s³)."""

    radius_m: float = param(0.25, "radius of the robot", low=0, high=1000.0)
    v_m_s: float = param(0.8, "speed forward", low=0, high=1000.0)
    w_rad_s: float = param(1.5, "turn rate", low=0, high=1000.0)
    a_m_s2: float = param(0.8, "acceleration forward", low=0, high=1000.0)
    aw_rad_s2: float = param(2.5, "acceleration of the turn rate", low=0, high=1000.0)
    jerk_m_s3: float = param(6.0, "change of acceleration forward", low=0, high=1000.0)
    jerk_w_rad_s3: float = param(25.0, "change of the turn rate's acceleration", low=0, high=1000.0)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not 0 < value < 1e3:
                raise ValueError(f"limits.{name} is {value}; expected a number above 0 and below 1000")


@dataclass(frozen=True, slots=True)
class Embodiment:
    """A robot that is driven by forward speed and turn rate.

    `axes` names the numbers of one action; `forward` and `turn` say which of them are forward m/s and turn rad/s.
    """

    name: str
    axes: tuple[str, ...]
    forward: int
    turn: int
    example: ActionChunk


@dataclass(frozen=True, slots=True, eq=False)
class AxisLimits:
    """What each axis of a command may do, in the order of `axes`; arrays (d,) float64.

    speed and accel > 0, m/s and m/s² or rad/s and rad/s²; `low` to `high` is an axis' range of positions, m or rad,
    and infinite for the axes of a twist, which have none.
    """

    axes: tuple[str, ...]
    speed: F64
    accel: F64
    low: F64
    high: F64


def twist_limits(axes: tuple[str, ...], speed: tuple[float, ...], accel: tuple[float, ...]) -> AxisLimits:
    """Limits of axes that have speeds and no positions."""
    endless = np.full(len(axes), np.inf)
    return AxisLimits(axes, np.array(speed), np.array(accel), -endless, endless)
