"""What the fast half must know of the robot that it moves: its axes, their limits, what it needs to hear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.geometry import F64
from saccade.inbox import Reading
from saccade.types import RobotState
from vla_node.embodiments.base import AxisLimits, BaseLimits, Embodiment, twist_limits
from vla_node.embodiments.diff_drive import DIFF_DRIVE
from vla_node.embodiments.uav import UAV, UavLimits
from vla_node.params import VlaParams

_TWIST = ("vx", "vy", "vz", "wx", "wy", "wz")


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A robot. `needs` are the topics without which it does not move; `drive` is None where it does not travel.

    `base` are the limits of its travelling in the plane, `flight` those of what flies.
    """

    limits: AxisLimits
    needs: tuple[str, ...]
    drive: Embodiment | None
    base: BaseLimits
    flight: UavLimits | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        """What one row of a command is made of."""
        return self.limits.axes

    @property
    def flies(self) -> bool:
        """Whether it moves up and down, too."""
        return self.flight is not None

    def measured(self, odom: Reading) -> F64 | None:
        """The speeds (d,) of the axes as the robot moves; None where that is not heard."""
        if self.drive is None or not odom.fresh:
            return None
        state: RobotState = odom.value
        return np.array([state.twist[_TWIST.index(axis)] for axis in self.axes])


def body_of(params: VlaParams) -> Body:
    """The robot that the parameters describe."""
    base = params.limits
    if params.embodiment == "arm":
        return Body(params.arm.by_axis(), ("joint_states",) if params.stands else ("odom", "joint_states"), None, base)
    if params.embodiment == "uav":
        uav = params.uav
        plane = BaseLimits(
            base.radius_m, uav.v_m_s, uav.w_rad_s, uav.a_m_s2, uav.aw_rad_s2, base.jerk_m_s3, base.jerk_w_rad_s3
        )
        return Body(uav.by_axis(), ("odom", "clearance"), UAV, plane, uav)
    limits = twist_limits(DIFF_DRIVE.axes, (base.v_m_s, base.w_rad_s), (base.a_m_s2, base.aw_rad_s2))
    return Body(limits, ("odom", "local_map"), DIFF_DRIVE, base)
