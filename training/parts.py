"""What worlds are put together from: light, slanted ground, trees, furniture, stones."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F64
from training import world as w
from training.build import FLAT, Builder, Random, tumbled, turned
from training.meshes import rock
from training.world import Shape


def daylight(rng: Random, up: F64, sunny: float = 0.6) -> F64:
    """Sun, sky and ambient light; overcast with 1 - sunny."""
    light = np.zeros(w.LIGHT_ENTRIES)
    side = tumbled(rng)[0]
    sun = up * rng.uniform(0.4, 1.2) + side * 0.7
    light[w.SUN : w.SUN + 3] = sun / np.linalg.norm(sun)
    warm = np.array([1.0, rng.uniform(0.85, 1.0), rng.uniform(0.7, 1.0)])
    clear = rng.random() < sunny
    light[w.SUN_COLOUR : w.SUN_COLOUR + 3] = warm * (rng.uniform(0.6, 1.6) if clear else 0.0)
    blue = np.array([rng.uniform(0.4, 0.9), rng.uniform(0.6, 0.95), 1.0])
    light[w.AMBIENT : w.AMBIENT + 3] = blue * (rng.uniform(0.25, 0.5) if clear else rng.uniform(0.6, 1.0))
    light[w.HORIZON : w.HORIZON + 3] = rng.uniform(0.6, 1.0) * (0.6 + 0.4 * warm)
    light[w.ZENITH : w.ZENITH + 3] = blue**2 * rng.uniform(0.4, 0.9)
    light[w.CLOUDS] = rng.uniform(0.0, 0.5)
    light[w.LAMP_REACH] = 1.0
    return light


def lamplight(b: Builder, at: F64) -> F64:
    """Indoor light: a lamp and what the walls give back; no sun."""
    rng, light = b.rng, np.zeros(w.LIGHT_ENTRIES)
    warm = np.array([1.0, rng.uniform(0.8, 1.0), rng.uniform(0.55, 1.0)])
    light[w.SUN : w.SUN + 3] = (0.0, -1.0, 0.0)
    light[w.AMBIENT : w.AMBIENT + 3] = warm * rng.uniform(0.25, 0.6)
    light[w.LAMP : w.LAMP + 3] = at
    light[w.LAMP_COLOUR : w.LAMP_COLOUR + 3] = warm * rng.uniform(0.6, 1.6)
    light[w.LAMP_REACH] = b.rig.near_m * rng.uniform(5, 15)
    light[w.HORIZON : w.ZENITH + 3] = rng.uniform(0.05, 0.6)
    return light


def ground(b: Builder, family: str, tilt_deg: float = 5.0) -> None:
    """Lay out a slanted floor whose nearest visible part has a good share of the largest disparity."""
    rng, rig = b.rng, b.rig
    b.frame = turned(0.0, math.radians(rng.uniform(-tilt_deg, 2.5 * tilt_deg)), math.radians(rng.normal(0.0, tilt_deg)))
    slope = (rig.height - rig.cy) / rig.focal_px
    b.height = rig.z(rng.uniform(0.35, 0.9) * rig.max_disparity) * slope
    row = b.material(family, b.height / slope * 2)
    if rng.random() < 0.15:
        row[w.MIRROR] = rng.uniform(0.05, 0.3)
    b.card(b.on_ground(0.0, 0.0), (400 * b.height, 400 * b.height), b.frame @ FLAT, row, shadow=False)


def spot(b: Builder, low: float, high: float) -> tuple[float, float, float]:
    """A place (x, z) metres in front of the camera, its z as wanted by a disparity from low to high of the largest."""
    z = b.rig.z(b.rng.uniform(low, high) * b.rig.max_disparity)
    half = 0.55 * b.rig.width / b.rig.focal_px * z
    return b.rng.uniform(-half, half), z, half


def tree(b: Builder, x: float, z: float, size: float) -> None:
    """A trunk and a crown of cards with holes."""
    b.stand(Shape.CYLINDER, x, z, (0.05 * size, 0.5 * size, 0.05 * size), b.material("rich", z))
    top = b.on_ground(x, z) - b.frame[:, 1] * size * 1.1
    for _ in range(int(b.rng.integers(3, 8))):
        at = top + b.rng.normal(0.0, 0.2, 3) * size
        b.leaf("leaves", at, (b.rng.uniform(0.25, 0.5) * size, b.rng.uniform(0.25, 0.5) * size), tumbled(b.rng))


def furnish(b: Builder, h: float, wide: float, deep: float) -> None:
    """Boxes, tables, pots with plants, balls and lamp posts on the floor."""
    rng = b.rng
    for _ in range(int(rng.integers(5, 14))):
        x, z, yaw = rng.uniform(-0.9, 0.9) * wide, rng.uniform(1.2 * h, 0.95 * deep), rng.uniform(0, math.pi)
        kind = rng.random()
        size = rng.uniform(0.1, 0.45) * h
        if kind < 0.4:
            b.stand(
                Shape.BOX, x, z, (size, rng.uniform(0.2, 1.2) * h * 0.5, size * rng.uniform(0.4, 1.2)), b.any(z), yaw
            )
        elif kind < 0.6:
            top, leg = rng.uniform(0.3, 0.6) * h, b.any(z)
            b.stand(Shape.BOX, x, z, (2 * size, 0.03 * h, size), b.any(z), yaw, top)
            corners = turned(yaw)
            for sx, sz in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
                dx, _, dz = corners @ np.array([1.8 * size * sx, 0.0, 0.85 * size * sz])
                b.stand(Shape.CYLINDER, x + dx, z + dz, (0.025 * h, top / 2, 0.025 * h), leg)
            b.stand(Shape.BOX, x, z, (0.3 * size, 0.4 * size, 0.25 * size), b.any(z), yaw + 0.4, top + 0.06 * h)
        elif kind < 0.75:
            b.stand(Shape.ELLIPSOID, x, z, (size * 0.6, size * 0.6, size * 0.6), b.any(z))
        elif kind < 0.9:
            b.stand(Shape.CYLINDER, x, z, (0.03 * h, rng.uniform(0.4, 0.9) * h, 0.03 * h), b.any(z))
            b.stand(Shape.CYLINDER, x, z, (0.3 * size, 0.2 * size, 0.3 * size), b.any(z))
        else:
            b.stand(Shape.CYLINDER, x, z, (0.4 * size, 0.5 * size, 0.4 * size), b.any(z))
            for _ in range(4):
                at = b.on_ground(x, z) - b.frame[:, 1] * 2 * size + rng.normal(0.0, 0.3, 3) * size
                b.leaf("leaves", at, (size, size), tumbled(rng))


def stone(b: Builder, x: float, z: float, size: float) -> None:
    """A stone of about `size` metres that lies on the ground."""
    points, faces = rock(b.rng, b.rng.uniform(0.3, 1.0))
    centre = b.on_ground(x, z) - b.frame[:, 1] * 0.3 * size
    b.mesh(points * size, faces, centre, tumbled(b.rng), b.material(str(b.rng.choice(["soil", "rich"])), z))


def anything(b: Builder, at: F64, size: float) -> None:
    """One thing of any shape, turned anyhow, about `size` metres in radius."""
    rng = b.rng
    half = size * np.exp(rng.uniform(-1.0, 0.3, 3))
    at = at * max(1.0, (b.rig.near_m + 1.2 * size) / at[2])  # what reaches too near is cut open
    kind, row, turn = rng.random(), b.any(float(at[2])), tumbled(rng)
    if kind < 0.3:
        b.add(Shape.BOX, at, tuple(half), turn, row)
    elif kind < 0.5:
        b.add(Shape.ELLIPSOID, at, tuple(half), turn, row)
    elif kind < 0.62:
        b.add(Shape.CYLINDER, at, tuple(half), turn, row)
    elif kind < 0.74:
        thin = at[2] / b.rig.focal_px * rng.uniform(0.7, 4.0)
        b.add(Shape.CYLINDER, at, (thin, 3.0 * size, thin), turn, row)
    elif kind < 0.86:
        b.card(at, (half[0], half[1]), turn, row)
    elif kind < 0.93:
        b.leaf(str(rng.choice(["leaves", "fence"])), at, (size, size), turn)
    else:
        points, faces = rock(rng, 1.0)
        b.mesh(points * size, faces, at, turn, row)
