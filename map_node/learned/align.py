"""A learned reconstruction in metres, where odometry is: its scale from measured depth, its poses judged by odometry's.

Odometry's poses are what depth is put in by; the model's own are only judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engines.views.reconstruct import Reconstruction
from engines.views.splats import Splats
from map_node.gaussians.base import Gaussians
from saccade.errors import SaccadeError
from saccade.geometry import F64, SE3, Pinhole
from saccade.types import U8, Depth

_LEAST_POINTS = 200
"""Pixels with measured depth that a scale needs."""
_SURE = 128
"""Measured depth that is less sure, of 255, says nothing of the scale."""
_STILL = 0.05
"""Cameras closer together than this share of the depth say nothing of ways."""


class NotAligned(SaccadeError):
    """A reconstruction that cannot be put into the map."""


class View(NamedTuple):
    """One keyframe: its rectified picture (H, W, 3) uint8 RGB, that camera, and the depth measured there, if any.

    The depth is of the same camera at the same moment; it may have fewer pixels.
    """

    stamp_ns: int
    T_odom_from_cam: SE3
    picture: U8
    camera: Pinhole
    depth: Depth | None


class Limits(NamedTuple):
    """What may be off: the `spread` of the scale, and the poses by `turn_deg` and `way`, a share."""

    spread: float
    turn_deg: float
    way: float


class Alignment(NamedTuple):
    """How a reconstruction fits: metres per unit of its depth, and what remains.

    `spread`: half the width, in logarithms, of the middle two thirds of all ratios of depths; `points`: how many there
    are. `turn_deg` and `way`: what is between the model's poses and odometry's after the best rigid motion: the
    greatest turn, and the root mean square of the distances as a share of how far the cameras are apart; NaN where the
    model says no poses, or the cameras stand still. `T_odom_from_world`: the model's world, once it is in metres.
    """

    scale: float
    spread: float
    points: int
    turn_deg: float
    way: float
    T_odom_from_world: SE3


def align(said: Reconstruction, views: Sequence[View], limits: Limits, least_confidence: float = 0.0) -> Alignment:
    """Scale and place of a reconstruction of these views; NotAligned says what is off, and by how much."""
    if len(said.depth) != len(views):
        raise NotAligned(f"depth of {len(said.depth)} views came back for {len(views)}")
    scale, spread, points = _scale(said, views, limits, least_confidence)
    _judge_cameras(said, views[0].camera, limits)
    if said.T_world_from_cam is None:
        return Alignment(scale, spread, points, np.nan, np.nan, views[0].T_odom_from_cam)
    T, turn_deg, way = _placed(said.T_world_from_cam, views, scale, float(np.nanmedian(said.depth)) * scale)
    for name, value, most in (("turns", turn_deg, limits.turn_deg), ("ways", way, limits.way)):
        if value > most:
            raise NotAligned(
                f"its poses do not fit odometry's: {name} are off by {value:.2g}; expected {most:g} or less"
            )
    return Alignment(scale, spread, points, turn_deg, way, T)


def gaussians_in_odom(splats: Splats, found: Alignment) -> Gaussians:
    """The model's Gaussians, in metres and in odometry's frame."""
    T = found.T_odom_from_world
    x, y, z, w = T.quaternion()
    b, c, d, e = splats.wxyz.astype(np.float64).T
    turned = np.column_stack([
        w * b - x * c - y * d - z * e, w * c + x * b + y * e - z * d,
        w * d - x * e + y * b + z * c, w * e + x * d - y * c + z * b,
    ])  # fmt: skip
    at = T.apply(splats.at.astype(np.float64) * found.scale)
    of = [np.asarray(values, np.float32) for values in (at, splats.scale * found.scale, turned)]
    return Gaussians(of[0], of[1], of[2], splats.rgb, splats.opacity)


def _scale(
    said: Reconstruction, views: Sequence[View], limits: Limits, least_confidence: float
) -> tuple[float, float, int]:
    """Robust ratio of measured depth to the model's, over all views that have any."""
    ratios = []
    for depth, sure, view in zip(said.depth, said.confidence, views, strict=True):
        if view.depth is None:
            continue
        measured, trusted = at_pixels_of(view.depth, said.camera)
        known = np.isfinite(depth) & np.isfinite(measured) & (trusted >= _SURE) & (sure >= least_confidence)
        if known.sum() >= _LEAST_POINTS:
            ratios.append(np.log(measured[known].astype(np.float64) / depth[known]))
    if not ratios:
        raise NotAligned(f"no scale: no view has {_LEAST_POINTS} pixels with measured depth that it is sure of")
    every = np.concatenate(ratios)
    low, middle, high = np.percentile(every, [16.7, 50, 83.3])
    spread, apart = (high - low) / 2, max(abs(float(np.median(one)) - middle) for one in ratios)
    if spread > limits.spread or apart > limits.spread:
        raise NotAligned(
            f"no scale: ratios of measured depth to its own spread by {100 * spread:.0f} % within views and "
            f"{100 * apart:.0f} % between them; expected {100 * limits.spread:.0f} % or less"
        )
    return float(np.exp(middle)), float(spread), len(every)


def at_pixels_of(depth: Depth, camera: Pinhole) -> tuple[F64, U8]:
    """Measured depth and its confidence, at the pixels of a camera that sees the same picture in another size."""
    v = ((np.arange(camera.height) + 0.5) * depth.camera.height / camera.height).astype(int)
    u = ((np.arange(camera.width) + 0.5) * depth.camera.width / camera.width).astype(int)
    at = np.ix_(v, u)
    return depth.depth_m[at].astype(np.float64), depth.confidence[at]


def _judge_cameras(said: Reconstruction, camera: Pinhole, limits: Limits) -> None:
    if said.intrinsics is None:
        return
    ratios = said.intrinsics[:, :2] / (camera.fx, camera.fy)
    off = float(np.abs(np.log(np.maximum(ratios, 1e-6))).max())
    if not off <= np.log1p(2 * limits.spread):
        raise NotAligned(
            f"it takes the focal length for {ratios.min():.2f} to {ratios.max():.2f} of what it is; expected within "
            f"{100 * 2 * limits.spread:.0f} %"
        )


def _placed(T_world_from_cam: F64, views: Sequence[View], scale: float, depth_m: float) -> tuple[SE3, float, float]:
    """T_odom_from_world, greatest turn in degrees, and way, see `Alignment`.

    Least squares (Umeyama, PAMI 1991) with the scale given. How the worlds are turned is told by the cameras' axes, not
    by their centres, so that two cameras, or cameras along a line, suffice.
    """
    ours = np.stack([view.T_odom_from_cam.t for view in views])
    theirs = T_world_from_cam[:, :3, 3] * scale
    R_ours = np.stack([view.T_odom_from_cam.R for view in views])
    R_theirs = T_world_from_cam[:, :3, :3]
    U, _, Vt = np.linalg.svd(np.einsum("nij,nkj->ik", R_ours, R_theirs))
    R: F64 = U @ np.diag([1.0, 1.0, np.sign(np.linalg.det(U @ Vt))]) @ Vt
    T = SE3(R, ours.mean(0) - R @ theirs.mean(0))
    left = (R @ R_theirs).transpose(0, 2, 1) @ R_ours
    cosines = (np.trace(left, axis1=1, axis2=2) - 1) / 2
    turn_deg = float(np.degrees(np.arccos(cosines.clip(-1, 1))).max())
    extent = float(np.sqrt(((ours - ours.mean(0)) ** 2).sum(1).mean()))
    off = float(np.sqrt(((T.apply(theirs) - ours) ** 2).sum(1).mean()))
    return T, turn_deg, off / extent if extent > _STILL * depth_m else float("nan")
