"""From a pixel to a place: what a model points to in a picture, as a goal in the odometry frame.

A pixel alone is a ray; where along it something is comes from the depth image of the same moment. Depth is looked at in
a small window: a surface is smooth, and the inverse depth of a plane is affine in the pixel, however slanted it is (a
floor seen from low above, too). So 1/z is taken to be affine, its slopes and its level by medians, which a few wild
values do not move. Many values far from it, or few values at all, mean an edge or a hole, and an edge means that the
pixel could as well be meant for what is behind. Nothing is guessed then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from saccade.errors import SaccadeError
from saccade.geometry import F32, F64
from vla_node.planner import Observation

LEAST_SHARE = 0.5
"""At least this share of the window must have a depth."""
OFF_SURFACE = 0.1
"""A depth that differs from the surface's by more than this share is of another surface."""
MOST_OFF = 0.15
"""At most this share of the window may be of another surface."""
FAR_M = 15.0
"""Nothing further than this is driven to: depth is a poor guide there."""
FLOOR_M, FLOOR_SHARE = 0.08, 0.1
"""A point this near to the floor's height is on it; metres, or share of the camera's height if that is more."""


class LiftError(SaccadeError):
    """A pixel that cannot be given a place; the text says which pixel and why."""


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A point of a surface: (3,) metres in the odometry frame, its depth along the optical axis, and if it is floor."""

    point: F64
    depth_m: float
    on_floor: bool


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """Where to stand, (3,) metres in the odometry frame at the body's height, and the heading there in radians."""

    point: F64
    yaw: float
    spot: Spot


def spot_at(observation: Observation, u: float, v: float) -> Spot:
    """As `surface_at`, and whether it is floor; LiftError also where it is lower than the floor.

    The odometry's origin is on the floor under the robot (REP 105), so the body's height there is its own.
    """
    point, depth_m = surface_at(observation, u, v)
    assert observation.T_odom_from_cam is not None
    floor_z_m, eye_z_m = float(observation.state.T_odom_from_body.t[2]), float(observation.T_odom_from_cam.t[2])
    above_m, near_m = float(point[2]) - floor_z_m, max(FLOOR_M, FLOOR_SHARE * (eye_z_m - floor_z_m))
    if above_m < -near_m:
        raise LiftError(f"pixel ({u:.0f}, {v:.0f}) is {-above_m:.2f} m below the floor: a step, a mirror or a glass")
    return Spot(point, depth_m, above_m <= near_m)


def surface_at(observation: Observation, u: float, v: float) -> tuple[F64, float]:
    """The surface point (3,) that pixel (u, v) of the observation's picture shows, and its depth.

    Metres, in the odometry frame; u right, v down, centres at integers. LiftError: no depth, picture of another size,
    pixel outside, too little depth there, an edge, or too far.
    """
    camera, T, depth = observation.camera, observation.T_odom_from_cam, observation.depth_m
    if observation.image is None or camera is None or T is None or depth is None:
        raise LiftError(f"pixel ({u:.0f}, {v:.0f}) has no depth: {observation.blind or 'no depth image came'}")
    if observation.image.data.shape[:2] != depth.shape:
        sizes = [f"{shape[1]}x{shape[0]}" for shape in (observation.image.data.shape, depth.shape)]
        raise LiftError(f"the picture is {sizes[0]} and its depth {sizes[1]}; they must match pixel by pixel")
    depth_m = _surface(depth, u, v)
    if depth_m > FAR_M:
        raise LiftError(f"pixel ({u:.0f}, {v:.0f}) is {depth_m:.1f} m away; at most {FAR_M:g} m are driven to")
    return T.apply(camera.unproject(np.array([u, v]), np.float64(depth_m))), depth_m


def goal_at(observation: Observation, u: float, v: float, standoff_m: float, start: F64 | None = None) -> Goal:
    """Where to stand for pixel (u, v): a point of the floor itself, or `standoff_m` before a thing, facing it.

    It is approached straight from `start` (3,), or from where the robot was. LiftError as `spot_at`.
    """
    spot = spot_at(observation, u, v)
    begin = observation.state.T_odom_from_body.t if start is None else start
    return stand(begin, spot, 0.0 if spot.on_floor else standoff_m)


def stand(start: F64, spot: Spot, standoff_m: float) -> Goal:
    """Where to stand before a point on the straight way to it; at the start, turned to it, when that is nearer."""
    away = spot.point[:2] - start[:2]
    yaw = math.atan2(away[1], away[0])
    forward_m = max(0.0, float(np.hypot(*away)) - standoff_m)
    return Goal(start + forward_m * np.array([math.cos(yaw), math.sin(yaw), 0.0]), yaw, spot)


def _surface(depth_m: F32, u: float, v: float) -> float:
    """Depth of the one surface around a pixel, metres; LiftError when there is none, or more than one."""
    height, width = depth_m.shape
    if not (math.isfinite(u) and math.isfinite(v) and -0.5 <= u < width - 0.5 and -0.5 <= v < height - 0.5):
        raise LiftError(f"pixel ({u:.0f}, {v:.0f}) is outside the picture of {width}x{height}")
    half = max(2, round(width / 200))
    row, col = round(v), round(u)
    top, left = max(0, row - half), max(0, col - half)
    window = depth_m[top : row + half + 1, left : col + half + 1].astype(np.float64)
    known = np.isfinite(window) & (window > 0)
    if known.mean() < LEAST_SHARE:
        raise LiftError(f"pixel ({u:.0f}, {v:.0f}): only {known.mean():.0%} of the pixels around it have a depth")
    inverse = np.where(known, 1.0 / np.where(known, window, 1.0), np.nan)
    rows, cols = np.mgrid[: window.shape[0], : window.shape[1]]
    tilt = _typical(np.diff(inverse, axis=1)) * (cols + left - u) + _typical(np.diff(inverse, axis=0)) * (
        rows + top - v
    )
    level = inverse - tilt
    at_pixel = _typical(level)
    off = np.abs(level - at_pixel)[known] > OFF_SURFACE * inverse[known]
    if at_pixel <= 0 or off.mean() > MOST_OFF:
        near, far = float(window[known].min()), float(window[known].max())
        raise LiftError(f"pixel ({u:.0f}, {v:.0f}) is on an edge: surfaces from {near:.2f} to {far:.2f} m meet there")
    return 1.0 / at_pixel


def _typical(values: F64) -> float:
    """Median of the finite values; 0 when there are none."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else 0.0
