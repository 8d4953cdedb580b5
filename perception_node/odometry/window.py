"""The last keyframes and the points that they saw, adjusted together when another picture joins them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from perception_node.odometry.adjust import INLIER, Sightings, adjust
from perception_node.odometry.estimate import swung
from perception_node.odometry.view import View
from saccade.geometry import F32, F64, SE3

Ids = npt.NDArray[np.int64]
KEYFRAMES = 5
_LEAST_DISPARITY_PX = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """A view, its pose T_start_from_camera with covariance (6, 6), and its points: ids (n,) and seen (n, 3).

    `seen` is column, row and disparity (NaN = none) in pixels.
    """

    view: View
    pose: SE3
    covariance: F64
    ids: Ids
    seen: F64

    def only(self, which: npt.NDArray[np.bool_]) -> Keyframe:
        """The same with only those points."""
        return replace(self, ids=self.ids[which], seen=self.seen[which])


class Joined(NamedTuple):
    """A view's place among the keyframes: itself, and what the window would become were it a keyframe.

    `relative` (6, 6) is the covariance of its pose relative to the oldest of them.
    """

    newest: Keyframe
    relative: F64
    keyframes: list[Keyframe]
    ids: Ids
    points: F64


class Window:
    """At most five keyframes; point i has id `ids[i]`, ascending, and stands at `points[i]` in the start frame."""

    def __init__(self) -> None:
        self.keyframes: list[Keyframe] = []
        self._ids: Ids = np.empty(0, np.int64)
        self._points: F64 = np.empty((0, 3))
        self._next_id = 0

    @property
    def newest(self) -> Keyframe:
        """The keyframe that is followed."""
        return self.keyframes[-1]

    def points(self, ids: Ids) -> F64:
        """Where points (n, 3) with these ids are."""
        found: F64 = self._points[np.searchsorted(self._ids, ids)]
        return found

    def clear(self) -> None:
        """Forget all keyframes and points."""
        self.keyframes, self._ids, self._points = [], np.empty(0, np.int64), np.empty((0, 3))

    def join(self, keyframe: Keyframe) -> Joined:
        """Adjust the keyframes together with one more; nothing here changes until it is taken."""
        together = [*self.keyframes[-KEYFRAMES + 1 :], keyframe]
        ids = np.unique(np.concatenate([k.ids for k in together]))
        of = [np.searchsorted(ids, k.ids) for k in together]
        sightings = Sightings(
            np.repeat(np.arange(len(together), dtype=np.int64), [len(o) for o in of]),
            np.concatenate(of).astype(np.int64), np.concatenate([k.seen for k in together]),
        )  # fmt: skip
        view, first = keyframe.view, together[0]
        found = adjust([k.pose for k in together], self.points(ids), sightings, view.camera, view.fB)
        good = np.split(found.residuals < INLIER, np.cumsum([len(o) for o in of])[:-1])
        adjusted = [
            replace(k, pose=pose).only(which) for k, pose, which in zip(together, found.poses, good, strict=True)
        ]
        newest = replace(adjusted[-1], covariance=_chained(first, found.poses[-1], found.covariance))
        return Joined(newest, found.covariance, [*adjusted[:-1], newest], ids, found.points)

    def take(self, joined: Joined, corners: F32) -> None:
        """Make the view that joined a keyframe, and let it begin points at those of `corners` (n, 2) with a depth."""
        self.keyframes, self._ids, self._points = joined.keyframes, joined.ids, joined.points
        self.keyframes[-1] = self._begun(joined.newest, corners)
        kept = np.isin(self._ids, np.concatenate([k.ids for k in self.keyframes]))
        self._ids, self._points = self._ids[kept], self._points[kept]

    def anchor(self, view: View, pose: SE3, corners: F32) -> int:
        """Begin again at a pose that is taken for certain; the number of points there are then."""
        self.clear()
        nothing = Keyframe(view, pose, np.zeros((6, 6)), np.empty(0, np.int64), np.empty((0, 3)))
        self.keyframes = [self._begun(nothing, corners)]
        return len(self._ids)

    def _begun(self, keyframe: Keyframe, corners: F32) -> Keyframe:
        view, disparity = keyframe.view, keyframe.view.disparity_at(corners)
        near = disparity >= _LEAST_DISPARITY_PX  # NaN compares false
        uv, disparity = corners[near].astype(np.float64), disparity[near]
        ids = self._next_id + np.arange(len(uv))
        self._next_id += len(uv)
        points = keyframe.pose.apply(view.camera.unproject(uv, view.fB / disparity))
        self._ids, self._points = np.concatenate([self._ids, ids]), np.concatenate([self._points, points])
        seen = np.column_stack([uv, disparity])
        return replace(keyframe, ids=np.concatenate([keyframe.ids, ids]), seen=np.concatenate([keyframe.seen, seen]))


def _chained(first: Keyframe, pose: SE3, covariance: F64) -> F64:
    """Covariance of a pose known relative to the first: an error of the first's rotation swings it around."""
    swing = swung(pose.t - first.pose.t)
    chained: F64 = swing @ first.covariance @ swing.T + covariance
    return chained
