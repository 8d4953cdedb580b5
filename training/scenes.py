"""Which worlds there are, and one of them at random."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from saccade.errors import ConfigError, choices
from saccade.geometry import F64
from training import world as w
from training.build import Builder, Random
from training.indoors import room, table
from training.outdoors import floating, landscape, seabed, street
from training.textures import library, pages
from training.world import Rig, World

BLOCK = 64  # neighbouring seeds that share one library of textures
SCENES: dict[str, Callable[[Builder], F64]] = {
    "room": room, "table": table, "street": street, "landscape": landscape, "floating": floating, "seabed": seabed,
}  # fmt: skip


def rig_for(rng: Random, width: int, height: int, max_disparity: int) -> Rig:
    """A stereo rig at random: 45 to 100 degrees wide, a baseline of 5 cm to 60 cm."""
    focal = width / 2 / math.tan(math.radians(rng.uniform(45, 100)) / 2)
    cx, cy = (n / 2 - 0.5 + rng.uniform(-0.04, 0.04) * n for n in (width, height))
    return Rig(width, height, focal, cx, cy, math.exp(rng.uniform(math.log(0.05), math.log(0.6))), max_disparity)


def window_of(rng: Random, rig: Rig, width: int, height: int) -> Rig:
    """What a window of (width, height) pixels somewhere in the picture of `rig` shows: a crop of a larger camera."""
    left, top = rng.uniform(0, rig.width - width), rng.uniform(0, rig.height - height)
    return replace(rig, width=width, height=height, cx=rig.cx - left, cy=rig.cy - top)


def make_world(seed: int, rng: Random, rig: Rig, kind: str | None = None) -> World:
    """A world at random for a rig, of one kind of `SCENES` or of any. ConfigError for another kind."""
    name = kind or str(rng.choice(list(SCENES)))
    if name not in SCENES:
        raise ConfigError(f"no scene {name!r}; {choices(name, SCENES)}")
    b = Builder(rng, rig)
    light = SCENES[name](b)
    light[w.CLOUD_TEXTURE] = pages("sky")[0]
    triangles = np.concatenate(b.triangles) if b.triangles else np.zeros((0, 3, 3))
    return World(name, np.array(b.rows), triangles, library(seed // BLOCK), light, -b.frame[:, 1])
