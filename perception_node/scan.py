"""Depth image to a virtual scan: per bearing, how far it is known to be free and where the first obstacle stands.

Bearings are bins of equal width in the tangent, like the columns of a picture, and distances are counted forward along
the camera's level heading: no angle and no root is computed for any pixel. Everything is in the level frame, z up, with
the ground at z = 0. Negative obstacles (holes, steps down) are not looked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from perception_node.params import MapParams
from perception_node.view import I32, Band, Viewer
from saccade.geometry import F32, SE3
from saccade.kernel import array, buffer, f32, f64, i32, i64, kernel, u8, void
from saccade.types import U8, Depth


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What one depth image says about the plane. Bearing i covers tangents from `tan0 + i tan_step`, left positive.

    obstacle_m, free_m (n + 1,) float32: forward distance to the first obstacle (infinity = none), and up to which the
    bearing is known to be free; the last element is for "no bearing" and says nothing. Closer than `blind_m`, what
    stands on the ground may pass below the picture. The camera is `above_m` higher than the lowest obstacle.
    """

    heading_rad: float
    tan0: float
    tan_step: float
    obstacle_m: F32
    free_m: F32
    blind_m: float
    above_m: float


class Scanner:
    """Makes a `Scan` of each depth image; `range_m` is how far forward it looks. The scan's arrays are its own."""

    def __init__(self, params: MapParams, range_m: float) -> None:
        self._params = params
        step_m = params.resolution_m / 2
        steps = math.ceil(range_m / step_m)
        self._band = Band(params.obstacle_min_m, params.obstacle_max_m, params.bearings, step_m, steps)
        self._viewer = Viewer(self._band)
        self._standing = np.empty((params.bearings, steps + 1), np.int32)
        self._seen = np.empty((params.bearings, steps + 1), np.int32)

    def __call__(self, depth: Depth, T_level_from_cam: SE3) -> Scan:
        """Scan of a depth image taken from `T_level_from_cam` (optical axes)."""
        if not depth.depth_m.shape == depth.confidence.shape == (depth.camera.height, depth.camera.width):
            raise ValueError(f"depth {depth.depth_m.shape}, confidence {depth.confidence.shape}, camera {depth.camera}")
        stride = max(1, math.ceil(math.sqrt(depth.depth_m.size / self._params.max_points)))
        view, band, params = self._viewer.look(depth.camera, stride, T_level_from_cam), self._band, self._params
        _count(
            depth.depth_m, depth.confidence, stride, params.min_confidence, view.forward, view.rise, view.bearing,
            view.leaves_m, band.low_m - view.camera_m, band.high_m - view.camera_m, 1 / band.step_m,
            self._standing, self._seen,
        )  # fmt: skip
        obstacle_m = np.empty(band.bearings + 1, np.float32)
        free_m = np.empty(band.bearings + 1, np.float32)
        _read(
            self._standing, self._seen, view.rays, params.min_points, params.min_seen, band.step_m, obstacle_m, free_m
        )
        heading = T_level_from_cam.R @ view.ahead  # not the optical axis: one that points down has no heading
        heading_rad = math.atan2(heading[1], heading[0])
        return Scan(heading_rad, view.tan0, view.tan_step, obstacle_m, free_m, view.blind_m, view.camera_m - band.low_m)


@kernel(
    void, array(f32, 2), array(u8, 2), i64, i64, array(f32, 2), array(f32, 2), array(i32, 2), array(f32, 2),
    f32, f32, f32, buffer(i32, 2), buffer(i32, 2),
)  # fmt: skip
def _count(
    depth_m: F32, confidence: U8, stride: int, min_confidence: int, forward: F32, rise: F32, bearing: I32,
    leaves_m: F32, low_m: float, high_m: float, per_m: float, standing: I32, seen: I32,
) -> None:  # fmt: skip
    """Count pixels (bearings, steps + 1) by forward distance: of obstacles, and of rays by how far they are known.

    The last column is for all beyond. `low_m` and `high_m` bound obstacles, relative to the camera.
    """
    first, beyond = stride // 2, standing.shape[1] - 1
    standing[:] = 0
    seen[:] = 0
    for i in range(forward.shape[0]):
        for j in range(forward.shape[1]):
            v, u, b = first + i * stride, first + j * stride, bearing[i, j]
            z_m = depth_m[v, u]
            distance_m = z_m * forward[i, j]
            # NaN compares false.
            if b < 0 or confidence[v, u] < min_confidence or not distance_m > 0:
                continue
            above_m = z_m * rise[i, j]
            if low_m <= above_m <= high_m:
                standing[b, int(min(distance_m * per_m, beyond))] += 1
            seen[b, int(min(min(distance_m, leaves_m[i, j]) * per_m, beyond))] += 1


@kernel(
    void, array(i32, 2), array(i32, 2), array(i32, 2), i64, f64, f64, buffer(f32, 1), buffer(f32, 1)
)  # fmt: skip
def _read(
    standing: I32, seen: I32, rays: I32, min_points: int, min_seen: float, step_m: float, obstacle_m: F32, free_m: F32
) -> None:
    """Per bearing, where the `min_points`-th nearest obstacle pixel is, and up to where enough of the rays pass."""
    bearings, beyond = standing.shape[0], standing.shape[1] - 1
    for b in range(bearings):
        obstacle_m[b], count = math.inf, 0
        for step in range(beyond):
            count += standing[b, step]
            if count >= min_points:
                obstacle_m[b] = (step + 0.5) * step_m
                break
        closed, passing = beyond, 0
        for step in range(beyond, -1, -1):
            passing += seen[b, step]
            if rays[b, step] == 0 or passing < min_seen * rays[b, step]:
                closed = step
        free_m[b] = min(closed * step_m, obstacle_m[b])
    obstacle_m[bearings], free_m[bearings] = math.inf, 0.0
