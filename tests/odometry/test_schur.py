"""Equations without their points against all of them at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_node.odometry.schur import eliminated


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(6, 30), st.sampled_from([0.0, 1e-3, 0.5]))
def test_steps_are_those_of_the_whole_system(seed, cameras, points, damping):
    rng = np.random.default_rng(seed)
    size = 6 * (cameras - 1) + 3 * points
    J = np.zeros((3 * cameras * points, 6 * cameras + 3 * points))
    for row, (k, n) in enumerate((k, n) for k in range(cameras) for n in range(points)):
        J[3 * row : 3 * row + 3, 6 * k : 6 * k + 6] = rng.normal(size=(3, 6))
        J[3 * row : 3 * row + 3, 6 * cameras + 3 * n : 6 * cameras + 3 * n + 3] = rng.normal(size=(3, 3))
    H, right = J.T @ J, J.T @ rng.normal(size=len(J))
    own, of = 6 * cameras, np.arange(cameras)
    blocks = H[:own, :own].reshape(cameras, 6, cameras, 6)[of, :, of]
    spots = H[own:, own:].reshape(points, 3, points, 3)[np.arange(points), :, np.arange(points)]
    mixed = H[:own, own:].reshape(cameras, 6, points, 3).transpose(0, 2, 1, 3)
    reduced = eliminated(
        np.ascontiguousarray(blocks), np.ascontiguousarray(spots), np.ascontiguousarray(mixed),
        right[:own].reshape(-1, 6).copy(), right[own:].reshape(-1, 3).copy(), damping,
    )  # fmt: skip
    step = np.linalg.solve(reduced.matrix, reduced.right)
    whole = H[6:, 6:] + damping * np.diag(np.diag(H)[6:])
    expected = np.linalg.solve(whole, right[6:])
    assert len(expected) == size
    assert step == pytest.approx(expected[: own - 6], rel=1e-5, abs=1e-6)
    assert reduced.points(step.reshape(-1, 6)).ravel() == pytest.approx(expected[own - 6 :], rel=1e-5, abs=1e-6)
