"""What the yard looks like: concrete slabs, walls of brick, boards or plaster, and a roof that lets the sun through."""

from __future__ import annotations

import numpy as np

from saccade.types import U8
from sim import paint
from sim.paint import Rgb, Rng
from sim.sun import Sun
from sim.things import Thing
from sim.yard.layout import YARD_M
from sim.yard.nature import Nature

_GROUNDS: tuple[Rgb, ...] = ((150, 146, 140), (132, 128, 122), (160, 152, 138))
_WALLS: tuple[Rgb, ...] = ((178, 168, 154), (150, 146, 144), (164, 148, 132), (140, 150, 152))


class YardDecor:
    """See `sim.scene.Decor`; nothing here is as colourful as the things that a robot is sent to."""

    ppm = 100.0

    def __init__(self, nature: Nature) -> None:
        self._nature = nature

    def faces(self, rng: Rng) -> list[U8]:
        """See `Decor.faces`."""
        length, width, _ = YARD_M
        walls = [self._wall(rng, across, YARD_M[2]) for across in (width, width, length, length)]
        return [*walls, self._roof(rng), self._ground(rng)]

    def skin(self, thing: Thing, shape: tuple[int, int], rng: Rng) -> U8:
        """See `Decor.skin`."""
        if thing.name.startswith("wall"):
            return self._wall(rng, shape[1] / self.ppm, shape[0] / self.ppm)
        if thing.name.startswith("pillar"):
            return self._plaster(rng, shape, thing.colour)
        return paint.skin(thing, shape, self.ppm, rng)

    def light(self, rng: Rng) -> Sun:
        """See `Decor.light`."""
        return Sun(self._nature.sun, self._nature.sunlight, self._nature.ambient)

    def finish(self, ceiling: U8) -> None:
        """See `Decor.finish`: the roof shines as it is painted."""

    def _wall(self, rng: Rng, across_m: float, height_m: float) -> U8:
        """Brick, boards or plaster, with posters and stains, so that no stretch is like another."""
        shape = (max(2, round(height_m * self.ppm)), max(2, round(across_m * self.ppm)))
        colour = _WALLS[int(rng.integers(len(_WALLS)))]
        make = (self._bricks, self._planks, self._plaster)[int(rng.integers(3))]
        picture = make(rng, shape, colour)
        for _ in range(round(across_m / 3)):
            self._poster(rng, picture)
        foot = round(0.12 * self.ppm)
        picture[:foot] = (picture[:foot] * 0.62).astype(np.uint8)
        return picture

    def _bricks(self, rng: Rng, shape: tuple[int, int], colour: Rgb) -> U8:
        course, brick = round(0.09 * self.ppm), round(0.26 * self.ppm)
        rows, cols = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
        row = rows // course
        col = (cols + (row % 2) * (brick // 2)) // brick
        tones = rng.normal(1.0, 0.09, (shape[0] // course + 1, shape[1] // brick + 2)).astype(np.float32)
        shade = tones[row, col] + 0.06 * paint.speckle(rng, shape)
        mortar = (rows % course < 2) | ((cols + (row % 2) * (brick // 2)) % brick < 2)
        shade[mortar] *= 0.78
        return paint.coloured(colour, shade)

    def _planks(self, rng: Rng, shape: tuple[int, int], colour: Rgb) -> U8:
        return paint.boards(rng, shape, self.ppm, colour)

    def _plaster(self, rng: Rng, shape: tuple[int, int], colour: Rgb) -> U8:
        stains = paint.noise(rng, shape, (0.7 * self.ppm, 0.4 * self.ppm))
        return paint.coloured(colour, 0.95 + 0.10 * paint.speckle(rng, shape) + 0.07 * stains)

    def _poster(self, rng: Rng, picture: U8) -> None:
        """A muted picture of some decimetres."""
        high, wide = (round(float(rng.uniform(0.4, 1.1)) * self.ppm) for _ in range(2))
        if picture.shape[0] <= high + 40 or picture.shape[1] <= wide:
            return
        top, left = int(rng.integers(30, picture.shape[0] - high)), int(rng.integers(picture.shape[1] - wide))
        inks = np.array([(206, 196, 180), (116, 122, 126), (150, 132, 120), (84, 86, 92)], np.float32)
        waves = paint.noise(rng, (high, wide), (0.2 * self.ppm, 0.25 * self.ppm)) + 0.1 * paint.speckle(
            rng, (high, wide)
        )
        picture[top : top + high, left : left + wide] = inks[np.digitize(waves, (-0.5, 0.1, 0.7))]

    def _ground(self, rng: Rng) -> U8:
        """Slabs of 0.8 m with stains, cracks of shade between them."""
        shape = (round(YARD_M[1] * self.ppm), round(YARD_M[0] * self.ppm))
        slab = round(0.8 * self.ppm)
        rows, cols = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
        tones = rng.normal(1.0, 0.06, (shape[0] // slab + 1, shape[1] // slab + 1)).astype(np.float32)
        stains = paint.noise(rng, shape, (0.6 * self.ppm, 0.6 * self.ppm))
        shade = tones[rows // slab, cols // slab] * (1 + 0.10 * paint.speckle(rng, shape) + 0.07 * stains)
        shade[(rows % slab < 2) | (cols % slab < 2)] *= 0.68
        return paint.coloured(_GROUNDS[int(rng.integers(len(_GROUNDS)))], shade)

    def _roof(self, rng: Rng) -> U8:
        """Bright panels between beams."""
        shape = (round(YARD_M[1] * self.ppm), round(YARD_M[0] * self.ppm))
        shade = 1 + 0.05 * paint.speckle(rng, shape)
        panel = round(1.0 * self.ppm)
        for axis in (0, 1):
            beam = np.arange(shape[axis]) % panel < 10
            shade[(beam, slice(None)) if axis == 0 else (slice(None), beam)] *= 0.6
        return paint.coloured((186, 190, 190), shade)
