"""A plan's waypoints as a curve that can be followed by arc length. Plain floats: the fast policy asks it often."""

from __future__ import annotations

import math
from itertools import pairwise

from saccade.geometry import F64


class Track:
    """A polyline in the plan's frame; the robot ends at its last point, facing along its last segment."""

    def __init__(self, waypoints: F64) -> None:
        """From waypoints (n, 3) in metres, n >= 1; repeated points are merged."""
        points: list[tuple[float, float]] = []
        for x, y, _ in waypoints.tolist():
            if not points or math.hypot(x - points[-1][0], y - points[-1][1]) > 1e-6:
                points.append((x, y))
        self._points = points
        self._along = [0.0]
        for (x0, y0), (x1, y1) in pairwise(points):
            self._along.append(self._along[-1] + math.hypot(x1 - x0, y1 - y0))
        self.length_m = self._along[-1]
        self.end = points[-1]
        (x0, y0), (x1, y1) = points[-2:] if len(points) > 1 else (points[0], points[0])
        self.end_yaw = math.atan2(y1 - y0, x1 - x0) if len(points) > 1 else None

    def nearest(self, x: float, y: float, begin_m: float = 0.0, window_m: float = math.inf) -> float:
        """Arc length of the point nearest to (x, y), looked for from `begin_m` on over `window_m`."""
        best_m, best_d = begin_m, math.inf
        for i in range(len(self._points) - 1):
            a, b = self._along[i], self._along[i + 1]
            if b < begin_m:
                continue
            if a > begin_m + window_m:
                break
            (x0, y0), (x1, y1) = self._points[i], self._points[i + 1]
            ux, uy = (x1 - x0) / (b - a), (y1 - y0) / (b - a)
            s = min(b, max(a, begin_m, a + (x - x0) * ux + (y - y0) * uy))
            d = math.hypot(x0 + (s - a) * ux - x, y0 + (s - a) * uy - y)
            if d < best_d - 1e-9:
                best_m, best_d = s, d
        return best_m

    def point(self, s_m: float, aside_m: float = 0.0) -> tuple[float, float]:
        """The point at an arc length, `aside_m` to the left of the curve; the end beyond the end."""
        if s_m >= self.length_m:
            return self.end
        i = 0
        while self._along[i + 1] <= s_m:
            i += 1
        (x0, y0), (x1, y1) = self._points[i], self._points[i + 1]
        length = self._along[i + 1] - self._along[i]
        ux, uy, ahead = (x1 - x0) / length, (y1 - y0) / length, s_m - self._along[i]
        return x0 + ahead * ux - aside_m * uy, y0 + ahead * uy + aside_m * ux
