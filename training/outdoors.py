"""Worlds under a sky or under water: a street, a landscape, a seabed, and things that float in the air."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F64
from training import world as w
from training.build import Builder, tumbled, turned
from training.meshes import terrain
from training.parts import anything, daylight, ground, lamplight, spot, stone, tree
from training.world import Shape


def street(b: Builder) -> F64:
    """A road between houses, with cars, poles, trees, fences and people."""
    rng = b.rng
    ground(b, str(rng.choice(["soil", "rich", "soil"])), 3.0)
    h = b.height
    width = rng.uniform(2.5, 7.0) * h
    for side in (-1, 1):
        z = rng.uniform(1.0, 6.0) * h
        while z < 60 * h and rng.random() < 0.93:
            deep, tall = rng.uniform(2, 8) * h, rng.uniform(2, 9) * h
            row = b.any(z + deep) if rng.random() < 0.75 else b.blank(z)
            b.stand(
                Shape.BOX, side * (width + deep * 0.6 + rng.uniform(0, 3) * h), z + deep, (deep * 0.6, tall, deep), row
            )
            z += 2 * deep + rng.uniform(0.0, 4.0) * h
    for _ in range(int(rng.integers(2, 10))):
        z = rng.uniform(2.0, 25.0) * h
        thick = rng.uniform(0.015, 0.08) * h
        b.stand(Shape.CYLINDER, rng.uniform(-width, width), z, (thick, rng.uniform(1, 3) * h, thick), b.any(z))
    for _ in range(int(rng.integers(1, 6))):
        x, z, yaw = rng.uniform(-width, width), rng.uniform(2.5, 20.0) * h, rng.normal(0.0, 0.3)
        row = b.any(z)
        row[w.MIRROR], row[w.GLOSS] = rng.uniform(0.02, 0.25), 0.8
        b.stand(Shape.BOX, x, z, (0.55 * h, 0.28 * h, 1.2 * h), row, yaw, 0.12 * h)
        b.stand(Shape.BOX, x, z, (0.48 * h, 0.2 * h, 0.65 * h), row, yaw, 0.66 * h)
    for _ in range(int(rng.integers(0, 5))):
        tree(b, rng.choice([-1, 1]) * rng.uniform(0.5, 1.2) * width, rng.uniform(2, 15) * h, rng.uniform(1.5, 3.0) * h)
    for _ in range(int(rng.integers(0, 4))):
        x, z = rng.uniform(-width, width), rng.uniform(2.0, 10.0) * h
        b.stand(Shape.ELLIPSOID, x, z, (0.18 * h, 0.55 * h, 0.14 * h), b.any(z))
        b.stand(Shape.ELLIPSOID, x, z, (0.08 * h, 0.11 * h, 0.09 * h), b.material("blank", z), above=1.08 * h)
    if rng.random() < 0.4:
        z = rng.uniform(3, 8) * h
        b.leaf("fence", b.on_ground(rng.uniform(-1, 1) * width, z) - b.frame[:, 1] * 0.5 * h, (2 * h, 0.5 * h),
               b.frame @ turned(rng.uniform(-1.2, 1.2)))  # fmt: skip
    return daylight(rng, -b.frame[:, 1])


def hills(b: Builder, family: str, rough: float) -> None:
    """Uneven ground instead of the flat one."""
    h = b.height
    points, faces = terrain(b.rng, rough, 0.35 * h, 150 * h)
    row = b.material(family, 5 * h)
    row[w.SHADOW] = 0.0
    b.mesh(points, faces, b.on_ground(0.0, 0.0), b.frame, row)


def landscape(b: Builder) -> F64:
    """Hills with stones, trees, grass and a fence; far mountains."""
    rng = b.rng
    ground(b, "soil", 4.0)
    b.rows.clear()
    h = b.height
    hills(b, "soil", rng.uniform(0.2, 1.0))
    for _ in range(int(rng.integers(2, 8))):
        x, z, half = spot(b, 0.05, 0.6)
        stone(b, x, z, rng.uniform(0.1, 0.5) * half)
    for _ in range(int(rng.integers(2, 9))):
        x, z, _ = spot(b, 0.02, 0.4)
        tree(b, x, z, rng.uniform(1.0, 4.0) * h)
    for _ in range(int(rng.integers(0, 14))):
        x, z, half = spot(b, 0.1, 0.8)
        size = rng.uniform(0.05, 0.25) * half
        b.leaf(
            "leaves", b.on_ground(x, z) - b.frame[:, 1] * 0.7 * size, (size, size), b.frame @ turned(rng.uniform(0, 3))
        )
    if rng.random() < 0.4:
        x, z, half = spot(b, 0.1, 0.5)
        b.leaf(
            "fence", b.on_ground(x, z) - b.frame[:, 1] * 0.4 * h, (half, 0.5 * h), b.frame @ turned(rng.normal(0, 0.6))
        )
    for _ in range(int(rng.integers(0, 6))):
        z = rng.uniform(120, 300) * h
        mount = (rng.uniform(30, 90) * h, rng.uniform(8, 35) * h, 20 * h)
        b.stand(Shape.ELLIPSOID, rng.uniform(-1, 1) * z, z, mount, b.material("soil", z), above=-mount[1])
    return daylight(rng, -b.frame[:, 1])


def floating(b: Builder) -> F64:
    """Things of every shape at every distance in the air, before a backdrop or the sky."""
    rng, rig = b.rng, b.rig
    b.frame, b.height = tumbled(rng) if rng.random() < 0.2 else np.eye(3), rig.near_m
    if rng.random() < 0.75:
        at = rig.at(rig.cx, rig.cy, rng.uniform(0.01, 0.2) * rig.max_disparity)
        turn = turned(rng.normal(0.0, 0.5), rng.normal(0.0, 0.5))
        b.card(at, (20 * at[2], 20 * at[2]), turn, b.any(at[2]), shadow=False)
    for _ in range(int(rng.integers(12, 45))):
        d = rig.max_disparity * rng.uniform(0.15, 0.98) ** 1.5
        at = rig.at(rng.uniform(-0.1, 1.1) * rig.width, rng.uniform(-0.1, 1.1) * rig.height, d)
        anything(b, at, rng.uniform(0.02, 0.18) * rig.width / rig.focal_px * at[2])
    return daylight(rng, np.array([0.0, -1.0, 0.0]), 0.8)


def seabed(b: Builder) -> F64:
    """Sand and stones under water, with weed, pipes, pilings and fish; light from above and often from the robot."""
    rng, rig = b.rng, b.rig
    ground(b, "soil", 6.0)
    b.rows.clear()
    hills(b, "soil", rng.uniform(0.3, 1.2))
    for _ in range(int(rng.integers(4, 14))):
        x, z, half = spot(b, 0.1, 0.75)
        stone(b, x, z, rng.uniform(0.06, 0.4) * half)
    for _ in range(int(rng.integers(0, 10))):
        x, z, half = spot(b, 0.1, 0.7)
        tall = rng.uniform(0.2, 0.6) * half
        b.leaf(
            "leaves", b.on_ground(x, z) - b.frame[:, 1] * tall, (0.4 * tall, tall), b.frame @ turned(rng.uniform(0, 3))
        )
    for _ in range(int(rng.integers(0, 4))):
        x, z, half = spot(b, 0.1, 0.6)
        thick = rng.uniform(0.02, 0.12) * half
        if rng.random() < 0.5:
            b.stand(Shape.CYLINDER, x, z, (thick, 6 * half, thick), b.any(z))
        else:
            turn = b.frame @ turned(rng.uniform(0, 3)) @ turned(0.0, 0.0, math.pi / 2)
            b.add(Shape.CYLINDER, b.on_ground(x, z) - b.frame[:, 1] * thick, (thick, 8 * half, thick), turn, b.any(z))
    for _ in range(int(rng.integers(0, 12))):  # fish
        d = rng.uniform(0.1, 0.8) * rig.max_disparity
        at = rig.at(rng.uniform(0, rig.width), rng.uniform(0, 0.8) * rig.height, d)
        size = rng.uniform(0.02, 0.07) * rig.width / rig.focal_px * at[2]
        b.add(Shape.ELLIPSOID, at, (size, 0.4 * size, 0.15 * size), turned(rng.uniform(0, 6)), b.any(at[2]))
    light = daylight(rng, -b.frame[:, 1], 0.7)
    if rng.random() < 0.4:
        own = lamplight(b, np.array([rng.uniform(-0.5, 1.5) * rig.baseline_m, -0.1 * rig.near_m, 0.0]))
        light[w.LAMP : w.LAMP_REACH + 1] = own[w.LAMP : w.LAMP_REACH + 1]
    return light
