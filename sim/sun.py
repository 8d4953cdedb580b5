"""Light from the sun, for worlds under the open sky or a roof that lets it through."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from saccade.geometry import F32
from sim.shapes import FAR, Solid


class Sun:
    """Parallel light with shadows, from `sun` (azimuth, elevation) in radians; the room's own faces let it through."""

    cool = np.array((0.96, 1.0, 1.05), np.float32)

    def __init__(self, sun: tuple[float, float], sunlight: float, ambient: float) -> None:
        azimuth, elevation = sun
        self._to_sun = (
            math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)
        )  # fmt: skip
        self._strength = np.float32(sunlight)
        self.ambient = ambient
        self.warm = np.array((1.05, 1.0, 0.92), np.float32)

    def direct(self, points: F32, normals: F32, solids: Sequence[Solid]) -> F32:
        """See `Light.direct`."""
        facing = np.maximum(normals @ np.array(self._to_sun, np.float32), 0)
        begin = points + np.float32(0.03) * normals
        origin = (begin[..., 0], begin[..., 1], begin[..., 2])
        d = tuple(np.full(facing.shape, c, np.float32) for c in self._to_sun)
        for body in solids if facing.any() else ():
            facing[body.hit(origin, (d[0], d[1], d[2])) < FAR] = 0
        lit: F32 = cv2.GaussianBlur(facing * self._strength, (3, 3), 0.8).astype(np.float32, copy=False)
        return lit
