"""How a point of the world looks: filtered textures, sun with shadows, ambient light, a lamp, gloss and mirrors."""

from __future__ import annotations

import math

from numba import types

from saccade.geometry import F64
from saccade.kernel import f64, i64
from saccade.types import U8
from training.cast import (
    ATLAS,
    BOX,
    CYLINDER,
    ELLIPSOID,
    LIGHT,
    MESH,
    OBJECTS,
    TRIANGLES,
    V3,
    Vector,
    borrowing,
    place_in,
    seek,
    shaded,
    turn_in,
    turn_out,
)
from training.filtering import filtered, tap
from training.world import (
    AMBIENT,
    CLOUD_TEXTURE,
    CLOUDS,
    CONTRAST,
    GLOSS,
    HALF,
    HORIZON,
    LAMP,
    LAMP_COLOUR,
    LAMP_REACH,
    MACRO,
    MIRROR,
    SHAPE,
    SHIFT,
    SUN,
    SUN_COLOUR,
    TEXELS_PER_M,
    TEXTURE,
    TINT,
    ZENITH,
)


@borrowing(V3, ATLAS, LIGHT, V3)
def sky(atlas: U8, light: F64, d: Vector) -> Vector:
    """Colour of what lies at infinity in direction d (length 1): a gradient with clouds."""
    h = min(max(-d[1], 0.0), 1.0)
    fade = math.sqrt(h)
    tex = tap(atlas, int(light[CLOUD_TEXTURE]), 1, 90.0 * d[0] / (h + 0.25), 90.0 * d[2] / (h + 0.25))
    cloud = light[CLOUDS] * tex[0] * tex[0] * min(1.0, 4.0 * h)
    bright = max(light[HORIZON], light[HORIZON + 1], light[HORIZON + 2])
    return (
        light[HORIZON] + fade * (light[ZENITH] - light[HORIZON]) + cloud * bright,
        light[HORIZON + 1] + fade * (light[ZENITH + 1] - light[HORIZON + 1]) + cloud * bright,
        light[HORIZON + 2] + fade * (light[ZENITH + 2] - light[HORIZON + 2]) + cloud * bright,
    )


@borrowing(V3, OBJECTS, TRIANGLES, i64, i64, V3)
def normal_of(objects: F64, triangles: F64, i: int, k: int, q: Vector) -> Vector:
    """Outward normal of length 1 in object i's own frame, at the point q of its surface."""
    shape = int(objects[i, SHAPE])
    hx, hy, hz = objects[i, HALF], objects[i, HALF + 1], objects[i, HALF + 2]
    n = (0.0, 0.0, 1.0)
    if shape == MESH:
        ex, ey, ez = triangles[k, 1, 0], triangles[k, 1, 1], triangles[k, 1, 2]
        gx, gy, gz = triangles[k, 2, 0], triangles[k, 2, 1], triangles[k, 2, 2]
        m = (ey * gz - ez * gy, ez * gx - ex * gz, ex * gy - ey * gx)
        n = turn_in(objects, i, m)
    elif shape == BOX:
        x, y, z = abs(q[0]) / hx, abs(q[1]) / hy, abs(q[2]) / hz
        if x >= y and x >= z:
            n = (q[0], 0.0, 0.0)
        elif y >= z:
            n = (0.0, q[1], 0.0)
        else:
            n = (0.0, 0.0, q[2])
    elif shape == ELLIPSOID:
        n = (q[0] / (hx * hx), q[1] / (hy * hy), q[2] / (hz * hz))
    elif shape == CYLINDER:
        n = (0.0, q[1], 0.0) if abs(q[1]) > hy * (1 - 1e-6) else (q[0] / (hx * hx), 0.0, q[2] / (hz * hz))
    length = math.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2])
    return n[0] / length, n[1] / length, n[2] / length


@borrowing(V3, OBJECTS, ATLAS, i64, V3, V3, V3, V3)
def paint(objects: F64, atlas: U8, i: int, q: Vector, n: Vector, px: Vector, py: Vector) -> Vector:
    """Own colour (linear RGB) of object i at q with normal n; px and py are the pixel's footprint; all in its frame.

    The texture is laid on along the axis that the normal follows most, so it is fixed to the surface.
    """
    x, y, z = abs(n[0]), abs(n[1]), abs(n[2])
    s = objects[i, TEXELS_PER_M]
    if z >= x and z >= y:
        u, v, ux, vx, uy, vy = q[0], q[1], px[0], px[1], py[0], py[1]
    elif y >= x:
        u, v, ux, vx, uy, vy = q[0], q[2], px[0], px[2], py[0], py[2]
    else:
        u, v, ux, vx, uy, vy = q[2], q[1], px[2], px[1], py[2], py[1]
    u, v = u * s + objects[i, SHIFT], v * s + objects[i, SHIFT + 1]
    texture = int(objects[i, TEXTURE])
    c, level = filtered(atlas, texture, u, v, ux * s, vx * s, uy * s, vy * s)
    wide = 1.0
    if (
        objects[i, MACRO] > 0.0
    ):  # a slow change of brightness, so that a texture that repeats does not look the same twice
        m = tap(atlas, texture, max(level - 3, 1), 0.071 * v, 0.071 * u)
        wide = 1.0 + objects[i, MACRO] * (m[1] - 0.5)
    k = objects[i, CONTRAST]
    r, g, b = 0.5 + k * (c[0] - 0.5), 0.5 + k * (c[1] - 0.5), 0.5 + k * (c[2] - 0.5)
    return r * r * objects[i, TINT] * wide, g * g * objects[i, TINT + 1] * wide, b * b * objects[i, TINT + 2] * wide


@borrowing(V3, OBJECTS, TRIANGLES, ATLAS, LIGHT, i64, V3, V3, V3, V3)
def lit(
    objects: F64, triangles: F64, atlas: U8, light: F64, i: int, p: Vector, n: Vector, d: Vector, own: Vector
) -> Vector:
    """Light that leaves p towards the viewer (looking along d), with the surface's normal n and own colour."""
    sun = n[0] * light[SUN] + n[1] * light[SUN + 1] + n[2] * light[SUN + 2]
    gloss = objects[i, GLOSS]
    shine = 0.0
    if sun > 0.0 and light[SUN_COLOUR] > 0.0:
        toward = (light[SUN], light[SUN + 1], light[SUN + 2])
        lift = 1e-4 * (1.0 + p[2])
        start = (p[0] + lift * n[0], p[1] + lift * n[1], p[2] + lift * n[2])
        if shaded(objects, triangles, atlas, i, start, toward, lift):
            sun = 0.0
        elif gloss > 0.0:
            h = (toward[0] - d[0], toward[1] - d[1], toward[2] - d[2])
            length = math.sqrt(h[0] * h[0] + h[1] * h[1] + h[2] * h[2])
            shine = gloss * max(0.0, (h[0] * n[0] + h[1] * n[1] + h[2] * n[2]) / length) ** 60
    sun = max(sun, 0.0)
    x, y, z = light[LAMP] - p[0], light[LAMP + 1] - p[1], light[LAMP + 2] - p[2]
    far = math.sqrt(x * x + y * y + z * z)
    lamp = max(0.0, (x * n[0] + y * n[1] + z * n[2]) / far) / (1.0 + (far / light[LAMP_REACH]) ** 2)
    dome = 0.75 - 0.25 * n[1]
    return (
        own[0] * (light[SUN_COLOUR] * sun + light[AMBIENT] * dome + light[LAMP_COLOUR] * lamp) + shine,
        own[1] * (light[SUN_COLOUR + 1] * sun + light[AMBIENT + 1] * dome + light[LAMP_COLOUR + 1] * lamp) + shine,
        own[2] * (light[SUN_COLOUR + 2] * sun + light[AMBIENT + 2] * dome + light[LAMP_COLOUR + 2] * lamp) + shine,
    )


@borrowing(types.Tuple((V3, V3)), OBJECTS, TRIANGLES, ATLAS, LIGHT, i64, i64, V3, V3, f64)
def surface(
    objects: F64, triangles: F64, atlas: U8, light: F64, i: int, k: int, p: Vector, d: Vector, pixel: float
) -> tuple[Vector, Vector]:
    """Colour of point p of object i without what it mirrors, and its normal towards the viewer (camera's frame).

    `d` has length 1; `pixel` is the angle between neighbouring rays times the way to p, in metres.
    """
    q, e = place_in(objects, i, p), turn_in(objects, i, d)
    n = normal_of(objects, triangles, i, k, q)
    facing = n[0] * e[0] + n[1] * e[1] + n[2] * e[2]
    if facing > 0.0:
        n, facing = (-n[0], -n[1], -n[2]), -facing
    facing = min(facing, -0.02)
    ax, ay = turn_in(objects, i, (1.0, 0.0, 0.0)), turn_in(objects, i, (0.0, 1.0, 0.0))
    sx = (ax[0] * n[0] + ax[1] * n[1] + ax[2] * n[2]) / facing
    sy = (ay[0] * n[0] + ay[1] * n[1] + ay[2] * n[2]) / facing
    px = (pixel * (ax[0] - e[0] * sx), pixel * (ax[1] - e[1] * sx), pixel * (ax[2] - e[2] * sx))
    py = (pixel * (ay[0] - e[0] * sy), pixel * (ay[1] - e[1] * sy), pixel * (ay[2] - e[2] * sy))
    own = paint(objects, atlas, i, q, n, px, py)
    out = turn_out(objects, i, n)
    return lit(objects, triangles, atlas, light, i, p, out, d, own), out


@borrowing(types.Tuple((V3, f64)), OBJECTS, TRIANGLES, ATLAS, LIGHT, i64, i64, V3, V3, f64)
def look(
    objects: F64, triangles: F64, atlas: U8, light: F64, i: int, k: int, p: Vector, d: Vector, pixel: float
) -> tuple[Vector, float]:
    """Colour of point p of object i, and the share of it that is mirrored (Schlick 1994); one bounce."""
    c, n = surface(objects, triangles, atlas, light, i, k, p, d, pixel)
    mirror = objects[i, MIRROR]
    if mirror <= 0.0:
        return c, 0.0
    cosine = -(d[0] * n[0] + d[1] * n[1] + d[2] * n[2])
    share = mirror + (1.0 - mirror) * 0.6 * (1.0 - min(max(cosine, 0.0), 1.0)) ** 5
    r = (d[0] + 2 * cosine * n[0], d[1] + 2 * cosine * n[1], d[2] + 2 * cosine * n[2])
    lift = 1e-4 * (1.0 + p[2])
    start = (p[0] + lift * n[0], p[1] + lift * n[1], p[2] + lift * n[2])
    t, j, m = seek(objects, triangles, atlas, start, r, lift)
    if j >= 0:
        there = (start[0] + t * r[0], start[1] + t * r[1], start[2] + t * r[2])
        s, _ = surface(objects, triangles, atlas, light, j, m, there, r, pixel * (1.0 + t / max(p[2], 1e-6)))
    else:
        s = sky(atlas, light, r)
    return (c[0] + share * (s[0] - c[0]), c[1] + share * (s[1] - c[1]), c[2] + share * (s[2] - c[2])), share
