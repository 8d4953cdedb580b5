"""Which objects can be seen in which part of a picture, nearest first: what makes casting a million rays quick."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saccade.geometry import F64
from saccade.kernel import array, buffer, i32, i64, kernel, void
from training.world import CENTRE, FIRST, HALF, LAST, ROTATION, SHAPE, Rig, Shape, World

I32 = npt.NDArray[np.int32]
TILE = 16  # pixels
MARGIN_PX = 3.0  # rays leave the pixel's centre by antialiasing and by the rectification error


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """Entries (n, 7) float64: object, triangle or -1, nearest z, and the pixels it spans: least and greatest u, then v.

    Tile t sees the entries `index[start[t]:start[t + 1]]`.
    """

    entries: F64
    start: I32
    index: I32


def bin_world(world: World, rig: Rig, eye_x: float) -> Tiles:
    """Sort a world's parts into the tiles of the picture of a camera at (eye_x, 0, 0) metres."""
    entries, corners = parts(world)
    near = np.maximum(corners[:, :, 2].min(axis=1), 0.0)
    order = np.argsort(near, kind="stable")
    entries, corners, near = entries[order], corners[order], near[order]
    seen = corners[:, :, 2].max(axis=1) >= rig.near_m
    z = corners[:, :, 2]
    ahead = z.min(axis=1) > 0.05 * rig.near_m
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (corners[:, :, 0] - eye_x) / z * rig.focal_px + rig.cx
        v = corners[:, :, 1] / z * rig.focal_px + rig.cy
    spans = np.stack([u.min(1) - MARGIN_PX, u.max(1) + MARGIN_PX, v.min(1) - MARGIN_PX, v.max(1) + MARGIN_PX], 1)
    spans[~ahead] = (-np.inf, np.inf, -np.inf, np.inf)
    across, down = -(-rig.width // TILE), -(-rig.height // TILE)
    tiles = np.floor(np.clip(spans / TILE, -1, max(across, down))).astype(np.int32)
    tiles[:, 0::2] = np.maximum(tiles[:, 0::2], 0)
    tiles[:, 1] = np.where(seen, np.minimum(tiles[:, 1], across - 1), -1)
    tiles[:, 3] = np.minimum(tiles[:, 3], down - 1)
    start = np.zeros(across * down + 1, np.int32)
    _count(tiles, across, start)
    start = np.cumsum(start, dtype=np.int32)
    index = np.empty(start[-1], np.int32)
    _fill(tiles, across, start[:-1].copy(), index)
    return Tiles(np.ascontiguousarray(np.column_stack([entries, near, spans])), start, index)


def parts(world: World) -> tuple[F64, F64]:
    """Entries (n, 2), object and triangle or -1, and their bounding corners (n, 8, 3) in metres."""
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
    entries, corners = [], []
    for i, row in enumerate(world.objects):
        if row[SHAPE] == Shape.MESH:
            ks = np.arange(int(row[FIRST]), int(row[LAST]))
            t = world.triangles[ks]
            three = np.stack([t[:, 0], t[:, 0] + t[:, 1], t[:, 0] + t[:, 2]], axis=1)
            entries.append(np.column_stack([np.full(len(ks), i), ks]).astype(np.float64))
            corners.append(three[:, [0, 1, 2, 0, 1, 2, 0, 1]])
        else:
            turn = row[ROTATION : ROTATION + 9].reshape(3, 3)
            entries.append(np.array([[i, -1]], np.float64))
            corners.append((row[CENTRE : CENTRE + 3] + (signs * row[HALF : HALF + 3]) @ turn.T)[None])
    return np.concatenate(entries), np.concatenate(corners)


@kernel(void, array(i32, 2), i64, buffer(i32, 1))
def _count(spans: I32, across: int, start: I32) -> None:
    for e in range(len(spans)):
        for y in range(spans[e, 2], spans[e, 3] + 1):
            for x in range(spans[e, 0], spans[e, 1] + 1):
                start[y * across + x + 1] += 1


@kernel(void, array(i32, 2), i64, buffer(i32, 1), buffer(i32, 1))
def _fill(spans: I32, across: int, at: I32, index: I32) -> None:
    for e in range(len(spans)):
        for y in range(spans[e, 2], spans[e, 3] + 1):
            for x in range(spans[e, 0], spans[e, 1] + 1):
                t = y * across + x
                index[at[t]] = e
                at[t] += 1
