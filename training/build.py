"""Putting a world together: materials and things, in the frame of the left camera."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from saccade.geometry import F64
from training import world as w
from training.textures import SIZE, pages
from training.world import (
    BOUND,
    CENTRE,
    FIRST,
    HALF,
    LAST,
    OBJECT_COLUMNS,
    ROTATION,
    SHADOW,
    SHAPE,
    TEXELS_PER_M,
    TEXTURE,
    Rig,
    Shape,
)

Random = np.random.Generator
UPRIGHT = np.eye(3)


def turned(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> F64:
    """Rotation (3, 3): roll about z, then pitch about x, then yaw about y (down), radians."""
    c, s = math.cos(yaw), math.sin(yaw)
    a = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    c, s = math.cos(pitch), math.sin(pitch)
    b = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    c, s = math.cos(roll), math.sin(roll)
    return np.asarray(a @ b @ np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]), np.float64)


def tumbled(rng: Random) -> F64:
    """A rotation at random."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return np.asarray(q * np.sign(np.linalg.det(q)), np.float64)


FLAT = turned(0.0, -math.pi / 2)  # a card that lies on the ground


@dataclass(eq=False)
class Builder:
    """Collects objects; `frame` (3, 3) is the tilt of the ground, which things stand upright on."""

    rng: Random
    rig: Rig
    frame: F64 = field(default_factory=lambda: np.eye(3))
    rows: list[F64] = field(default_factory=list)
    triangles: list[F64] = field(default_factory=list)
    height: float = 1.0  # of the camera above the ground, metres

    def material(self, family: str, z: float, fine: float | None = None) -> F64:
        """A row with a material of a family, its texels `fine` pixels big at z metres, and no shape yet."""
        rng, row = self.rng, np.zeros(OBJECT_COLUMNS)
        row[TEXTURE] = rng.choice(pages(family))
        size = fine if fine is not None else math.exp(rng.uniform(math.log(0.5), math.log(3.5)))
        row[TEXELS_PER_M] = self.rig.focal_px / z / size
        row[w.SHIFT : w.SHIFT + 2] = rng.uniform(0, SIZE, 2)
        row[w.CONTRAST] = rng.uniform(0.5, 1.0)
        row[w.MACRO] = rng.uniform(0.2, 0.9)
        row[w.TINT : w.TINT + 3] = rng.uniform(0.5, 1.0) * rng.uniform(0.7, 1.0, 3)
        row[SHADOW] = 1.0
        if rng.random() < 0.25:
            row[w.GLOSS] = rng.uniform(0.1, 0.9)
        return row

    def any(self, z: float, fine: float | None = None) -> F64:
        """A material of whatever kind: mostly rich, sometimes regular, nearly blank or mirroring."""
        kind = self.rng.random()
        row = self.material("rich" if kind < 0.7 else "regular" if kind < 0.85 else "blank", z, fine)
        if self.rng.random() < 0.06:
            row[w.MIRROR] = self.rng.uniform(0.05, 0.6)
        return row

    def blank(self, z: float) -> F64:
        """A wall without texture, or nearly."""
        row = self.material("blank", z, self.rng.uniform(2.0, 8.0))
        row[w.CONTRAST] = self.rng.choice([0.3, 1.0])
        row[w.MACRO] = self.rng.uniform(0.0, 0.3)
        return row

    def on_ground(self, x: float, z: float) -> F64:
        """Point (3,) in metres of the ground at (x, z) of its own frame, below the camera."""
        return np.asarray(self.frame @ np.array([x, self.height, z]), np.float64)

    def add(self, shape: Shape, centre: F64, half: tuple[float, float, float], turn: F64, row: F64) -> None:
        """Add an object with its centre and rotation in the camera's frame."""
        row = row.copy()
        row[SHAPE] = shape
        row[ROTATION : ROTATION + 9] = turn.ravel()
        row[CENTRE : CENTRE + 3] = centre
        row[HALF : HALF + 3] = half
        row[BOUND] = np.linalg.norm(half)
        self.rows.append(row)

    def stand(self, shape: Shape, x: float, z: float, half: tuple[float, float, float], row: F64, yaw: float = 0.0,
              above: float = 0.0) -> None:  # fmt: skip
        """Add an object that stands on the ground, `above` metres over it."""
        centre = self.on_ground(x, z) - self.frame[:, 1] * (half[1] + above)
        self.add(shape, centre, half, self.frame @ turned(yaw), row)

    def card(self, centre: F64, half: tuple[float, float], turn: F64, row: F64, shadow: bool = True) -> None:
        """Add a rectangle; one that does not cast a shadow is ground, wall or backdrop."""
        row = row.copy()
        row[SHADOW] = float(shadow)
        self.add(Shape.CARD, centre, (half[0], half[1], 0.0), turn, row)

    def leaf(self, family: str, centre: F64, half: tuple[float, float], turn: F64) -> None:
        """Add a card with holes that shows one whole texture (leaves) or several (fence)."""
        row = self.material(family, float(max(centre[2], self.rig.near_m)))
        repeats = 1.0 if family == "leaves" else self.rng.uniform(0.5, 3.0)
        row[TEXELS_PER_M] = repeats * SIZE / (2 * max(half))
        row[w.HOLES], row[w.MACRO] = 1.0, 0.0
        self.card(centre, half, turn, row)

    def mesh(self, points: F64, faces: npt.NDArray[np.int64], centre: F64, turn: F64, row: F64) -> None:
        """Add triangles: points (n, 3) metres in the object's frame, faces (m, 3)."""
        row, first = row.copy(), sum(len(t) for t in self.triangles)
        corner = (points @ turn.T + centre)[faces]
        self.triangles.append(np.stack([corner[:, 0], corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]], 1))
        row[FIRST], row[LAST] = first, first + len(faces)
        half = np.abs(points).max(axis=0)
        self.add(Shape.MESH, centre, (half[0], half[1], half[2]), turn, row)
        self.rows[-1][BOUND] = np.linalg.norm(points, axis=1).max()
