"""What the fast policy must know of a robot."""

from __future__ import annotations

from dataclasses import dataclass

from saccade.types import ActionChunk


@dataclass(frozen=True, slots=True)
class BaseLimits:
    """What a round mobile base can do: radius m, speeds m/s and rad/s, accelerations, jerks (per s² and s³)."""

    radius_m: float = 0.25
    v_m_s: float = 0.8
    w_rad_s: float = 1.5
    a_m_s2: float = 0.8
    aw_rad_s2: float = 2.5
    jerk_m_s3: float = 6.0
    jerk_w_rad_s3: float = 25.0

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
