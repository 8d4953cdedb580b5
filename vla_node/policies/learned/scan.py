"""What stands around a robot, by bearing: of a depth image, of one that it saw before, of the local map.

A scan is (BEARINGS,) float32: metres from the robot's centre to the nearest thing in a sector of 5 degrees, FAR_M where
there is none or nothing is known. Sector 0 begins behind the robot and they go round to the left, so that a scan read
backwards is the scan of the mirrored world.
"""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.types import LocalMap

BEARINGS = 72
FAR_M = 5.0
LOW_M, HIGH_M = 0.10, 1.60
"""What stands on the floor between these heights is in the way, as the local map has it."""
OCCUPIED = 50
"""Of a map's cells, in per cent."""
_PIXELS = (80, 60)
"""Of the depth image, at most; it is thinned, not blurred."""
_LEAST = 4
"""So many pixels a thing needs in one sector: single ones that are wrong do not count."""
_STEP_M = 0.1
_SECTOR = math.tau / BEARINGS
_ANGLES = (np.arange(BEARINGS) + 0.5) * _SECTOR - math.pi
_RANGES = np.arange(_STEP_M, FAR_M, _STEP_M)


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
    return _nearest(standing[:, :2], _LEAST)


def moved(scan: F32, T_now_from_then: SE3) -> F32:
    """An earlier scan as it would look from where the robot is now, if nothing else had moved."""
    seen = scan < FAR_M
    r, a = scan[seen].astype(np.float64), _ANGLES[seen]
    points = np.stack([r * np.cos(a), r * np.sin(a), np.zeros(len(r))], axis=-1)
    return _nearest(T_now_from_then.apply(points)[:, :2], 1)


def of_map(grid: LocalMap, T_odom_from_level: SE3, need_m: float) -> tuple[F32, F32, F32]:
    """Three scans of a local map: what is occupied, what is not known to be free, and where a robot no longer fits.

    It fits where there are `need_m` to what is not known to be free.
    """
    t, angles = T_odom_from_level.t, _ANGLES + T_odom_from_level.yaw
    x, y = t[0] + np.outer(np.cos(angles), _RANGES), t[1] + np.outer(np.sin(angles), _RANGES)
    clearance_m = grid.clearance_at(x, y)
    row, col = grid.cell(x, y)
    height, width = grid.occupancy.shape
    inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
    occupied = np.zeros(x.shape, bool)
    occupied[inside] = grid.occupancy[row[inside], col[inside]] >= OCCUPIED
    return _first(occupied), _first(clearance_m < grid.resolution_m / 2), _first(clearance_m < need_m)


def _first(blocked: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> F32:
    """Range of the first sample that is blocked, by bearing (BEARINGS, n)."""
    ranges = np.where(blocked.any(axis=1), _RANGES[np.argmax(blocked, axis=1)], FAR_M)
    return ranges.astype(np.float32)


def _nearest(points: F64, least: int) -> F32:
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
