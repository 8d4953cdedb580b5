"""What the robot has looked at and where it went, in bounded memory, for the pictures of the map."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import cv2
import numpy as np

from map_node.gaussians.base import View
from saccade.geometry import F64, SE3
from saccade.keyframes import Keyframes
from saccade.types import U8, Depth, Plan

_WIDTH = 320
"""Keyframes are kept no wider, in pixels."""
_STEP_M, _STEPS = 0.05, 4000
"""The way is kept in steps of this, so many of the last."""


class Seen(NamedTuple):
    """Keyframes, the way (n, 3) and the plan that is followed (n, 3), metres in odometry's frame.

    `segment` counts the times that all of it was forgotten.
    """

    views: tuple[View, ...]
    path: F64
    plan: F64
    segment: int


class Sights:
    """Keeps the first and the most different views under a budget, the last part of the way, and the newest plan."""

    def __init__(self, budget: int) -> None:
        self._views = Keyframes[View](budget)
        self._path: deque[F64] = deque(maxlen=_STEPS)
        self._plan: Plan | None = None
        self._segment = 0

    def add(self, depth: Depth, T_odom_from_base: SE3, T_odom_from_cam: SE3, rgb: U8 | None) -> None:
        """Look at the pixels of one depth image, (H, W, 3), where there are colours."""
        at = T_odom_from_base.t
        if not self._path or float(np.linalg.norm(at - self._path[-1])) >= _STEP_M:
            self._path.append(at)
        if rgb is not None:
            self._views.put(depth.stamp_ns, T_odom_from_cam, lambda: _view(depth, rgb, T_odom_from_cam))

    def follow(self, plan: Plan) -> None:
        """A plan has come."""
        self._plan = plan

    def clear(self) -> None:
        """Forget everything but the plan, which is of its own frame and expires by itself."""
        self._views.clear()
        self._path.clear()
        self._segment += 1

    def copy(self, frame_id: str, now_ns: int) -> Seen:
        """As it is now; without the plan if that has expired or is of another frame."""
        plan, valid = np.empty((0, 3)), self._plan
        if valid is not None and valid.frame_id == frame_id and not valid.expired(now_ns):
            plan = valid.waypoints
        views = tuple(anchor.payload for anchor in self._views.anchors())
        return Seen(views, np.array(self._path).reshape(-1, 3), plan, self._segment)


def _view(depth: Depth, rgb: U8, T_odom_from_cam: SE3) -> View:
    width, height = min(_WIDTH, depth.camera.width), depth.camera.height
    if width < depth.camera.width:
        height = max(1, round(height * width / depth.camera.width))
        rgb = np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return View(rgb.copy(), T_odom_from_cam, depth.camera.scaled(width, height))
