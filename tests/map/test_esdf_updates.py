"""Distances kept up to date in parts, against those of everything at once, while surfaces and the window change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from map_node.volume import esdf
from map_node.volume.base import BLOCK, Blocks, Change, VolumeParams
from map_node.volume.esdf import FREE, SURFACE, Esdf, Labels
from map_node.volume.minima import minima

REACH = 9
MOVES = st.tuples(*[st.sampled_from([-1, 0, 0, 0, 1])] * 3)


class Sparse:
    """A volume of labels alone: voxels of surface anywhere in a world larger than the window."""

    def __init__(self, shape=(4, 3, 3), voxel_m=0.1, threads=2):
        size_m = tuple(n * BLOCK * voxel_m for n in shape)
        self.params = VolumeParams(voxel_m, size_m, threads=threads)
        self.stamp_ns, self.corner = 1, (0, 0, 0)
        self.world = np.full((96, 96, 96), FREE, np.uint8)

    def label(self, at, labels):
        for block in at:
            to = (block - self.corner) * BLOCK
            if (to >= 0).all() and (to < labels.shape).all():
                origin = block * BLOCK + 32
                labels[tuple(slice(t, t + BLOCK) for t in to)] = self.world[tuple(slice(o, o + BLOCK) for o in origin)]

    def blocks(self):
        at = np.argwhere(np.ones(self.params.shape, bool)).astype(np.int32) + np.array(self.corner, np.int32)
        return Blocks(at, *[np.empty(0)] * 4)

    def change(self, rng, share):
        """Surfaces appear and vanish in a few blocks of the window; what is new in the window is always told."""
        at = self.blocks().at
        some = at[rng.uniform(size=len(at)) < share]
        for block in some:
            o = block * BLOCK + 32
            new = np.where(rng.uniform(size=(BLOCK,) * 3) < rng.choice([0.0, 0.002, 0.02]), SURFACE, FREE)
            self.world[o[0] : o[0] + BLOCK, o[1] : o[1] + BLOCK, o[2] : o[2] + BLOCK] = new
        return some


def brute(esdf):
    """Squared distances of all voxels, by another method."""
    far = np.full(esdf.labels.shape, REACH**2)
    surface = esdf.labels >= SURFACE
    if surface.any():
        far = np.minimum(np.rint(distance_transform_edt(~surface) ** 2), REACH**2)
    return far.astype(np.uint16)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.lists(MOVES, min_size=3, max_size=8))
def test_parts_are_what_everything_is(seed, moves):
    rng, volume = np.random.default_rng(seed), Sparse()
    esdf = Esdf(volume, REACH * 0.1)
    esdf.update(Change(volume.blocks().at, True))
    for move in moves:
        before = {tuple(at) for at in volume.blocks().at.tolist()}
        volume.corner = tuple(int(np.clip(c + m, -2, 2)) for c, m in zip(volume.corner, move, strict=True))
        entered = [at for at in volume.blocks().at.tolist() if tuple(at) not in before]
        told = [*volume.change(rng, rng.choice([0.05, 0.5])).tolist(), *entered]
        esdf.update(Change(np.array(told, np.int32).reshape(-1, 3), False))
        np.testing.assert_array_equal(esdf.squared, brute(esdf))
        fresh = Labels(volume)
        fresh.update(Change(volume.blocks().at, True))
        np.testing.assert_array_equal(esdf.labels, fresh.labels)


@pytest.mark.parametrize("move", [(0, 0, 0), (40, 0, 0), (0, -40, 1)])
def test_everything_anew_and_a_window_that_leaves_altogether(move):
    rng, volume = np.random.default_rng(3), Sparse()
    esdf = Esdf(volume, REACH * 0.1)
    esdf.update(Change(volume.change(rng, 1.0), True))
    np.testing.assert_array_equal(esdf.squared, brute(esdf))
    volume.world[:] = FREE
    volume.world[40:44, 40, 40] = SURFACE
    volume.corner = move
    volume.label = lambda at, labels: labels.fill(FREE) if any(move) else Sparse.label(volume, at, labels)
    esdf.update(Change(np.empty((0, 3), np.int32), not any(move)))
    np.testing.assert_array_equal(esdf.squared, brute(esdf))
    assert (esdf.squared < REACH**2).any() != any(move)


def test_only_lines_are_worked_out_that_something_changed_in(monkeypatch):
    rng, volume = np.random.default_rng(4), Sparse()
    distances = Esdf(volume, REACH * 0.1)
    distances.update(Change(volume.change(rng, 1.0), True))
    asked = []
    monkeypatch.setattr(esdf, "minima", lambda *a: asked.append(a[4].copy()) or minima(*a))
    distances.update(Change(volume.blocks().at, False))
    assert not np.concatenate(asked).any()
    volume.world[32 + 5, 32 + 4, 32 + 3] ^= FREE ^ SURFACE
    asked.clear()
    distances.update(Change(np.zeros((1, 3), np.int32), False))
    assert np.argwhere(asked[0]).tolist() == [[5, 4]]
    assert set(np.argwhere(asked[-1])[:, 0].tolist()) == {5}
    np.testing.assert_array_equal(distances.squared, brute(distances))


def test_threads_change_nothing():
    told = []
    for threads in (1, 3):
        rng, volume = np.random.default_rng(5), Sparse((6, 5, 2), threads=threads)
        distances = Esdf(volume, REACH * 0.1)
        distances.update(Change(volume.change(rng, 1.0), True))
        told.append(distances.squared)
        np.testing.assert_array_equal(told[-1], brute(distances))
    np.testing.assert_array_equal(*told)
