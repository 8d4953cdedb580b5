"""The surface of a volume as triangles (marching cubes, Lorensen and Cline, SIGGRAPH 1987), and their PLY file.

The table of cases is worked out here: where the surface cuts a face of a cube, its line goes around each run of corners
behind the surface. Both cubes of a face see the same corners, so their triangles meet and the mesh has no cracks.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from map_node.volume.base import BLOCK, I32, I64, U16, Snapshot, Volume
from saccade.geometry import F32
from saccade.kernel import array, buffer, f32, f64, i8, i32, i64, kernel, u16
from saccade.types import I8, U8

_EDGES = [(a, a | 4 >> axis) for axis in range(3) for a in range(8) if not a & 4 >> axis]
"""Edges of a cube as pairs of corners; corner (x, y, z) is number 4 x + 2 y + z."""
_FACES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
"""Corners of each face, counter-clockwise seen from outside."""


class Mesh(NamedTuple):
    """vertices (n, 3) float32 metres, rgb (n, 3) uint8, triangles (m, 3) int32, counter-clockwise seen from outside."""

    vertices: F32
    rgb: U8
    triangles: I32


def _loops(case: int) -> list[list[int]]:
    """The closed lines in which the surface cuts a cube, as edges; bit c of `case`: corner c is behind the surface."""
    following: dict[int, int] = {}
    number = {frozenset(edge): n for n, edge in enumerate(_EDGES)}
    for face in _FACES:
        behind = [case >> c & 1 for c in face]
        for i in range(4):
            if behind[i] and not behind[(i + 1) % 4]:
                j = i
                while behind[j - 1]:
                    j -= 1
                leave, enter = frozenset((face[i], face[(i + 1) % 4])), frozenset((face[j], face[j - 1]))
                following[number[leave]] = number[enter]
    loops = []
    while following:
        loop = [next(iter(following))]
        while (edge := following.pop(loop[-1])) != loop[0]:
            loop.append(edge)
        loops.append(loop)
    return loops


def _table() -> I8:
    """Per case the edges of its triangles, three each, then -1."""
    cases = [[e for loop in _loops(n) for i in range(1, len(loop) - 1) for e in (loop[0], loop[i + 1], loop[i])]
             for n in range(256)]  # fmt: skip
    longest = max(map(len, cases)) + 1
    return np.array([case + [-1] * (longest - len(case)) for case in cases], np.int8)


_TABLE = _table()
_ENDS = np.array(_EDGES, np.int8)


def mesh(volume: Volume | Snapshot) -> Mesh:
    """The surface between voxels that are known; equal volumes give equal meshes."""
    blocks, corner, params = volume.blocks(), np.array(volume.corner, np.int32), volume.params
    where = np.full(np.array(params.shape) + 1, -1, np.int32)
    where[tuple((blocks.at - corner).T)] = np.arange(len(blocks.at), dtype=np.int32)
    counted = _march(
        where, blocks.at - corner, blocks.sdf_m, blocks.weight, blocks.rgb, params.min_weight, _TABLE, _ENDS,
        np.empty(0, np.int64), np.empty((0, 3), np.float32), np.empty((0, 3), np.float32),
    )  # fmt: skip
    key, at, rgb = np.empty(counted, np.int64), np.empty((counted, 3), np.float32), np.empty((counted, 3), np.float32)
    _march(
        where, blocks.at - corner, blocks.sdf_m, blocks.weight, blocks.rgb, params.min_weight, _TABLE, _ENDS,
        key, at, rgb,
    )  # fmt: skip
    _, first, corners = np.unique(key, return_index=True, return_inverse=True)
    vertices = (at[first] + 0.5 + corner * BLOCK) * params.voxel_m
    triangles = corners.reshape(-1, 3).astype(np.int32)
    return Mesh(vertices.astype(np.float32), np.rint(rgb[first] / 256).astype(np.uint8), triangles)


def write_ply(mesh: Mesh, path: Path) -> None:
    """Write a mesh with colours as binary PLY."""
    vertices = np.empty(len(mesh.vertices), [("at", "<f4", 3), ("rgb", "u1", 3)])
    vertices["at"], vertices["rgb"] = mesh.vertices, mesh.rgb
    faces = np.empty(len(mesh.triangles), [("n", "u1"), ("of", "<i4", 3)])
    faces["n"], faces["of"] = 3, mesh.triangles
    colours = "".join(f"property uchar {name}\n" for name in ("red", "green", "blue"))
    axes = "".join(f"property float {name}\n" for name in "xyz")
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertices)}\n{axes}{colours}"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    path.write_bytes(header.encode() + vertices.tobytes() + faces.tobytes())


@kernel(
    i64, array(i32, 3), array(i32, 2), array(f32, 2), array(f32, 2), array(u16, 3), f64, array(i8, 2), array(i8, 2),
    buffer(i64, 1), buffer(f32, 2), buffer(f32, 2),
)  # fmt: skip
def _march(
    where: I32, relative: I32, sdf_m: F32, weight: F32, colour: U16, min_weight: float, table: I8, ends: I8,
    key: I64, at: F32, rgb: F32,
) -> int:  # fmt: skip
    """Corners of triangles, each with a key that is the same for the same edge; only counted where there is no room.

    `where`: index of the block at each place of the window, with an empty rim. Places are in voxels of the window.
    """
    count = 0
    block, voxel, sdf = np.empty(8, np.int64), np.empty(8, np.int64), np.empty(8, np.float64)
    for n in range(len(relative)):
        for cell in range(BLOCK**3):
            x, y, z = cell // BLOCK**2, cell // BLOCK % BLOCK, cell % BLOCK
            case, known = 0, True
            for c in range(8):
                i, j, k = x + c // 4, y + c // 2 % 2, z + c % 2
                b = where[relative[n, 0] + i // BLOCK, relative[n, 1] + j // BLOCK, relative[n, 2] + k // BLOCK]
                e = (i % BLOCK * BLOCK + j % BLOCK) * BLOCK + k % BLOCK
                if b < 0 or weight[b, e] < min_weight:
                    known = False
                    break
                block[c], voxel[c], sdf[c] = b, e, sdf_m[b, e]
                if sdf[c] < 0:
                    case |= 1 << c
            if not known:
                continue
            for edge in table[case]:
                if edge < 0:
                    break
                if count < len(key):
                    a, b = ends[edge]
                    share = sdf[a] / (sdf[a] - sdf[b])
                    axis = 0 if b - a == 4 else 1 if b - a == 2 else 2
                    i = relative[n, 0] * BLOCK + x + a // 4
                    j = relative[n, 1] * BLOCK + y + a // 2 % 2
                    k = relative[n, 2] * BLOCK + z + a % 2
                    key[count] = ((i * where.shape[1] * BLOCK + j) * where.shape[2] * BLOCK + k) * 3 + axis
                    at[count, 0] = i + (share if axis == 0 else 0.0)
                    at[count, 1] = j + (share if axis == 1 else 0.0)
                    at[count, 2] = k + (share if axis == 2 else 0.0)
                    p, q = colour[block[a], voxel[a]], colour[block[b], voxel[b]]
                    if p[0] == p[1] == p[2] == 0:  # no picture has shown this one: what is known is not darkened by it
                        share = 1.0
                    elif q[0] == q[1] == q[2] == 0:
                        share = 0.0
                    for c in range(3):
                        rgb[count, c] = p[c] + share * (float(q[c]) - float(p[c]))
                count += 1
    return count
