"""Where a ray meets the world: exact intersections with boxes, ellipsoids, cylinders, cards and triangles."""

from __future__ import annotations

import math
from functools import partial

from numba import types

from saccade.geometry import F64
from saccade.kernel import buffer, f64, i64, kernel, u8
from saccade.types import U8
from training.world import (
    BOUND,
    CENTRE,
    FIRST,
    HALF,
    HOLES,
    LAST,
    ROTATION,
    SHADOW,
    SHAPE,
    SHIFT,
    TEXELS_PER_M,
    TEXTURE,
    Shape,
)

borrowing = partial(kernel, counted=False)
Vector = tuple[float, float, float]
V3 = types.UniTuple(f64, 3)
OBJECTS, TRIANGLES, ATLAS, LIGHT = buffer(f64, 2), buffer(f64, 3), buffer(u8, 4), buffer(f64, 1)
BOX, ELLIPSOID, CYLINDER, CARD, MESH = (int(shape) for shape in Shape)
BIG_MESH = 200  # triangles; a mesh that is bigger is ground, which neither casts shadows nor is seen in mirrors


@borrowing(V3, OBJECTS, i64, V3)
def turn_in(objects: F64, i: int, v: Vector) -> Vector:
    """A direction in the camera's frame, seen from object i."""
    r = ROTATION
    return (
        objects[i, r] * v[0] + objects[i, r + 3] * v[1] + objects[i, r + 6] * v[2],
        objects[i, r + 1] * v[0] + objects[i, r + 4] * v[1] + objects[i, r + 7] * v[2],
        objects[i, r + 2] * v[0] + objects[i, r + 5] * v[1] + objects[i, r + 8] * v[2],
    )


@borrowing(V3, OBJECTS, i64, V3)
def turn_out(objects: F64, i: int, v: Vector) -> Vector:
    """A direction of object i, in the camera's frame."""
    r = ROTATION
    return (
        objects[i, r] * v[0] + objects[i, r + 1] * v[1] + objects[i, r + 2] * v[2],
        objects[i, r + 3] * v[0] + objects[i, r + 4] * v[1] + objects[i, r + 5] * v[2],
        objects[i, r + 6] * v[0] + objects[i, r + 7] * v[1] + objects[i, r + 8] * v[2],
    )


@borrowing(V3, OBJECTS, i64, V3)
def place_in(objects: F64, i: int, p: Vector) -> Vector:
    """A point in the camera's frame, seen from object i."""
    c = CENTRE
    return turn_in(objects, i, (p[0] - objects[i, c], p[1] - objects[i, c + 1], p[2] - objects[i, c + 2]))


@borrowing(f64, f64, f64, f64)
def later(first: float, second: float, nearest: float) -> float:
    """The first of two ordered distances that is not nearer than `nearest`, or infinity."""
    if first >= nearest:
        return first
    return second if second >= nearest else math.inf


@borrowing(f64, f64, f64, f64, V3, V3, f64)
def strike_box(hx: float, hy: float, hz: float, p: Vector, d: Vector, nearest: float) -> float:
    """Distance along the ray to a box: the slab test."""
    enter, leave = -math.inf, math.inf
    for h, o, v in ((hx, p[0], d[0]), (hy, p[1], d[1]), (hz, p[2], d[2])):
        if v == 0.0:
            if abs(o) > h:
                return math.inf
        else:
            one, two = (-h - o) / v, (h - o) / v
            enter, leave = max(enter, min(one, two)), min(leave, max(one, two))
    return later(enter, leave, nearest) if enter <= leave else math.inf


@borrowing(f64, f64, f64, f64, V3, V3, f64)
def strike_ellipsoid(hx: float, hy: float, hz: float, p: Vector, d: Vector, nearest: float) -> float:
    """Distance along the ray to an ellipsoid."""
    px, py, pz, dx, dy, dz = p[0] / hx, p[1] / hy, p[2] / hz, d[0] / hx, d[1] / hy, d[2] / hz
    a, b, c = dx * dx + dy * dy + dz * dz, px * dx + py * dy + pz * dz, px * px + py * py + pz * pz - 1.0
    inside = b * b - a * c
    if inside < 0.0:
        return math.inf
    root = math.sqrt(inside)
    return later((-b - root) / a, (-b + root) / a, nearest)


@borrowing(f64, f64, f64, f64, V3, V3, f64)
def strike_cylinder(hx: float, hy: float, hz: float, p: Vector, d: Vector, nearest: float) -> float:
    """Distance along the ray to an elliptic cylinder with flat ends."""
    px, pz, dx, dz = p[0] / hx, p[2] / hz, d[0] / hx, d[2] / hz
    a, b, c = dx * dx + dz * dz, px * dx + pz * dz, px * px + pz * pz - 1.0
    enter, leave = -math.inf, math.inf
    if a > 0.0:
        inside = b * b - a * c
        if inside < 0.0:
            return math.inf
        root = math.sqrt(inside)
        enter, leave = (-b - root) / a, (-b + root) / a
    elif c > 0.0:
        return math.inf
    if d[1] != 0.0:
        one, two = (-hy - p[1]) / d[1], (hy - p[1]) / d[1]
        enter, leave = max(enter, min(one, two)), min(leave, max(one, two))
    elif abs(p[1]) > hy:
        return math.inf
    return later(enter, leave, nearest) if enter <= leave else math.inf


@borrowing(f64, OBJECTS, ATLAS, i64, V3, V3, f64)
def strike_card(objects: F64, atlas: U8, i: int, p: Vector, d: Vector, nearest: float) -> float:
    """Distance along the ray to a card, through its holes."""
    t = -p[2] / d[2]
    x, y = p[0] + t * d[0], p[1] + t * d[1]
    if not (t >= nearest and abs(x) <= objects[i, HALF] and abs(y) <= objects[i, HALF + 1]):
        return math.inf
    if objects[i, HOLES] > 0.0:
        size = atlas.shape[2]
        u = math.floor(x * objects[i, TEXELS_PER_M] + objects[i, SHIFT]) % size
        v = math.floor(y * objects[i, TEXELS_PER_M] + objects[i, SHIFT + 1]) % size
        if atlas[int(objects[i, TEXTURE]), v, u, 3] < 128:
            return math.inf
    return t


@borrowing(f64, TRIANGLES, i64, V3, V3, f64)
def strike_triangle(triangles: F64, k: int, p: Vector, d: Vector, nearest: float) -> float:
    """Distance along the ray to a triangle (Moeller and Trumbore 1997), both sides."""
    c = (triangles[k, 0, 0], triangles[k, 0, 1], triangles[k, 0, 2])
    e = (triangles[k, 1, 0], triangles[k, 1, 1], triangles[k, 1, 2])
    g = (triangles[k, 2, 0], triangles[k, 2, 1], triangles[k, 2, 2])
    hx, hy, hz = d[1] * g[2] - d[2] * g[1], d[2] * g[0] - d[0] * g[2], d[0] * g[1] - d[1] * g[0]
    det = e[0] * hx + e[1] * hy + e[2] * hz
    if det == 0.0:
        return math.inf
    sx, sy, sz = p[0] - c[0], p[1] - c[1], p[2] - c[2]
    u = (sx * hx + sy * hy + sz * hz) / det
    if u < 0.0 or u > 1.0:
        return math.inf
    qx, qy, qz = sy * e[2] - sz * e[1], sz * e[0] - sx * e[2], sx * e[1] - sy * e[0]
    v = (d[0] * qx + d[1] * qy + d[2] * qz) / det
    t = (g[0] * qx + g[1] * qy + g[2] * qz) / det
    return t if v >= 0.0 and u + v <= 1.0 and t >= nearest else math.inf


@borrowing(f64, OBJECTS, TRIANGLES, ATLAS, i64, i64, V3, V3, f64)
def strike(objects: F64, triangles: F64, atlas: U8, i: int, k: int, p: Vector, d: Vector, nearest: float) -> float:
    """Distance t >= nearest along the ray p + t d to object i (triangle k of a mesh), or infinity."""
    shape = int(objects[i, SHAPE])
    if shape == MESH:
        return strike_triangle(triangles, k, p, d, nearest)
    q, e = place_in(objects, i, p), turn_in(objects, i, d)
    if shape == BOX:
        return strike_box(objects[i, HALF], objects[i, HALF + 1], objects[i, HALF + 2], q, e, nearest)
    if shape == ELLIPSOID:
        return strike_ellipsoid(objects[i, HALF], objects[i, HALF + 1], objects[i, HALF + 2], q, e, nearest)
    if shape == CYLINDER:
        return strike_cylinder(objects[i, HALF], objects[i, HALF + 1], objects[i, HALF + 2], q, e, nearest)
    return strike_card(objects, atlas, i, q, e, nearest)


@borrowing(types.boolean, OBJECTS, i64, V3, V3, f64, f64)
def passes(objects: F64, i: int, p: Vector, d: Vector, nearest: float, best: float) -> bool:
    """Whether a ray enters the sphere around object i between `nearest` and `best`."""
    x, y, z = objects[i, CENTRE] - p[0], objects[i, CENTRE + 1] - p[1], objects[i, CENTRE + 2] - p[2]
    along = x * d[0] + y * d[1] + z * d[2]
    aside, bound = x * x + y * y + z * z - along * along, objects[i, BOUND]
    return bool(aside <= bound * bound and along + bound >= nearest and along - bound <= best)


@borrowing(types.Tuple((f64, i64, i64)), OBJECTS, TRIANGLES, ATLAS, V3, V3, f64)
def seek(objects: F64, triangles: F64, atlas: U8, p: Vector, d: Vector, nearest: float) -> tuple[float, int, int]:
    """First thing that a ray p + t d meets (d of length 1): t, object, triangle; (inf, -1, -1) where it meets none."""
    best, which, part = math.inf, -1, -1
    for i in range(len(objects)):
        if not passes(objects, i, p, d, nearest, best):
            continue
        first, last = (int(objects[i, FIRST]), int(objects[i, LAST])) if int(objects[i, SHAPE]) == MESH else (-1, 0)
        if last - first > BIG_MESH:
            continue
        for k in range(first, last):
            t = strike(objects, triangles, atlas, i, k, p, d, nearest)
            if t < best:
                best, which, part = t, i, k
    return best, which, part


@borrowing(types.boolean, OBJECTS, TRIANGLES, ATLAS, i64, V3, V3, f64)
def shaded(objects: F64, triangles: F64, atlas: U8, own: int, p: Vector, d: Vector, nearest: float) -> bool:
    """Whether something stands between p and the sun at d; a stone casts the shadow of an ellipsoid, none on itself."""
    for i in range(len(objects)):
        if objects[i, SHADOW] == 0.0 or not passes(objects, i, p, d, nearest, math.inf):
            continue
        if int(objects[i, SHAPE]) != MESH:
            if strike(objects, triangles, atlas, i, -1, p, d, nearest) < math.inf:
                return True
        elif i != own:
            q, e = place_in(objects, i, p), turn_in(objects, i, d)
            hx, hy, hz = 0.85 * objects[i, HALF], 0.85 * objects[i, HALF + 1], 0.85 * objects[i, HALF + 2]
            if strike_ellipsoid(hx, hy, hz, q, e, nearest) < math.inf:
                return True
    return False
