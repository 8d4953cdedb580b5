"""Gaussians from the volume: one for each voxel, or part of a voxel, that the surface passes.

Aligned to voxels and not to pixels, as VolSplat does (arXiv 2509.19297): their number is the surface's, however many
views were fused, and a Gaussian is the same one when the volume has changed, by the place of its voxel.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from map_node.gaussians.base import Gaussians
from map_node.volume.base import BLOCK, I32, I64, U16, Snapshot, Volume
from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i32, i64, kernel, u16, void

WIDE, THIN = 0.6, 0.15
"""Standard deviations along the surface and across it, in spacings."""
OPACITY = 0.9
_BITS = 21


class Surface(NamedTuple):
    """Gaussians with the number of the place of each, ascending: key (n,) int64."""

    key: I64
    gaussians: Gaussians


def surface(volume: Volume | Snapshot, parts: int = 1, most: int = 200_000) -> Surface:
    """Gaussians where the distances, trilinear between voxels, are zero: one per voxel, cut into `parts` each way.

    Where there are more than `most`, those nearest to the window's middle. Equal volumes give equal Gaussians.
    """
    blocks, corner, params = volume.blocks(), np.array(volume.corner, np.int32), volume.params
    where = np.full(np.array(params.shape) + 1, -1, np.int32)
    where[tuple((blocks.at - corner).T)] = np.arange(len(blocks.at), dtype=np.int32)
    given = where, blocks.at - corner, blocks.sdf_m, blocks.weight, blocks.rgb, params.min_weight, parts
    n = _find(*given, np.empty((0, 3), np.int32), *(np.empty((0, 3)) for _ in range(3)))
    part, at, normal, rgb = np.empty((n, 3), np.int32), np.empty((n, 3)), np.empty((n, 3)), np.empty((n, 3))
    _find(*given, part, at, normal, rgb)
    places = (part.astype(np.int64) + corner * (BLOCK * parts)) + (1 << _BITS - 1)
    key = (places[:, 0] << 2 * _BITS) | (places[:, 1] << _BITS) | places[:, 2]
    if n > most:
        middle = np.array(params.shape) * BLOCK / 2
        nearest = np.argsort(np.linalg.norm(at - middle, axis=1), kind="stable")[:most]
        key, at, normal, rgb = key[nearest], at[nearest], normal[nearest], rgb[nearest]
    order = np.argsort(key, kind="stable")
    spacing_m = params.voxel_m / parts
    size = np.array([WIDE, WIDE, THIN], np.float32) * np.float32(spacing_m)
    return Surface(
        key[order],
        Gaussians(
            ((at[order] + 0.5 + corner * BLOCK) * params.voxel_m).astype(np.float32), np.tile(size, (len(key), 1)),
            facing(normal[order]), (rgb[order] / (255 * 256)).astype(np.float32),
            np.full(len(key), OPACITY, np.float32),
        ),
    )  # fmt: skip


def facing(normal: F64) -> F32:
    """Unit quaternions (n, 4) wxyz that turn the z axis to unit vectors (n, 3), the shortest way."""
    half = np.sqrt(np.maximum((1 + normal[:, 2]) / 2, 0))
    down = half < 1e-6
    per = np.where(down, 0.0, 0.5 / np.where(down, 1.0, half))
    q = np.stack([half, -normal[:, 1] * per, normal[:, 0] * per, np.zeros(len(normal))], axis=1)
    q[down] = (0.0, 1.0, 0.0, 0.0)
    turned: F32 = (q / np.linalg.norm(q, axis=1, keepdims=True)).astype(np.float32)
    return turned


@kernel(f64, array(f64, 1), f64, f64, f64, buffer(f64, 1), counted=False)
def _trilinear(corners: F64, x: float, y: float, z: float, slope: F64) -> float:
    """Value at a place within a cube with these values at its corners (x, y, z of corner c: the bits of c, 4 2 1)."""
    a, b = corners[0] + (corners[4] - corners[0]) * x, corners[1] + (corners[5] - corners[1]) * x
    c, d = corners[2] + (corners[6] - corners[2]) * x, corners[3] + (corners[7] - corners[3]) * x
    low, high = a + (c - a) * y, b + (d - b) * y
    slope[2] = high - low
    slope[1] = (c - a) * (1 - z) + (d - b) * z
    slope[0] = (
        (corners[4] - corners[0]) * (1 - y) * (1 - z) + (corners[5] - corners[1]) * (1 - y) * z
        + (corners[6] - corners[2]) * y * (1 - z) + (corners[7] - corners[3]) * y * z
    )  # fmt: skip
    return float(low + (high - low) * z)


@kernel(void, array(f64, 1), i64, buffer(f64, 1), buffer(f64, 1), counted=False)
def _settle(sdf: F64, parts: int, place: F64, slope: F64) -> None:
    """From the number of a cube's part to where the surface is in it: Newton's steps along the slope, in the part."""
    a, b, c = place[0] / parts, place[1] / parts, place[2] / parts
    x, y, z = a + 0.5 / parts, b + 0.5 / parts, c + 0.5 / parts
    for _ in range(2):
        value = _trilinear(sdf, x, y, z, slope)
        square = max(slope[0] ** 2 + slope[1] ** 2 + slope[2] ** 2, 1e-12)
        x = min(max(x - value * slope[0] / square, a), a + 1 / parts)
        y = min(max(y - value * slope[1] / square, b), b + 1 / parts)
        z = min(max(z - value * slope[2] / square, c), c + 1 / parts)
    _trilinear(sdf, x, y, z, slope)
    place[0], place[1], place[2] = x, y, z


@kernel(
    i64, array(i32, 3), array(i32, 2), array(f32, 2), array(f32, 2), array(u16, 3), f64, i64,
    buffer(i32, 2), buffer(f64, 2), buffer(f64, 2), buffer(f64, 2),
)  # fmt: skip
def _find(
    where: I32, relative: I32, sdf_m: F32, weight: F32, colour: U16, min_weight: float, parts: int,
    part: I32, at: F64, normal: F64, rgb: F64,
) -> int:  # fmt: skip
    """Parts of cubes between known voxels in which the distance changes its sign; only counted where no room.

    `where`: index of the block at each place of the window, with an empty rim. `part`: the part's place in the window;
    at: the surface's, in voxels from the window's first voxel; rgb: 256ths of grey levels.
    """
    count = 0
    sdf, slope, tone, place = np.empty(8), np.empty(3), np.empty(8), np.empty(3)
    block, voxel, first = np.empty(8, np.int64), np.empty(8, np.int64), np.empty(3, np.int64)
    for n in range(len(relative)):
        for cell in range(BLOCK**3):
            x, y, z = cell // BLOCK**2, cell // BLOCK % BLOCK, cell % BLOCK
            behind, known = 0, True
            for c in range(8):
                i, j, k = x + c // 4, y + c // 2 % 2, z + c % 2
                b = where[relative[n, 0] + i // BLOCK, relative[n, 1] + j // BLOCK, relative[n, 2] + k // BLOCK]
                e = (i % BLOCK * BLOCK + j % BLOCK) * BLOCK + k % BLOCK
                if b < 0 or weight[b, e] < min_weight:
                    known = False
                    break
                block[c], voxel[c], sdf[c] = b, e, sdf_m[b, e]
                behind += sdf[c] < 0
            if not known or behind in (0, 8):
                continue
            first[0], first[1], first[2] = (
                relative[n, 0] * BLOCK + x,
                relative[n, 1] * BLOCK + y,
                relative[n, 2] * BLOCK + z,
            )
            for p in range(parts**3):
                px, py, pz = p // parts**2, p // parts % parts, p % parts
                behind = 0
                for c in range(8):
                    sx, sy, sz = (px + c // 4) / parts, (py + c // 2 % 2) / parts, (pz + c % 2) / parts
                    behind += _trilinear(sdf, sx, sy, sz, slope) < 0
                if behind in (0, 8):
                    continue
                if count < len(at):
                    place[0], place[1], place[2] = px, py, pz
                    part[count, 0], part[count, 1], part[count, 2] = px, py, pz
                    _settle(sdf, parts, place, slope)
                    size = math.sqrt(slope[0] ** 2 + slope[1] ** 2 + slope[2] ** 2)
                    for k in range(3):
                        normal[count, k] = slope[k] / size if size > 1e-9 else k // 2
                        at[count, k] = first[k] + place[k]
                        part[count, k] += first[k] * parts
                    for k in range(3):
                        for c in range(8):
                            tone[c] = colour[block[c], voxel[c], k]
                        rgb[count, k] = _trilinear(tone, place[0], place[1], place[2], slope)
                count += 1
    return count
