"""Worlds between walls: a room, and a table top seen from near by."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F64
from training import world as w
from training.build import FLAT, Builder, turned
from training.parts import anything, furnish, ground, lamplight
from training.world import Shape


def room(b: Builder) -> F64:
    """A room with furniture: walls that are often blank, boxes, tables, shelves, pictures, a mirror."""
    rng = b.rng
    ground(b, str(rng.choice(["rich", "regular", "blank"])), 4.0)
    h = b.height
    turn = b.frame @ turned(rng.normal(0.0, 0.35))
    wide, deep, tall = rng.uniform(1.5, 4.0) * h, rng.uniform(3.5, 9.0) * h, rng.uniform(0.6, 1.6) * h
    for yaw, x, z in ((0.0, 0.0, deep), (math.pi / 2, wide, 0.0), (math.pi / 2, -wide, 0.0)):
        row = b.blank(deep) if rng.random() < 0.6 else b.any(deep)
        b.card(turn @ np.array([x, 0.0, z]), (12 * h, 12 * h), turn @ turned(yaw), row, shadow=False)
        for _ in range(int(rng.integers(0, 4))):  # pictures, windows and mirrors on the wall
            along = rng.uniform(-wide, wide) if yaw == 0.0 else rng.uniform(1.5 * h, deep)
            at = np.array([along, -rng.uniform(-0.3, 0.7) * tall, z - 0.02 * h] if yaw == 0.0
                          else [x * 0.99, -rng.uniform(-0.3, 0.7) * tall, along])  # fmt: skip
            shown = b.any(deep)
            if rng.random() < 0.15:
                shown[w.MIRROR] = 0.85
            b.card(turn @ at, (rng.uniform(0.15, 0.6) * h, rng.uniform(0.15, 0.6) * h), turn @ turned(yaw), shown)
    b.card(turn @ np.array([0.0, -tall, 0.0]), (30 * h, 30 * h), turn @ FLAT, b.blank(deep), shadow=False)
    furnish(b, h, wide, deep)
    return lamplight(b, turn @ np.array([rng.uniform(-0.5, 0.5) * wide, -0.9 * tall, rng.uniform(0.2, 0.7) * deep]))


def table(b: Builder) -> F64:
    """A still life close by: many things at many distances before a backdrop that stands aslant."""
    rng, rig = b.rng, b.rig
    ground(b, str(rng.choice(["rich", "regular", "blank"])), 6.0)
    back = rng.uniform(0.06, 0.3) * rig.max_disparity
    for _ in range(int(rng.integers(1, 4))):  # panels one behind the other
        at = rig.at(rng.uniform(0, rig.width), rig.cy, back)
        far = 2.0 * at[2]
        turn = turned(rng.normal(0.0, 0.4), rng.normal(0.0, 0.15))
        b.card(at, (far, far), turn, b.blank(at[2]) if rng.random() < 0.3 else b.any(at[2]), shadow=False)
    for _ in range(int(rng.integers(8, 26))):
        d = rng.uniform(back + 1, 0.95 * rig.max_disparity)
        at = rig.at(rng.uniform(-0.05, 1.05) * rig.width, rng.uniform(0.1, 1.0) * rig.height, d)
        anything(b, at, rng.uniform(0.02, 0.14) * rig.width / rig.focal_px * at[2])
    if rng.random() < 0.4:  # a rack: the same thing over and over
        pitch, at = rng.uniform(0.03, 0.08), rig.at(0.1 * rig.width, rig.cy, rng.uniform(0.3, 0.7) * rig.max_disparity)
        row = b.any(at[2])
        for k in range(int(0.8 / pitch)):
            x = at + np.array([k * pitch * rig.width / rig.focal_px * at[2], 0.0, 0.0])
            thick = 0.15 * pitch * rig.width / rig.focal_px * at[2]
            b.add(Shape.CYLINDER, x, (thick, 30 * thick, thick), np.eye(3), row)
    return lamplight(b, rig.at(rng.uniform(0, rig.width), -0.5 * rig.height, 0.5 * rig.max_disparity))
