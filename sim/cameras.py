"""A rig of two rectified cameras, or of one that also measures depth: where they are, and what they send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Protocol

import numpy as np

from saccade.geometry import F32, SE3, Pinhole
from saccade.types import U8, CameraModel, Image
from saccade.wire.convert import Cdr, encode_camera
from saccade.wire.images import encode_depth, encode_image
from sim.render import Renderer, open_renderer
from sim.scene import Place, Scene
from sim.sensors import Imager
from sim.world import Messages

SIDES = ("left", "right")


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """Two equal cameras, rows aligned, and where the sensors are: `T_base_link_from_<frame>`.

    `name`, of `saccade.topics.RIGS`, is empty for the one that looks ahead.
    """

    camera: Pinhole
    baseline_m: float
    T_base_from: Mapping[str, SE3]
    name: str = ""

    def frame(self, side: str) -> str:
        """The frame of the left or right camera."""
        return "_".join(filter(None, (self.name, side, "optical")))

    def topic(self, name: str) -> str:
        """A topic of this rig, by what it is called on the one that looks ahead."""
        return f"{self.name}/{name}" if self.name else name

    def model(self, side: str) -> CameraModel:
        """CameraInfo of the rectified left or right camera."""
        camera = self.camera
        K = np.array([[camera.fx, 0.0, camera.cx], [0.0, camera.fy, camera.cy], [0.0, 0.0, 1.0]])
        P = np.hstack([K, np.zeros((3, 1))])
        P[0, 3] = -camera.fx * self.baseline_m if side == "right" else 0.0
        size = (camera.width, camera.height)
        return CameraModel(self.frame(side), *size, "plumb_bob", np.zeros(5), K, np.eye(3), P)


class Eyes:
    """A rig in a scene; the renderer is opened with the first picture. Sends `topics`, by their names on this rig."""

    topics: frozenset[str]

    def __init__(self, rig: Rig, scene: Scene, renderer: str) -> None:
        self._rig, self._scene, self._name = rig, scene, renderer
        self.topics = frozenset(map(rig.topic, self.topics))

    def close(self) -> None:
        """Release the renderer."""
        if "_renderer" in self.__dict__:
            self._renderer.close()

    def _render(self, side: str, T_world_from_base: SE3, moved: Sequence[Place]) -> tuple[U8, F32]:
        return self._renderer.render(T_world_from_base @ self._rig.T_base_from[self._rig.frame(side)], moved)

    @cached_property
    def _renderer(self) -> Renderer:
        return open_renderer(self._name, self._scene, self._rig.camera)


class Stereo(Eyes):
    """The pictures of both cameras."""

    topics = frozenset(f"{side}/{name}" for side in SIDES for name in ("camera_info", "image_rect"))

    def __init__(self, rig: Rig, imagers: Mapping[str, Imager], scene: Scene, renderer: str) -> None:
        super().__init__(rig, scene, renderer)
        self._imagers = imagers

    def capture(self, stamp_ns: int, T_world_from_base: SE3, moved: Sequence[Place] = ()) -> Messages:
        """Calibration and pictures of this instant, rendered when their bytes are asked for; see `Renderer.render`."""
        for side in SIDES:
            yield self._rig.topic(f"{side}/camera_info"), partial(encode_camera, stamp_ns, self._rig.model(side))
            yield (
                self._rig.topic(f"{side}/image_rect"),
                partial(self._picture, side, stamp_ns, T_world_from_base, moved),
            )

    def _picture(self, side: str, stamp_ns: int, T_world_from_base: SE3, moved: Sequence[Place]) -> Cdr:
        rgb, _ = self._render(side, T_world_from_base, moved)
        return encode_image(Image(stamp_ns, self._rig.frame(side), self._imagers[side].expose(rgb)))


class Rgbd(Eyes):
    """The left camera's picture, and true depth for each of its pixels: what perfect perception would see."""

    topics = frozenset({"rgbd/color/image_rect", "rgbd/depth/image_rect", "rgbd/depth/camera_info"})

    def __init__(self, rig: Rig, imager: Imager, scene: Scene, renderer: str) -> None:
        super().__init__(rig, scene, renderer)
        self._imager = imager

    def capture(self, stamp_ns: int, T_world_from_base: SE3, moved: Sequence[Place] = ()) -> Messages:
        """See `Stereo.capture`."""
        look = cache(partial(self._render, "left", T_world_from_base, moved))  # for both pictures
        topic, frame = self._rig.topic, self._rig.frame("left")
        yield topic("rgbd/depth/camera_info"), partial(encode_camera, stamp_ns, self._rig.model("left"))
        yield topic("rgbd/color/image_rect"), lambda: self._colour(stamp_ns, look()[0])
        yield topic("rgbd/depth/image_rect"), lambda: encode_depth(stamp_ns, frame, look()[1])

    def _colour(self, stamp_ns: int, rgb: U8) -> Cdr:
        return encode_image(Image(stamp_ns, self._rig.frame("left"), self._imager.expose(rgb)))


class Optics(Protocol):
    """What a world's seed makes of its cameras; see `Imager` for the units."""

    @property
    def noise(self) -> float:
        """Of both."""

    @property
    def gain(self) -> float:
        """Of the left one."""

    @property
    def right_gain(self) -> float:
        """What the right one's is times that."""

    @property
    def blur_px(self) -> float:
        """Of both."""


def eyes(
    rig: Rig, optics: Optics, kind: str, right: str, scene: Scene, renderer: str,
    left_rng: np.random.Generator, right_rng: np.random.Generator,
) -> Stereo | Rgbd:  # fmt: skip
    """A rig by the options of a world: `kind` stereo, its right camera mono or rgb, or rgbd."""
    size = (rig.camera.height, rig.camera.width)
    first = Imager(size, False, left_rng, optics.gain, optics.noise, optics.blur_px)
    if kind == "rgbd":
        return Rgbd(rig, first, scene, renderer)
    second = Imager(size, right == "mono", right_rng, optics.gain * optics.right_gain, optics.noise, optics.blur_px)
    return Stereo(rig, {"left": first, "right": second}, scene, renderer)
