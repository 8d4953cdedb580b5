"""What people and reasoners are shown of the map: from above, from behind the robot, and once around."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from map_node.gaussians.base import Drawing, Gaussians, Renderer
from map_node.gaussians.mesh import draw_mesh
from map_node.volume.mesh import Mesh
from saccade.errors import ConfigError
from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.types import U8

Scene = Callable[..., Drawing]
"""`Renderer.draw` without its Gaussians: (T_odom_from_cam, camera, background, near_m) -> Drawing."""
_NOTHING = (0.11, 0.12, 0.14)
_WAY, _PLAN, _ROBOT = (90, 200, 250), (255, 170, 40), (250, 70, 90)
_HULL_M = np.array([(0.3, 0.0, 0.0), (-0.2, 0.18, 0.0), (-0.1, 0.0, 0.0), (-0.2, -0.18, 0.0)])
_FAR = 40.0
"""The bird's eye is this many times higher than its picture is wide: nearly no perspective."""


class Drawn(NamedTuple):
    """What is drawn over a picture: path and plan (n, 3), metres, and the robot's pose, all in the scene's frame."""

    robot: SE3 | None = None
    path: F64 = np.empty((0, 3))
    plan: F64 = np.empty((0, 3))


def of_gaussians(gaussians: Gaussians, renderer: Renderer) -> Scene:
    """The scene that Gaussians show."""
    return partial(renderer.draw, gaussians)


def of_mesh(mesh: Mesh) -> Scene:
    """The scene that a mesh shows."""
    return partial(draw_mesh, mesh)


def birdseye(
    scene: Scene,
    middle: F64,
    size_m: tuple[float, float],
    px_per_m: float,
    below_m: float = 1.6,
    drawn: Drawn | None = None,
) -> U8:
    """The map from above: RGB, x of the frame to the right, y up, `size_m` (x, y) around `middle` (3,).

    What is more than `below_m` above the middle's height is cut away, so that one looks into rooms.
    """
    width, height = (max(1, round(size * px_per_m)) for size in size_m)
    high_m = _FAR * max(size_m)
    T = SE3(np.diag([1.0, -1.0, -1.0]), np.asarray(middle, np.float64) + np.array([0.0, 0.0, high_m]))
    camera = Pinhole(px_per_m * high_m, px_per_m * high_m, (width - 1) / 2, (height - 1) / 2, width, height)
    picture = scene(T, camera, _NOTHING, high_m - below_m).picture()
    return over(picture, T, camera, drawn or Drawn())


def follow(
    scene: Scene, camera: Pinhole, drawn: Drawn, behind_m: float = 1.8, above_m: float = 1.2, ahead_m: float = 1.0
) -> U8:
    """The map from behind and above the robot, looking at what is ahead of it: RGB.

    What stands between the eye and the robot is cut away. ConfigError where there is no robot to follow.
    """
    if drawn.robot is None:
        raise ConfigError("there is no robot to follow: expected its pose")
    yaw, at = drawn.robot.yaw, drawn.robot.t
    ahead = np.array([math.cos(yaw), math.sin(yaw), 0.0])
    T = looking(at - behind_m * ahead + np.array([0.0, 0.0, above_m]), at + ahead_m * ahead)
    return over(scene(T, camera, _NOTHING, 0.6 * behind_m).picture(), T, camera, drawn)


def turntable(
    scene: Scene, camera: Pinhole, middle: F64, radius_m: float, count: int = 24, pitch_rad: float = 0.6
) -> Iterator[U8]:
    """`count` pictures (RGB) from a circle around `middle`, looking down on it; the near half of the way is cut."""
    for n in range(count):
        yaw = math.tau * n / count
        out = np.array([math.cos(yaw) * math.cos(pitch_rad), math.sin(yaw) * math.cos(pitch_rad), math.sin(pitch_rad)])
        T = looking(np.asarray(middle) + radius_m * out, np.asarray(middle))
        yield scene(T, camera, _NOTHING, 0.5 * radius_m).picture()


def around(points: F32) -> tuple[F64, float]:
    """Middle (3,) of points (n, 3), and the radius of a turntable that shows them; a few stray ones do not count."""
    low, high = np.percentile(points.astype(np.float64), (2, 98), axis=0)
    return (low + high) / 2, max(0.5, 0.5 * float(np.linalg.norm(high - low)) / math.tan(0.5))


def over(picture: U8, T_odom_from_cam: SE3, camera: Pinhole, drawn: Drawn) -> U8:
    """A picture with path, plan and robot drawn on it, whatever may be in front of them."""
    picture, T = np.ascontiguousarray(picture), T_odom_from_cam.inverse()
    thick = max(1, round(min(picture.shape[:2]) / 150))
    for points, colour in ((drawn.path, _WAY), (drawn.plan, _PLAN)):
        for run in _seen(points, T, camera):
            cv2.polylines(picture, [run], False, colour, thick, cv2.LINE_AA, _SHIFT)
    for run in _seen(drawn.plan[-1:], T, camera, least=1):
        cv2.circle(picture, run[0].tolist(), 4 * thick << _SHIFT, _PLAN, thick, cv2.LINE_AA, _SHIFT)
    if drawn.robot is not None:
        for run in _seen(drawn.robot.apply(_HULL_M), T, camera, least=len(_HULL_M)):
            cv2.fillPoly(picture, [run], _ROBOT, cv2.LINE_AA, _SHIFT)
            cv2.polylines(picture, [run], True, (255, 255, 255), 1, cv2.LINE_AA, _SHIFT)
    return picture


_SHIFT = 3


def _seen(
    points: F64, T: SE3, camera: Pinhole, least: int = 2
) -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.int32]]]:
    """Runs of points in front of the camera, in eighths of a pixel."""
    uv = camera.project(T.apply(np.asarray(points, np.float64).reshape(-1, 3)))
    good = np.asarray(np.isfinite(uv).all(axis=1) & (np.abs(uv) < 1e5).all(axis=1))
    for run in np.split(np.arange(len(uv)), np.flatnonzero(np.diff(good)) + 1):
        if len(run) >= least and good[run[0]]:
            yield np.rint(uv[run] * (1 << _SHIFT)).astype(np.int32)


def looking(at_m: F64, to_m: F64) -> SE3:
    """A camera (optical axes) at one point that looks at another, level with z up."""
    forward = np.asarray(to_m, np.float64) - at_m
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right = right / np.linalg.norm(right)
    return SE3(np.stack([right, np.cross(forward, right), forward], axis=1), np.asarray(at_m, np.float64))


def write_turntable(pictures: Sequence[U8], path: Path, hz: float = 8.0) -> None:
    """Pictures (RGB) as an animated .gif, or side by side as a .png. ConfigError for another name."""
    if path.suffix == ".gif":
        film = cv2.Animation()
        film.frames = [cv2.cvtColor(picture, cv2.COLOR_RGB2BGRA) for picture in pictures]
        film.durations = [round(1000 / hz)] * len(pictures)
        done = cv2.imwriteanimation(str(path), film)
    elif path.suffix == ".png":
        done = cv2.imwrite(str(path), cv2.cvtColor(np.hstack(list(pictures)), cv2.COLOR_RGB2BGR))
    else:
        raise ConfigError(f"a turntable is written as .gif or .png, not {path.name!r}")
    if not done:
        raise ConfigError(f"cannot write {path}: is its folder there?")
