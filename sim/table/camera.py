"""A camera with depth that needs no OpenGL: MuJoCo casts one ray a pixel against what is there now."""

from __future__ import annotations

from itertools import product
from typing import Any

import cv2
import mujoco
import numpy as np
from numpy.typing import NDArray

from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.types import U8

FAR_M = 3.0
_LIGHT = np.array([0.35, -0.25, 0.90])
_AMBIENT = 0.45
_BACKDROP = (96, 100, 104)
_FIXED, _MOVING = 0, 1
"""Groups of what is cast, see `geom_group` in MuJoCo's documentation."""
_NEAR_M = 0.01
"""The outline of something that reaches behind the camera is not known."""
_CORNERS = np.array(list(product((-1.0, 1.0), repeat=3)))
_EDGE_M = 0.02
"""Neighbouring pixels further apart than this in depth lie at an edge, where depth cameras see nothing."""


class RayCamera:
    """Pictures from a fixed pose: flat colours, one lamp, no shadows; depth is exact; `noisy` makes it a camera's.

    What can never move is cast once; a picture casts the pixels that a box around something movable may cover.
    """

    def __init__(self, model: Any, data: Any, camera: Pinhole, T_world_from_cam: SE3) -> None:
        self._model, self._data, self._camera = model, data, camera
        self._shape, self._T_cam_from_world = (camera.height, camera.width), T_world_from_cam.inverse()
        v, u = np.mgrid[: camera.height, : camera.width].astype(np.float64)
        rays = camera.unproject(np.stack([u, v], axis=-1), np.ones(self._shape))
        self._eye: F64 = T_world_from_cam.t.copy()
        self._rays: F64 = np.ascontiguousarray(rays.reshape(-1, 3) @ T_world_from_cam.R.T)
        colours = np.round(255 * model.geom_rgba[:, :3])
        self._colours: F32 = np.vstack([_BACKDROP, colours]).astype(np.float32)
        moving = model.body_weldid[model.geom_bodyid] != 0
        self._moving = np.flatnonzero(moving)
        groups = np.zeros(6, np.uint8)
        groups[_FIXED] = 1
        before = model.geom_group.copy()
        model.geom_group[:] = np.where(moving, _MOVING, _FIXED)
        self._fixed = self._cast(self._rays, groups)
        model.geom_group[:] = before

    def render(self) -> tuple[U8, F32]:
        """(rgb (H, W, 3) uint8, depth (H, W) float32 metres along the optical axis, NaN where nothing is near)."""
        rgb, depth = (part.copy() for part in self._fixed)
        covered = np.flatnonzero(self._covered())
        rgb[covered], depth[covered] = self._cast(self._rays[covered])
        picture = cv2.GaussianBlur(rgb.reshape(*self._shape, 3), (3, 3), 0.6)
        return np.asarray(picture, np.uint8), depth.reshape(self._shape)

    def _cast(self, rays: F64, groups: U8 | None = None) -> tuple[U8, F32]:
        """Colours (n, 3) and depths (n,) along rays (n, 3), of all there is or of some groups of it."""
        count = len(rays)
        geom, depth, normal = np.empty(count, np.int32), np.empty(count), np.empty((count, 3))
        mujoco.mj_multiRay(
            self._model, self._data, self._eye, rays.reshape(-1), groups, True, -1, geom, depth, normal.reshape(-1),
            count, FAR_M,
        )  # fmt: skip
        light = _AMBIENT + (1 - _AMBIENT) * np.maximum(0.0, normal @ (_LIGHT / np.linalg.norm(_LIGHT)))
        nothing = geom < 0
        light[nothing] = 1.0
        rgb = np.clip(self._colours[geom + 1] * light[:, None].astype(np.float32), 0, 255).astype(np.uint8)
        return rgb, np.where(nothing | (depth > FAR_M), np.nan, depth).astype(np.float32)

    def _covered(self) -> NDArray[np.uint8]:
        """Pixels (H W,) in which something movable may be seen, not 0: the outlines of the boxes around its parts."""
        T, moving, data = self._T_cam_from_world, self._moving, self._data
        box = self._model.geom_aabb[moving]
        corners = box[:, None, :3] + _CORNERS * box[:, None, 3:]
        R = data.geom_xmat[moving].reshape(-1, 3, 3)
        points = T.apply(np.einsum("nij,nkj->nki", R, corners) + data.geom_xpos[moving][:, None])
        covered = np.zeros(self._shape, np.uint8)
        if (points[..., 2] < _NEAR_M).any():
            covered[:] = 1
            return covered.reshape(-1)
        for outline in np.round(self._camera.project(points)).astype(np.int32):
            cv2.fillConvexPoly(covered, cv2.convexHull(outline), 1)
        return np.asarray(cv2.dilate(covered, np.ones((3, 3), np.uint8)), np.uint8).reshape(-1)


def noisy(depth_m: F32, rng: np.random.Generator) -> F32:
    """Depth as a camera gives it: noise of 1 mm and 2 mm/m², whole millimetres, nothing at edges."""
    noise = (0.001 + 0.002 * depth_m * depth_m) * rng.standard_normal(depth_m.shape, dtype=np.float32)
    seen: F32 = np.round((depth_m + noise) * 1000) / np.float32(1000)
    filled = np.nan_to_num(depth_m, nan=FAR_M).astype(np.float32)
    edge = cv2.dilate(filled, np.ones((3, 3))) - cv2.erode(filled, np.ones((3, 3))) > _EDGE_M
    seen[edge] = np.nan
    return seen
