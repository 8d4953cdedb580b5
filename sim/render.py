"""What a renderer is, and the choice between the two."""

from __future__ import annotations

from typing import Protocol

from saccade.errors import ConfigError, choices
from saccade.geometry import F32, SE3, Pinhole
from saccade.types import U8
from sim.layout import Layout

RENDERERS = ("auto", "soft", "mujoco")


class Renderer(Protocol):
    """A camera that can be put anywhere in the hall."""

    def render(self, T_world_from_cam: SE3) -> tuple[U8, F32]:
        """(rgb (H, W, 3) uint8, depth (H, W) float32 in metres along the optical axis) from an optical frame's pose."""

    def close(self) -> None:
        """Release what the renderer holds."""


def open_renderer(name: str, layout: Layout, camera: Pinhole) -> Renderer:
    """The renderer of that name; `auto` is `soft`, which needs no OpenGL and gives the same pictures everywhere."""
    if name in ("auto", "soft"):
        from sim.soft import SoftRenderer

        return SoftRenderer(layout, camera)
    if name == "mujoco":
        from sim.gl import GlRenderer

        return GlRenderer(layout, camera)
    raise ConfigError(f"unknown renderer {name!r}: {choices(name, RENDERERS)}")
