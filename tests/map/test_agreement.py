"""Distances between surfaces against all pairs, and figures of surfaces that are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from map_node.volume.agreement import agreement, nearest_m
from saccade.errors import DataError


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.floats(0.05, 2.0))
def test_nearest_is_the_least_of_all(seed, at_most_m):
    rng = np.random.default_rng(seed)
    points, others = rng.uniform(-2, 2, (40, 3)), rng.uniform(-1.5, 1.5, (60, 3))
    least = np.linalg.norm(points[:, None] - others[None], axis=2).min(axis=1)
    assert nearest_m(points, others, at_most_m) == pytest.approx(np.minimum(least, at_most_m), abs=1e-6)


def test_a_plane_beside_half_of_itself():
    x, y = np.meshgrid(np.arange(0, 1, 0.01), np.arange(0, 1, 0.01))
    plane = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    half = plane[plane[:, 0] < 0.5] + [0.0, 0.0, 0.004]
    found = agreement(half, plane, 0.01)
    assert found.accuracy_m == pytest.approx(0.004, abs=1e-6)
    assert (found.precision, found.recall) == (1.0, pytest.approx(0.5, abs=0.02))
    assert found.f == pytest.approx(2 / 3, abs=0.02)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(DataError, match="expected some of each"):
        agreement(np.empty((0, 3)), np.ones((3, 3)), 0.1)
    with pytest.raises(DataError, match="cells"):
        nearest_m(np.zeros((1, 3)), np.array([[0.0, 0, 0], [1e6, 1e6, 1e6]]), 0.1)
