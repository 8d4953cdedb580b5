"""Views of a room whose depth and poses are known: what a model of several views is shown before it may be used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from engines.probe.scenes import dots
from saccade.geometry import F32, F64, R_BODY_FROM_OPTICAL, SE3, Pinhole
from saccade.types import U8

I64 = npt.NDArray[np.int64]

_ROOM = np.array([[-3.0, -2.5, 0.0], [3.0, 2.5, 2.8]])
_PILLAR = np.array([[0.6, -0.3, 0.0], [1.1, 0.3, 1.7]])
_PX_PER_M, _PAINT = 170.0, 11
_TURN, _WAY = np.radians([6.0, 8.0, 18.0]), np.array([0.35, 0.55, 0.3])
"""How far the cameras are turned (roll, pitch, yaw) and moved, from the first to the last of them, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """n views: pictures (n, H, W, 3) uint8 RGB, depth_m (n, H, W) float32 along the optical axis, T_world_from_cam."""

    name: str
    pictures: U8
    depth_m: F32
    camera: Pinhole
    poses: tuple[SE3, ...]


@lru_cache(maxsize=4)
def walk(name: str, shape: tuple[int, int], views: int, size: float = 1.0, seed: int = 11) -> Walk:
    """A walk through a room with a pillar, everything painted with dots, every metre of it `size` metres.

    Cameras turn about all three axes and move along all three, so that no convention of poses looks like another.
    """
    height, width = shape
    focal = 0.68 * width
    camera = Pinhole(focal, focal, width / 2 - 0.5, height / 2 - 0.5, width, height)
    poses = [_pose(i, views, seed) for i in range(views)]
    seen = [_seen(camera, pose) for pose in poses]
    pictures, depth = np.stack([picture for picture, _ in seen]), np.stack([z for _, z in seen])
    placed = tuple(SE3(pose.R, pose.t * size) for pose in poses)
    return Walk(name, pictures, np.asarray(depth * size, np.float32), camera, placed)


def relative(poses: tuple[SE3, ...]) -> tuple[SE3, ...]:
    """Poses from the first camera's, which makes that the world."""
    first = poses[0].inverse()
    return tuple(first @ pose for pose in poses)


def _pose(i: int, views: int, seed: int) -> SE3:
    """T_world_from_cam: looking along x at the pillar, a little from the left."""
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 2 * np.pi, 6)
    along = i / max(views - 1, 1)
    swing = np.sin(phases + along * np.array([2.9, 2.3, 2.0, 2.4, 2.2, 2.7]))
    roll, pitch, yaw = _TURN * swing[:3]
    body = SE3.from_rpy(roll, pitch, yaw - 0.1, np.array([-1.4, 0.3, 1.3]) + _WAY * swing[3:])
    return SE3(body.R @ R_BODY_FROM_OPTICAL, body.t)


def _seen(camera: Pinhole, pose: SE3) -> tuple[U8, F32]:
    """Picture and depth: where each pixel's ray leaves the room, or enters the pillar."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    pixels = np.stack([u, v], axis=-1).astype(np.float64)
    rays = camera.unproject(pixels, np.ones(u.shape)) @ pose.R.T
    with np.errstate(divide="ignore", invalid="ignore"):
        leave, wall = _last(_ROOM, pose.t, rays)
        enter, face = _first(_PILLAR, pose.t, rays)
    depth = np.where(enter < leave, enter, leave)
    side = np.where(enter < leave, 3 + face, wall)
    at = pose.t + rays * depth[..., None]
    picture = np.zeros((*u.shape, 3), np.uint8)
    for number in range(6):
        axis = number % 3
        across, up = (at[..., k] for k in range(3) if k != axis)
        # Opposite walls, and the pillar, show parts of one picture that lie apart.
        shift = np.where(at[..., axis] > pose.t[axis], 300.0, 0.0) + 150.0 * (number // 3)
        x, y = (np.asarray(coordinate * _PX_PER_M + shift, np.float32) for coordinate in (across, up))
        shown = cv2.remap(dots((480, 600), _PAINT + axis), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        picture[side == number] = shown[side == number]
    return picture, np.asarray(depth, np.float32)


def _last(box: F64, start: F64, rays: F64) -> tuple[F64, I64]:
    """Where rays leave a box that they start in, and across which axis."""
    through = np.where(rays > 0, (box[1] - start) / rays, (box[0] - start) / rays)
    return through.min(axis=-1), through.argmin(axis=-1)


def _first(box: F64, start: F64, rays: F64) -> tuple[F64, I64]:
    """Where rays enter a box from outside, infinity where they miss it, and across which axis."""
    a, b = (box[0] - start) / rays, (box[1] - start) / rays
    near, far = np.minimum(a, b), np.maximum(a, b)
    enter = near.max(axis=-1)
    hit = (enter < far.min(axis=-1)) & (enter > 0)
    return np.where(hit, enter, np.inf), near.argmax(axis=-1)
