"""One of the cameras that look into the map: from where, what it showed last, and where it may be blind."""

from __future__ import annotations

import math

import numpy as np

from perception_node.near import Blindness, Reach
from perception_node.params import MapParams
from perception_node.scan import Scan, Scanner
from saccade.clock import MS
from saccade.geometry import F64, SE3
from saccade.types import Depth

_OPEN_NS = 500 * MS
"""What a camera showed longer ago says nothing of what it would show now."""
_PERSON_M = 0.5
"""So far before its middle one who walks is seen."""
Spot = tuple[float, float, float, float, float]


class Eye:
    """A camera's newest scan, and its place (2,) and heading in odom at that moment; `blind` (bearings,), `Blindness`.

    Nearer than `nearest_m` it sees nothing.
    """

    def __init__(self, params: MapParams, range_m: float) -> None:
        self._scanner, self._blindness = Scanner(params, range_m), Blindness(params.bearings)
        self._seen_ns = 0
        self.place: F64 = np.zeros(2)
        self.nearest_m = 0.0

    def look(
        self, depth: Depth, T_odom_from_level: SE3, T_level_from_cam: SE3, reach: Reach, stamp_ns: int
    ) -> None:  # fmt: skip
        """Take one more depth image, which counts as of `stamp_ns`."""
        self.scan: Scan = self._scanner(depth, T_level_from_cam)
        self.place = (T_odom_from_level @ T_level_from_cam).t[:2]
        self._heading = T_odom_from_level.yaw + self.scan.heading_rad
        c, s, right = math.cos(self.scan.heading_rad), math.sin(self.scan.heading_rad), T_level_from_cam.R[:, 0]
        self.blind = self._blindness.look(self.scan, depth.camera, reach, round(float(s * right[0] - c * right[1])))
        self.nearest_m, self._seen_ns = reach.nearest_m, stamp_ns

    def open(self, stamp_ns: int) -> bool:
        """Whether it still looks, at `stamp_ns`."""
        return stamp_ns - self._seen_ns < _OPEN_NS

    def spot(self, corner: tuple[int, int], cell_m: float) -> Spot:
        """The window's `corner` (cells) from the camera and a cell's edge, in metres; the heading's cosine and sine."""
        x_m, y_m = (corner[i] * cell_m - float(self.place[i]) for i in (0, 1))
        return x_m, y_m, cell_m, math.cos(self._heading), math.sin(self._heading)

    def shows(self, place: F64) -> bool:
        """Whether its scan shows what is at a place (2,) in odom: neither beside nor behind."""
        x, y = (place - self.place).tolist()
        c, s, scan = math.cos(self._heading), math.sin(self._heading), self.scan
        forward = c * x + s * y
        if forward <= 0.0:
            return False
        bearing = math.floor(((c * y - s * x) / forward - scan.tan0) / scan.tan_step)
        return 0 <= bearing < len(scan.free_m) - 1 and bool(scan.free_m[bearing] > forward - _PERSON_M)
