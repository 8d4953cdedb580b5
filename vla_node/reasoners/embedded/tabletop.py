"""Things on a table, told by colour and shape in one picture with depth: where they are and where to take hold."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from saccade.geometry import F64
from vla_node.arms.target import of_box
from vla_node.lift import LiftError
from vla_node.planner import Observation
from vla_node.reasoners.embedded.grounding import View, blobs, fitted, shape_fit
from vla_node.reasoners.embedded.steps import GoTo

_LEAST_FIT, _LEAST_POINTS = 0.2, 20
_WIDEST_M = 0.35
_BALL_M = (0.005, 0.10)
_OFF_BALL_M = 0.006


class Seen(NamedTuple):
    """A thing in the picture: the box around it from pixel `low` to `high`, and its points (n, 3) in odom."""

    low: tuple[float, float]
    high: tuple[float, float]
    points: F64

    @property
    def middle(self) -> F64:
        """(3,) median of what is seen of it."""
        middle: F64 = np.median(self.points, axis=0)
        return middle


def best(obs: Observation, thing: GoTo) -> Seen | None:
    """The thing of this colour whose silhouette fits its shape best, of like ones the larger; None where none is."""
    return max(things(obs, thing), key=lambda one: one[:2], default=(0.0, 0, None))[2]


def things(obs: Observation, thing: GoTo) -> list[tuple[float, int, Seen]]:
    """What has this colour and may have this shape: how well its silhouette fits, pixels, and itself.

    What has no depth, or is wider than a table's things are, does not count.
    """
    camera, T, depth_m, image = obs.camera, obs.T_odom_from_cam, obs.depth_m, obs.image
    if camera is None or T is None or depth_m is None or image is None or thing.colour is None:
        return []
    rgb = fitted(View(image.data, depth_m, camera, T, 0.0))
    found: list[tuple[float, int, Seen]] = []
    for blob, x, y in blobs(rgb, thing.colour):
        height, width = blob.shape
        v, u = np.nonzero(cv2.erode(blob, np.ones((3, 3), np.uint8)) > 0)
        z = depth_m[v + y, u + x].astype(np.float64)
        known = np.isfinite(z) & (z > 0)
        if known.sum() < _LEAST_POINTS:
            continue
        points = T.apply(camera.unproject(np.stack([u + x, v + y], axis=-1)[known].astype(np.float64), z[known]))
        fit = shape_fit(blob, thing.shape)
        if fit >= _LEAST_FIT and float(np.ptp(points, axis=0).max()) < _WIDEST_M:
            box = (float(x), float(y)), (float(x + width - 1), float(y + height - 1))
            found.append((round(fit, 1), int(known.sum()), Seen(*box, points)))
    return found


def top(seen: Seen, up: F64) -> F64:
    """The middle (3,) of a flat thing's upper face; a rim is the lesser part of it."""
    heights = seen.points @ up
    low, high = np.percentile(seen.points, (5, 95), axis=0)
    middle: F64 = 0.5 * (low + high)
    return middle + (float(np.median(heights)) - float(middle @ up)) * up


def foot(obs: Observation, seen: Seen) -> F64:
    """A point of what a thing stands on: the lowest of what is seen a little around it."""
    assert obs.depth_m is not None
    assert obs.camera is not None
    assert obs.T_odom_from_cam is not None
    (u0, v0), (u1, v1) = seen.low, seen.high
    more = 0.25 * max(u1 - u0, v1 - v0) + 4.0
    rows = slice(max(0, int(v0 - more)), int(v1 + more) + 1)
    columns = slice(max(0, int(u0 - more)), int(u1 + more) + 1)
    z = obs.depth_m[rows, columns].astype(np.float64)
    v, u = np.nonzero(np.isfinite(z) & (z > 0))
    uv = np.stack([u + columns.start, v + rows.start], axis=-1).astype(np.float64)
    points = obs.T_odom_from_cam.apply(obs.camera.unproject(uv, z[v, u]))
    middle: F64 = seen.middle.copy()
    middle[2] = np.percentile(points[:, 2], 5)
    return middle


def grip_point(obs: Observation, seen: Seen, shape: str | None, up: F64) -> F64:
    """The point (3,) on top of a thing, over its middle, that a gripper coming down along -`up` aims at. LiftError.

    A ball shows the camera one side of it only; its middle comes of the sphere through what is seen.
    """
    if shape != "ball":
        return of_box(obs, seen.low, seen.high, -up)
    points = seen.points - seen.middle
    A = np.column_stack([2 * points, np.ones(len(points))])
    solved = np.linalg.lstsq(A, (points * points).sum(axis=1), rcond=None)[0]
    centre, radius_m = solved[:3], float(np.sqrt(max(0.0, solved[3] + solved[:3] @ solved[:3])))
    off_m = float(np.median(np.abs(np.linalg.norm(points - centre, axis=1) - radius_m)))
    if not (_BALL_M[0] < radius_m < _BALL_M[1] and off_m < _OFF_BALL_M):
        raise LiftError(f"it does not look like a ball: radius {radius_m:.3f} m, points {off_m:.3f} m off it")
    point: F64 = seen.middle + centre + radius_m * up
    return point
