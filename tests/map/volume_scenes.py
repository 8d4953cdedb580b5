"""Analytic scenes: depth images of planes, spheres and boxes, without noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from map_node.volume.base import VolumeParams
from map_node.volume.cpu import CpuVolume
from saccade.geometry import SE3, Pinhole
from saccade.types import Depth

CAMERA = Pinhole(150.0, 150.0, 79.5, 59.5, 160, 120)
HZ_NS = 100_000_000
Distance = Callable[[np.ndarray], np.ndarray]
"""Signed distance (n,) of points (n, 3), positive where it is free."""


def plane(normal: tuple[float, float, float], offset_m: float) -> Distance:
    n = np.array(normal) / np.linalg.norm(normal)
    return lambda p: p @ n - offset_m


def sphere(centre: tuple[float, float, float], radius_m: float) -> Distance:
    return lambda p: np.linalg.norm(p - np.array(centre), axis=-1) - radius_m


def box(centre: tuple[float, float, float], half: tuple[float, float, float]) -> Distance:
    def distance(p: np.ndarray) -> np.ndarray:
        q = np.abs(p - np.array(centre)) - np.array(half)
        return np.linalg.norm(np.maximum(q, 0), axis=-1) + np.minimum(q.max(axis=-1), 0)

    return distance


def union(*parts: Distance) -> Distance:
    return lambda p: np.min([part(p) for part in parts], axis=0)


def looking(at_m: tuple[float, float, float], to_m: tuple[float, float, float]) -> SE3:
    """A camera (optical axes) at one point that looks at another, level with z up."""
    forward = np.subtract(to_m, at_m).astype(float)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    return SE3(np.stack([right, np.cross(forward, right), forward], axis=1), np.array(at_m, float))


def render(
    scene: Distance, T: SE3, stamp_ns: int = HZ_NS, range_m: float = 8.0, sure: int = 255, camera: Pinhole = CAMERA
) -> Depth:
    """Sphere tracing; NaN where nothing is hit within the range."""
    v, u = np.mgrid[: camera.height, : camera.width]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], -1).reshape(-1, 3)
    length = np.linalg.norm(rays, axis=1)
    world = rays @ T.R.T
    z = np.zeros(len(rays))
    for _ in range(60):
        step = np.clip(scene(T.t + world * z[:, None]), -1, 1)
        z += step / length
        if np.all((np.abs(step) < 1e-4) | (z > range_m)):
            break
    miss = (np.abs(scene(T.t + world * z[:, None])) > 1e-3) | (z > range_m) | (z <= 0)
    depth_m = np.where(miss, np.nan, z).reshape(u.shape).astype(np.float32)
    return Depth(stamp_ns, "camera", depth_m, np.full(u.shape, sure, np.uint8), camera)


def volume(**changes: object) -> CpuVolume:
    return CpuVolume(VolumeParams(**{"voxel_m": 0.05, "size_m": (4.0, 4.0, 2.4), "max_range_m": 5.0, **changes}))
