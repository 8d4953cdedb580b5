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
from perception_node.view import Band, Mask, View, at_least, histogram, look
from saccade.geometry import F32, SE3
from saccade.types import Depth


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What one depth image says about the plane. Bearing i covers tangents from `tan0 + i tan_step`, left positive.

    obstacle_m, free_m (n + 1,) float32: forward distance to the first obstacle (infinity = none), and up to which the
    bearing is known to be free; the last element is for "no bearing" and says nothing. Closer than `blind_m`, what
    stands on the ground may pass below the picture.
    """

    heading_rad: float
    tan0: float
    tan_step: float
    obstacle_m: F32
    free_m: F32
    blind_m: float


class Scanner:
    """Makes a `Scan` of each depth image; `range_m` is how far forward it looks."""

    def __init__(self, params: MapParams, range_m: float) -> None:
        self._params = params
        step_m = params.resolution_m / 2
        steps = math.ceil(range_m / step_m)
        self._band = Band(params.obstacle_min_m, params.obstacle_max_m, params.bearings, step_m, steps)
        self._edges_m = (np.arange(steps + 1) * step_m).astype(np.float32)

    def __call__(self, depth: Depth, T_level_from_cam: SE3) -> Scan:
        """Scan of a depth image taken from `T_level_from_cam` (optical axes)."""
        stride = max(1, math.ceil(math.sqrt(depth.depth_m.size / self._params.max_points)))
        first = stride // 2
        view = look(depth.camera, stride, T_level_from_cam, self._band)
        depth_m = depth.depth_m[first::stride, first::stride]
        distance_m = depth_m * view.forward
        known = depth.confidence[first::stride, first::stride] >= self._params.min_confidence
        known &= distance_m > 0  # NaN compares false
        known &= view.usable
        obstacle_m = self._first_obstacle(view, depth_m, distance_m, known)
        free_m = np.minimum(self._known_free(view, distance_m, known), obstacle_m)
        heading_rad = math.atan2(T_level_from_cam.R[1, 2], T_level_from_cam.R[0, 2])
        return Scan(
            heading_rad, view.tan0, view.tan_step,
            np.append(obstacle_m, np.float32(np.inf)), np.append(free_m, np.float32(0)), view.blind_m,
        )  # fmt: skip

    def _first_obstacle(self, view: View, depth_m: F32, distance_m: F32, known: Mask) -> F32:
        """Forward distance (bearings,) at which the `min_points`-th nearest obstacle pixel of each bearing is."""
        above_m = depth_m * view.rise
        standing = above_m >= np.float32(self._params.obstacle_min_m - view.camera_m)
        standing &= above_m <= np.float32(self._params.obstacle_max_m - view.camera_m)
        standing &= known
        counts = histogram(view.first_cell, distance_m, standing, self._band)
        reached = np.cumsum(counts, axis=1)[:, :-1] >= self._params.min_points
        first = np.argmax(reached, axis=1)
        found = reached[np.arange(len(first)), first]
        middle_m = self._edges_m[first] + np.float32(self._band.step_m / 2)
        return np.asarray(np.where(found, middle_m, np.float32(np.inf)), np.float32)

    def _known_free(self, view: View, distance_m: F32, known: Mask) -> F32:
        """Forward distance (bearings,) up to which enough of the rays that are still in the band are known to pass."""
        passed_m = np.minimum(distance_m, view.leaves_m)
        seen = at_least(histogram(view.first_cell, passed_m, known, self._band))
        passable = (seen >= self._params.min_seen * view.rays) & (view.rays > 0)
        closed = np.argmin(passable, axis=1)
        return np.asarray(self._edges_m[np.where(passable.all(axis=1), self._band.steps, closed)], np.float32)
