"""What the pictures themselves tell about the rig: swapped cameras, rows that disagree, blank and frozen pictures."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import cv2
import numpy as np

from perception_node.params import MonitorParams
from saccade.clock import nanoseconds
from saccade.geometry import F64
from saccade.types import U8

_LOOK = 8
"""Every eighth pixel and row is looked at, on every frame."""
_MATCH_WIDTH = 640
_LEAST_PX = 63
"""ORB leaves out a rim of 31 px: in less it finds nothing, and it fails where its pyramid would have levels of none."""
_MAX_HAMMING = 40
_AGREE, _ROUNDS = 0.4, 8
"""Share of matches that one tilt must explain before it is believed, and rounds of fitting it."""


class Fault(NamedTuple):
    """A diagnosis: a short name that stays the same, the words for people, and the one camera that has it, if one."""

    name: str
    text: str
    side: str = ""


class Rows(NamedTuple):
    """Feature matches of a pair: places at (n, 2) in the left picture, 0..1; offsets right minus left in px (n,)."""

    at: F64
    dy: F64
    dx: F64


class PairMonitor:
    """Watches a rectified pair. The cheap looks happen on every frame, matching of features once a period.

    A geometric fault stays until a later look finds the pair good again. While the pair is good, matching goes on
    beside the frame that it looks at, and its answer counts from the next frame on, in every run the same; the first
    frame, and those of a pair that is not good, wait for it.
    """

    def __init__(self, params: MonitorParams) -> None:
        self._params = params
        self._orb = cv2.ORB.create(nfeatures=300, fastThreshold=12)
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)
        self._next_look_ns: int | None = None
        self._geometry: Fault | None = None
        self._good = False
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="monitor")
        self._looking: Future[Rows] | None = None
        self._last: dict[str, U8] = {}
        self._same = 0

    def check(self, stamp_ns: int, left: U8, right: U8, zero_disparity_px: float, moving: bool) -> Fault | None:
        """The fault of this frame, if any. Pictures (H, W) or (H, W, 3) uint8, rectified; `moving` by odometry.

        `zero_disparity_px` is the disparity of what is infinitely far, cx_left - cx_right.
        """
        looks = {"left": left[::_LOOK, ::_LOOK], "right": right[::_LOOK, ::_LOOK]}
        faults = [fault for side, look in looks.items() if (fault := exposure(side, look))]
        if faults:
            return faults[0] if len(faults) == 1 else Fault(faults[0].name, "; ".join(fault.text for fault in faults))
        if fault := self._frozen(looks, moving):
            return fault
        self._note(zero_disparity_px)
        due = self._next_look_ns
        if due is None or stamp_ns >= due or stamp_ns < due - 2 * nanoseconds(self._params.geometry_period_s):
            self._next_look_ns = stamp_ns + nanoseconds(self._params.geometry_period_s)
            scale = max(1.0, left.shape[1] / _MATCH_WIDTH)
            if min(left.shape[:2]) < scale * _LEAST_PX:
                return self._geometry
            small = [_small(picture, scale) for picture in (left, right)]
            self._looking = self._beside.submit(_matches, self._orb, self._matcher, small, scale)
            if not self._good:
                self._note(zero_disparity_px)
        return self._geometry

    def close(self) -> None:
        """End the thread."""
        self._beside.shutdown()

    def _note(self, zero_disparity_px: float) -> None:
        """Take the answer of a look that was begun, waiting for it if need be."""
        if self._looking is not None:
            self._geometry = self._judge(self._looking.result(), zero_disparity_px)
            self._looking, self._good = None, self._geometry is None

    def _frozen(self, looks: dict[str, U8], moving: bool) -> Fault | None:
        same = [side for side, look in looks.items() if np.array_equal(look, self._last.get(side, ()))]
        self._same = max(self._same, 1) + 1 if same and moving else 0  # the first of them counts, too
        self._last = {side: look.copy() for side, look in looks.items()}
        if self._same < self._params.frozen_frames:
            return None
        which = " and ".join(same)
        return Fault(
            "frozen pictures",
            f"{which} did not change in {self._same} frames although odometry says that the robot moves; "
            "check the camera or its driver",
            same[0] if len(same) == 1 else "",
        )

    def _judge(self, rows: Rows, zero_disparity_px: float) -> Fault | None:
        if rows.dy.size < self._params.min_matches:
            return None  # too little to see: says nothing about the rig
        limit = self._params.max_row_offset_px
        aligned = np.abs(rows.dy) <= limit
        tilted_px, agree = _tilted(rows, limit)
        if np.median(np.abs(tilted_px)) > limit and agree >= _AGREE and aligned.mean() < 0.5:
            return Fault(
                "rows disagree",
                f"right lies {np.median(tilted_px):+.1f} px below left (median of {rows.dy.size} matches); expected at "
                f"most {limit:g} px: the pair is not rectified, or its calibration no longer holds",
            )
        behind = -rows.dx[aligned] - zero_disparity_px < -limit
        if behind.size >= self._params.min_matches and behind.mean() > 0.6:  # of a few, all may be wrong matches
            return Fault(
                "cameras swapped",
                f"{100 * behind.mean():.0f} % of {behind.size} matches have a negative disparity; expected left to be "
                "the left camera: swap the two image topics",
            )
        return None


def _tilted(rows: Rows, limit_px: float) -> tuple[F64, float]:
    """Row offsets (n,) px that one shift, roll and stretch of the picture gives, and the share of matches they explain.

    Fitted by reweighted least squares (Cauchy). Wrong matches, as repeated patterns give, agree on no such thing.
    """
    A = np.column_stack([np.ones(rows.dy.size), rows.at - 0.5])
    residual = rows.dy - np.median(rows.dy)
    for _ in range(_ROUNDS):
        root = np.sqrt(1.0 / (1.0 + (residual / limit_px) ** 2))
        fitted = A @ np.linalg.lstsq(A * root[:, None], rows.dy * root, rcond=None)[0]
        residual = rows.dy - fitted
    return fitted, float((np.abs(residual) <= limit_px).mean())


def exposure(side: str, look: U8) -> Fault | None:
    """Whether a picture, or some of its pixels, is blank or white."""
    if float((look >= 250).mean()) > 0.7:
        return Fault("over-exposed", f"{side} is over-exposed: {100 * (look >= 250).mean():.0f} % of it is white", side)
    spread = float(look.reshape(*look.shape[:2], -1).std(axis=(0, 1)).max())  # of one channel: a tint is no contrast
    if spread < 2.0:
        return Fault(
            "blank",
            f"{side} is blank: grey values {look.mean():.0f} +- {spread:.1f}; is the lens covered or the room dark?",
            side,
        )
    return None


def _small(picture: U8, scale: float) -> U8:
    """A grey copy, smaller by `scale`, which stays as it is while the next frame is worked on."""
    grey = picture.copy() if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    if scale == 1:
        return grey
    return np.asarray(cv2.resize(grey, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA), np.uint8)


def _matches(orb: cv2.ORB, matcher: cv2.BFMatcher, pair: Sequence[U8], scale: float) -> Rows:
    """ORB features (Rublee et al., ICCV 2011) of a small pair matched both ways, in pixels of the full pictures."""
    found = [orb.detectAndCompute(picture, None) for picture in pair]
    (points, told), (other_points, other_told) = found
    if not points or not other_points:
        return Rows(np.empty((0, 2)), np.empty(0), np.empty(0))
    good = [match for match in matcher.match(told, other_told) if match.distance < _MAX_HAMMING]
    a = np.array([points[match.queryIdx].pt for match in good], np.float64).reshape(-1, 2)
    b = np.array([other_points[match.trainIdx].pt for match in good], np.float64).reshape(-1, 2)
    offset = (b - a) * scale
    return Rows(a / pair[0].shape[::-1], offset[:, 1], offset[:, 0])
