"""A plan's waypoints as a curve in space that can be followed by arc length; plain floats, as in `Track`."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TypeAlias

from saccade.geometry import F64

Point: TypeAlias = tuple[float, float, float]
_LEVEL_M = 0.01
"""A segment that leads no farther to the side than this has no heading."""


class Course:
    """A polyline in the plan's frame; the robot ends at its last point, facing along its last segment if that leads
    anywhere but up or down."""

    def __init__(self, waypoints: F64) -> None:
        """From waypoints (n, 3) in metres, n >= 1; repeated points are merged."""
        points: list[Point] = []
        for x, y, z in waypoints.tolist():
            if not points or math.dist((x, y, z), points[-1]) > 1e-6:
                points.append((x, y, z))
        self._points = points
        self._along = [0.0]
        for a, b in pairwise(points):
            self._along.append(self._along[-1] + math.dist(a, b))
        self.length_m = self._along[-1]
        self.end = points[-1]
        (x0, y0, _), (x1, y1, _) = points[-2:] if len(points) > 1 else (points[0], points[0])
        self.end_yaw = math.atan2(y1 - y0, x1 - x0) if math.hypot(x1 - x0, y1 - y0) > _LEVEL_M else None

    def nearest(self, at: Point, begin_m: float = 0.0, window_m: float = math.inf) -> float:
        """Arc length of the point nearest to `at`, looked for from `begin_m` on over `window_m`."""
        best_m, best_d = begin_m, math.inf
        for i, ((x0, y0, z0), (x1, y1, z1)) in enumerate(pairwise(self._points)):
            a, b = self._along[i], self._along[i + 1]
            if b < begin_m:
                continue
            if a > begin_m + window_m:
                break
            ux, uy, uz = (x1 - x0) / (b - a), (y1 - y0) / (b - a), (z1 - z0) / (b - a)
            s = min(b, max(a, begin_m, a + (at[0] - x0) * ux + (at[1] - y0) * uy + (at[2] - z0) * uz))
            d = math.dist(at, (x0 + (s - a) * ux, y0 + (s - a) * uy, z0 + (s - a) * uz))
            if d < best_d - 1e-9:
                best_m, best_d = s, d
        return best_m

    def point(self, s_m: float) -> Point:
        """The point at an arc length; the end beyond the end."""
        if s_m >= self.length_m:
            return self.end
        i = 0
        while self._along[i + 1] <= s_m:
            i += 1
        share = (s_m - self._along[i]) / (self._along[i + 1] - self._along[i])
        (x0, y0, z0), (x1, y1, z1) = self._points[i], self._points[i + 1]
        return x0 + share * (x1 - x0), y0 + share * (y1 - y0), z0 + share * (z1 - z0)
