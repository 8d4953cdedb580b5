"""What renderers draw: a room from inside, upright things in it, and the paint and the light on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from saccade.geometry import F32
from saccade.types import U8
from sim.shapes import Solid
from sim.things import Thing

Rng = np.random.Generator


class Place(NamedTuple):
    """Where something stands on the floor: metres and radians."""

    x: float
    y: float
    yaw: float


class Light(Protocol):
    """Where light comes from."""

    warm: F32
    """Colour of direct light, (3,)."""
    cool: F32
    """Colour of the light that is everywhere, (3,)."""
    ambient: float
    """How bright the latter is."""

    def direct(self, points: F32, normals: F32, solids: Sequence[Solid]) -> F32:
        """How much falls on points (h, w, 3) with these normals, (h, w), where no solid is in its way."""


class Decor(Protocol):
    """Paint and light; pictures are (H, W, 3) uint8 RGB at `ppm` pixels a metre, their first row at the bottom."""

    ppm: float

    def faces(self, rng: Rng) -> list[U8]:
        """The room's east, west, north and south wall, ceiling and floor."""

    def skin(self, thing: Thing, shape: tuple[int, int], rng: Rng) -> U8:
        """The unrolled surface of a thing: columns go round it, rows up its side and then inwards over its top."""

    def light(self, rng: Rng) -> Light:
        """The light; asked for before anything is painted."""

    def finish(self, ceiling: U8) -> None:
        """Draw what shines by itself on the lit ceiling."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A room of `size_m` (length, width, height), its origin in the middle of the floor; the last `movers` things move.

    Same seed, same pictures.
    """

    seed: int
    size_m: tuple[float, float, float]
    things: tuple[Thing, ...]
    decor: Decor
    movers: int = 0
