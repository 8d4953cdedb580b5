"""What is too near to be seen: a direction in which nothing is seen may be blocked just in front of the camera."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from perception_node.scan import Scan
from saccade.geometry import Pinhole
from saccade.kernel import array, b1, buffer, f64, i8, kernel, u8, void
from saccade.types import I8, U8

Bool = npt.NDArray[np.bool_]
_SOON, _LATE = (3, 0.2), (10, 0.05)
"""After so many frames in a row neighbouring bearings that show nothing are blind, if so wide together (tangent).

Half a metre away the first are as wide as a leg. What is narrower shows nothing for a moment in any scene: plain walls,
the edges of things.
"""


class Reach(NamedTuple):
    """How near a camera sees, and how many columns at the left of its picture cannot see as near as that."""

    nearest_m: float
    columns: float = 0.0


NO_REACH = Reach(0.0)


class Blindness:
    """Which bearings have shown nothing for a while, although what stands beyond `nearest_m` would be seen there."""

    def __init__(self, bearings: int) -> None:
        self._frames = np.zeros(bearings, np.int64)

    def look(self, scan: Scan, camera: Pinhole, reach: Reach, side: int = 1) -> Bool:
        """Blind bearings (n,) after one more scan; none where it is not known how near the camera sees.

        Left of `columns` nothing can be concluded: there the right camera does not see what is near. What is left in
        the picture is on the left for `side` 1, on the right for -1 (the camera hangs), and on neither for 0.
        """
        tangents = scan.tan0 + scan.tan_step * np.arange(len(self._frames))
        unseen = (scan.free_m[:-1] <= 0) & (side * tangents < (camera.cx - reach.columns) / camera.fx)
        self._frames = np.where(unseen & (reach.nearest_m > 0), self._frames + 1, 0)
        soon, late = (_wide(self._frames >= frames, math.ceil(tan / scan.tan_step)) for frames, tan in (_SOON, _LATE))
        return soon | late


def _wide(bearings: Bool, count: int) -> Bool:
    """Those that are among at least `count` neighbours."""
    row = bearings[None].astype(np.uint8)
    return np.asarray(cv2.morphologyEx(row, cv2.MORPH_OPEN, np.ones((1, count), np.uint8))[0], np.bool_)


@kernel(void, buffer(i8, 2), buffer(u8, 2), array(b1, 1), f64, f64, f64, f64, f64, f64, f64, f64)
def hide(
    occupancy: I8, free: U8, blind: Bool, tan0: float, tan_step: float, near_m: float, x0_m: float,
    y0_m: float, cell_m: float, c: float, s: float,
) -> None:  # fmt: skip
    """Make unknown what lies up to `near_m` ahead in blind bearings; `free` has a rim of one cell.

    The window's corner is at `x0_m`, `y0_m` from the camera, heading (c, s).
    """
    for i in range(occupancy.shape[0]):
        y = y0_m + (i + 0.5) * cell_m
        for j in range(occupancy.shape[1]):
            x = x0_m + (j + 0.5) * cell_m
            forward = c * x + s * y
            if not 0.0 < forward <= near_m:
                continue
            place = ((c * y - s * x) / forward - tan0) / tan_step
            if 0.0 <= place < len(blind) and blind[int(place)] and free[i + 1, j + 1]:
                free[i + 1, j + 1], occupancy[i, j] = 0, -1
