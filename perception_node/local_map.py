"""The robot-centred map: what is known to be free, what is occupied, and how far every cell is from what is not free.

Occupancy in log-odds (Moravec and Elfes, ICRA 1985) on a window that moves with the robot in whole cells, its axes
parallel to odometry's: nothing is ever resampled. Any number of cameras look into it, told apart by their frames; it is
made anew with those of one. Holes in the floor are out of scope.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from perception_node.eye import Eye, Spot
from perception_node.movers import RANGE_M, Movers
from perception_node.near import NO_REACH, Reach, hide
from perception_node.observing import LOWEST, arrivals, mark, update
from perception_node.params import MapParams
from saccade.clock import seconds
from saccade.geometry import F32, F64, SE3, planar
from saccade.kernel import array, buffer, f32, i8, kernel, u8, void
from saccade.types import I8, U8, Depth, LocalMap

_FREE, _OCCUPIED = -0.6, 0.6
"""Log-odds from which on a cell counts as free, or occupied; in between it is unknown."""
IntP = npt.NDArray[np.intp]


class LocalMapper:
    """Builds the map frame by frame; every array is made once."""

    def __init__(self, params: MapParams) -> None:
        self._params = params
        self._cells = n = 2 * round(params.size_m / params.resolution_m / 2)
        self._eyes: dict[str, Eye] = {}
        """By the frame of the camera."""
        self._odds, self._spare = np.zeros((n, n), np.float32), np.zeros((n, n), np.float32)
        self._before = np.full((n, n), np.inf, np.float32)
        """Log-odds of cells before something came, on floor that was known to be free; infinity elsewhere."""
        self._tall_m = np.zeros((n, n), np.float32)
        """How much higher than the lowest obstacle at least is what stands in a cell."""
        self._corner: tuple[int, int] | None = None
        """Cell (x, y) of the world that is column 0, row 0 of the window."""
        self._stamp_ns = 0
        self._hits = np.empty((n, n), np.uint8)
        self._occupancy = np.empty((n, n), np.int8)
        self._free = np.zeros((n + 2, n + 2), np.uint8)  # a rim: beyond the window nothing is known to be free
        self._distance = np.empty((n + 2, n + 2), np.float32)
        self._movers = Movers()
        self._arrived = np.empty((64, 2))
        self._moving: F64 = np.empty((0, 2))

    def update(
        self, depth: Depth, T_odom_from_base: SE3, T_base_from_cam: SE3, frame_id: str, reach: Reach = NO_REACH
    ) -> LocalMap:
        """The map after one more depth image, taken when the robot was at `T_odom_from_base`.

        `reach`: how near the camera sees, and where. The arrays of the map are valid until the next update.
        """
        self.look(depth, T_odom_from_base, T_base_from_cam, reach)
        inside = self._disc(T_odom_from_base.t, self._params.robot_radius_m)
        self._odds.flat[inside] = LOWEST
        _label(self._odds, self._free, self._occupancy)
        self._hide_near(inside)
        self._give_way(inside)
        return self._published(depth.stamp_ns, frame_id)

    def look(self, depth: Depth, T_odom_from_base: SE3, T_base_from_cam: SE3, reach: Reach = NO_REACH) -> None:
        """What a camera saw, to be in the next map; as `update`. A little older than the last look counts as new."""
        T_odom_from_level = planar(T_odom_from_base)
        if self._params.level == "gravity":
            T_level_from_cam = T_odom_from_level.inverse() @ T_odom_from_base @ T_base_from_cam
        else:
            T_level_from_cam = T_base_from_cam
        stamp_ns = max(depth.stamp_ns, self._stamp_ns)
        self._move(T_odom_from_base, stamp_ns)
        eye = self._eyes.setdefault(depth.frame_id, Eye(self._params, self._params.size_m / math.sqrt(2)))
        eye.look(depth, T_odom_from_level, T_level_from_cam, reach, stamp_ns)
        self._observe(eye, stamp_ns)

    def forget(self) -> None:
        """Begin anew, as after a jump of the clock or of odometry."""
        self._corner, self._stamp_ns = None, 0
        self._eyes.clear()
        self._movers = Movers()

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
            self._before.fill(np.inf)
            self._tall_m.fill(0)
            self._odds.flat[self._disc(T_odom_from_base.t, self._params.blind_radius_m)] = LOWEST
        elif corner != self._corner:
            dx, dy = corner[0] - self._corner[0], corner[1] - self._corner[1]
            self._odds = self._scrolled(self._odds, dx, dy, 0.0)
            self._before = self._scrolled(self._before, dx, dy, np.inf)
            self._tall_m = self._scrolled(self._tall_m, dx, dy, 0.0)
            self._corner = corner
        near = self._disc(T_odom_from_base.t, self._params.blind_radius_m)
        kept = self._odds.flat[near]
        age_s = max(0.0, seconds(stamp_ns - self._stamp_ns)) if self._stamp_ns else 0.0
        np.multiply(self._odds, np.float32(0.5 ** (age_s / self._params.half_life_s)), out=self._odds)
        self._odds.flat[near] = kept
        if self._params.passing_s > 0:
            came, share = np.isfinite(self._before), np.float32(0.5 ** (age_s / self._params.passing_s))
            before = self._before[came]
            self._odds[came] = before + share * (self._odds[came] - before)
        self._stamp_ns = stamp_ns

    def _scrolled(self, cells: F32, dx: int, dy: int, beyond: float) -> F32:
        """Cells (n, n) after the window has moved; their array becomes the spare one."""
        n, out = self._cells, self._spare
        out.fill(beyond)
        out[max(0, -dy) : n - max(0, dy), max(0, -dx) : n - max(0, dx)] = cells[
            max(0, dy) : n + min(0, dy), max(0, dx) : n + min(0, dx)
        ]
        self._spare = cells
        return out

    def _observe(self, eye: Eye, stamp_ns: int) -> None:
        """The inverse sensor model: every cell looks its bearing up in what the eye has just seen."""
        scan, spot = eye.scan, self._spot(eye)
        mark(self._hits, scan.obstacle_m, scan.tan0, scan.tan_step, *spot)
        if self._params.berth_m > 0:
            count = arrivals(self._odds, self._hits, *spot[:3], RANGE_M, self._arrived)
            arrived = self._arrived[:count] + eye.place
            eyes = [eye for eye in self._eyes.values() if eye.open(stamp_ns)]
            self._moving = self._movers.look(arrived, stamp_ns, lambda place: any(eye.shows(place) for eye in eyes))
        update(
            self._odds, self._before, self._tall_m, self._hits, scan.obstacle_m, scan.free_m, scan.tan0, scan.tan_step,
            scan.blind_m, scan.above_m, *spot, self._params.hit, self._params.miss,
        )  # fmt: skip

    def _spot(self, eye: Eye) -> Spot:
        assert self._corner is not None
        return eye.spot(self._corner, self._params.resolution_m)

    def _hide_near(self, robot: IntP) -> None:
        """Where nothing at all is seen, something may stand nearer than a camera can see: that is not free.

        What the map knew there comes back when the camera sees again: from here it could not be looked at anew.
        """
        occupancy, free = self._occupancy.flat[robot], self._free[1:-1, 1:-1].flat[robot]
        for eye in self._eyes.values():
            if eye.open(self._stamp_ns) and eye.blind.any():
                scan, near_m = eye.scan, eye.nearest_m + self._params.resolution_m
                hide(self._occupancy, self._free, eye.blind, scan.tan0, scan.tan_step, near_m, *self._spot(eye))
        self._occupancy.flat[robot], self._free[1:-1, 1:-1].flat[robot] = occupancy, free

    def _give_way(self, robot: IntP) -> None:
        """Around what moves nothing is known to be free, but where the robot stands; see `Movers`."""
        if not len(self._moving):
            return
        free = self._free[1:-1, 1:-1]
        kept = free.flat[robot], self._occupancy.flat[robot]
        for place in self._moving:
            around = self._disc(place, self._params.berth_m)
            known_free = around[free.flat[around] > 0]
            free.flat[known_free], self._occupancy.flat[known_free] = 0, -1
        free.flat[robot], self._occupancy.flat[robot] = kept

    def _disc(self, place: F64, radius_m: float) -> IntP:
        """Flat indices of the cells whose centres lie within `radius_m` of a place (x, y, ...) in odom."""
        assert self._corner is not None
        n, resolution_m = self._cells, self._params.resolution_m
        x, y = (float(place[i]) / resolution_m - self._corner[i] - 0.5 for i in (0, 1))
        reach = radius_m / resolution_m
        rows = np.arange(max(0, math.ceil(y - reach)), min(n, math.floor(y + reach) + 1))
        columns = np.arange(max(0, math.ceil(x - reach)), min(n, math.floor(x + reach) + 1))
        within = np.add.outer((rows - y) ** 2, (columns - x) ** 2) <= reach**2
        return np.asarray(np.add.outer(rows * n, columns)[within])

    def _published(self, stamp_ns: int, frame_id: str) -> LocalMap:
        assert self._corner is not None
        cv2.distanceTransform(self._free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE, dst=self._distance)
        clearance_m = np.empty(self._odds.shape, np.float32)
        _metres(self._distance, self._params.resolution_m, clearance_m)
        origin_m = (self._corner[0] * self._params.resolution_m, self._corner[1] * self._params.resolution_m)
        return LocalMap(stamp_ns, frame_id, self._params.resolution_m, origin_m, self._occupancy, clearance_m)


@kernel(void, array(f32, 2), buffer(u8, 2), buffer(i8, 2))
def _label(odds: F32, free: U8, occupancy: I8) -> None:
    """Which cells are known to be free, inside of a rim, and occupancy in percent, -1 where it is not known."""
    for i in range(odds.shape[0]):
        for j in range(odds.shape[1]):
            value = odds[i, j]
            free[i + 1, j + 1] = value <= _FREE
            known = value <= _FREE or value >= _OCCUPIED
            occupancy[i, j] = int(100 / (1 + math.exp(-value))) if known else -1


@kernel(void, array(f32, 2), f32, buffer(f32, 2))
def _metres(cells: F32, cell_m: float, clearance_m: F32) -> None:
    """Distances in cells, inside of a rim, to metres.

    OpenCV's last bits depend on where its buffers lie; squared distances between cells are whole numbers.
    """
    for i in range(clearance_m.shape[0]):
        for j in range(clearance_m.shape[1]):
            d = cells[i + 1, j + 1]
            clearance_m[i, j] = math.sqrt(np.rint(d * d)) * cell_m
