"""Under water: attenuation by wavelength, backscatter, forward scatter, caustics and marine snow.

Image formation is the revised model of Akkaynak and Treibitz, "A Revised Underwater Image Formation Model", CVPR 2018:
I = J exp(-beta_D z) + B (1 - exp(-beta_B z)), with a coefficient of its own for the direct signal (beta_D) and for the
backscatter (beta_B). Forward scatter is what the older model of Jaffe (IEEE Journal of Oceanic Engineering, 1990) and
McGlamery (SPIE 1980) has besides: light that goes astray a little, a blur that grows with the range.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from saccade.geometry import F32, F64
from training.textures import SIZE, noise
from training.world import Eye, Rig

Random = np.random.Generator
# Share of light left after 1 m, RGB, by Jerlov water type: oceanic I-III, coastal 1-5. The values in use for synthesis,
# after Li, Anwar and Porikli, "Underwater scene prior inspired deep underwater image and video enhancement", 2020; the
# paper's own table was not at hand to check them against.
JERLOV: dict[str, tuple[float, float, float]] = {
    "I": (0.805, 0.961, 0.982), "IA": (0.804, 0.955, 0.975), "IB": (0.830, 0.950, 0.968), "II": (0.800, 0.925, 0.940),
    "III": (0.750, 0.885, 0.890), "1": (0.750, 0.885, 0.875), "3": (0.710, 0.820, 0.800), "5": (0.670, 0.730, 0.670),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Water:
    """One body of water: direct and backscatter coefficients (3,) per metre, RGB; the colour of the veil (3,)."""

    kind: str
    direct: F64
    back: F64
    veil: F64
    forward: float
    caustics: float
    snow: int


def water_for(rng: Random, typical_m: float, kind: str | None = None) -> Water:
    """Water at random whose turbidity leaves 25 to 90 % of the green light over `typical_m` metres."""
    name = kind or str(rng.choice(list(JERLOV)))
    pure = -np.log(np.array(JERLOV[name]))
    left = rng.uniform(0.25, 0.9)
    direct = pure * (-np.log(left) / (pure[1] * typical_m))
    below = np.exp(-pure * rng.uniform(1.0, 20.0))  # what the water above leaves of daylight
    veil = below / below.max() * rng.uniform(0.15, 0.5)
    return Water(
        name, direct, direct * rng.uniform(0.7, 1.3, 3), veil, rng.uniform(0.0, 1.0),
        rng.uniform(0.3, 1.5) if rng.random() < 0.5 else 0.0, int(rng.integers(0, 500)) if rng.random() < 0.6 else 0,
    )  # fmt: skip


def through_water(radiance: F32, z_m: F32, rig: Rig, water: Water, typical_m: float) -> F32:
    """Radiance (H, W, 3) as it arrives through the water, from points z_m (H, W) metres away (inf: open water)."""
    way = np.minimum(range_of(z_m, rig), np.float32(1e3 * typical_m))[..., None]
    direct = radiance * np.exp(-water.direct.astype(np.float32) * way)
    if water.forward > 0.0:
        stray = cv2.GaussianBlur(direct, (0, 0), 1.0 + 0.004 * rig.width)
        share = np.float32(water.forward) * (1.0 - np.exp(-way * np.float32(0.7 / typical_m)))
        direct = direct + np.float32(0.6) * share * (stray - direct)
    back = water.veil.astype(np.float32) * (1.0 - np.exp(-water.back.astype(np.float32) * way))
    return np.asarray(direct + back, np.float32)


def range_of(z_m: F32, rig: Rig) -> F32:
    """Length (H, W) in metres of the line of sight to points at z_m metres along the optical axis."""
    x = (np.arange(rig.width, dtype=np.float32) - np.float32(rig.cx)) / np.float32(rig.focal_px)
    y = (np.arange(rig.height, dtype=np.float32) - np.float32(rig.cy)) / np.float32(rig.focal_px)
    return np.asarray(z_m * np.sqrt(1.0 + x[None, :] ** 2 + y[:, None] ** 2), np.float32)


def caustic_pattern(rng: Random) -> F32:
    """Bright filaments (S, S) with mean 0: where rippled water bundles the sun."""
    ridge = 1.0 - np.abs(2.0 * noise(rng, 3, 5, 0.5) - 1.0)
    net = ridge**6
    return np.asarray(net - net.mean(), np.float32)


def lit_by_ripples(radiance: F32, z_m: F32, rig: Rig, eye: Eye, pattern: F32, strength: float, cell_m: float,
                   up: F64) -> F32:  # fmt: skip
    """Radiance with the caustics that lie on the points seen, the same points in both cameras; fading with range."""
    z = np.where(np.isfinite(z_m), z_m, 0.0).astype(np.float32)
    column, row = np.arange(rig.width, dtype=np.float32), np.arange(rig.height, dtype=np.float32)[:, None]
    x = (column - rig.cx) / rig.focal_px * z + eye.x_m
    y = (eye.shows(rig, column, row) - rig.cy) / rig.focal_px * z
    side = np.cross(up, [0.0, 0.0, 1.0])
    ahead = np.cross(side, up)
    s, t = ((x * a[0] + y * a[1] + z * a[2]) / cell_m * SIZE / 4 for a in (side, ahead))
    wrap = np.float32(SIZE)
    tile = np.pad(pattern, ((0, 1), (0, 1)), mode="wrap")
    light = cv2.remap(
        tile, np.mod(s, wrap).astype(np.float32), np.mod(t, wrap).astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    fade = np.exp(-z / np.float32(12 * cell_m)) * (z > 0)
    return np.asarray(radiance * np.maximum(1.0 + strength * (light * fade)[..., None], 0.2), np.float32)


def speck_places(rng: Random, n: int, rig: Rig) -> F64:
    """Places (n, 3) in metres of things that drift between the cameras and what they look at."""
    d = rig.max_disparity * rng.uniform(0.05, 1.5, n)
    z = rig.focal_px * rig.baseline_m / d
    x = (rng.uniform(-0.1, 1.2, n) * rig.width - rig.cx) / rig.focal_px * z
    y = (rng.uniform(-0.1, 1.1, n) * rig.height - rig.cy) / rig.focal_px * z
    return np.stack([x, y, z], axis=1)


def snow(radiance: F32, z_m: F32, rig: Rig, eye: Eye, places: F64, size_m: float, glow: F64) -> F32:
    """The picture (H, W, 3) with bright flakes at `places`, where this camera sees them, behind what is nearer."""
    out: F32 = radiance.copy()
    u = (places[:, 0] - eye.x_m) / places[:, 2] * rig.focal_px + rig.cx
    v = eye.row_of(rig, u, places[:, 1] / places[:, 2] * rig.focal_px + rig.cy)
    radius = size_m / places[:, 2] * rig.focal_px
    for a, b, r, z in zip(u, v, radius, places[:, 2], strict=True):
        reach = int(2.5 * r + 2)
        x0, x1 = max(int(a) - reach, 0), min(int(a) + reach + 1, rig.width)
        y0, y1 = max(int(b) - reach, 0), min(int(b) + reach + 1, rig.height)
        if x0 >= x1 or y0 >= y1:
            continue
        dx, dy = np.arange(x0, x1) - a, np.arange(y0, y1)[:, None] - b
        wide = max(r, 0.6)
        blob = min(1.0, (r / 0.6) ** 2) * np.exp(-(dx * dx + dy * dy) / (2 * (0.6 * wide) ** 2))
        blob = np.where(z_m[y0:y1, x0:x1] > z, blob, 0.0)[..., None] * 0.7
        out[y0:y1, x0:x1] += (blob * (glow - out[y0:y1, x0:x1])).astype(np.float32)
    return out
