"""A camera without OpenGL: one ray a pixel against a scene's solids, colours from the baked atlas.

The default, because it needs no driver, runs anywhere, and gives the same bytes for the same pose (`sim.cast`).
Depth is exact, so left and right pictures are exact stereo.
OpenCV 5's `triangleRasterize` was tried instead: it drops every triangle with a corner behind the camera, so floor and
walls need thousands of them (20 ms a picture), where the rays take a few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.types import U8
from sim.bake import LEVELS, bake
from sim.cast import I64, SOLID, cast_room, cast_solid, look_up, row_of
from sim.scene import Place, Scene
from sim.shapes import Room
from sim.things import Thing

_NEAR_M = 0.02
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


class SoftRenderer:
    """Renders a scene from any pose inside its room."""

    def __init__(self, scene: Scene, camera: Pinhole) -> None:
        self._camera = camera
        self._atlas = bake(scene)
        self._things = list(scene.things)
        self._rows = np.array([row_of(thing) for thing in self._things]).reshape(-1, len(SOLID))
        self._corners = np.array([_corners(thing) for thing in self._things]).reshape(-1, 8, 3)
        self._fixed = len(self._things) - scene.movers
        self._shape = (camera.height, camera.width)
        self._a = ((np.arange(camera.width) - camera.cx) / camera.fx).astype(np.float32)
        self._b = ((np.arange(camera.height) - camera.cy) / camera.fy).astype(np.float32)
        self._at_x, self._at_y = np.empty(self._shape, np.float32), np.empty(self._shape, np.float32)

    def render(self, T_world_from_cam: SE3, moved: Sequence[Place] = ()) -> tuple[U8, F32]:
        """See `Renderer.render`."""
        for i, place in enumerate(moved, start=self._fixed):
            thing = replace(self._things[i], x=place.x, y=place.y, yaw=place.yaw)
            self._rows[i], self._corners[i] = row_of(thing), _corners(thing)
        rgb, depth_m, chart = self._cast(T_world_from_cam)
        _soften_edges(rgb, chart)
        return rgb, depth_m

    def close(self) -> None:
        """Nothing is held."""

    def _cast(self, T: SE3) -> tuple[U8, F32, U8]:
        """(colour, depth, chart number) of each pixel."""
        room, size_m, R = self._atlas.room, np.array(self._atlas.room.size_m), T.R.astype(np.float32)
        origin = np.ascontiguousarray(T.t)
        t, chart = np.empty(self._shape, np.float32), np.empty(self._shape, np.uint8)
        cast_room(size_m, origin, R, self._a, self._b, t, chart)
        for i, window in self._windows(T):
            cast_solid(self._rows[i], Room.FACES + i, window, origin, R, self._a, self._b, t, chart)
        slant = np.array([1 / max(0.02, room.distance_m(f, origin)) for f in range(Room.FACES)], np.float32)
        ppm = np.array([self._atlas.ppm / 2**level for level in range(LEVELS)], np.float32)
        footprint = (self._atlas.ppm / self._camera.fx) ** 2 * 4
        look_up(
            self._rows, size_m, origin, R, self._a, self._b, t, chart, slant, ppm, footprint, self._atlas.corner,
            self._at_x, self._at_y,
        )  # fmt: skip
        rgb = cv2.remap(self._atlas.picture, self._at_x, self._at_y, cv2.INTER_LINEAR)
        return np.asarray(rgb, np.uint8), t, chart

    def _windows(self, T: SE3) -> Iterator[tuple[int, I64]]:
        """(number, rows and columns (4,) of the rays that may hit it) of each solid in view, the nearest first."""
        corners = (self._corners - T.t) @ T.R
        near, far = corners[..., 2].min(axis=1), corners[..., 2].max(axis=1)
        projected = corners[..., :2] / corners[..., 2:]
        ahead = (near > _NEAR_M)[:, None]
        low = np.where(ahead, projected.min(axis=1), -np.inf)
        high = np.where(ahead, projected.max(axis=1), np.inf)
        left, right = np.searchsorted(self._a, low[:, 0], "left"), np.searchsorted(self._a, high[:, 0], "right")
        top, bottom = np.searchsorted(self._b, low[:, 1], "left"), np.searchsorted(self._b, high[:, 1], "right")
        windows = np.stack([top, bottom, left, right], axis=1)
        for i in np.argsort(near, kind="stable"):
            if far[i] > _NEAR_M and left[i] < right[i] and top[i] < bottom[i]:
                yield int(i), windows[i]


def _corners(thing: Thing) -> F64:
    """Corners (8, 3) of an upright box around a thing."""
    x, y = (size / 2 for size in thing.size[:2]) if thing.kind == "box" else (thing.radius_m, thing.radius_m)
    T = SE3.from_rpy(0.0, 0.0, thing.yaw, (thing.x, thing.y, thing.z))
    return T.apply(np.array([(i * x, j * y, k) for i in (-1, 1) for j in (-1, 1) for k in (0.0, thing.height_m)]))


def _soften_edges(rgb: U8, chart: U8) -> None:
    """Blur where neighbouring pixels see different charts: one ray a pixel leaves stairs that no lens would."""
    edge = cv2.morphologyEx(chart, cv2.MORPH_GRADIENT, _CROSS)
    cv2.copyTo(cv2.GaussianBlur(rgb, (3, 3), 0.7), edge, rgb)
