"""Two exact pictures of one world: colour and distance for both cameras, and what the right camera cannot see.

Every ray starts at a camera's own centre, so a point at z metres is seen focal * baseline / z pixels further left
in the right picture than in the left one, without any resampling. Truth is that of the pixel's centre; colours are
antialiased.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import types

from saccade.geometry import F32, F64
from saccade.kernel import buffer, f32, f64, i32, i64, u8, void
from saccade.types import U8
from training.cast import ATLAS, LIGHT, OBJECTS, TRIANGLES, V3, Vector, borrowing, strike
from training.shade import look, sky
from training.tiles import I32, TILE, Tiles, bin_world
from training.world import Rig, World, eyes_of

SAME_SURFACE = 1e-4  # relative; a ray back to a point of a surface meets it at its own distance within this
# Camera, (8,) float64: x of its centre, focal, cx, cy, nearest z, row error: shift, per u, per v (all in pixels).
ENTRIES, START, INDEX, CAMERA = buffer(f64, 2), buffer(i32, 1), buffer(i32, 1), buffer(f64, 1)
# Where the four extra samples of a pixel at an edge lie: a rotated grid.
GRID = ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125))


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Radiance (H, W, 3) float32 linear RGB; z_m (H, W) float32, inf = sky; mirrored (H, W) float32 share of light."""

    radiance: F32
    z_m: F32
    mirrored: F32


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Both views; occluded (H, W) bool: the right camera does not see the left pixel's point."""

    left: View
    right: View
    occluded: npt.NDArray[np.bool_]


def render(world: World, rig: Rig, row_error_px: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Pair:
    """Render a world by both cameras.

    `row_error_px`: the right camera is out of line, so its pixel (x, y) shows what belongs to row
    y + shift + tilt * (x - u) / width + stretch * (y - v) / height, (u, v) the middle of the picture, which in a window
    of a larger one is not the principal point; disparity stays that of the ideal rig.
    """
    ideal, skewed = (
        np.array([eye.x_m, rig.focal_px, rig.cx, rig.cy, rig.near_m, eye.shift, eye.tilt, eye.stretch])
        for eye in eyes_of(rig, row_error_px)
    )
    left, _ = _view(world, rig, ideal)
    right, tiles = _view(world, rig, skewed)
    hidden = np.empty((rig.height, rig.width), np.uint8)
    _occlusion(world.objects, world.triangles, world.atlas, tiles.entries, tiles.start, tiles.index,
               skewed, left.z_m, hidden)  # fmt: skip
    return Pair(left, right, hidden.astype(bool))


def _view(world: World, rig: Rig, camera: F64) -> tuple[View, Tiles]:
    tiles = bin_world(world, rig, camera[0])
    size = (rig.height, rig.width)
    view = View(np.empty((*size, 3), np.float32), np.empty(size, np.float32), np.empty(size, np.float32))
    part = np.empty(size, np.int32)
    scene = (world.objects, world.triangles, world.atlas, world.light, tiles.entries, tiles.start, tiles.index, camera)
    _trace(*scene, view.radiance, view.z_m, view.mirrored, part)
    _smooth(*scene, part, view.z_m, view.radiance)
    return view, tiles


@borrowing(V3, CAMERA, f64, f64)
def _ray(camera: F64, x: float, y: float) -> Vector:
    """Direction with z = 1 of the ray through (x, y) pixels, so that distance along it is z."""
    row = y + camera[5] + camera[6] * (x - camera[2]) + camera[7] * (y - camera[3])
    return (x - camera[2]) / camera[1], (row - camera[3]) / camera[1], 1.0


@borrowing(types.Tuple((f64, i64)), OBJECTS, TRIANGLES, ATLAS, ENTRIES, START, INDEX, CAMERA, i64, f64, f64, V3)
def _first(
    objects: F64, triangles: F64, atlas: U8, entries: F64, start: I32,
    index: I32, camera: F64, tile: int, x: float, y: float, d: Vector,
) -> tuple[float, int]:  # fmt: skip
    """Distance and entry of the first thing that the ray d through pixel (x, y) of a tile meets; (inf, -1) is sky."""
    best, which = math.inf, -1
    eye = (camera[0], 0.0, 0.0)
    for s in range(start[tile], start[tile + 1]):
        e = index[s]
        if entries[e, 2] >= best:
            break
        if x < entries[e, 3] or x > entries[e, 4] or y < entries[e, 5] or y > entries[e, 6]:
            continue
        t = strike(objects, triangles, atlas, int(entries[e, 0]), int(entries[e, 1]), eye, d, camera[4])
        if t < best:
            best, which = t, e
    return best, which


@borrowing(types.Tuple((V3, f64)), OBJECTS, TRIANGLES, ATLAS, LIGHT, ENTRIES, CAMERA, f64, i64, V3)
def _colour(
    objects: F64, triangles: F64, atlas: U8, light: F64, entries: F64, camera: F64, t: float, which: int,
    d: Vector,
) -> tuple[Vector, float]:  # fmt: skip
    """Colour seen along a ray that meets entry `which` at distance t, and the share of it that is mirrored."""
    length = math.sqrt(d[0] * d[0] + d[1] * d[1] + 1.0)
    unit = (d[0] / length, d[1] / length, 1.0 / length)
    if which < 0:
        return sky(atlas, light, unit), 0.0
    p = (camera[0] + t * d[0], t * d[1], t)
    return look(objects, triangles, atlas, light, int(entries[which, 0]), int(entries[which, 1]), p, unit,
                t * length / camera[1])  # fmt: skip


@borrowing(
    void, OBJECTS, TRIANGLES, ATLAS, LIGHT, ENTRIES, START, INDEX, CAMERA,
    buffer(f32, 3), buffer(f32, 2), buffer(f32, 2), buffer(i32, 2),
)  # fmt: skip
def _trace(
    objects: F64, triangles: F64, atlas: U8, light: F64, entries: F64, start: I32,
    index: I32, camera: F64, radiance: F32, z_m: F32, mirrored: F32, part: I32,
) -> None:  # fmt: skip
    """One ray through each pixel's centre."""
    height, width = z_m.shape
    across = (width + TILE - 1) // TILE
    for y in range(height):
        for x in range(width):
            d = _ray(camera, float(x), float(y))
            tile = (y // TILE) * across + x // TILE
            t, which = _first(objects, triangles, atlas, entries, start, index, camera, tile, float(x), float(y), d)
            c, m = _colour(objects, triangles, atlas, light, entries, camera, t, which, d)
            radiance[y, x, 0], radiance[y, x, 1], radiance[y, x, 2] = c[0], c[1], c[2]
            z_m[y, x], mirrored[y, x] = t, m
            part[y, x] = int(entries[which, 0]) if which >= 0 else -1


@borrowing(types.boolean, buffer(i32, 2), buffer(f32, 2), i64, i64, i64, i64)
def _edge(part: I32, z_m: F32, y: int, x: int, y1: int, x1: int) -> bool:
    """Whether two neighbouring pixels show different things, or one thing at two distances."""
    one, two = z_m[y, x], z_m[y1, x1]
    return bool(part[y, x] != part[y1, x1] or abs(one - two) > 0.05 * min(one, two))


@borrowing(
    void,
    OBJECTS,
    TRIANGLES,
    ATLAS,
    LIGHT,
    ENTRIES,
    START,
    INDEX,
    CAMERA,
    buffer(i32, 2),
    buffer(f32, 2),
    buffer(f32, 3),
)
def _smooth(
    objects: F64, triangles: F64, atlas: U8, light: F64, entries: F64, start: I32,
    index: I32, camera: F64, part: I32, z_m: F32, radiance: F32,
) -> None:  # fmt: skip
    """Four more rays where a pixel and its neighbour show different things; elsewhere textures are filtered already."""
    height, width = part.shape
    across = (width + TILE - 1) // TILE
    for y in range(height):
        for x in range(width):
            if not (
                (x > 0 and _edge(part, z_m, y, x, y, x - 1)) or (x + 1 < width and _edge(part, z_m, y, x, y, x + 1))
                or (y > 0 and _edge(part, z_m, y, x, y - 1, x)) or (y + 1 < height and _edge(part, z_m, y, x, y + 1, x))
            ):  # fmt: skip
                continue
            r = g = b = 0.0
            tile = (y // TILE) * across + x // TILE
            for dx, dy in GRID:
                d = _ray(camera, x + dx, y + dy)
                t, which = _first(objects, triangles, atlas, entries, start, index, camera, tile, x + dx, y + dy, d)
                c, _ = _colour(objects, triangles, atlas, light, entries, camera, t, which, d)
                r, g, b = r + c[0], g + c[1], b + c[2]
            radiance[y, x, 0], radiance[y, x, 1], radiance[y, x, 2] = r / 4, g / 4, b / 4


@borrowing(void, OBJECTS, TRIANGLES, ATLAS, ENTRIES, START, INDEX, CAMERA, buffer(f32, 2), buffer(u8, 2))
def _occlusion(
    objects: F64, triangles: F64, atlas: U8, entries: F64, start: I32,
    index: I32, camera: F64, z_m: F32, hidden: U8,
) -> None:  # fmt: skip
    """Cast the right camera's ray to every point that the left one sees."""
    height, width = z_m.shape
    across = (width + TILE - 1) // TILE
    for y in range(height):
        for x in range(width):
            z = z_m[y, x]
            u = x - camera[1] * camera[0] / z
            # The row of the right picture that shows this point: the row error is solved for, it is affine.
            v = (y - camera[5] - camera[6] * (u - camera[2]) + camera[7] * camera[3]) / (1.0 + camera[7])
            column, row = math.floor(u + 0.5), math.floor(v + 0.5)
            if column < 0 or row < 0 or row >= height:
                hidden[y, x] = 1
                continue
            tile = (row // TILE) * across + column // TILE
            t, _ = _first(objects, triangles, atlas, entries, start, index, camera, tile, u, v, _ray(camera, u, v))
            hidden[y, x] = 1 if t < z * (1.0 - SAME_SURFACE) else 0
