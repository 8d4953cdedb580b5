"""Gaussians, and how they are drawn, whatever draws them (Kerbl et al., SIGGRAPH 2023)."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from saccade.geometry import F32, SE3, Pinhole
from saccade.types import U8


class Gaussians(NamedTuple):
    """n Gaussians of one colour each, all float32, in the frame of the volume's poses.

    at (n, 3) metres; scale_m (n, 3): standard deviations along their axes; wxyz (n, 4): unit quaternions that take
    their axes to the frame's, the third axis the surface's normal; rgb (n, 3) 0..1; opacity (n,) 0..1.
    """

    at: F32
    scale_m: F32
    wxyz: F32
    rgb: F32
    opacity: F32


class View(NamedTuple):
    """A picture (H, W, 3) RGB uint8, and where it was taken (optical axes)."""

    rgb: U8
    T_odom_from_cam: SE3
    camera: Pinhole


class Drawing(NamedTuple):
    """A picture: rgb (H, W, 3) float32 0..1 before `background`; alpha (H, W) float32, 0 = nothing there; depth_m
    (H, W) float32, expected depth along the optical axis of what is there, NaN = nothing.
    """

    rgb: F32
    alpha: F32
    depth_m: F32

    def picture(self) -> U8:
        """RGB (H, W, 3) uint8."""
        shown: U8 = (self.rgb.clip(0, 1) * 255 + 0.5).astype("uint8")
        return shown


class Renderer(Protocol):
    """Draws Gaussians: projected by EWA splatting (Zwicker et al. 2001), nearest first."""

    def draw(
        self,
        gaussians: Gaussians,
        T_odom_from_cam: SE3,
        camera: Pinhole,
        background: tuple[float, float, float] = (0.0, 0.0, 0.0),
        near_m: float = 0.05,
    ) -> Drawing:
        """What a camera (optical axes) would see; Gaussians nearer than `near_m` along its axis are not drawn."""
        ...
