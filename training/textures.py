"""Textures drawn from a random generator: rich, regular, written on, full of holes, and nearly blank."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from saccade.geometry import F32
from saccade.kernel import buffer, f32, f64, i64, kernel, void
from saccade.types import U8

SIZE = 256
LEVELS = 7  # of mipmaps: 256 .. 4
Random = np.random.Generator
Draw = Callable[[Random], F32]
Pixels = npt.NDArray[np.float32]


def noise(rng: Random, first: int = 2, last: int = 7, fall: float = 0.55) -> Pixels:
    """Value noise (S, S) in 0..1 that wraps around: octaves with 2**first .. 2**last cells, each `fall` as strong."""
    lattice = rng.random((SIZE, SIZE), np.float32)
    out = np.empty((SIZE, SIZE), np.float32)
    _noise(lattice, first, last, fall, out)
    return out


@kernel(void, buffer(f32, 2), i64, i64, f64, buffer(f32, 2))
def _noise(lattice: Pixels, first: int, last: int, fall: float, out: Pixels) -> None:
    size = len(out)
    out[:] = 0.0
    weight = np.float32(1.0)
    for octave in range(first, last + 1):
        cells, step = 1 << octave, size >> octave
        for y in range(size):
            j = y // step
            j1 = (j + 1) % cells
            fy = np.float32(y - j * step) / np.float32(step)
            fy = fy * fy * (3 - 2 * fy)
            for x in range(size):
                i = x // step
                i1 = (i + 1) % cells
                fx = np.float32(x - i * step) / np.float32(step)
                fx = fx * fx * (3 - 2 * fx)
                top = lattice[j, i] + fx * (lattice[j, i1] - lattice[j, i])
                low = lattice[j1, i] + fx * (lattice[j1, i1] - lattice[j1, i])
                out[y, x] += weight * (top + fy * (low - top))
        weight *= np.float32(fall)
    least, most = out.min(), out.max()
    out -= least
    out /= max(most - least, np.float32(1e-6))


def colours(rng: Random, n: int) -> F32:
    """n colours (n, 3) that go together: around one hue, with one far off."""
    base, spread = rng.random(), rng.choice([0.03, 0.12, 0.5])
    hsv = np.empty((1, n, 3), np.float32)
    hsv[0, :, 0] = (base + rng.normal(0.0, spread, n)) % 1.0 * 360
    hsv[0, :, 1] = np.clip(rng.normal(0.35, 0.25, n), 0.0, 0.95)
    hsv[0, :, 2] = rng.permutation(np.linspace(rng.uniform(0.1, 0.4), rng.uniform(0.7, 1.0), n))
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0], np.float32)


def ramp(rng: Random, field: Pixels, n: int = 4) -> F32:
    """Colour a field (S, S) in 0..1 along n colours: (S, S, 3)."""
    table = cv2.resize(colours(rng, n)[None], (256, 1), interpolation=cv2.INTER_LINEAR)[0]
    return np.asarray(table[np.clip(field * 255, 0, 255).astype(np.uint8)], np.float32)


def grain(rng: Random, rgb: F32, strength: float) -> F32:
    """Add fine unevenness, equal in all colours."""
    return rgb * (1.0 + strength * (noise(rng, 5, 8, 0.8)[..., None] - 0.5))


def clouds(rng: Random) -> F32:
    """Fractal noise: plaster, concrete, soil, clouds."""
    return ramp(rng, noise(rng, int(rng.integers(1, 5)), 8, rng.uniform(0.5, 0.9)))


def marble(rng: Random) -> F32:
    """Bent bands: marble, wood, rock strata."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    waves = rng.integers(1, 7) * x + rng.integers(0, 3) * y + rng.uniform(0.3, 2.0) * noise(rng, 1, 6)
    return grain(rng, ramp(rng, 0.5 + 0.5 * np.sin(2 * np.pi * waves).astype(np.float32)), 0.5)


def cells(rng: Random) -> F32:
    """Voronoi cells: cobbles, scales, cracked earth."""
    seeds = np.full((SIZE, SIZE), 255, np.uint8)
    n = int(rng.choice([40, 150, 600, 2000]))
    seeds[rng.integers(0, SIZE, n), rng.integers(0, SIZE, n)] = 0
    distance, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    shade = rng.random(label.max() + 1, np.float32)[label]
    rim = np.clip(1.3 - distance / (distance.mean() * 2.2), 0.2, 1.0)[..., None]
    return grain(rng, ramp(rng, shade) * rim, 0.6)


def bricks(rng: Random) -> F32:
    """Bricks, planks or tiles with joints: a pattern that repeats."""
    rows, columns = (int(n) for n in rng.choice([4, 8, 16, 32], 2))
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    row = np.floor(y * rows)
    x = x + (row % 2) * rng.choice([0.0, 0.5]) / columns
    tone = rng.random((rows, columns), np.float32)[row.astype(int), np.floor(x * columns).astype(int) % columns]
    joint = rng.uniform(0.02, 0.15)
    gap = (np.abs((y * rows) % 1 - 0.5) > 0.5 - joint) | (np.abs((x * columns) % 1 - 0.5) > 0.5 - joint)
    few = colours(rng, 2)
    body = few[0] * (1.0 + rng.choice([0.0, 0.15, 0.6]) * (tone[..., None] - 0.5))
    return grain(rng, np.where(gap[..., None], few[1], body).astype(np.float32), rng.choice([0.0, 0.3, 0.8]))


def stripes(rng: Random) -> F32:
    """Stripes, checks or a grating, the same over and over."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    n, m = int(rng.choice([4, 8, 16, 32])), int(rng.choice([0, 0, 4, 16]))
    wave = np.sin(2 * np.pi * n * x) * (np.cos(2 * np.pi * m * y) if m else 1.0)
    sharp = np.clip(0.5 + rng.choice([0.5, 8.0]) * wave, 0, 1)[..., None].astype(np.float32)
    few = colours(rng, 2)
    return np.asarray(few[0] + sharp * (few[1] - few[0]), np.float32)


def dots(rng: Random) -> F32:
    """White noise of some size: gravel, carpet, terrazzo, random dots."""
    side = int(rng.choice([64, 128, 256]))
    field = rng.random((side, side), np.float32)
    grown = np.asarray(cv2.resize(field, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC), np.float32)
    return ramp(rng, grown, int(rng.integers(2, 6)))


def scribble(rng: Random) -> F32:
    """Lines, boxes and circles over one another: graffiti, posters, cluttered shelves."""
    picture = np.ascontiguousarray(np.broadcast_to(colours(rng, 1)[0], (SIZE, SIZE, 3))).astype(np.float32)
    few = colours(rng, 6)
    for _ in range(int(rng.integers(10, 60))):
        colour = [float(c) for c in few[rng.integers(6)]]
        a, b = (tuple(int(c) for c in rng.integers(0, SIZE, 2)) for _ in range(2))
        kind, thick = rng.integers(4), int(rng.integers(1, 9))
        if kind == 0:
            cv2.line(picture, a, b, colour, thick, cv2.LINE_AA)
        elif kind == 1:
            cv2.rectangle(picture, a, (a[0] + b[0] // 4, a[1] + b[1] // 4), colour, -1)
        elif kind == 2:
            cv2.circle(picture, a, 3 + b[0] // 8, colour, int(rng.choice([-1, thick])), cv2.LINE_AA)
        else:
            cv2.ellipse(picture, a, (5 + b[0] // 5, 3 + b[1] // 9), float(b[1]), 0, 300, colour, thick, cv2.LINE_AA)
    return grain(rng, picture, 0.3)


def letters(rng: Random) -> F32:
    """Lines of writing: signs, labels, pages."""
    few = colours(rng, 2)
    ink = np.zeros((SIZE, SIZE), np.uint8)
    height = int(rng.choice([12, 20, 40, 80]))
    for y in range(height, SIZE + height, int(height * 1.4)):
        line = "".join(chr(c) for c in rng.integers(33, 123, 400 // height + 4))
        cv2.putText(ink, line, (-int(rng.integers(height)), y), int(rng.integers(0, 8)), height / 30,
                    255, max(1, height // 12), cv2.LINE_AA)  # fmt: skip
    return np.asarray(few[0] + (ink[..., None] / np.float32(255)) * (few[1] - few[0]), np.float32)


def blank(rng: Random) -> F32:
    """A painted wall: one colour and very little else."""
    slow = 1.0 + rng.uniform(0.0, 0.15) * (noise(rng, 1, 2)[..., None] - 0.5)
    return grain(rng, colours(rng, 3)[2] * slow, rng.choice([0.0, 0.02, 0.06]))


def with_alpha(rgb: F32, alpha: npt.NDArray[np.bool_]) -> F32:
    """(S, S, 4): colour, and 1 where there is something."""
    return np.dstack([rgb, alpha.astype(np.float32)])


def leaves(rng: Random) -> F32:
    """Foliage with holes: blades and leaves at random."""
    alpha = np.zeros((SIZE, SIZE), np.uint8)
    narrow = rng.random() < 0.3
    for _ in range(int(rng.integers(80, 260))):
        centre = tuple(int(c) for c in rng.integers(0, SIZE, 2))
        axes = (int(rng.integers(10, 34)), int(rng.integers(2, 5 if narrow else 12)))
        cv2.ellipse(alpha, centre, axes, float(rng.uniform(0, 360)), 0, 360, 1, -1)
    green = np.array([rng.uniform(0.15, 0.6), rng.uniform(0.35, 0.7), rng.uniform(0.05, 0.25)], np.float32)
    return with_alpha((green * (0.35 + 1.1 * noise(rng, 3, 7, 0.8))[..., None]).astype(np.float32), alpha > 0)


def fence(rng: Random) -> F32:
    """Wire mesh, railings or a lattice, the same over and over, with holes."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
    n = int(rng.choice([4, 8, 16]))
    wide = rng.uniform(0.08, 0.3)
    one, two = ((x + y) % 1, (x - y) % 1) if rng.random() < 0.4 else (x, y)
    bars = (one * n) % 1 < wide
    if rng.random() < 0.7:
        bars |= (two * n / rng.choice([1, 2, 4])) % 1 < wide / 2
    return with_alpha(grain(rng, ramp(rng, noise(rng)), 0.3), bars)


# What the pages of a library show.
RICH: tuple[Draw, ...] = (clouds, marble, cells, bricks, dots, scribble, letters) * 2
REGULAR: tuple[Draw, ...] = (bricks, stripes) * 2
PAGES: dict[str, tuple[Draw, ...]] = {
    "rich": RICH, "regular": REGULAR, "soil": (clouds, cells, dots) * 2, "blank": (blank,) * 3,
    "leaves": (leaves,) * 3, "fence": (fence,) * 3, "sky": (clouds,),
}  # fmt: skip


def pages(family: str) -> range:
    """The pages of a library that hold one family of textures."""
    first = 0
    for name, draws in PAGES.items():
        if name == family:
            return range(first, first + len(draws))
        first += len(draws)
    raise KeyError(family)


@lru_cache(maxsize=2)
def library(number: int) -> U8:
    """The textures of library `number` (the same for the same number), drawn once for the scenes that share it."""
    rng = np.random.default_rng([number, 0x7E87])
    return atlas(rng, [draw for draws in PAGES.values() for draw in draws])


def atlas(rng: Random, draws: list[Draw]) -> U8:
    """Draw textures and their mipmaps: (t, 2S, S, 4) uint8, a mip level below the other, alpha last."""
    out = np.zeros((len(draws), 2 * SIZE, SIZE, 4), np.uint8)
    for page, draw in zip(out, draws, strict=True):
        drawn = draw(rng)
        level = np.full((SIZE, SIZE, 4), 255, np.uint8)
        level[..., : drawn.shape[2]] = cv2.convertScaleAbs(drawn, alpha=255.0)
        row = 0
        for _ in range(LEVELS):
            side = len(level)
            page[row : row + side, :side] = level
            row += side
            level = np.asarray(cv2.resize(level, (side // 2, side // 2), interpolation=cv2.INTER_AREA), np.uint8)
    return out
