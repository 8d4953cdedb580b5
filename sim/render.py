"""What a renderer is, and the choice between the two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from saccade.errors import ConfigError, choices
from saccade.geometry import F32, SE3, Pinhole
from saccade.types import U8

if TYPE_CHECKING:
    from sim.scene import Place, Scene

RENDERERS = ("auto", "soft", "mujoco")


class Renderer(Protocol):
    """A camera that can be put anywhere in a scene."""

    def render(self, T_world_from_cam: SE3, moved: Sequence[Place] = ()) -> tuple[U8, F32]:
        """(rgb (H, W, 3) uint8, depth (H, W) float32 in metres along the optical axis) from an optical frame's pose.

        `moved` says where the scene's movers are now, in their order; those left out are where they began.
        """

    def close(self) -> None:
        """Release what the renderer holds."""


def open_renderer(name: str, scene: Scene, camera: Pinhole) -> Renderer:
    """The renderer of that name; `auto` is `soft`, which needs no OpenGL and gives the same pictures everywhere."""
    if name in ("auto", "soft"):
        from sim.soft import SoftRenderer

        return SoftRenderer(scene, camera)
    if name == "mujoco":
        from sim.gl import GlRenderer

        return GlRenderer(scene, camera)
    raise ConfigError(f"unknown renderer {name!r}: {choices(name, RENDERERS)}")
