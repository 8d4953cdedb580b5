"""What lies on the table: placed by seed, within the arm's reach and with room for its gripper between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["box", "cylinder", "ball"]
Colour = tuple[int, int, int]
COLOURS: dict[str, Colour] = {
    "red": (205, 38, 34), "yellow": (236, 186, 22), "green": (34, 150, 60), "blue": (32, 74, 190),
}  # fmt: skip
TRAY, TRAY_COLOUR, TRAY_M = "purple tray", (120, 50, 175), (0.18, 0.18, 0.012)
_REACH_M, _BEARING_RAD = (0.36, 0.54), math.radians(55)
_TRAY_REACH_M, _TRAY_BEARING_RAD = (0.44, 0.50), math.radians(62)
_APART_M, _FROM_TRAY_M = 0.14, 0.19


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that stands on the table at (x, y), turned by yaw: all in the arm's frame, metres and radians.

    size: box (length, width, height); cylinder (radius, height); ball (radius,).
    """

    name: str
    kind: Kind
    size: tuple[float, ...]
    colour: Colour
    x: float
    y: float
    yaw: float

    @property
    def height_m(self) -> float:
        """Height above the table."""
        return 2 * self.size[0] if self.kind == "ball" else self.size[-1]


@dataclass(frozen=True, slots=True)
class Layout:
    """A laid table: things of different colours, one of which, by name, is the goal, and a tray to put them on."""

    seed: int
    items: tuple[Item, ...]
    tray: Item
    goal: str

    def item(self, name: str) -> Item:
        """The thing of that name."""
        return next(item for item in self.items if item.name == name)


def lay(seed: int) -> Layout:
    """The layout of a seed: one thing of each colour, its kind, size and place drawn; the tray on either side."""
    rng = np.random.default_rng((seed, 3))
    side = -1.0 if rng.random() < 0.5 else 1.0
    bearing = side * (_TRAY_BEARING_RAD + rng.uniform(-0.1, 0.1))
    tray = Item(TRAY, "box", TRAY_M, TRAY_COLOUR, *_polar(rng.uniform(*_TRAY_REACH_M), bearing), bearing)
    items: list[Item] = []
    while len(items) < len(COLOURS):
        colour = list(COLOURS)[len(items)]
        kind: Kind = ("box", "cylinder", "ball")[int(rng.integers(3))]
        x, y = _polar(rng.uniform(*_REACH_M), rng.uniform(-_BEARING_RAD, _BEARING_RAD))
        size, yaw = _size(kind, rng), float(rng.uniform(-math.pi, math.pi))
        apart = all(math.hypot(x - other.x, y - other.y) > _APART_M for other in items)
        if apart and math.hypot(x - tray.x, y - tray.y) > _FROM_TRAY_M:
            items.append(Item(f"{colour} {kind}", kind, size, COLOURS[colour], x, y, yaw))
    goal = items[int(np.random.default_rng((seed, 5)).integers(len(items)))]
    return Layout(seed, tuple(items), tray, goal.name)


def _polar(reach_m: float, bearing: float) -> tuple[float, float]:
    return float(reach_m * math.cos(bearing)), float(reach_m * math.sin(bearing))


def _size(kind: Kind, rng: np.random.Generator) -> tuple[float, ...]:
    if kind == "ball":
        return (float(rng.uniform(0.024, 0.030)),)
    if kind == "cylinder":
        return float(rng.uniform(0.018, 0.025)), float(rng.uniform(0.05, 0.08))
    length, width, height = (
        float(rng.uniform(low, high)) for low, high in ((0.035, 0.05), (0.035, 0.05), (0.04, 0.07))
    )
    return length, width, height
