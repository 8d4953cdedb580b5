"""Kernels that draw Gaussians: project, sort into tiles, blend from front to back; and the way back (kernels_back.py).

Conventions of 3D Gaussian splatting (Kerbl et al. 2023): 0.3 px² added to each projected covariance, alpha at most
0.99, less than 1/255 not drawn, a pixel done when less than 1e-4 shines through; pixel centres at integers. Along a row
a Gaussian's exponential is a product: the ratio of neighbours changes by a constant factor.
"""

from __future__ import annotations

import math

import numpy as np

from map_node.volume.base import I32, I64
from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i32, i64, kernel, void

TILE = 16
"""Pixels along the edge of a tile."""
BLUR_PX2 = 0.3
MOST_ALPHA, LEAST_ALPHA, DONE = 0.99, 1 / 255, 1e-4


@kernel(void, f64, f64, f64, f64, buffer(f64, 2), counted=False)
def rotation(w: float, x: float, y: float, z: float, R: F64) -> None:
    """The matrix of a unit quaternion."""
    R[0, 0], R[0, 1], R[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)
    R[1, 0], R[1, 1], R[1, 2] = 2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)
    R[2, 0], R[2, 1], R[2, 2] = 2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)


@kernel(i64, f64, f64, f64, array(f64, 1), buffer(f64, 2), counted=False)
def jacobian(x: float, y: float, z: float, camera: F64, J: F64) -> int:
    """Of the projection at a point (optical axes), (2, 3); far outside of the picture that of 1.3 times its edge.

    `camera`: fx, fy, cx, cy, width, height. Returns 1 where it is the point's own along u, plus 2 where along v.
    """
    fx, fy = camera[0], camera[1]
    low_x, high_x = -(0.15 * camera[4] + camera[2]) / fx, (1.15 * camera[4] - camera[2]) / fx
    low_y, high_y = -(0.15 * camera[5] + camera[3]) / fy, (1.15 * camera[5] - camera[3]) / fy
    a, b = min(max(x / z, low_x), high_x), min(max(y / z, low_y), high_y)
    J[0, 0], J[0, 1], J[0, 2] = fx / z, 0.0, -fx * a / z
    J[1, 0], J[1, 1], J[1, 2] = 0.0, fy / z, -fy * b / z
    return int(low_x < x / z < high_x) + 2 * int(low_y < y / z < high_y)


@kernel(
    void, array(f32, 2), array(f32, 2), array(f32, 2), array(f32, 1), array(f64, 2), array(f64, 1), array(f64, 1), f64,
    buffer(f64, 2), buffer(i32, 2),
)  # fmt: skip
def project(
    at: F32, scale_m: F32, wxyz: F32, opacity: F32, R: F64, t: F64, camera: F64, near_m: float, flat: F64, tiles: I32
) -> None:
    """Each Gaussian in the picture; R, t: odometry to camera.

    flat (n, 7): u, v, depth, conic a b c (q = a dx² + 2 b dx dy + c dy²), the largest q that is drawn. tiles (n, 4):
    first and last + 1 tile, along u and v; empty where it is not seen.
    """
    J, own, M = np.empty((2, 3)), np.empty((3, 3)), np.empty((2, 3))
    columns, rows = math.ceil(camera[4] / TILE), math.ceil(camera[5] / TILE)
    for n in range(len(at)):
        tiles[n, :] = 0
        z = R[2, 0] * at[n, 0] + R[2, 1] * at[n, 1] + R[2, 2] * at[n, 2] + t[2]
        if not (z > near_m and opacity[n] > LEAST_ALPHA):
            continue
        x = R[0, 0] * at[n, 0] + R[0, 1] * at[n, 1] + R[0, 2] * at[n, 2] + t[0]
        y = R[1, 0] * at[n, 0] + R[1, 1] * at[n, 1] + R[1, 2] * at[n, 2] + t[1]
        jacobian(x, y, z, camera, J)
        rotation(wxyz[n, 0], wxyz[n, 1], wxyz[n, 2], wxyz[n, 3], own)
        for i in range(2):
            for k in range(3):
                M[i, k] = 0.0
                for j in range(3):
                    M[i, k] += J[i, j] * (R[j, 0] * own[0, k] + R[j, 1] * own[1, k] + R[j, 2] * own[2, k])
        uu, uv, vv = BLUR_PX2, 0.0, BLUR_PX2
        for k in range(3):
            s = float(scale_m[n, k]) ** 2
            uu, uv, vv = uu + s * M[0, k] * M[0, k], uv + s * M[0, k] * M[1, k], vv + s * M[1, k] * M[1, k]
        det = uu * vv - uv * uv
        u, v, most = (
            camera[0] * x / z + camera[2],
            camera[1] * y / z + camera[3],
            2 * math.log(opacity[n] / LEAST_ALPHA),
        )
        if not det > 0:
            continue
        wide, high = math.sqrt(most * uu), math.sqrt(most * vv)
        flat[n, 0], flat[n, 1], flat[n, 2] = u, v, z
        flat[n, 3], flat[n, 4], flat[n, 5], flat[n, 6] = vv / det, -uv / det, uu / det, most
        if u + wide < 0 or v + high < 0 or u - wide > camera[4] - 1 or v - high > camera[5] - 1:
            continue
        tiles[n, 0], tiles[n, 1] = max(0, int(u - wide) // TILE), min(columns, int(u + wide) // TILE + 1)
        tiles[n, 2], tiles[n, 3] = max(0, int(v - high) // TILE), min(rows, int(v + high) // TILE + 1)


@kernel(i64, array(i64, 1), array(i32, 2), buffer(i64, 2), buffer(i32, 1))
def sort_into_tiles(order: I64, tiles: I32, ends: I64, entries: I32) -> int:
    """Write which Gaussians each tile has, in this order; returns how many entries; only counted where no room.

    ends (rows, columns): where each tile's entries end; counted by the first call, moved by the second.
    """
    columns = ends.shape[1]
    counting = len(entries) == 0
    if counting:
        ends[:] = 0
    else:  # from ends to beginnings, which then move to the ends
        for tile in range(ends.size - 1, -1, -1):
            ends[tile // columns, tile % columns] = ends[(tile - 1) // columns, (tile - 1) % columns] if tile else 0
    for n in order:
        for row in range(tiles[n, 2], tiles[n, 3]):
            for column in range(tiles[n, 0], tiles[n, 1]):
                if not counting:
                    entries[ends[row, column]] = n
                ends[row, column] += 1
    if counting:
        for tile in range(1, ends.size):
            ends[tile // columns, tile % columns] += ends[(tile - 1) // columns, (tile - 1) % columns]
    return int(ends[-1, -1])


@kernel(i64, array(f64, 2), i64, i64, i64, i64, buffer(f64, 1), counted=False)
def span(flat: F64, n: int, v: int, low: int, high: int, ends: F64) -> int:
    """First pixel of row `v` between `low` and `high` that a Gaussian is drawn to; `ends`: last + 1, value, ratio."""
    a, b, c = flat[n, 3], flat[n, 4], flat[n, 5]
    dy = v - flat[n, 1]
    root = (b * dy) * (b * dy) - a * (c * dy * dy - flat[n, 6])
    if root <= 0:
        ends[0] = low
        return low
    middle, half = flat[n, 0] - b * dy / a, math.sqrt(root) / a
    first = max(low, math.ceil(middle - half))
    ends[0] = min(high, math.floor(middle + half) + 1)
    dx = first - flat[n, 0]
    ends[1] = math.exp(-0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy))
    ends[2] = math.exp(-0.5 * (a * (2 * dx + 1) + 2 * b * dy))
    return int(first)


@kernel(
    void, array(f64, 2), array(f32, 2), array(f32, 1), array(i64, 2), array(i32, 1), array(f64, 1),
    buffer(f32, 3), buffer(f32, 2), buffer(f32, 2),
)  # fmt: skip
def blend(
    flat: F64, rgb: F32, opacity: F32, ends: I64, entries: I32, background: F64, drawn: F32, alpha: F32, depth_m: F32
) -> None:
    """Draw each tile's Gaussians, nearest first, onto zeros."""
    height, width = alpha.shape
    left, row = np.empty((TILE, TILE)), np.empty(3)
    begin = 0
    for tile in range(ends.size):
        top, side = tile // ends.shape[1] * TILE, tile % ends.shape[1] * TILE
        end = ends[tile // ends.shape[1], tile % ends.shape[1]]
        left[:] = 1.0
        open_pixels = min(TILE, height - top) * min(TILE, width - side)
        for e in range(begin, end):
            if open_pixels == 0:
                break
            n = entries[e]
            fade = math.exp(-flat[n, 3])
            for v in range(top, min(top + TILE, height)):
                first = span(flat, n, v, side, min(side + TILE, width), row)
                g, ratio = row[1], row[2]
                for u in range(first, int(row[0])):
                    through = left[v - top, u - side]
                    if through >= DONE:
                        a = min(MOST_ALPHA, opacity[n] * g)
                        w = a * through
                        for k in range(3):
                            drawn[v, u, k] += w * rgb[n, k]
                        depth_m[v, u] += w * flat[n, 2]
                        left[v - top, u - side] = through * (1 - a)
                        if through * (1 - a) < DONE:
                            open_pixels -= 1
                    g, ratio = g * ratio, ratio * fade
        begin = end
        for v in range(top, min(top + TILE, height)):
            for u in range(side, min(side + TILE, width)):
                through = left[v - top, u - side]
                for k in range(3):
                    drawn[v, u, k] += through * background[k]
                alpha[v, u] = 1 - through
                depth_m[v, u] = depth_m[v, u] / (1 - through) if through < 0.5 else math.nan
