"""Aerospace frames and ROS': NED and FRD (x forward, y right, z down) to ENU and FLU (x forward, y left, z up).

REP 103 and REP 147; both changes of axes are their own inverse, so each function turns either into the other.
"""

from __future__ import annotations

import numpy as np

from saccade.geometry import F64, SE3

R_NED_ENU: F64 = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""North, east, down from east, north, up; and back."""
R_FRD_FLU: F64 = np.diag([1.0, -1.0, -1.0])
"""Forward, right, down from forward, left, up; and back."""


def ned_enu(v: F64) -> F64:
    """A vector (..., 3) of world axes in the other convention."""
    turned: F64 = np.asarray(v, np.float64) @ R_NED_ENU
    return turned


def frd_flu(v: F64) -> F64:
    """A vector (..., 3) of body axes in the other convention."""
    turned: F64 = np.asarray(v, np.float64) @ R_FRD_FLU
    return turned


def attitude(R: F64) -> F64:
    """Rotation (3, 3) from body to world in the other convention: NED from FRD, or ENU from FLU."""
    turned: F64 = R_NED_ENU @ R @ R_FRD_FLU
    return turned


def enu_from_level(velocity: F64, yaw: float) -> F64:
    """Velocity (3,) ENU of one along forward, left, up of a level body with this heading (rad from east)."""
    return SE3.from_rpy(0.0, 0.0, yaw).apply(np.asarray(velocity, np.float64))
