"""One stereo pair with its truth, from a seed: the same bytes every time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from saccade.errors import ConfigError, choices
from saccade.geometry import F32
from saccade.types import U8
from training import water as wet
from training import weather
from training.camera import Sensor, expose, exposure_for, sensors_for
from training.render import Pair, render
from training.scenes import make_world, rig_for, window_of
from training.world import Rig, World, eyes_of

Random = np.random.Generator
Bool = npt.NDArray[np.bool_]
# Each effect draws from a generator of its own, so that one does not change another, nor the world.
EFFECTS = ("rectification", "night", "haze", "rain", "motion", "water", "sensor")
CHANCE = {"rectification": 0.5, "night": 0.05, "haze": 0.06, "rain": 0.05, "motion": 0.08, "water": 0.04, "sensor": 0.9}


@dataclass(frozen=True, slots=True, eq=False)
class StereoSample:
    """A rectified pair and what is true of it, all for the left picture unless said otherwise.

    left, right (H, W, 3) uint8 RGB; disparity (H, W) float32 pixels in 0..max_disparity, 0 at infinity, of the centre
    of each pixel; right_disparity likewise for the right picture (where `row_error_px` is not zero, for the rows as
    they are seen); occluded (H, W) bool: the right camera does not see that point; confidence (H, W) float32 0..1:
    the share of the pixel's light that is the surface's own and reaches both cameras (0 where occluded, less under
    fog, water and in mirrors; single flakes and drops before it are not counted). `row_error_px`: see `render`.
    """

    seed: int
    scene: str
    effects: tuple[str, ...]
    rig: Rig
    row_error_px: tuple[float, float, float]
    left: U8
    right: U8
    disparity: F32
    right_disparity: F32
    occluded: Bool
    confidence: F32


def sample(
    seed: int,
    size: tuple[int, int] = (640, 480),
    max_disparity: int = 128,
    effects: Collection[str] | None = None,
    scene: str | None = None,
    windows: float = 0.5,
) -> StereoSample:
    """Make pair number `seed`, `size` = (width, height) pixels, both at least 32.

    `effects` of `EFFECTS` (None: drawn at random; water always where the scene is a seabed), `scene` of `SCENES` (None:
    any). `windows`: the share of pairs that are cut out of a larger camera. ConfigError for other names and sizes.
    """
    if min(size) < 32 or max_disparity < 8 or seed < 0:
        raise ConfigError(
            f"a sample needs size >= 32x32, max_disparity >= 8 and seed >= 0; got {size}, {max_disparity}, {seed}"
        )
    for name in effects or ():
        if name not in EFFECTS:
            raise ConfigError(f"no effect {name!r}; {choices(name, EFFECTS)}")
    draw = stream(seed, "world")
    # As crops in training and long lenses are.
    more = draw.uniform(1.2, 4.0, 2) if draw.random() < windows else np.ones(2)
    rig = rig_for(draw, round(size[0] * more.max()), round(size[1] * more.min()), max_disparity)
    world = make_world(seed, draw, rig, scene)
    rig = window_of(draw, rig, *size)
    chosen = (
        drawn(stream(seed, "effects"), world.kind) if effects is None else tuple(e for e in EFFECTS if e in effects)
    )
    if "night" in chosen:
        world = replace(world, light=weather.night(stream(seed, "night"), world.light, rig))
    row_error = row_error_for(stream(seed, "rectification")) if "rectification" in chosen else (0.0, 0.0, 0.0)
    pair = render(world, rig, row_error)
    left, right, clear = through(seed, chosen, world, rig, row_error, pair)
    one, two = stream(seed, "sensor"), stream(seed, "right sensor")
    dark = "night" in chosen
    sensors = sensors_for(one, dark) if "sensor" in chosen else (Sensor(), Sensor())
    exposure = exposure_for(left, one.uniform(0.6, 1.5) * (0.4 if dark else 1.0) if "sensor" in chosen else 1.0)
    with np.errstate(divide="ignore"):
        disparities = [
            (rig.focal_px * rig.baseline_m / view.z_m).astype(np.float32) for view in (pair.left, pair.right)
        ]
    confidence = np.where(pair.occluded, np.float32(0.0), (1.0 - pair.left.mirrored) * clear).astype(np.float32)
    return StereoSample(
        seed, world.kind, chosen, rig, row_error, expose(left, exposure, sensors[0], one),
        expose(right, exposure, sensors[1], two), disparities[0], disparities[1], pair.occluded, confidence,
    )  # fmt: skip


def stream(seed: int, name: str) -> Random:
    """The random generator of one part of a sample."""
    return np.random.default_rng([seed, *name.encode()])


def drawn(rng: Random, scene: str) -> tuple[str, ...]:
    """Effects at random; fog and rain are for the air, and a seabed is under water."""
    wet_here = scene == "seabed" or rng.random() < CHANCE["water"]
    luck = rng.random(len(EFFECTS))
    chosen = [e for e, chance in zip(EFFECTS, luck, strict=True) if e != "water" and chance < CHANCE[e]]
    if wet_here:
        chosen = [e for e in chosen if e not in ("haze", "rain")] + ["water"]
    if scene in ("room", "table"):
        chosen = [e for e in chosen if e != "rain"]
    return tuple(e for e in EFFECTS if e in chosen)


def row_error_for(rng: Random) -> tuple[float, float, float]:
    """A rectification error of at most 1 px anywhere: shift, and its change over the width and the height."""
    shift, tilt, stretch = rng.uniform(-1.0, 1.0, 3) * (0.5, 0.5, 0.5)
    return float(shift), float(tilt), float(stretch)


def through(
    seed: int, chosen: tuple[str, ...], world: World, rig: Rig, row_error: tuple[float, float, float], pair: Pair
) -> tuple[F32, F32, F32]:
    """Both pictures (H, W, 3) through water or weather and motion, and how clear the left one is (H, W), 0..1."""
    views, eyes = (pair.left, pair.right), eyes_of(rig, row_error)
    left, right = pair.left.radiance, pair.right.radiance
    z = pair.left.z_m
    typical = float(np.median(np.minimum(z, 200.0 * rig.near_m)))
    clear = np.ones_like(z)
    if "water" in chosen:
        rng = stream(seed, "water")
        sea = wet.water_for(rng, typical)
        light = float(np.mean(left))
        pattern, flakes = wet.caustic_pattern(rng), wet.speck_places(rng, sea.snow, rig)
        cell, flake = typical * rng.uniform(0.1, 0.4), rig.near_m * rng.uniform(0.001, 0.008)
        sea = replace(sea, veil=sea.veil * light * 1.5)
        left, right = (
            wet.snow(
                wet.through_water(
                    wet.lit_by_ripples(v.radiance, v.z_m, rig, eye, pattern, 4.0 * sea.caustics, cell, world.up)
                    if sea.caustics > 0.0 else v.radiance,
                    v.z_m, rig, sea, typical,
                ),
                v.z_m, rig, eye, flakes, flake, sea.veil * 2.0 + 0.15 * light,
            )
            for v, eye in zip(views, eyes, strict=True)
        )  # fmt: skip
        clear = np.exp(-float(sea.direct.min()) * wet.range_of(z, rig)).astype(np.float32)
    if "haze" in chosen:
        rng = stream(seed, "haze")
        beta = (
            -np.log(rng.uniform(0.2, 0.9))
            / typical
            * (np.ones(3) if rng.random() < 0.6 else np.array([0.8, 1.0, 1.25]))
        )
        dusty = np.array([1.0, rng.uniform(0.75, 0.95), rng.uniform(0.5, 0.8)])
        veil = float(np.mean(left)) * rng.uniform(0.8, 1.6) * (np.ones(3) if beta[0] == beta[2] else dusty)
        left, right = (weather.haze(p, v.z_m, rig, beta, veil) for p, v in zip((left, right), views, strict=True))
        clear = np.exp(-float(beta.min()) * wet.range_of(z, rig)).astype(np.float32)
    if "rain" in chosen:
        rng = stream(seed, "rain")
        drops, fall = weather.rain(rng, int(rng.integers(100, 1500)), rig)
        strength = rng.uniform(0.15, 0.5)
        left, right = (
            weather.with_rain(np.ascontiguousarray(p), v.z_m, rig, eye, drops, fall, strength)
            for p, v, eye in zip((left, right), views, eyes, strict=True)
        )
    if "motion" in chosen:
        rng = stream(seed, "motion")
        travel = rng.normal(0.0, 0.01, 3) * rig.near_m * (1.0, 0.5, 3.0)
        turn = rng.normal(0.0, 1.8, 3) / rig.focal_px * (1.0, 1.5, 2.0)
        left, right = (
            weather.moved(p, v.z_m, rig, eye.x_m, travel, turn)
            for p, v, eye in zip((left, right), views, eyes, strict=True)
        )
    return left, right, clear
