"""Distances against brute force, their gradients, and what is told of directions and motions."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from volume_scenes import HZ_NS, looking, plane, render, sphere, union, volume

from map_node.volume.base import Change
from map_node.volume.clearance import rays, sweep
from map_node.volume.esdf import FREE, SURFACE, UNKNOWN, Esdf

CENTRE, RADIUS_M = (0.0, 0.0, 0.0), 0.3
SCENE = union(plane((0, 1, 0), -0.8), sphere(CENTRE, RADIUS_M))


class Painted:
    """A volume whose labels are what a test writes; one block's change tells of it."""

    def __init__(self, labels):
        self.params, self.corner, self.stamp_ns = volume(size_m=(1.2, 1.6, 0.8)).params, (0, 0, 0), 0
        self.painted = labels

    def label(self, at, labels):
        for x, y, z in (at - np.array(self.corner)) * 8:
            labels[x : x + 8, y : y + 8, z : z + 8] = self.painted[x : x + 8, y : y + 8, z : z + 8]


def brute(labels, reach):
    sites = np.argwhere(labels >= SURFACE)
    if not len(sites):
        return np.full(labels.shape, reach**2)
    grid = np.stack(np.meshgrid(*map(np.arange, labels.shape), indexing="ij"), -1).reshape(-1, 3)
    nearest = cKDTree(sites).query(grid)[0]
    return np.minimum(np.rint(nearest**2), reach**2).astype(int).reshape(labels.shape)


@settings(max_examples=12)
@given(st.data(), st.integers(3, 40))
def test_updates_in_parts_agree_with_brute_force(data, reach):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    made = Painted(np.zeros((24, 32, 16), np.uint8))
    esdf = Esdf(made, reach * made.params.voxel_m)
    for _ in range(3):
        at = rng.integers(0, (3, 4, 2), (2, 3), np.int32)
        for x, y, z in at * 8:
            paint = (rng.random((8, 8, 8)) < 0.02) * SURFACE + (rng.random((8, 8, 8)) < 0.01) * 9
            made.painted[x : x + 8, y : y + 8, z : z + 8] = paint
        esdf.update(Change(at, False))
        np.testing.assert_array_equal(esdf.squared, brute(made.painted, reach))


def test_distances_follow_a_window_that_rolls():
    made = volume()
    esdf = Esdf(made, 1.0)
    views = [(0.0, 1.2, 0.0), (0.5, 1.1, 0.2), (0.9, 1.3, 0.4), (0.2, 0.9, -0.3)]
    # And once farther than the window is long, to where nothing is known, and back.
    for n, at in enumerate([*views, (6.0, 1.2, 0.0), *views]):
        T = looking(at, (at[0], 0.0, 0.0))
        esdf.update(made.centre(at))
        esdf.update(made.integrate(render(SCENE, T, (n + 1) * HZ_NS), T))
        fresh = Esdf(made, 1.0)
        fresh.update(Change(made.blocks().at, True))
        np.testing.assert_array_equal(esdf.labels, fresh.labels)
        np.testing.assert_array_equal(esdf.squared, fresh.squared)


def mapped():
    made, T = volume(), looking((0.0, 1.2, 0.0), CENTRE)
    esdf = Esdf(made)
    for n in range(2):
        esdf.update(made.integrate(render(SCENE, T, (n + 1) * HZ_NS), T))
    return esdf


def test_distance_and_gradient_are_those_of_the_scene():
    esdf = mapped()
    points = np.random.default_rng(0).uniform((-0.15, 0.4, -0.1), (0.15, 1.0, 0.1), (200, 3))
    assert np.abs(esdf.distance_m(points) - SCENE(points)).max() < 0.05
    gradient, towards = esdf.gradient(points), points / np.linalg.norm(points, axis=1)[:, None]
    assert np.median(np.einsum("ij,ij->i", gradient, towards)) > 0.95
    step = 1e-3 * np.eye(3)
    by_steps = [(esdf.distance_m(points + s) - esdf.distance_m(points - s)) / 2e-3 for s in step]
    np.testing.assert_allclose(np.median(np.abs(np.stack(by_steps, 1) - gradient)), 0, atol=0.01)
    assert -0.15 < esdf.distance_m(np.array([[0.0, 0.21, 0.0]]))[0] < -0.03
    assert np.isnan(esdf.distance_m(np.array([[9.0, 0.0, 0.0], [np.nan, 0.0, 0.0]]))).all()


def test_rays_end_at_surfaces_and_at_what_is_not_known():
    esdf, start = mapped(), np.array([0.0, 0.9, 0.0])
    directions = np.random.default_rng(1).normal((0, -1, 0), 0.25, (300, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    got = rays(esdf, start, directions, 3.0, 3 * HZ_NS)
    truth = np.zeros(len(directions))
    for _ in range(300):
        truth += np.maximum(SCENE(start + directions * truth[:, None]), 0)
    assert (got.free_m <= truth + 0.05).all()
    assert (got.ends != FREE).all()
    # Past the ball's rim there are voxels in which pixels of the ball and of the wall meet.
    assert np.percentile(np.abs(got.free_m - truth)[got.ends == SURFACE], 85) < 0.12
    assert got.age_s == 0.1
    behind = rays(esdf, start, np.array([[0.0, 1.0, 0.0]]), 3.0, 0)
    assert behind.ends[0] == UNKNOWN
    assert behind.free_m[0] < 0.6
    blind = rays(esdf, np.array([0.0, 1.25, 0.0]), np.array([[0.0, -1.0, 0.0]]), 3.0, 0)
    assert blind.free_m[0] == 0
    assert rays(esdf, np.array([0.0, 1.25, 0.0]), np.array([[0.0, -1.0, 0.0]]), 0.5, 0, 0.4).ends[0] == FREE
    assert rays(esdf, start * np.nan, directions, 3.0, 0).free_m.max() == 0


def test_a_motion_is_followed_until_it_hits():
    esdf = mapped()
    path = np.linspace((0.0, 1.0, 0.0), (0.0, -3.0, 0.0), 81)
    got = sweep(esdf, path, 0.2, 2 * HZ_NS)
    hit = int(np.argmax(got.clearance_m < 0))
    assert abs(path[hit, 1] - (RADIUS_M + 0.2)) < 0.06
    assert got.known[:hit].all()
    assert not got.known[hit + 6 :].any()
    assert np.isnan(got.clearance_m[-1])
    path[:, 1] += 0.6
    assert not sweep(esdf, path, 0.2, 0).known[0]
    assert sweep(esdf, path, 0.2, 0, 0.3).known[0]
