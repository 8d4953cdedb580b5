"""What the flying ground looks like: grass with worn patches, hedges and boards around it, a net under clouds above."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from saccade.types import U8
from sim import paint
from sim.gates.layout import BAR_M, GROUND_M, Gate
from sim.gates.nature import Nature
from sim.paint import Rgb, Rng
from sim.sun import Sun
from sim.things import Thing

_GRASS: tuple[Rgb, ...] = ((112, 122, 92), (124, 124, 98), (104, 116, 94))
_HEDGES: tuple[Rgb, ...] = ((86, 104, 78), (98, 108, 84), (92, 98, 82))


class GroundDecor:
    """See `sim.scene.Decor`; nothing here is as colourful as the gates."""

    ppm = 80.0

    def __init__(self, nature: Nature, gates: Sequence[Gate]) -> None:
        self._nature = nature
        self._sills_m = {gate.name: float(gate.centre[2]) - gate.height_m / 2 - BAR_M for gate in gates}

    def faces(self, rng: Rng) -> list[U8]:
        """See `Decor.faces`."""
        length, width, _ = GROUND_M
        walls = [self._side(rng, across) for across in (width, width, length, length)]
        return [*walls, self._roof(rng), self._grass(rng)]

    def skin(self, thing: Thing, shape: tuple[int, int], rng: Rng) -> U8:
        """See `Decor.skin`."""
        if thing.name.endswith("crown"):
            return self._leaves(rng, shape, thing.colour)
        if thing.name.endswith("trunk"):
            bark = 0.9 + 0.12 * paint.speckle(rng, shape) + 0.10 * paint.noise(rng, shape, (0.4 * self.ppm, 3.0))
            return paint.coloured(thing.colour, bark)
        if (gate := thing.name.rpartition(" ")[0]) in self._sills_m:
            return self._frame(thing, self._sills_m[gate] - thing.z, shape, rng)
        return paint.skin(thing, shape, self.ppm, rng)

    def light(self, rng: Rng) -> Sun:
        """See `Decor.light`."""
        nature = self._nature
        return Sun(nature.sun, nature.sunlight, nature.ambient)

    def finish(self, ceiling: U8) -> None:
        """See `Decor.finish`: the sky shines as it is painted."""

    def _frame(self, thing: Thing, foot_m: float, shape: tuple[int, int], rng: Rng) -> U8:
        """Coloured foam with seams; the uprights' feet, below the sill, are grey tube."""
        shade = 0.92 + 0.10 * paint.speckle(rng, shape)
        up = np.arange(shape[0])[:, None] / self.ppm
        along = np.arange(shape[1])[None] / self.ppm
        shade *= np.where(((up if thing.z == 0 else along) % 0.30) < 0.03, 0.72, 1.0)
        picture = paint.coloured(thing.colour, shade)
        foot = up[:, 0] < foot_m
        picture[foot] = paint.coloured((120, 122, 126), shade[foot])
        return picture

    def _leaves(self, rng: Rng, shape: tuple[int, int], colour: Rgb) -> U8:
        tufts = paint.noise(rng, shape, (0.10 * self.ppm, 0.10 * self.ppm))
        return paint.coloured(colour, 0.9 + 0.16 * paint.speckle(rng, shape) + 0.16 * tufts)

    def _side(self, rng: Rng, across_m: float) -> U8:
        """A hedge, and boards below it."""
        shape = (round(GROUND_M[2] * self.ppm), round(across_m * self.ppm))
        picture = self._leaves(rng, shape, _HEDGES[int(rng.integers(len(_HEDGES)))])
        rail = round(float(rng.uniform(0.7, 1.4)) * self.ppm)
        picture[:rail] = paint.boards(rng, (rail, shape[1]), self.ppm, (136, 128, 118))
        return picture

    def _grass(self, rng: Rng) -> U8:
        shape = (round(GROUND_M[1] * self.ppm), round(GROUND_M[0] * self.ppm))
        patches = paint.noise(rng, shape, (1.1 * self.ppm, 1.1 * self.ppm))
        grass = paint.coloured(_GRASS[int(rng.integers(len(_GRASS)))], 0.95 + 0.14 * paint.speckle(rng, shape))
        worn = paint.coloured((146, 136, 120), 0.95 + 0.12 * paint.speckle(rng, shape))
        bare = np.clip(0.8 * patches - 0.4, 0, 1)[..., None]
        mixed: U8 = (grass * (1 - bare) + worn * bare).astype(np.uint8)
        return mixed

    def _roof(self, rng: Rng) -> U8:
        """Clouds behind a net with cords of some centimetres."""
        shape = (round(GROUND_M[1] * self.ppm), round(GROUND_M[0] * self.ppm))
        cloud = np.clip(0.5 + 0.35 * paint.noise(rng, shape, (1.6 * self.ppm, 2.2 * self.ppm)), 0, 1)[..., None]
        sky = paint.rgb((176, 192, 206)) * (1 - cloud) + paint.rgb((226, 228, 230)) * cloud
        sky *= (1 + 0.05 * paint.speckle(rng, shape))[..., None]
        for axis in (0, 1):
            cord = np.arange(shape[axis]) % round(0.5 * self.ppm) < 4
            sky[(cord, slice(None)) if axis == 0 else (slice(None), cord)] *= 0.7
        painted: U8 = np.clip(sky, 0, 255).astype(np.uint8)
        return painted
