"""The surface of analytic scenes: where it is, its colours, its files, and that nothing is cracked."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from volume_scenes import HZ_NS, box, looking, plane, render, sphere, union, volume

from map_node.volume.base import Blocks
from map_node.volume.mesh import _TABLE, mesh, write_ply

AROUND = [(1.1, 1.1, 0.9), (-1.1, 1.1, -0.9), (1.1, -1.1, -0.9), (-1.1, -1.1, 0.9)]


def fused(scene, views, to=(0.0, 0.0, 0.0), **changes):
    made = volume(**changes)
    made.centre(to)
    for n, at in enumerate(views):
        T = looking(at, to)
        depth = render(scene, T)
        for repeat in range(2):
            made.integrate(replace(depth, stamp_ns=(2 * n + repeat + 1) * HZ_NS), T)
    return made


BOX = (0.01, 0.02, 0.0), (0.4, 0.3, 0.35)


@pytest.mark.parametrize(
    ("scene", "views"),
    [
        (plane((0, 1, 0.1), -0.63), [(0.0, 1.2, 0.0), (0.3, 1.1, 0.2)]),
        (sphere((0.02, 0.01, 0.03), 0.5), AROUND),
        (box(*BOX), AROUND),
    ],
    ids=["plane", "sphere", "box"],
)
def test_it_is_within_half_a_voxel(scene, views):
    at = mesh(fused(scene, views)).vertices.astype(float)
    # Voxels near an edge of the box are in front of one face and behind another: two truncated distances are averaged.
    by_an_edge = (np.sort(np.abs(np.abs(at - BOX[0]) - BOX[1]), axis=1)[:, 1] < 0.1) & (len(views) == 4)
    error_m = np.abs(scene(at))[~by_an_edge if scene(np.array([BOX[0]]))[0] == -0.3 else slice(None)]
    assert len(error_m) > 300
    assert np.percentile(error_m, 95) < 0.025
    assert np.sqrt(np.mean(error_m**2)) < 0.0125


def test_it_is_closed_and_faces_the_free_side():
    made, scene = volume(), union(sphere((0.02, 0.01, 0.03), 0.5), sphere((0.3, 0.3, 0.3), 0.3))
    at = np.argwhere(np.ones((8, 8, 6))).astype(np.int32) - (4, 4, 3)
    voxels = at[:, None] * 8 + np.argwhere(np.ones((8, 8, 8))) + 0.5
    sdf_m = np.clip(scene(voxels.reshape(-1, 3) * 0.05).reshape(-1, 512), -0.2, 0.2).astype(np.float32)
    blank = np.zeros((len(at), 512, 3), np.uint16)
    made.restore(Blocks(at, sdf_m, np.ones_like(sdf_m), blank, np.zeros(len(at), np.int64)), (-5, -5, -3), 0)
    found = mesh(made)
    edges = np.concatenate([found.triangles[:, [i, (i + 1) % 3]] for i in range(3)])
    forward = sorted(map(tuple, edges.tolist()))
    assert len(forward) > 3000
    assert forward == sorted((b, a) for a, b in forward)  # each edge has a triangle on either side
    a, b, c = (found.vertices[found.triangles[:, i]].astype(float) for i in range(3))
    volume_m3 = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    assert volume_m3 == pytest.approx((scene(voxels.reshape(-1, 3) * 0.05) < 0).sum() * 0.05**3, rel=0.03)


@settings(max_examples=50)
@given(st.integers(0, 255))
def test_the_triangles_of_a_case_use_each_cut_edge(case):
    from map_node.volume.mesh import _EDGES

    used = set(_TABLE[case][_TABLE[case] >= 0].tolist())
    assert used == {n for n, (a, b) in enumerate(_EDGES) if (case >> a & 1) != (case >> b & 1)}
    assert (_TABLE[case] >= 0).sum() % 3 == 0


def test_it_has_the_colours_that_were_seen(tmp_path):
    made, T = volume(), looking((0.0, 1.2, 0.0), (0.0, 0.0, 0.0))
    depth = render(plane((0, 1, 0), -0.6), T)
    rgb = np.full((*depth.depth_m.shape, 3), (200, 90, 10), np.uint8)
    for n in range(3):
        made.integrate(render(plane((0, 1, 0), -0.6), T, (n + 1) * HZ_NS), T, rgb)
    found = mesh(made)
    np.testing.assert_allclose(found.rgb, [[200, 90, 10]] * len(found.rgb), atol=1)
    write_ply(found, tmp_path / "surface.ply")
    header, _, body = (tmp_path / "surface.ply").read_bytes().partition(b"end_header\n")
    assert f"element vertex {len(found.vertices)}\n".encode() in header
    assert len(body) == 15 * len(found.vertices) + 13 * len(found.triangles)
    assert np.frombuffer(body[:12], "<f4") == pytest.approx(found.vertices[0])
