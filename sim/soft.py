"""A camera without OpenGL: one ray a pixel against a scene's solids, colours from the baked atlas.

The default, because it needs nothing but numpy and OpenCV, runs anywhere, and gives the same bytes for the same pose:
element-wise float32 arithmetic, no driver. Depth is exact, so left and right pictures are exact stereo.
OpenCV 5's `triangleRasterize` was tried instead: it drops every triangle with a corner behind the camera, so floor and
walls need thousands of them (20 ms a picture), where the rays take a few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import cv2
import numpy as np

from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.types import U8
from sim.bake import LEVELS, bake
from sim.scene import Place, Scene
from sim.shapes import Room, Solid, solid
from sim.things import Thing

Window: TypeAlias = tuple[slice, slice]
_NEAR_M = 0.02
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


class SoftRenderer:
    """Renders a scene from any pose inside its room."""

    def __init__(self, scene: Scene, camera: Pinhole) -> None:
        self._camera = camera
        self._atlas = bake(scene)
        self._solids = list(self._atlas.solids)
        self._corners = np.array([_corners(body.thing) for body in self._solids]).reshape(-1, 8, 3)
        self._fixed = len(self._solids) - scene.movers
        self._a = ((np.arange(camera.width) - camera.cx) / camera.fx).astype(np.float32)[None]
        self._b = ((np.arange(camera.height) - camera.cy) / camera.fy).astype(np.float32)[:, None]

    @np.errstate(divide="ignore", invalid="ignore")
    def render(self, T_world_from_cam: SE3, moved: Sequence[Place] = ()) -> tuple[U8, F32]:
        """See `Renderer.render`."""
        for i, place in enumerate(moved, start=self._fixed):
            thing = replace(self._solids[i].thing, x=place.x, y=place.y, yaw=place.yaw)
            self._solids[i], self._corners[i] = solid(thing), _corners(thing)
        rgb, depth_m, chart = self._cast(T_world_from_cam)
        _soften_edges(rgb, chart)
        return rgb, depth_m

    def close(self) -> None:
        """Nothing is held."""

    def _cast(self, T: SE3) -> tuple[U8, F32, U8]:
        """(colour, depth, chart number) of each pixel."""
        a, b, origin = self._a, self._b, T.t
        dx, dy, dz = (row[0] * a + (row[1] * b + row[2]) for row in T.R.astype(np.float32))
        d = (dx, dy, dz)
        t, chart = self._atlas.room.hit(origin, d)
        seen: list[tuple[int, Solid, Window]] = []
        for i, near_m, window in self._windows(T):
            if near_m >= t[window].max():
                continue  # all of it is behind something
            number, body = Room.FACES + i, self._solids[i]
            ahead = body.hit(origin, (dx[window], dy[window], dz[window]))
            chart[window] = np.where(ahead < t[window], np.uint8(number), chart[window])
            t[window] = np.minimum(ahead, t[window])
            seen.append((number, body, window))
        x, y, z = (np.float32(o) + t * component for o, component in zip(origin, d, strict=True))
        s, v = self._atlas.room.chart(chart, x, y, z)
        for number, body, window in seen:
            on = chart[window] == number
            s[window][on], v[window][on] = body.chart(x[window][on], y[window][on], z[window][on])
        return self._look_up(origin, t, chart, s, v), t, chart

    def _windows(self, T: SE3) -> Iterator[tuple[int, float, Window]]:
        """(number, least depth, rays that may hit it) of each solid in view, the nearest first."""
        corners = (self._corners - T.t) @ T.R
        near, far = corners[..., 2].min(axis=1), corners[..., 2].max(axis=1)
        projected = corners[..., :2] / corners[..., 2:]
        ahead = (near > _NEAR_M)[:, None]
        low = np.where(ahead, projected.min(axis=1), -np.inf)
        high = np.where(ahead, projected.max(axis=1), np.inf)
        a, b = self._a[0], self._b[:, 0]
        left, right = np.searchsorted(a, low[:, 0], "left"), np.searchsorted(a, high[:, 0], "right")
        top, bottom = np.searchsorted(b, low[:, 1], "left"), np.searchsorted(b, high[:, 1], "right")
        for i in np.argsort(near, kind="stable"):
            if far[i] > _NEAR_M and left[i] < right[i] and top[i] < bottom[i]:
                yield int(i), float(near[i]), (slice(top[i], bottom[i]), slice(left[i], right[i]))

    def _look_up(self, origin: F64, t: F32, chart: U8, s: F32, v: F32) -> U8:
        """Colour at chart coordinates in metres, from the level whose pixels are as large as a ray's footprint.

        The footprint's area is (t / f)^2, times t / h on a plane seen from distance h.
        """
        corner = self._atlas.corner
        slant = np.zeros(256, np.float32)
        slant[: Room.FACES] = [1 / max(0.02, self._atlas.room.distance_m(f, origin)) for f in range(Room.FACES)]
        area = t * t * np.maximum(cv2.LUT(chart, slant) * t, 1.3)
        area *= np.float32((self._atlas.ppm / self._camera.fx) ** 2 * 4)
        np.clip(area, 2, 2 * 4 ** (LEVELS - 1), out=area)
        level = ((area.view(np.int32) >> 24) - 64).astype(np.uint8)  # log4 of a float32, read off its exponent
        index = chart * np.uint8(LEVELS) + level
        scale = np.float32(self._atlas.ppm) / 2.0 ** (np.arange(256, dtype=np.float32) % LEVELS)
        at_x = s * cv2.LUT(index, scale) + cv2.LUT(index, _table(corner[..., 0]))
        at_y = v * cv2.LUT(index, scale) + cv2.LUT(index, _table(corner[..., 1]))
        return np.asarray(cv2.remap(self._atlas.picture, at_x, at_y, cv2.INTER_LINEAR), np.uint8)


def _corners(thing: Thing) -> F64:
    """Corners (8, 3) of an upright box around a thing."""
    x, y = (size / 2 for size in thing.size[:2]) if thing.kind == "box" else (thing.radius_m, thing.radius_m)
    T = SE3.from_rpy(0.0, 0.0, thing.yaw, (thing.x, thing.y, 0.0))
    return T.apply(np.array([(i * x, j * y, k) for i in (-1, 1) for j in (-1, 1) for k in (0.0, thing.height_m)]))


def _soften_edges(rgb: U8, chart: U8) -> None:
    """Blur where neighbouring pixels see different charts: one ray a pixel leaves stairs that no lens would."""
    edge = cv2.morphologyEx(chart, cv2.MORPH_GRADIENT, _CROSS)
    cv2.copyTo(cv2.GaussianBlur(rgb, (3, 3), 0.7), edge, rgb)


def _table(values: F32) -> F32:
    out = np.zeros(256, np.float32)
    out[: values.size] = values.reshape(-1)
    return out
