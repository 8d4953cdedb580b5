"""A camera with depth that needs no OpenGL: MuJoCo casts one ray a pixel against what is there now."""

from __future__ import annotations

from typing import Any

import cv2
import mujoco
import numpy as np

from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.types import U8

FAR_M = 3.0
_LIGHT = np.array([0.35, -0.25, 0.90])
_AMBIENT = 0.45
_BACKDROP = (96, 100, 104)
_EDGE_M = 0.02
"""Neighbouring pixels further apart than this in depth lie at an edge, where depth cameras see nothing."""


class RayCamera:
    """Pictures from a fixed pose: flat colours, one lamp, no shadows; depth is exact; `noisy` makes it a camera's."""

    def __init__(self, model: Any, data: Any, camera: Pinhole, T_world_from_cam: SE3) -> None:
        self._model, self._data, self._shape = model, data, (camera.height, camera.width)
        v, u = np.mgrid[: camera.height, : camera.width].astype(np.float64)
        rays = camera.unproject(np.stack([u, v], axis=-1), np.ones(self._shape))
        self._eye: F64 = T_world_from_cam.t.copy()
        self._rays: F64 = np.ascontiguousarray(rays.reshape(-1, 3) @ T_world_from_cam.R.T)
        count = len(self._rays)
        self._geom, self._depth = np.empty(count, np.int32), np.empty(count)
        self._normal = np.empty((count, 3))
        colours = np.round(255 * model.geom_rgba[:, :3])
        self._colours: F32 = np.vstack([_BACKDROP, colours]).astype(np.float32)

    def render(self) -> tuple[U8, F32]:
        """(rgb (H, W, 3) uint8, depth (H, W) float32 metres along the optical axis, NaN where nothing is near)."""
        mujoco.mj_multiRay(
            self._model, self._data, self._eye, self._rays.reshape(-1), None, True, -1, self._geom, self._depth,
            self._normal.reshape(-1), len(self._rays), FAR_M,
        )  # fmt: skip
        light = _AMBIENT + (1 - _AMBIENT) * np.maximum(0.0, self._normal @ (_LIGHT / np.linalg.norm(_LIGHT)))
        nothing = self._geom < 0
        light[nothing] = 1.0
        rgb = self._colours[self._geom + 1] * light[:, None].astype(np.float32)
        depth = np.where(nothing | (self._depth > FAR_M), np.nan, self._depth).astype(np.float32)
        picture = np.clip(rgb, 0, 255).astype(np.uint8).reshape(*self._shape, 3)
        return np.asarray(cv2.GaussianBlur(picture, (3, 3), 0.6), np.uint8), depth.reshape(self._shape)


def noisy(depth_m: F32, rng: np.random.Generator) -> F32:
    """Depth as a camera gives it: noise of 1 mm and 2 mm/m², whole millimetres, nothing at edges."""
    noise = (0.001 + 0.002 * depth_m * depth_m) * rng.standard_normal(depth_m.shape, dtype=np.float32)
    seen: F32 = np.round((depth_m + noise) * 1000) / np.float32(1000)
    filled = np.nan_to_num(depth_m, nan=FAR_M).astype(np.float32)
    edge = cv2.dilate(filled, np.ones((3, 3))) - cv2.erode(filled, np.ones((3, 3))) > _EDGE_M
    seen[edge] = np.nan
    return seen
