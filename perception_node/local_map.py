"""The robot-centred map: what is known to be free, what is occupied, and how far every cell is from what is not free.

Occupancy in log-odds (Moravec and Elfes, ICRA 1985) on a window that moves with the robot in whole cells, its axes
parallel to odometry's: nothing is ever resampled. Holes in the floor are out of scope.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from perception_node.params import MapParams
from perception_node.scan import Scan, Scanner
from saccade.clock import seconds
from saccade.geometry import SE3, planar
from saccade.types import Depth, LocalMap

_FREE, _OCCUPIED = -0.6, 0.6
"""Log-odds from which on a cell counts as free, or occupied; in between it is unknown."""
_LOWEST, _HIGHEST = -2.25, 2.7


class LocalMapper:
    """Builds the map frame by frame; every array is made once."""

    def __init__(self, params: MapParams) -> None:
        self._params = params
        self._cells = n = 2 * round(params.size_m / params.resolution_m / 2)
        self._scanner = Scanner(params, params.size_m / math.sqrt(2))
        self._odds, self._spare = np.zeros((n, n), np.float32), np.zeros((n, n), np.float32)
        self._corner: tuple[int, int] | None = None
        """Cell (x, y) of the world that is column 0, row 0 of the window."""
        self._stamp_ns = 0
        self._forward, self._tangent = np.empty((n, n), np.float32), np.empty((n, n), np.float32)
        self._occupancy = np.empty((n, n), np.int8)
        self._free = np.zeros((n + 2, n + 2), np.uint8)  # a rim: beyond the window nothing is known to be free

    def update(self, depth: Depth, T_odom_from_base: SE3, T_base_from_cam: SE3, frame_id: str) -> LocalMap:
        """The map after one more depth image, taken when the robot was at `T_odom_from_base`.

        The arrays of the map are valid until the next update.
        """
        T_odom_from_level = planar(T_odom_from_base)
        if self._params.level == "gravity":
            T_level_from_cam = T_odom_from_level.inverse() @ T_odom_from_base @ T_base_from_cam
        else:
            T_level_from_cam = T_base_from_cam
        self._move(T_odom_from_base, depth.stamp_ns)
        scan = self._scanner(depth, T_level_from_cam)
        self._observe(scan, T_odom_from_level, T_level_from_cam)
        inside = self._disc(T_odom_from_base, self._params.robot_radius_m)
        self._odds.flat[inside] = _LOWEST
        return self._published(depth.stamp_ns, frame_id)

    def forget(self) -> None:
        """Begin anew, as after a jump of the clock or of odometry."""
        self._corner = None

    def _move(self, T_odom_from_base: SE3, stamp_ns: int) -> None:
        """Move the window by whole cells to where the robot is, and let what is known fade."""
        n, resolution_m = self._cells, self._params.resolution_m
        corner = (
            math.floor(float(T_odom_from_base.t[0]) / resolution_m) - n // 2,
            math.floor(float(T_odom_from_base.t[1]) / resolution_m) - n // 2,
        )
        if self._corner is None or max(abs(corner[0] - self._corner[0]), abs(corner[1] - self._corner[1])) >= n:
            self._corner = corner
            self._odds.fill(0)
            self._odds.flat[self._disc(T_odom_from_base, self._params.blind_radius_m)] = _LOWEST
        elif corner != self._corner:
            dx, dy = corner[0] - self._corner[0], corner[1] - self._corner[1]
            self._spare.fill(0)
            self._spare[max(0, -dy) : n - max(0, dy), max(0, -dx) : n - max(0, dx)] = self._odds[
                max(0, dy) : n + min(0, dy), max(0, dx) : n + min(0, dx)
            ]
            self._odds, self._spare, self._corner = self._spare, self._odds, corner
        near = self._disc(T_odom_from_base, self._params.blind_radius_m)
        kept = self._odds.flat[near]
        age_s = max(0.0, seconds(stamp_ns - self._stamp_ns)) if self._stamp_ns else 0.0
        np.multiply(self._odds, np.float32(0.5 ** (age_s / self._params.half_life_s)), out=self._odds)
        self._odds.flat[near] = kept
        self._stamp_ns = stamp_ns

    def _observe(self, scan: Scan, T_odom_from_level: SE3, T_level_from_cam: SE3) -> None:
        """The inverse sensor model: every cell looks its bearing up in the scan."""
        assert self._corner is not None
        n, resolution_m = self._cells, self._params.resolution_m
        T_odom_from_cam = T_odom_from_level @ T_level_from_cam
        heading = T_odom_from_level.yaw + scan.heading_rad
        c, s = math.cos(heading), math.sin(heading)
        x = ((self._corner[0] + np.arange(n) + 0.5) * resolution_m - T_odom_from_cam.t[0]).astype(np.float32)
        y = ((self._corner[1] + np.arange(n) + 0.5) * resolution_m - T_odom_from_cam.t[1]).astype(np.float32)
        forward, tangent = self._forward, self._tangent
        np.add.outer(s * y, c * x, out=forward, dtype=np.float32, casting="same_kind")
        np.add.outer(c * y, -s * x, out=tangent, dtype=np.float32, casting="same_kind")
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            np.divide(tangent, forward, out=tangent)
            np.subtract(tangent, np.float32(scan.tan0), out=tangent)
            np.multiply(tangent, np.float32(1 / scan.tan_step), out=tangent)
        last = len(scan.obstacle_m) - 1
        tangent[~((forward > 0) & (tangent >= 0) & (tangent < last))] = last
        bins = tangent.astype(np.int32)
        occupied = np.abs(forward - scan.obstacle_m[bins]) <= np.float32(0.6 * resolution_m)
        free = (forward < scan.free_m[bins] - np.float32(resolution_m / 2)) & (forward >= np.float32(scan.blind_m))
        self._mark_hits(occupied, scan, (c, s), T_odom_from_cam)
        free &= ~occupied
        self._odds += np.float32(self._params.hit) * occupied
        self._odds -= np.float32(self._params.miss) * free
        np.clip(self._odds, _LOWEST, _HIGHEST, out=self._odds)

    def _mark_hits(self, occupied: np.ndarray, scan: Scan, heading: tuple[float, float], T_odom_from_cam: SE3) -> None:
        """Also mark the cell of every bearing's obstacle: nearby, one cell spans many bearings and sees one of them."""
        assert self._corner is not None
        hit = np.flatnonzero(np.isfinite(scan.obstacle_m))
        forward = scan.obstacle_m[hit]
        left = forward * np.float32(scan.tan0 + scan.tan_step / 2) + forward * hit * np.float32(scan.tan_step)
        (c, s), resolution_m = heading, self._params.resolution_m
        column = np.floor((T_odom_from_cam.t[0] + c * forward - s * left) / resolution_m).astype(int) - self._corner[0]
        row = np.floor((T_odom_from_cam.t[1] + s * forward + c * left) / resolution_m).astype(int) - self._corner[1]
        inside = (row >= 0) & (row < self._cells) & (column >= 0) & (column < self._cells)
        occupied[row[inside], column[inside]] = True

    def _disc(self, T_odom_from_base: SE3, radius_m: float) -> np.ndarray:
        """Flat indices of the cells whose centres lie within `radius_m` of the robot."""
        assert self._corner is not None
        n, resolution_m = self._cells, self._params.resolution_m
        x, y = (float(T_odom_from_base.t[i]) / resolution_m - self._corner[i] - 0.5 for i in (0, 1))
        reach = radius_m / resolution_m
        rows = np.arange(max(0, math.ceil(y - reach)), min(n, math.floor(y + reach) + 1))
        columns = np.arange(max(0, math.ceil(x - reach)), min(n, math.floor(x + reach) + 1))
        within = np.add.outer((rows - y) ** 2, (columns - x) ** 2) <= reach**2
        return np.asarray(np.add.outer(rows * n, columns)[within])

    def _published(self, stamp_ns: int, frame_id: str) -> LocalMap:
        assert self._corner is not None
        free = self._odds <= _FREE
        np.copyto(self._free[1:-1, 1:-1], free)
        cells = np.asarray(cv2.distanceTransform(self._free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)[
            1:-1, 1:-1
        ]
        # OpenCV's last bits depend on where its buffers lie; squared distances between cells are whole numbers.
        clearance_m = np.sqrt(np.rint(cells * cells)) * np.float32(self._params.resolution_m)
        percent = 100 / (1 + np.exp(-self._odds))
        np.copyto(self._occupancy, percent, casting="unsafe")
        np.copyto(self._occupancy, -1, where=~free & (self._odds < _OCCUPIED))
        origin_m = (self._corner[0] * self._params.resolution_m, self._corner[1] * self._params.resolution_m)
        return LocalMap(stamp_ns, frame_id, self._params.resolution_m, origin_m, self._occupancy, clearance_m)
