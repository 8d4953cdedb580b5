"""A multirotor or anything else that flies in all directions and turns about the vertical."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.clock import MS
from saccade.params import param
from saccade.types import ActionChunk
from vla_node.embodiments.base import AxisLimits, Embodiment, twist_limits

AXES = ("vx", "vy", "vz", "wz")
"""m/s forward, to the left and up; rad/s to the left. PX4 wants them in NED and FRD: its bridge turns them."""


@dataclass(frozen=True, slots=True)
class UavLimits:
    """What a UAV can do: speeds m/s and rad/s, accelerations; `v` in the plane, `vz` up and down, `w` about z."""

    v_m_s: float = param(2.0, "speed in the plane, along each axis", low=0, high=1000.0)
    vz_m_s: float = param(1.0, "speed up and down", low=0, high=1000.0)
    w_rad_s: float = param(1.0, "turn rate", low=0, high=1000.0)
    a_m_s2: float = param(1.5, "acceleration in the plane", low=0, high=1000.0)
    az_m_s2: float = param(1.0, "acceleration up and down", low=0, high=1000.0)
    aw_rad_s2: float = param(2.0, "acceleration of the turn rate", low=0, high=1000.0)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not 0 < value < 1e3:
                raise ValueError(f"uav.{name} is {value}; expected a number above 0 and below 1000")

    def by_axis(self) -> AxisLimits:
        """The same in the order of the axes."""
        return twist_limits(
            AXES, (self.v_m_s, self.v_m_s, self.vz_m_s, self.w_rad_s),
            (self.a_m_s2, self.a_m_s2, self.az_m_s2, self.aw_rad_s2),
        )  # fmt: skip


UAV = Embodiment(
    name="uav",
    axes=AXES,
    forward=0,
    turn=3,
    example=ActionChunk(
        obs_stamp_ns=0,
        t0_ns=0,
        dt_ns=50 * MS,
        axes=AXES,
        actions=np.array([[0.5, 0.0, 0.2, 0.1], [0.5, 0.05, 0.2, 0.1]]),
        plan_id=1,
        epoch=1,
    ),
)
