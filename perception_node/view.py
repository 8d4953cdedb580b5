"""How a camera looks into the plane: per depth pixel its bearing, its rise, and where its ray leaves the band.

All of it follows from the intrinsics and from where "up" is in the picture; it is worked out when these change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.kernel import array, buffer, f32, f64, i32, i64, kernel, void

I32 = npt.NDArray[np.int32]
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
    """Arrays (H, W) for the looked-at pixels, all relative to the camera's level heading; valid until the next look.

    forward: metres forward per metre of depth; rise: metres up per metre of depth; bearing: index of the pixel's, -1
    for one that is not looked at; leaves_m: forward distance at which the ray leaves the band, by the ground or by its
    top. Bearing i covers tangents from `tan0 + i tan_step`; rays (bearings, steps + 1): how many are still in the band
    at each distance. Closer than `blind_m`, the shortest obstacle may pass below the picture. ahead (3,): the level
    heading in optical axes.
    """

    camera_m: float
    ahead: F64
    forward: F32
    rise: F32
    bearing: I32
    leaves_m: F32
    tan0: float
    tan_step: float
    rays: I32
    blind_m: float


class Viewer:
    """Works out a camera's view of one band; arrays are made once for each size of picture."""

    def __init__(self, band: Band) -> None:
        self._band = band
        self._key: tuple[object, ...] = ()
        self._forward = self._rise = self._tangent = self._leaves_m = np.empty((0, 0), np.float32)
        self._bearing = np.empty((0, 0), np.int32)
        self._rays = np.empty((band.bearings, band.steps + 1), np.int32)

    def look(self, camera: Pinhole, stride: int, T_level_from_cam: SE3) -> View:
        """The view of every `stride`-th pixel of a camera (optical axes) in a frame whose z axis points up."""
        up = tuple(round(float(v) * _UP_STEPS) for v in T_level_from_cam.R[2])
        height_steps = round(float(T_level_from_cam.t[2]) * _HEIGHT_STEPS)
        if (key := (camera, stride, up, height_steps)) != self._key:
            self._view, self._key = self._made(camera, stride, up, height_steps / _HEIGHT_STEPS), key
        return self._view

    def _made(self, camera: Pinhole, stride: int, up: tuple[int, ...], camera_m: float) -> View:
        first, band = stride // 2, self._band
        shape = len(range(first, camera.height, stride)), len(range(first, camera.width, stride))
        if self._forward.shape != shape:
            self._forward, self._rise, self._tangent, self._leaves_m = (np.empty(shape, np.float32) for _ in range(4))
            self._bearing = np.empty(shape, np.int32)
        spread, axes = np.empty(2), _level_axes(up)
        _project(
            axes, camera.fx, camera.fy, camera.cx, camera.cy, first, stride,
            self._forward, self._rise, self._tangent, spread,
        )  # fmt: skip
        tan0, tan1 = map(float, spread)
        tan_step = max(tan1 - tan0, 1e-6) * (1 + 1e-6) / band.bearings
        flattest = _trace(
            self._forward, self._rise, self._tangent, tan0, tan_step, max(0.0, band.high_m - camera_m),
            max(0.0, camera_m), band.step_m, *_lowest(up), self._bearing, self._leaves_m, self._rays,
        )  # fmt: skip
        blind_m = _blind(flattest, camera_m - band.low_m)
        return View(
            camera_m, axes[0], self._forward, self._rise, self._bearing, self._leaves_m, tan0, tan_step, self._rays,
            blind_m,
        )  # fmt: skip


def _level_axes(up_steps: tuple[int, ...]) -> F64:
    """Forward, left and up (3, 3) of the level heading as unit vectors in optical axes (x right, y down, z ahead)."""
    up = np.array(up_steps, np.float64) / np.linalg.norm(up_steps)
    forward = np.array([0.0, 0.0, 1.0]) - up[2] * up
    norm = float(np.linalg.norm(forward))
    forward = forward / norm if norm > 1e-6 else np.array([0.0, -1.0, 0.0])  # looking straight up or down
    return np.stack([forward, np.cross(up, forward), up])


def _lowest(up: tuple[int, ...]) -> tuple[int, int]:
    """Which rim of the picture is the lowest: its axis, 0 = rows, and its end; a camera may hang or lie on its side."""
    axis = 0 if abs(up[1]) >= abs(up[0]) else 1
    return axis, int(up[1 - axis] <= 0)


def _blind(flattest: float, above_m: float) -> float:
    """Forward distance at which the flattest ray of the lowest rim has come down by `above_m`.

    Where that ray rises, low things are seen nowhere or, from lower still, nearby alone: nothing is taken for free.
    """
    if above_m <= 0 and flattest <= 0:
        return 0.0
    return above_m / -flattest if flattest < 0 else math.inf


@kernel(
    void, array(f64, 2), f64, f64, f64, f64, i64, i64, buffer(f32, 2), buffer(f32, 2), buffer(f32, 2), buffer(f64, 1)
)
def _project(
    axes: F64, fx: float, fy: float, cx: float, cy: float, first: int, stride: int, forward: F32, rise: F32,
    tangent: F32, spread: F64,
) -> None:  # fmt: skip
    """Forward and rise per metre of depth, the tangent of the bearing, and the tangents' least and greatest."""
    spread[0], spread[1] = math.inf, -math.inf
    for i in range(forward.shape[0]):
        y = (first + i * stride - cy) / fy
        for j in range(forward.shape[1]):
            x = (first + j * stride - cx) / fx
            ahead = axes[0, 0] * x + axes[0, 1] * y + axes[0, 2]
            left = axes[1, 0] * x + axes[1, 1] * y + axes[1, 2]
            forward[i, j], rise[i, j] = ahead, axes[2, 0] * x + axes[2, 1] * y + axes[2, 2]
            # Behind the heading the tangent is out of range, whatever its sign, and the pixel is not looked at.
            tangent[i, j] = math.copysign(_FAR_TAN, left)
            if ahead > 1e-6:
                tangent[i, j] = min(max(left / ahead, -_FAR_TAN), _FAR_TAN)
            spread[0], spread[1] = min(spread[0], tangent[i, j]), max(spread[1], tangent[i, j])


@kernel(
    f64, array(f32, 2), array(f32, 2), array(f32, 2), f64, f64, f64, f64, f64, i64, i64,
    buffer(i32, 2), buffer(f32, 2), buffer(i32, 2),
)  # fmt: skip
def _trace(
    forward: F32, rise: F32, tangent: F32, tan0: float, tan_step: float, over_m: float, under_m: float, step_m: float,
    axis: int, end: int, bearing: I32, leaves_m: F32, rays: I32,
) -> float:  # fmt: skip
    """Each pixel's bearing and where its ray leaves the band, `over_m` above or `under_m` below the camera.

    `rays` counts those still in the band. Returns the greatest slope of the lowest rim, the first (`end` 0) or last row
    or column, -infinity if none is seen.
    """
    bearings, beyond, flattest = rays.shape[0], rays.shape[1] - 1, -math.inf
    rim = end * (forward.shape[axis] - 1)
    rays[:] = 0
    for i in range(forward.shape[0]):
        for j in range(forward.shape[1]):
            if abs(tangent[i, j]) >= _FAR_TAN:
                bearing[i, j], leaves_m[i, j] = -1, 0.0
                continue
            slope = rise[i, j] / forward[i, j]
            over = over_m / slope if slope > 0 else math.inf
            under = under_m / -slope if slope < 0 else math.inf
            leaves = min(over, under) if over_m > 0 or slope < 0 else 0.0
            b = min(int((tangent[i, j] - tan0) / tan_step), bearings - 1)
            bearing[i, j], leaves_m[i, j] = b, leaves
            rays[b, int(min(leaves / step_m, beyond))] += 1
            if (i if axis == 0 else j) == rim:
                flattest = max(flattest, slope)
    for b in range(bearings):
        for step in range(beyond - 1, -1, -1):
            rays[b, step] += rays[b, step + 1]
    return flattest
