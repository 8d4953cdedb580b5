"""Synthetic stereo of a room of textured planes, rendered by homographies with the truth known."""

from functools import cache

import cv2
import numpy as np

from perception_node.odometry.view import rgbd_view, stereo_view
from saccade.clock import MS, SEC
from saccade.geometry import SE3, Pinhole
from saccade.types import Depth, Image, StereoPair

CAMERA = Pinhole(260.0, 260.0, 159.5, 119.5, 320, 240)
BASELINE_M = 0.12
FRAME_NS = 100 * MS
PER_M = 60
"""Texture pixels per metre."""


@cache
def _texture(seed, side=1200):
    rng = np.random.default_rng(seed)
    fine = cv2.GaussianBlur(rng.uniform(0, 255, (side, side)).astype(np.float32), (0, 0), 2.0)
    coarse = cv2.GaussianBlur(rng.uniform(0, 255, (side, side)).astype(np.float32), (0, 0), 8.0)
    mixed = sum((t - t.mean()) / t.std() for t in (fine, coarse))
    return np.clip(127 + 38 * mixed, 0, 255).astype(np.uint8)


class Room:
    """Planes (origin, along u, along v) in the first camera's axes, painted far to near."""

    def __init__(self, seed=0):
        x, y, z = np.eye(3)
        self.planes = [
            (np.array([-10.0, -10.0, 12.0]), x, y),
            (np.array([-10.0, 1.2, 0.5]), x, z),
            (np.array([-3.0, -10.0, 0.5]), z, y),
            (np.array([3.5, -10.0, 0.5]), z, y),
            (np.array([-10.0, -2.0, 0.5]), x, z),
        ]
        self.textures = [_texture(seed * 10 + i) for i in range(len(self.planes))]
        self.noise = np.random.default_rng(seed)

    def render(self, T, sigma=1.5):
        """Picture (H, W) uint8 and depth (H, W) float32 from T_world_from_camera."""
        K = np.array([[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1]])
        v, u = np.mgrid[: CAMERA.height, : CAMERA.width].astype(np.float64)
        rays = np.stack([(u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy, np.ones_like(u)], -1)
        picture, depth = np.zeros(u.shape, np.uint8), np.full(u.shape, np.inf)
        for (origin, a, b), texture in zip(self.planes, self.textures, strict=True):
            axes = T.R.T @ np.stack([a, b, origin - T.t], axis=1)
            H = K @ axes @ np.diag([1 / PER_M, 1 / PER_M, 1.0])
            normal = np.cross(axes[:, 0], axes[:, 1])
            with np.errstate(divide="ignore"):
                z = (normal @ axes[:, 2]) / (rays @ normal)
            warped = cv2.warpPerspective(texture, H, (CAMERA.width, CAMERA.height), flags=cv2.INTER_LINEAR)
            inside = cv2.warpPerspective(np.full_like(texture, 255), H, (CAMERA.width, CAMERA.height)) == 255
            nearer = inside & (z > 0.1) & (z < depth)
            picture[nearer], depth[nearer] = warped[nearer], z[nearer]
        noisy = picture + self.noise.normal(0, sigma, picture.shape)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8), depth.astype(np.float32)

    def pair(self, T, stamp_ns, sigma=1.5):
        left, _ = self.render(T, sigma)
        right, _ = self.render(T @ SE3(np.eye(3), np.array([BASELINE_M, 0, 0])), sigma)
        return StereoPair(stamp_ns, "left_optical", left, right, CAMERA, CAMERA.cx, BASELINE_M)

    def stereo(self, T, i):
        return stereo_view(self.pair(T, SEC + i * FRAME_NS))

    def rgbd(self, T, i):
        picture, depth = self.render(T)
        stamp_ns = SEC + i * FRAME_NS
        depth = np.where(np.isfinite(depth), depth, np.nan).astype(np.float32)
        sure = np.full(depth.shape, 255, np.uint8)
        return rgbd_view(Image(stamp_ns, "c", picture), Depth(stamp_ns, "c", depth, sure, CAMERA))


def walk(n, step_m=0.08, turn=0.01):
    """n poses T_world_from_camera: forward with a swing and a slight turn."""
    poses, T = [], SE3.identity()
    for i in range(n):
        poses.append(T)
        T = T @ SE3.from_rpy(
            0.002 * np.cos(i / 3), turn * np.sin(i / 5), 0.003 * np.sin(i / 4), (0.02 * np.sin(i / 4), 0.004, step_m)
        )
    return poses


def off(estimate, T):
    """Metres and radians between an estimate and the truth."""
    d = estimate.T_start_from_camera.inverse() @ T
    return float(np.linalg.norm(d.t)), float(np.linalg.norm(cv2.Rodrigues(d.R)[0]))
