"""Robots, starts and steps that the tests of actions share."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from saccade.geometry import SE3
from vla_node.actions.base import Start
from vla_node.embodiments.arm import ArmParams, GripperParams
from vla_node.embodiments.base import AxisLimits
from vla_node.embodiments.uav import UavLimits

DT = 0.05
ARM = ArmParams()
LIMITS = ARM.by_axis()
UAV = UavLimits().by_axis()
HOME = np.append(ARM.home, 0.0)
TWO = ArmParams(
    joints=("shoulder", "elbow"), gripper=GripperParams(joint=""), max_speed=(0.5, 1.0), max_accel=(1.0, 4.0),
    position_min=(-2.0, -1.0), position_max=(2.0, 1.5), home=(0.0, 0.0),
).by_axis()  # fmt: skip


def standing(limits: AxisLimits, **changes: Any) -> Start:
    count = len(limits.axes)
    at = np.clip(np.zeros(count), limits.low, limits.high)
    fields = {"speeds": np.zeros(count), "rates": np.zeros(count), "positions": at}
    return Start(**{**fields, **changes})


def finite_rows(width: int, most: float = 1.7e308) -> st.SearchStrategy[np.ndarray]:
    shape = st.tuples(st.integers(1, 12), st.just(width))
    numbers = st.floats(-most, most) | st.floats(-3.0, 3.0)
    return hnp.arrays(np.float64, shape, elements=numbers)


def shares(width: int) -> st.SearchStrategy[np.ndarray]:
    """Numbers from -1 to 1, of what limits allow."""
    return hnp.arrays(np.float64, width, elements=st.floats(-1.0, 1.0))


def within_limits(speeds: np.ndarray, start: Start, limits: AxisLimits, dt: float = DT) -> None:
    assert np.isfinite(speeds).all()
    assert (np.abs(speeds) <= limits.speed * (1 + 1e-9)).all()
    changes = np.diff(speeds, axis=0, prepend=start.speeds[None])
    assert (np.abs(changes) <= limits.accel * dt * (1 + 1e-9) + 1e-12).all()


def at_the_end(speeds: np.ndarray, start: Start, dt: float = DT) -> np.ndarray:
    return start.positions + np.cumsum(speeds, axis=0) * dt


def place(x: float, y: float, yaw: float) -> SE3:
    return SE3.from_rpy(0.0, 0.0, yaw, (x, y, 0.0))
