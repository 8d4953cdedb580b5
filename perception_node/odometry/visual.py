"""Visual odometry on stereo pairs or RGB-D: the pose of every picture relative to where it began, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from perception_node.odometry.estimate import Estimate, Health, State
from perception_node.odometry.follow import corners, follow, spread
from perception_node.odometry.gyro import Gyro
from perception_node.odometry.view import View
from perception_node.odometry.window import Ids, Joined, Keyframe, Window
from saccade.clock import SEC, seconds
from saccade.geometry import F32, F64, SE3, interpolate

_CORNERS = 300
_MIN_POINTS, _MIN_SHARE, _MIN_SPREAD = 20, 0.4, 0.2
"""Fewer points, a smaller share of those followed, or fewer of the picture's cells found no pose."""
_MIN_MATCHED = 0.25
"""Nor do pictures in which fewer of these points have a disparity: left is not left, or right is covered."""
_PATIENCE = 5
"""So many pictures in a row without a pose, and a new segment begins."""
_RANSAC_PX = 2.0
_STILL_PX = 0.3
"""Standing: three quarters of the points are within this of where they were when the pose was last measured."""
_KEEP_SHARE, _KEEP_PER_WIDTH = 0.7, 0.1
"""A keyframe is replaced when fewer of its points are found, or when they moved by more than this of the width."""
_GYRO_RAD, _GYRO_SHARE = 0.05, 0.25
"""How far a turn seen may be from the gyroscope's: its unknown bias over a picture's time, and a share of the turn."""


@dataclass(frozen=True, slots=True)
class Plausible:
    """What the camera may do between two pictures; a pose beyond it is not given out."""

    speed_m_s: float = 30.0
    turn_rad_s: float = 6.0


class _Lost(Exception):
    """No pose for this picture; the text says why."""


class _Rest(NamedTuple):
    """Where points were when the pose was last measured."""

    ids: Ids
    at: F64
    pose: SE3
    covariance: F64
    relative: F64


class VisualOdometry:
    """Fed with views in order of time, it tells the pose of each; see `Estimate`.

    The newest keyframe's points are followed into each picture (so that nothing drifts while the camera lingers), PnP
    with RANSAC (Fischler and Bolles, 1981) tells who agrees, and a bundle adjustment over the last keyframes refines.
    Same views, same answers: nothing is random.
    """

    def __init__(self, start: SE3 | None = None, plausible: Plausible | None = None) -> None:
        self._plausible = plausible or Plausible()
        self._pose = start or SE3.identity()
        self._posed_ns = 0
        self._motion: tuple[SE3, int] | None = None
        self._window, self._gyro = Window(), Gyro()
        self._segment, self._misses = -1, 0
        self._last: View | None = None
        self._rest: _Rest | None = None

    def put_gyro(self, stamp_ns: int, rate: F64) -> None:
        """Angular rate (3,) rad/s in the camera's optical axes: it predicts turns, and vetoes poses that contradict."""
        self._gyro.put(stamp_ns, rate)

    def update(self, view: View) -> Estimate:
        """The estimate for the next view; never an error for bad pictures, which are LOST with a reason.

        A picture that cannot be tied to what was seen before is LOST; after five in a row, after a second without a
        pose, or when the clock goes back by more than a second, a new segment is anchored where the last pose was.
        """
        last, stamp_ns = self._last, view.stamp_ns
        if last is not None and stamp_ns <= last.stamp_ns:
            if last.stamp_ns - stamp_ns <= SEC:
                return self._lost(
                    view, f"its stamp is {last.stamp_ns - stamp_ns} ns before the last picture's, or equal"
                )
            self._forget()
            self._gyro.clear()
        elif last is not None and (last.camera != view.camera or last.fB != view.fB):
            self._forget()
        self._last = view
        try:
            if last is not None and np.array_equal(last.grey, view.grey):
                raise _Lost("the picture is the last one again, byte for byte: the camera is frozen")
            if self._window.keyframes and (self._misses >= _PATIENCE or stamp_ns - self._posed_ns > SEC):
                self._forget()
            return self._measured(view) if self._window.keyframes else self._anchored(view)
        except _Lost as why:
            self._misses += 1
            return self._lost(view, str(why))

    def _forget(self) -> None:
        self._window.clear()
        self._motion, self._rest = None, None

    def _lost(self, view: View, reason: str) -> Estimate:
        unknown = np.full((6, 6), np.nan)
        return Estimate(view.stamp_ns, State.LOST, self._segment, None, unknown, unknown, Health(), reason)

    def _anchored(self, view: View) -> Estimate:
        found = corners(view.grey, _CORNERS, np.empty((0, 2), np.float32))
        points = self._window.anchor(view, self._pose, found)
        keyframe = self._window.newest
        if points < _MIN_POINTS or (wide := spread(keyframe.seen, view.camera)) < _MIN_SPREAD:
            self._window.clear()
            raise _Lost(
                f"{len(found)} corners, {points} of them with a depth; expected {_MIN_POINTS} all over the picture: "
                "blank, dark, blurred, or left and right are not a rectified pair"
            )
        self._segment, self._misses, self._posed_ns = self._segment + 1, 0, view.stamp_ns
        sure = keyframe.covariance
        self._rest = _Rest(keyframe.ids, keyframe.seen[:, :2], keyframe.pose, sure, sure)
        health = Health(points, points, wide, 0.0, _score(points, 1.0, wide))
        return Estimate(view.stamp_ns, State.ANCHORED, self._segment, self._pose, sure, sure, health, keyframe=True)

    def _measured(self, view: View) -> Estimate:
        keyframe = self._window.newest
        turn = self._gyro.turn(self._posed_ns, view.stamp_ns)
        agreed, tracked = self._located(view, turn)
        if (matched := float(np.isfinite(agreed.seen[:, 2]).mean())) < _MIN_MATCHED:
            raise _Lost(f"{matched:.0%} of the points have a disparity: left and right are not a rectified pair")
        joined = self._window.join(agreed)
        newest = joined.newest
        moved_px = self._moved_px(newest, keyframe.ids, keyframe.seen[:, :2], 50)
        wide, share = spread(newest.seen, view.camera), len(newest.ids) / tracked
        if len(newest.ids) < _MIN_POINTS or share < _MIN_SHARE or wide < _MIN_SPREAD:
            raise _Lost(f"{len(newest.ids)} of {tracked} points agree on a pose, in {wide:.0%} of the picture")
        health = Health(len(newest.ids), tracked, wide, moved_px, _score(len(newest.ids), share, wide))
        still = self._standing(view, newest, health)
        if still is not None:
            return still
        self._check(newest.pose, view.stamp_ns, turn)
        replaced = len(newest.ids) < _KEEP_SHARE * len(keyframe.ids) or moved_px > _KEEP_PER_WIDTH * view.camera.width
        if replaced:
            self._replace(joined)
        self._settle(newest.pose, view.stamp_ns)
        self._rest = _Rest(newest.ids, newest.seen[:, :2], newest.pose, newest.covariance, joined.relative)
        return Estimate(
            view.stamp_ns, State.TRACKING, self._segment, newest.pose, newest.covariance, joined.relative, health,
            keyframe=replaced,
        )  # fmt: skip

    def _located(self, view: View, turn: F64 | None) -> tuple[Keyframe, int]:
        """The newest keyframe's points as this view sees them, with a first pose; and how many could be followed."""
        keyframe = self._window.newest
        points = keyframe.pose.inverse().apply(self._window.points(keyframe.ids))
        begin = keyframe.seen[:, :2].astype(np.float32)
        lens, tracked = view.camera, 0
        K = np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1.0]])
        for guess in (self._expected(view, turn), begin):
            at, good = follow(keyframe.view.grey, view.grey, begin, guess)
            tracked = int(good.sum())
            if tracked < _MIN_POINTS:
                continue
            ok, rotation, t, agree = cv2.solvePnPRansac(
                points[good], at[good].astype(np.float64), K, None, iterationsCount=200, reprojectionError=_RANSAC_PX,
                confidence=0.999, flags=cv2.SOLVEPNP_EPNP,
            )  # fmt: skip
            if ok and agree is not None and len(agree) >= max(_MIN_POINTS, _MIN_SHARE * tracked):
                which = np.flatnonzero(good)[agree.ravel()]
                pose = (
                    keyframe.pose
                    @ SE3(
                        np.asarray(cv2.Rodrigues(rotation)[0], np.float64), np.asarray(t, np.float64).ravel()
                    ).inverse()
                )
                seen = np.column_stack([at[which].astype(np.float64), view.disparity_at(at[which])])
                return Keyframe(view, pose, keyframe.covariance, keyframe.ids[which], seen), tracked
        raise _Lost(f"of {len(begin)} points {tracked} could be followed, and too few of them agree on a pose")

    def _expected(self, view: View, turn: F64 | None) -> F32:
        """Where the newest keyframe's points should be, had the camera gone on; turned as the gyroscope says."""
        keyframe, ahead = self._window.newest, SE3.identity()
        if self._motion is not None:
            motion, during_ns = self._motion
            ahead = interpolate(ahead, motion, min(2.0, (view.stamp_ns - self._posed_ns) / during_ns))
        if turn is not None:
            ahead = SE3(turn, ahead.t)
        uv = view.camera.project((self._pose @ ahead).inverse().apply(self._window.points(keyframe.ids)))
        outside = ~(np.abs(uv) < 2 * view.camera.width).all(axis=1)  # NaN is behind the camera
        uv[outside] = keyframe.seen[outside, :2]
        return uv.astype(np.float32)

    def _moved_px(self, newest: Keyframe, ids: Ids, at: F64, percentile: float) -> float:
        """How far points moved in the picture since they were `at`, in pixels."""
        _, here, there = np.intersect1d(newest.ids, ids, assume_unique=True, return_indices=True)
        if len(here) < _MIN_POINTS:
            return float("inf")
        return float(np.percentile(np.linalg.norm(newest.seen[here, :2] - at[there], axis=1), percentile))

    def _standing(self, view: View, newest: Keyframe, health: Health) -> Estimate | None:
        rest = self._rest
        if rest is None or self._moved_px(newest, rest.ids, rest.at, 75) > _STILL_PX:
            return None
        self._gyro.stood(self._posed_ns, view.stamp_ns)
        self._settle(rest.pose, view.stamp_ns)
        return Estimate(view.stamp_ns, State.STANDING, self._segment, rest.pose, rest.covariance, rest.relative, health)

    def _check(self, pose: SE3, stamp_ns: int, turn: F64 | None) -> None:
        """A pose that the camera cannot have reached, or a turn that the gyroscope did not feel, is no pose."""
        elapsed_s = seconds(stamp_ns - self._posed_ns)
        moved = self._pose.inverse() @ pose
        speed_m_s, turned = float(np.linalg.norm(moved.t)) / elapsed_s, _angle(moved.R)
        if speed_m_s > self._plausible.speed_m_s or turned / elapsed_s > self._plausible.turn_rad_s:
            raise _Lost(f"the pose would mean {speed_m_s:.1f} m/s and {turned / elapsed_s:.1f} rad/s: not plausible")
        if turn is not None and (off := _angle(turn.T @ moved.R)) > _GYRO_RAD + _GYRO_SHARE * _angle(turn):
            raise _Lost(f"the picture turns {off:.2f} rad otherwise than the gyroscope: something large moves in it")

    def _replace(self, joined: Joined) -> None:
        seen = joined.newest.seen[:, :2].astype(np.float32)
        self._window.take(joined, corners(joined.newest.view.grey, _CORNERS, seen))

    def _settle(self, pose: SE3, stamp_ns: int) -> None:
        self._motion = (self._pose.inverse() @ pose, stamp_ns - self._posed_ns)
        self._pose, self._posed_ns, self._misses = pose, stamp_ns, 0


def _angle(R: F64) -> float:
    return float(np.linalg.norm(cv2.Rodrigues(R)[0]))


def _score(inliers: int, share: float, wide: float) -> float:
    """Full at 100 points that agree, three quarters of those followed, half of the picture; the worst of the three."""
    return min(1.0, inliers / 100, share / 0.75, wide / 0.5)
