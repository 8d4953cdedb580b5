"""Depth from one camera of a pair while the other is away, at the scale of what both saw last."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from engines.card import load_card
from engines.depth import DepthEstimator
from engines.engine import EngineError
from engines.open import open_engine
from perception_node.align import I64, fit, seen_from
from perception_node.params import MonoParams
from saccade.clock import seconds
from saccade.geometry import F64, SE3, Pinhole
from saccade.stages import Stages
from saccade.types import U8, Depth
from saccade.wire.health import Refused

_STRIDE = 4
"""Every fourth pixel of every fourth row of the last depth from both cameras is kept."""
_SURE = 64
"""Depth less sure than this, of 255, is not kept."""
_LEAST_POINTS, _LEAST_ALIKE = 200, 0.6
"""Points in view, and correlation of their grey values with what they looked like, without which there is no scale."""

Place = Callable[[int, str], "SE3 | None"]
"""T_odom_from_camera of a camera frame at a stamp, if it is known."""


class OneEye:
    """A monocular model whose scale comes from the last depth of both cameras, moved to where the camera is now.

    The points that both cameras saw last stand still in odometry's frame. Each new picture is fitted to those of them
    that it shows. A world that has moved since, or odometry that is wrong, shows as points that do not agree or do not
    look as they did, and then there is no depth. Nor is there after `max_s`.
    """

    def __init__(self, params: MonoParams, place: Place, stages: Stages) -> None:
        card = load_card(params.card)
        self._params, self._place, self._stages = params, place, stages
        self._engine = open_engine(card)
        self._estimate = DepthEstimator(self._engine, card)
        self._kept: Depth | None = None
        self._look: U8 = np.empty((0, 0), np.uint8)
        self._points: tuple[F64, F64] | None = None

    def remember(self, depth: Depth, picture: U8) -> None:
        """Keep this depth of both cameras, a sixteenth of it, and how it looked, until the next."""
        part = (slice(None, None, _STRIDE), slice(None, None, _STRIDE))
        self._kept = Depth(
            depth.stamp_ns, depth.frame_id, depth.depth_m[part].copy(), depth.confidence[part].copy(), depth.camera
        )
        self._look, self._points = _small(picture), None

    def depth(self, picture: U8, camera: Pinhole, stamp_ns: int, frame_id: str) -> tuple[Depth, str]:
        """Metric depth of a rectified picture, and words for people; Refused("stereo", ...) where it has no scale.

        Confidence is the share of the kept points that agree, and falls to 0 at `max_s`.
        """
        age_s = self._age_s(stamp_ns)
        columns, rows, z_m, greys = self._known(camera, stamp_ns, frame_id)
        if (alike := _alike(greys, _small(picture)[rows // _STRIDE, columns // _STRIDE])) < _LEAST_ALIKE:
            raise _no_scale(
                f"what both cameras saw {age_s:.1f} s ago looks otherwise now ({alike:.2f} of 1; expected "
                f"{_LEAST_ALIKE}): the world, or the robot, moved otherwise than odometry says"
            )
        with self._stages.timed("mono"):
            try:
                values = self._estimate(picture, camera.fx)
            except EngineError as error:
                raise _no_scale(str(error)) from error
            if metric := self._estimate.kind == "metric":
                values = np.asarray(1.0 / values, np.float32)
            seen = values[rows, columns].astype(np.float64)
            usable = np.isfinite(seen)
            if usable.sum() < _LEAST_POINTS:
                raise _no_scale(f"{usable.sum()} points of the last stereo depth are in view; expected {_LEAST_POINTS}")
            found = fit(seen[usable], 1.0 / z_m[usable], self._params.tolerance, not metric)
            agree = found.agree if found else 0.0
            if found is None or agree < self._params.min_agree:
                raise _no_scale(
                    f"{100 * agree:.0f} % of what both cameras saw {age_s:.1f} s ago agrees with the picture; expected "
                    f"{100 * self._params.min_agree:.0f} %: the world, or the robot, moved otherwise than odometry says"
                )
            depth_m = np.asarray(1.0 / found.inverse(values), np.float32)
        sure = np.uint8(255 * agree * (1 - age_s / self._params.max_s))
        confidence = np.where(np.isfinite(depth_m), sure, np.uint8(0)).astype(np.uint8)
        return Depth(stamp_ns, frame_id, depth_m, confidence, camera), (
            f"monocular depth, scale from stereo {age_s:.1f} s ago, {100 * agree:.0f} % of {usable.sum()} points agree"
        )

    def forget(self) -> None:
        """Keep nothing, as after a jump of the clock or of odometry."""
        self._kept = self._points = None

    def close(self) -> None:
        """Release the model."""
        self._engine.close()

    def _age_s(self, stamp_ns: int) -> float:
        if self._kept is None:
            raise _no_scale("no stereo depth yet that could give it its scale")
        age_s = seconds(stamp_ns - self._kept.stamp_ns)
        if not 0 <= age_s < self._params.max_s:
            raise _no_scale(f"the last stereo depth is {age_s:.1f} s old; expected at most {self._params.max_s:g} s")
        return age_s

    def _known(self, camera: Pinhole, stamp_ns: int, frame_id: str) -> tuple[I64, I64, F64, F64]:
        """Columns, rows and depths, in this picture, of what both cameras saw last, and its grey values then."""
        T_odom_from_cam = self._place(stamp_ns, frame_id)
        if self._points is None:
            self._points = self._in_odom()
        if T_odom_from_cam is None or self._points is None:
            raise _no_scale(f"odometry and tf do not tell where {frame_id!r} was, then and now")
        points, greys = self._points
        columns, rows, z_m, which = seen_from(T_odom_from_cam.inverse().apply(points), camera)
        return columns, rows, z_m, greys[which]

    def _in_odom(self) -> tuple[F64, F64] | None:
        """What was kept, as points (n, 3) in odometry's frame, and their grey values (n,)."""
        assert self._kept is not None
        kept = self._kept
        T_odom_from_cam = self._place(kept.stamp_ns, kept.frame_id)
        if T_odom_from_cam is None:
            return None
        v, u = np.nonzero(np.isfinite(kept.depth_m) & (kept.confidence >= _SURE))
        pixels = np.column_stack([u, v]).astype(np.float64) * _STRIDE
        points = kept.camera.unproject(pixels, kept.depth_m[v, u].astype(np.float64))
        return T_odom_from_cam.apply(points), self._look[v, u].astype(np.float64)


def _small(picture: U8) -> U8:
    """Grey, a `_STRIDE`-th of the size, and blurred so that a few pixels of odometry's error do not matter."""
    grey = picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    size = -(-grey.shape[1] // _STRIDE), -(-grey.shape[0] // _STRIDE)
    return np.asarray(cv2.blur(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), (3, 3)), np.uint8)


def _alike(then: F64, now: U8) -> float:
    """Correlation of grey values (n,); 0 where there are too few."""
    if then.size < _LEAST_POINTS:
        return 0.0
    a, b = then - then.mean(), now - now.mean()
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-9))


def _no_scale(why: str) -> Refused:
    return Refused("stereo", "no scale", f"one camera is left, and monocular depth cannot be used: {why}")
