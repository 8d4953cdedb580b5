"""What visual odometry says about one picture."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from saccade.geometry import F64, SE3


class State(Enum):
    """Whether there is a pose, and what kind."""

    ANCHORED = "anchored"
    """First picture of a segment: its pose is the last that was known, not a measurement."""
    TRACKING = "tracking"
    STANDING = "standing"
    """Nothing moves in the picture: the pose is held exactly."""
    LOST = "lost"
    """There is no pose; `reason` says why."""


@dataclass(frozen=True, slots=True)
class Health:
    """How well a pose is founded; all zero where there is none.

    `inliers` of `tracked` points agree; `spread` is the share of the picture's 24 cells that they touch; `parallax_px`
    is their median motion since the last keyframe. `score` 0..1 is what a consumer compares to a threshold.
    """

    inliers: int = 0
    tracked: int = 0
    spread: float = 0.0
    parallax_px: float = 0.0
    score: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """The camera's pose at `stamp_ns` in the frame where the odometry began, or none when LOST.

    T_start_from_camera: optical axes, metres. covariance (6, 6) float64 as in nav_msgs/Odometry (x y z, then rotations
    about the same axes; m², rad²), grown from the segment's anchor; `relative` (6, 6) the same relative to the oldest
    keyframe in use, a second or so ago; both NaN when LOST. `segment` counts anchors: how the camera moved between two
    segments is not known, so poses of different segments must not be compared.
    """

    stamp_ns: int
    state: State
    segment: int
    T_start_from_camera: SE3 | None
    covariance: F64
    relative: F64
    health: Health
    reason: str = ""
    keyframe: bool = False


def swung(arm_m: F64) -> F64:
    """The matrix (6, 6) by which an error of a pose, in fixed axes, acts on another point of the body `arm_m` away.

    An error of the rotation swings that point around the first.
    """
    x, y, z = arm_m
    swing = np.eye(6)
    swing[:3, 3:] = [[0, z, -y], [-z, 0, x], [y, -x, 0]]
    return swing
