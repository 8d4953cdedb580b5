"""The tables a generated world is made of: what the compiled ray caster reads, and the names of its columns.

Frame: the left camera's optical frame (x right, y down, z forward), metres. The right camera stands at
(baseline, 0, 0) and looks the same way, so the disparity of a point is focal * baseline / z.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from saccade.geometry import F64
from saccade.types import U8

Pixels = npt.NDArray[Any]
"""Columns or rows, whole or not."""


class Shape(IntEnum):
    """What an object is; half sizes along its own axes."""

    BOX = 0
    ELLIPSOID = 1
    CYLINDER = 2  # along its own y axis
    CARD = 3  # a rectangle in its own xy plane; may have holes where its texture's alpha is below a half
    MESH = 4  # triangles, already in the camera's frame


# Columns of `World.objects`.
SHAPE, ROTATION, CENTRE, HALF = 0, 1, 10, 13  # ROTATION: 9 numbers, row-major, camera from object
BOUND, FIRST, LAST = 16, 17, 18  # radius of the bounding sphere; range of the triangles
TEXTURE, TEXELS_PER_M, SHIFT, CONTRAST, MACRO = 19, 20, 21, 23, 24  # SHIFT: u, v
TINT, GLOSS, MIRROR, HOLES, SHADOW = 25, 28, 29, 30, 31  # TINT: 3; HOLES, SHADOW: 0 or 1
OBJECT_COLUMNS = 32

# Entries of `World.light`; colours are linear RGB.
SUN, SUN_COLOUR, AMBIENT, HORIZON, ZENITH = 0, 3, 6, 9, 12
LAMP, LAMP_COLOUR, LAMP_REACH, CLOUDS, CLOUD_TEXTURE = 15, 18, 21, 22, 23  # LAMP: position; REACH: metres to half light
LIGHT_ENTRIES = 24


@dataclass(frozen=True, slots=True)
class Rig:
    """A rectified stereo rig: size and principal point in pixels, `near_m` is where the largest disparity lies."""

    width: int
    height: int
    focal_px: float
    cx: float
    cy: float
    baseline_m: float
    max_disparity: int

    @property
    def near_m(self) -> float:
        """Distance of the nearest thing that may be seen; nearer parts are cut away in both pictures."""
        return self.focal_px * self.baseline_m / self.max_disparity

    def z(self, disparity: float) -> float:
        """Distance in metres along the optical axis at a disparity in pixels."""
        return self.focal_px * self.baseline_m / disparity

    def at(self, u: float, v: float, disparity: float) -> F64:
        """Point (3,) in metres seen at pixel (u, v) of the left picture."""
        z = self.z(disparity)
        return np.array([(u - self.cx) / self.focal_px * z, (v - self.cy) / self.focal_px * z, z])


@dataclass(frozen=True, slots=True)
class Eye:
    """One camera of a rig: its place on the baseline, and how far it is out of line.

    Its pixel (x, y) shows what belongs to row y + shift + tilt * (x - cx) + stretch * (y - cy).
    """

    x_m: float
    shift: float = 0.0
    tilt: float = 0.0
    stretch: float = 0.0

    def shows(self, rig: Rig, x: Pixels, y: Pixels) -> Pixels:
        """The ideal row that pixels (x, y) show."""
        return y + self.shift + self.tilt * (x - rig.cx) + self.stretch * (y - rig.cy)

    def row_of(self, rig: Rig, x: Pixels, ideal: Pixels) -> Pixels:
        """The row of column x where an ideal row is seen."""
        return (ideal - self.shift - self.tilt * (x - rig.cx) + self.stretch * rig.cy) / (1.0 + self.stretch)


def eyes_of(rig: Rig, row_error_px: tuple[float, float, float]) -> tuple[Eye, Eye]:
    """Left and right camera; for the error of the right one's rows see `render`."""
    shift, tilt, stretch = row_error_px[0], row_error_px[1] / rig.width, row_error_px[2] / rig.height
    shift += tilt * (rig.cx - (rig.width - 1) / 2) + stretch * (rig.cy - (rig.height - 1) / 2)
    return Eye(0.0), Eye(rig.baseline_m, shift, tilt, stretch)


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """Everything that can be seen.

    objects (n, OBJECT_COLUMNS), triangles (m, 3, 3): a corner and two edges; atlas (t, 2S, S, 4) uint8: RGBA textures
    with their mipmaps below one another; light (LIGHT_ENTRIES,). `up` (3,): away from the ground.
    """

    kind: str
    objects: F64
    triangles: F64
    atlas: U8
    light: F64
    up: F64
