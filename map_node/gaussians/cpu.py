"""Gaussians drawn on the CPU, one thread, in compiled kernels: the same bytes in every run."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from map_node.gaussians import kernels
from map_node.gaussians.base import Drawing, Gaussians
from map_node.volume.base import I32, I64
from saccade.geometry import F64, SE3, Pinhole


class Projected(NamedTuple):
    """Gaussians as one camera sees them; see `kernels.project` and `kernels.sort_into_tiles`."""

    flat: F64
    ends: I64
    entries: I32


def project(gaussians: Gaussians, T_odom_from_cam: SE3, camera: Pinhole, near_m: float) -> Projected:
    """Project and sort into tiles, by depth; of equal depths the first."""
    T_cam_from_odom, n = T_odom_from_cam.inverse(), len(gaussians.at)
    flat, tiles = np.zeros((n, 7)), np.empty((n, 4), np.int32)
    kernels.project(
        gaussians.at, gaussians.scale_m, gaussians.wxyz, gaussians.opacity, np.ascontiguousarray(T_cam_from_odom.R),
        T_cam_from_odom.t, lens(camera), near_m, flat, tiles,
    )  # fmt: skip
    seen = np.flatnonzero((tiles[:, 1] > tiles[:, 0]) & (tiles[:, 3] > tiles[:, 2]))
    order = seen[np.argsort(flat[seen, 2], kind="stable")].astype(np.int64)
    shape = math.ceil(camera.height / kernels.TILE), math.ceil(camera.width / kernels.TILE)
    ends = np.empty(shape, np.int64)
    entries = np.empty(kernels.sort_into_tiles(order, tiles, ends, np.empty(0, np.int32)), np.int32)
    if len(entries):
        kernels.sort_into_tiles(order, tiles, ends, entries)
    return Projected(flat, ends, entries)


def blend(
    gaussians: Gaussians, projected: Projected, camera: Pinhole, background: tuple[float, float, float]
) -> Drawing:
    """Draw what was projected."""
    shape = camera.height, camera.width
    made = Drawing(np.zeros((*shape, 3), np.float32), np.empty(shape, np.float32), np.zeros(shape, np.float32))
    kernels.blend(projected.flat, gaussians.rgb, gaussians.opacity, projected.ends, projected.entries,
                  np.array(background, np.float64), *made)  # fmt: skip
    return made


class CpuRenderer:
    """See `Renderer`."""

    def draw(
        self,
        gaussians: Gaussians,
        T_odom_from_cam: SE3,
        camera: Pinhole,
        background: tuple[float, float, float] = (0.0, 0.0, 0.0),
        near_m: float = 0.05,
    ) -> Drawing:
        """See `Renderer.draw`."""
        return blend(gaussians, project(gaussians, T_odom_from_cam, camera, near_m), camera, background)


def lens(camera: Pinhole) -> F64:
    """fx, fy, cx, cy, width, height, for the kernels."""
    return np.array([camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height], np.float64)
