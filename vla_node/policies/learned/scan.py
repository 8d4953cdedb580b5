"""What stands around a robot, by bearing: of a depth image, of one that it saw before.

A scan is (BEARINGS,) float32: metres from the robot's centre to the nearest thing in a sector of 5 degrees, FAR_M where
there is none or nothing is known. Sector 0 begins behind the robot and they go round to the left, so that a scan read
backwards is the scan of the mirrored world.
"""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F32, F64, SE3, Pinhole

BEARINGS = 72
FAR_M = 5.0
LOW_M, HIGH_M = 0.10, 1.60
"""What stands on the floor between these heights is in the way, as the local map has it."""
_PIXELS = (80, 60)
"""Of the depth image, at most; it is thinned, not blurred."""
_LEAST = 4
"""So many pixels a thing needs in one sector: single ones that are wrong do not count."""
_SECTOR = math.tau / BEARINGS
ANGLES = (np.arange(BEARINGS) + 0.5) * _SECTOR - math.pi
"""The bearing of the middle of each sector."""


def nothing() -> F32:
    """The scan of an empty world."""
    return np.full(BEARINGS, FAR_M, np.float32)


def of_depth(depth_m: F32, camera: Pinhole, T_level_from_cam: SE3) -> F32:
    """What stands in a depth image (h, w) m, NaN = none; `T_level_from_cam` is to the robot's level frame."""
    across, down = (max(1, size // most) for size, most in zip(depth_m.shape[::-1], _PIXELS, strict=True))
    thin = depth_m[down // 2 :: down, across // 2 :: across].astype(np.float64)
    v, u = np.nonzero(np.isfinite(thin) & (thin > 0.0))
    pixels = np.stack([u * across + across // 2, v * down + down // 2], axis=-1).astype(np.float64)
    points = T_level_from_cam.apply(camera.unproject(pixels, thin[v, u]))
    standing = points[(points[:, 2] >= LOW_M) & (points[:, 2] <= HIGH_M)]
    return of_points(standing[:, :2], _LEAST)


def moved(scan: F32, T_now_from_then: SE3) -> F32:
    """An earlier scan as it would look from where the robot is now, if nothing else had moved."""
    seen = scan < FAR_M
    r, a = scan[seen].astype(np.float64), ANGLES[seen]
    points = np.stack([r * np.cos(a), r * np.sin(a), np.zeros(len(r))], axis=-1)
    return of_points(T_now_from_then.apply(points)[:, :2], 1)


def in_view(camera: Pinhole, T_level_from_cam: SE3) -> F32:
    """1 for the sectors that the camera looks into, 0 for the others."""
    edges = np.array([[0.0, camera.cy], [camera.width - 1.0, camera.cy]])
    left, right = camera.unproject(edges, np.ones(2)) @ T_level_from_cam.R.T
    bearing = math.atan2(right[1], right[0])
    across = (math.atan2(left[1], left[0]) - bearing) % math.tau
    return np.asarray((ANGLES - bearing) % math.tau <= across, np.float32)


def turned(view: F32, yaw: float) -> F32:
    """What was looked into, by a robot that has turned by `yaw` since."""
    return np.roll(view, -round(yaw / _SECTOR))


def of_points(points: F64, least: int) -> F32:
    """The scan of points (n, 2) m in the level frame: by sector the range of the `least`-th nearest."""
    r = np.hypot(points[:, 0], points[:, 1])
    near = r < FAR_M
    points, r = points[near], r[near]
    sector = ((np.arctan2(points[:, 1], points[:, 0]) + math.pi) / _SECTOR).astype(np.intp) % BEARINGS
    order = np.lexsort((r, sector))
    sector, r = sector[order], r[order]
    at = np.searchsorted(sector, np.arange(BEARINGS)) + least - 1
    enough = at < np.searchsorted(sector, np.arange(BEARINGS), side="right")
    out = nothing()
    out[enough] = r[at[enough]]
    return out
