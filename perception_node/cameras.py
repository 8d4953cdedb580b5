"""The cameras' calibrations as they come in: judged when they change, kept as a rig and its rectifiers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from engines.kernels.pair import Maps
from engines.kernels.pair import Rig as SourceRig
from perception_node.calibration import Rig, check_size, depth_camera, stereo_rig
from perception_node.rectify import Rectifier
from perception_node.sync import Side
from saccade.errors import CalibrationError, DataError
from saccade.geometry import Pinhole
from saccade.types import U8, CameraModel, Image, StereoPair
from saccade.wire.convert import Cdr, decode_camera

T = TypeVar("T")
LEFT, RIGHT, DEPTH = "left/camera_info", "right/camera_info", "rgbd/depth/camera_info"
_AFTER_STAMP = 12
"""CDR bytes before a header's frame: 4 of encapsulation, 8 of stamp."""


class MissingCalibration(CalibrationError):
    """Pictures came before their CameraInfo, as they may at the start."""


class Sources(NamedTuple):
    """A pair as it came, both (H, W) grey or both (H, W, 3) RGB uint8, and its rig, the same object while it lasts."""

    stamp_ns: int
    frame_id: str
    left: U8
    right: U8
    rig: SourceRig


class Cameras:
    """Newest CameraInfo of each topic. What follows from them is made once and again when their content changes."""

    def __init__(self) -> None:
        self._bytes: dict[str, bytes] = {}
        self._models: dict[str, CameraModel | DataError] = {}
        self._made: dict[str, object] = {}

    def put(self, topic: str, cdr: Cdr) -> None:
        """Take a CameraInfo; its stamp does not matter, and the same content again costs nothing."""
        content = bytes(cdr[_AFTER_STAMP:])
        if content == self._bytes.get(topic):
            return
        self._bytes[topic] = content
        self._made.clear()
        try:
            self._models[topic] = decode_camera(cdr)[1]
        except DataError as error:
            self._models[topic] = error

    def sources(self, left: Image, right: Image, *, rectified: bool) -> Sources:
        """Both pictures as one rig's; CalibrationError when their geometry cannot be trusted."""
        rig = self._once(f"rig, rectified {rectified}", lambda: self._rig(rectified))
        camera = rig.camera
        kind = "image_rect" if rectified else "image_raw"
        for side, info, picture in (("left", LEFT, left), ("right", RIGHT, right)):
            check_size(f"{side}/{kind}", info, picture.data.shape, camera.width, camera.height)
        a, b = left.data, right.data
        if a.ndim != b.ndim:  # a colour camera beside a grey one: matched as grey
            a, b = (p if p.ndim == 2 else np.asarray(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY), np.uint8) for p in (a, b))
        maps = None if rectified else self._maps()
        known = self._once(
            f"source, rectified {rectified}", lambda: SourceRig(camera, rig.cx_right, rig.baseline_m, maps)
        )
        return Sources(left.stamp_ns, left.frame_id, a, b, known)

    def pair(self, left: Image, right: Image, *, rectified: bool) -> StereoPair:
        """A rectified pair of two pictures: `sources` and `rectified` in one."""
        return self.rectified(self.sources(left, right, rectified=rectified))

    def rectified(self, sources: Sources) -> StereoPair:
        """The rectified pair. Pictures rectified here are valid until the next call."""
        rig, a, b = sources.rig, sources.left, sources.right
        if rig.maps is not None:
            rectify_a, rectify_b = self._once("rectifiers", self._rectifiers)
            a, b = rectify_a(a), rectify_b(b)
        return StereoPair(sources.stamp_ns, sources.frame_id, a, b, rig.camera, rig.cx_right, rig.baseline_m)

    def alone(self, side: Side, picture: Image, *, rectified: bool) -> tuple[U8, Pinhole]:
        """One camera's rectified picture and pinhole, when the other's does not come; CalibrationError as `pair`."""
        rig = self._once(f"rig, rectified {rectified}", lambda: self._rig(rectified))
        kind, info = "image_rect" if rectified else "image_raw", LEFT if side == "left" else RIGHT
        check_size(f"{side}/{kind}", info, picture.data.shape, rig.camera.width, rig.camera.height)
        camera = rig.camera if side == "left" else replace(rig.camera, cx=rig.cx_right)
        if rectified:
            return picture.data, camera
        return self._once("rectifiers", self._rectifiers)[side == "right"](picture.data), camera

    def depth(self, image_topic: str, shape: tuple[int, ...]) -> Pinhole:
        """The camera of an RGB-D depth image of this shape; CalibrationError as `pair`."""
        camera = self._once("depth", lambda: depth_camera(DEPTH, self._model(DEPTH)))
        check_size(image_topic, DEPTH, shape, camera.width, camera.height)
        return camera

    def _rig(self, rectified: bool) -> Rig:
        return stereo_rig(self._model(LEFT), self._model(RIGHT), rectified=rectified)

    def _maps(self) -> tuple[Maps, Maps]:
        left, right = self._once("rectifiers", self._rectifiers)
        return left.maps, right.maps

    def _rectifiers(self) -> tuple[Rectifier, Rectifier]:
        return Rectifier(self._model(LEFT)), Rectifier(self._model(RIGHT))

    def _model(self, topic: str) -> CameraModel:
        model = self._models.get(topic)
        if model is None:
            raise MissingCalibration(f"no {topic} yet; pictures cannot be used without it")
        if isinstance(model, DataError):
            raise CalibrationError(f"{topic}: {model}")
        return model

    def _once(self, name: str, make: Callable[[], T]) -> T:
        if name not in self._made:
            self._made[name] = make()
        made: T = self._made[name]  # type: ignore[assignment]
        return made
