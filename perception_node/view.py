"""How a camera looks into the plane: per depth pixel its bearing, its rise, and where its ray leaves the band.

All of it follows from the intrinsics and from where "up" is in the picture, and so is kept from frame to frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from saccade.geometry import F32, SE3, Pinhole

Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]
_FAR_TAN = 5.0
"""Bearings beyond 79 degrees of the camera's heading are not looked at."""
_UP_STEPS, _HEIGHT_STEPS = 512, 200
"""The attitude is rounded to a ninth of a degree and the height to 5 mm, far below what depth can resolve."""


@dataclass(frozen=True, slots=True)
class Band:
    """Heights above the ground between which things stand, and the resolution of the scan made of them."""

    low_m: float
    high_m: float
    bearings: int
    step_m: float
    steps: int


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Arrays (H, W) for the looked-at pixels, all relative to the camera's level heading.

    forward: metres forward per metre of depth; rise: metres up per metre of depth; first_cell: index of the pixel's
    bearing at distance 0 in a (bearings, steps + 1) histogram; leaves_m: forward distance at which the ray leaves the
    band, by the ground or by its top; usable: whether the pixel is looked at. Bearing i covers tangents from
    `tan0 + i tan_step`; rays (bearings, steps + 1): how many are still in the band at each distance. Closer than
    `blind_m`, the shortest obstacle may pass below the picture.
    """

    camera_m: float
    forward: F32
    rise: F32
    first_cell: Index
    leaves_m: F32
    usable: Mask
    tan0: float
    tan_step: float
    rays: Index
    blind_m: float


def look(camera: Pinhole, stride: int, T_level_from_cam: SE3, band: Band) -> View:
    """The view of a camera (optical axes) in a frame whose z axis points up from the ground."""
    up = tuple(round(float(v) * _UP_STEPS) for v in T_level_from_cam.R[2])
    return _view(camera, stride, up, round(float(T_level_from_cam.t[2]) * _HEIGHT_STEPS), band)


def histogram(first_cell: Index, distance_m: F32, counted: Mask, band: Band) -> Index:
    """Counts (bearings, steps + 1) of the `counted` pixels by forward distance; the last column is for all beyond."""
    cells = band.bearings * (band.steps + 1)
    step = np.minimum(distance_m * np.float32(1 / band.step_m), np.float32(band.steps))
    with np.errstate(invalid="ignore"):  # NaN is never counted, whatever integer it becomes
        cell = step.astype(np.intp) + first_cell
    # One more cell takes what is not counted: cheaper than gathering the rest.
    counts = np.bincount(np.where(counted, cell, cells).reshape(-1), minlength=cells + 1)[:cells]
    return np.asarray(counts.reshape(band.bearings, band.steps + 1))


def at_least(counts: Index) -> Index:
    """How many are at each distance or beyond."""
    return np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]


@lru_cache(maxsize=16)
def _view(camera: Pinhole, stride: int, up_steps: tuple[int, int, int], height_steps: int, band: Band) -> View:
    camera_m = height_steps / _HEIGHT_STEPS
    first = stride // 2
    x = ((np.arange(first, camera.width, stride) - camera.cx) / camera.fx).astype(np.float32)
    y = ((np.arange(first, camera.height, stride) - camera.cy) / camera.fy).astype(np.float32)
    axes = np.asarray(_level_axes(up_steps), np.float32)
    forward, left, rise = (np.add.outer(axis[1] * y + axis[2], axis[0] * x) for axis in axes)
    ahead = np.maximum(forward, np.float32(1e-6))  # behind the heading: the tangent becomes huge and is not looked at
    tangent, slope = left / ahead, rise / ahead
    usable = np.abs(tangent) < _FAR_TAN
    np.clip(tangent, -_FAR_TAN, _FAR_TAN, out=tangent)
    tan0, tan1 = float(tangent.min()), float(tangent.max())
    tan_step = max(tan1 - tan0, 1e-6) * (1 + 1e-6) / band.bearings
    bearing = ((tangent - np.float32(tan0)) * np.float32(1 / tan_step)).astype(np.intp)
    first_cell = np.minimum(bearing, band.bearings - 1) * (band.steps + 1)
    leaves_m = _leaves(slope, camera_m, band)
    rays = at_least(histogram(first_cell, leaves_m, usable, band))
    blind_m = _blind(slope[-1][usable[-1]], camera_m - band.low_m)
    return View(camera_m, forward, rise, first_cell, leaves_m, usable, tan0, tan_step, rays, blind_m)


def _level_axes(up_steps: tuple[int, int, int]) -> tuple[F32, F32, F32]:
    """Forward, left and up of the level heading as unit vectors in optical axes (x right, y down, z ahead)."""
    up = np.array(up_steps, np.float64) / np.linalg.norm(up_steps)
    forward = np.array([0.0, 0.0, 1.0]) - up[2] * up
    norm = float(np.linalg.norm(forward))
    forward = forward / norm if norm > 1e-6 else np.array([0.0, -1.0, 0.0])  # looking straight up or down
    return forward, np.cross(up, forward), up


def _leaves(slope: F32, camera_m: float, band: Band) -> F32:
    over_m, under_m = max(0.0, band.high_m - camera_m), max(0.0, camera_m)
    with np.errstate(divide="ignore", invalid="ignore"):
        leaves_m = np.where(slope > 0, np.float32(over_m), np.float32(-under_m)) / slope
    return np.asarray(np.fmax(leaves_m, 0), np.float32)  # 0 / 0: along the edge of the band is out of it


def _blind(lowest_slopes: F32, above_m: float) -> float:
    if above_m <= 0:
        return 0.0
    flattest = float(lowest_slopes.max(initial=-np.inf)) if lowest_slopes.size else 0.0
    return above_m / -flattest if flattest < 0 else math.inf
