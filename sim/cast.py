"""Rays of a camera against a room and what stands in it: how far each goes, what it meets, and where in the atlas.

Compiled, one pixel after the other, in float32 and in a fixed order: the same bytes for the same pose.
`SOLID` says what a row of a table of solids is; a ray is `origin + t * d`, where d's component along the optical axis
is 1, so t is depth. Rays along an axis divide by zero and that is meant.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i64, kernel, u8, void
from saccade.types import U8
from sim.bake import LEVELS
from sim.shapes import FAR, Room
from sim.things import Thing

SOLID = ("kind", "x", "y", "cos", "sin", "length or radius", "width", "height", "foot")
KINDS = ("box", "cylinder", "sphere", "capsule")
I64 = npt.NDArray[np.int64]
_FACES = Room.FACES
_LARGE = tuple(np.float32(2 * 4**level) for level in range(1, LEVELS))
"""From which footprint on, in quarters of a pixel, each level but the first is looked at."""
_ZERO, _ONE, _TWO, _PI, _STEEPEST = np.float32(0), np.float32(1), np.float32(2), np.float32(math.pi), np.float32(1.3)


def row_of(thing: Thing) -> F64:
    """The row (9,) of a thing; `foot` is how high its lowest point is."""
    across = thing.size[1] if thing.kind == "box" else 0.0
    turned = (math.cos(thing.yaw), math.sin(thing.yaw))
    kind = KINDS.index(thing.kind)
    return np.array((kind, thing.x, thing.y, *turned, thing.size[0], across, thing.height_m, thing.z))


@kernel(void, array(f64, 1), array(f64, 1), array(f32, 2), array(f32, 1), array(f32, 1), buffer(f32, 2), buffer(u8, 2))
def cast_room(size_m: F64, origin: F64, R: F32, a: F32, b: F32, t: F32, chart: U8) -> None:
    """Depth t (H, W) and face of the room from inside, for rays (a, b, 1) of a camera turned by R."""
    low, high = np.empty(3, np.float32), np.empty(3, np.float32)
    for k in range(3):
        below = 0.0 if k == 2 else -size_m[k] / 2
        low[k], high[k] = below - origin[k], below + size_m[k] - origin[k]
    for i in range(len(b)):
        for j in range(len(a)):
            dx = R[0, 0] * a[j] + (R[0, 1] * b[i] + R[0, 2])
            dy = R[1, 0] * a[j] + (R[1, 1] * b[i] + R[1, 2])
            dz = R[2, 0] * a[j] + (R[2, 1] * b[i] + R[2, 2])
            tx = max(low[0] * (_ONE / dx), high[0] * (_ONE / dx))
            ty = max(low[1] * (_ONE / dy), high[1] * (_ONE / dy))
            tz = max(low[2] * (_ONE / dz), high[2] * (_ONE / dz))
            wall, side = tx, int(dx < _ZERO)
            if ty < tx:
                wall, side = ty, 2 + int(dy < _ZERO)
            if tz < wall:
                wall, side = tz, 4 + int(dz < _ZERO)
            t[i, j], chart[i, j] = wall, side


@kernel(f32, f32, f32, f32, counted=False)
def _root(a: float, b: float, c: float) -> float:
    """The nearer root of a t^2 + 2 b t + c = 0 if it is ahead, FAR otherwise."""
    root = b * b - a * c
    t = (-b - math.sqrt(max(root, _ZERO))) / a
    return float(t if root > _ZERO and t > _ZERO else FAR)


@kernel(f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, counted=False)
def _box(
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, half_x: float, half_y: float, height: float
) -> float:
    """The slab method, in the box's own axes."""
    u, v = (-half_x - ox) * (_ONE / dx), (half_x - ox) * (_ONE / dx)
    near, far = min(u, v), max(u, v)
    u, v = (-half_y - oy) * (_ONE / dy), (half_y - oy) * (_ONE / dy)
    near, far = max(near, min(u, v)), min(far, max(u, v))
    u, v = (_ZERO - oz) * (_ONE / dz), (height - oz) * (_ONE / dz)
    near, far = max(near, min(u, v)), min(far, max(u, v))
    return float(near if near <= far and near > _ZERO else FAR)


@kernel(f32, i64, f32, f32, f32, f32, f32, f32, f32, f32, f32, f32, counted=False)
def _round(
    kind: int, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, radius: float, squared: float,
    height: float, neck: float,
) -> float:  # fmt: skip
    """A cylinder, a sphere or a capsule about the vertical; `neck` is the height of its upper ball's centre."""
    a, b, c = dx * dx + dy * dy, ox * dx + oy * dy, ox * ox + oy * oy
    tube, low, high = FAR, _ZERO, height
    if kind != 2:
        tube = _root(a, b, c - squared)
        low, high = (radius, neck) if kind == 3 else (_ZERO, height)
        if not low <= oz + tube * dz <= high:
            tube = FAR
    if kind == 1:
        lid = (height - oz) / dz
        x, y = ox + lid * dx, oy + lid * dy
        return float(min(tube, lid) if x * x + y * y <= squared and lid > _ZERO else tube)
    a, top, foot = a + dz * dz, oz - neck, oz - radius
    ball = min(_root(a, b + top * dz, c + top * top - squared), _root(a, b + foot * dz, c + foot * foot - squared))
    return float(min(tube, ball))


@kernel(
    void, array(f64, 1), i64, array(i64, 1), array(f64, 1), array(f32, 2), array(f32, 1), array(f32, 1),
    buffer(f32, 2), buffer(u8, 2),
)  # fmt: skip
def cast_solid(row: F64, number: int, window: I64, origin: F64, R: F32, a: F32, b: F32, t: F32, chart: U8) -> None:
    """Where a solid is nearer than t (H, W), its depth and its number; `window`: rows and columns that may meet it."""
    kind, height = int(row[0]), np.float32(row[7])
    c, s = np.float32(row[3]), np.float32(row[4])
    px, py, oz = np.float32(origin[0] - row[1]), np.float32(origin[1] - row[2]), np.float32(origin[2] - row[8])
    ox, oy = c * px + s * py, c * py - s * px
    half_x, half_y = np.float32(row[5] / 2), np.float32(row[6] / 2)
    radius, squared, neck = np.float32(row[5]), np.float32(row[5] * row[5]), np.float32(row[7] - row[5])
    for i in range(window[0], window[1]):
        for j in range(window[2], window[3]):
            dx = R[0, 0] * a[j] + (R[0, 1] * b[i] + R[0, 2])
            dy = R[1, 0] * a[j] + (R[1, 1] * b[i] + R[1, 2])
            dz = R[2, 0] * a[j] + (R[2, 1] * b[i] + R[2, 2])
            if kind == 0:
                ahead = _box(ox, oy, oz, c * dx + s * dy, c * dy - s * dx, dz, half_x, half_y, height)
            else:
                ahead = _round(kind, px, py, oz, dx, dy, dz, radius, squared, height, neck)
            if ahead < t[i, j]:
                t[i, j], chart[i, j] = ahead, number


@kernel(void, array(f64, 2), i64, f32, f32, f32, buffer(f32, 2), buffer(f32, 2), i64, i64, counted=False)
def on_solid(solids: F64, n: int, x: float, y: float, z: float, s_m: F32, v_m: F32, i: int, j: int) -> None:
    """Coordinates in metres on the chart of solid n, of a point on its surface, into s_m[i, j] and v_m[i, j].

    What a chart is: see `sim.shapes`.
    """
    row = solids[n]
    px, py, z = x - np.float32(row[1]), y - np.float32(row[2]), z - np.float32(row[8])
    if row[0] != 0.0:
        radius = np.float32(row[5])
        s_m[i, j], v_m[i, j] = (math.atan2(py, px) + _PI) * radius, z
        if row[0] == 1.0:
            v_m[i, j] = z + max(radius - math.sqrt(px * px + py * py), _ZERO)
        return
    c, s = np.float32(row[3]), np.float32(row[4])
    lx, ly = c * px + s * py, c * py - s * px
    length, width = np.float32(row[5]), np.float32(row[6])
    half_x, half_y = length / _TWO, width / _TWO
    if abs(lx) - (half_x - half_y) >= abs(ly):  # faces +x, +y, -x, -y follow each other
        side, along = width, ly if lx > _ZERO else -ly
        begin = 0.0 if lx > _ZERO else float(width) + float(length)
    else:
        side, along = length, -lx if ly > _ZERO else lx
        begin = float(width) if ly > _ZERO else float(width) + float(length) + float(width)
    s_m[i, j] = begin + min(max(along + side / _TWO, _ZERO), side)
    v_m[i, j] = z + max(min(half_x - abs(lx), half_y - abs(ly)), _ZERO)


@kernel(
    void, array(f64, 2), array(f64, 1), array(f64, 1), array(f32, 2), array(f32, 1), array(f32, 1), array(f32, 2),
    array(u8, 2), array(f32, 1), array(f32, 1), f32, array(f32, 3), buffer(f32, 2), buffer(f32, 2),
)  # fmt: skip
def look_up(
    solids: F64, size_m: F64, origin: F64, R: F32, a: F32, b: F32, t: F32, chart: U8, slant: F32, ppm: F32,
    area: float, corner: F32, at_x: F32, at_y: F32,
) -> None:  # fmt: skip
    """Where in the atlas (x, y) each ray looks: on the level whose pixels are as large as its footprint.

    The footprint's area is (t / f)^2, times t / h on a plane seen from distance h: `area` (of one at 1 m, in quarters
    of a pixel) and `slant` (6,), 1 / h of the room's faces, say that; `ppm` (levels,) are pixels a metre.
    """
    ox, oy, oz = np.float32(origin[0]), np.float32(origin[1]), np.float32(origin[2])
    half_x, half_y = np.float32(size_m[0] / 2), np.float32(size_m[1] / 2)
    for i in range(len(b)):
        rx, ry, rz = R[0, 1] * b[i] + R[0, 2], R[1, 1] * b[i] + R[1, 2], R[2, 1] * b[i] + R[2, 2]
        for j in range(len(a)):
            depth, number = t[i, j], int(chart[i, j])
            x, y = ox + depth * (R[0, 0] * a[j] + rx), oy + depth * (R[1, 0] * a[j] + ry)
            z = oz + depth * (R[2, 0] * a[j] + rz)
            large = depth * depth * _STEEPEST
            if number < _FACES:
                large = depth * depth * max(slant[number] * depth, _STEEPEST)
                across, along = x + half_x, y + half_y
                at_x[i, j], at_y[i, j] = along if number < 2 else across, along if number >= 4 else z
            else:
                on_solid(solids, number - _FACES, x, y, z, at_x, at_y, i, j)
            large = large * area
            level = (
                int(large >= _LARGE[0]) + int(large >= _LARGE[1]) + int(large >= _LARGE[2]) + int(large >= _LARGE[3])
            )
            at_x[i, j] = at_x[i, j] * ppm[level] + corner[number, level, 0]
            at_y[i, j] = at_y[i, j] * ppm[level] + corner[number, level, 1]
