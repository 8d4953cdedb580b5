"""Bundle adjustment on generated points: what is exact, what is robust, and that the covariance is the error's."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_node.odometry.adjust import INLIER, SIGMA_PX, Sightings, adjust
from saccade.geometry import SE3, Pinhole

LENS, FB = Pinhole(400.0, 410.0, 320.0, 240.0, 640, 480), 48.0


def scene(seed, cameras=3, points=80, noise=0.0):
    """True poses and points, and every camera's sight of every point."""
    rng = np.random.default_rng(seed)
    poses = [SE3.identity()]
    for _ in range(cameras - 1):
        poses.append(poses[-1] @ SE3.from_rpy(*rng.uniform(-0.04, 0.04, 3), rng.uniform(-0.3, 0.3, 3)))
    world = rng.uniform((-3, -2, 3), (3, 2, 12), (points, 3))
    seen = []
    for T in poses:
        local = T.inverse().apply(world)
        seen.append(np.column_stack([LENS.project(local), FB / local[:, 2]]))
    seen = np.concatenate(seen) + noise * SIGMA_PX * rng.normal(size=(cameras * points, 3))
    camera, point = np.repeat(np.arange(cameras), points), np.tile(np.arange(points), cameras)
    return poses, world, Sightings(camera, point, seen)


def begun(poses, world, seed=0, metres=0.05, radians=0.02):
    """A start that is off: all but the first pose, and every point."""
    rng = np.random.default_rng(seed)
    off = [T @ SE3.from_rpy(*rng.uniform(-radians, radians, 3), rng.uniform(-metres, metres, 3)) for T in poses[1:]]
    return [poses[0], *off], world + rng.normal(0, metres, world.shape)


def error(found, true):
    """(6,): translation and rotation by which the found pose must move to be the true one, in world axes."""
    return np.concatenate([true.t - found.t, cv2.Rodrigues(true.R @ found.R.T)[0].ravel()])


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_without_noise_the_truth_is_found(seed, cameras):
    poses, world, sightings = scene(seed, cameras)
    found = adjust(*begun(poses, world, seed), sightings, LENS, FB, rounds=15)
    for T, true in zip(found.poses, poses, strict=True):
        assert np.abs(error(T, true)).max() < 1e-5
    assert found.residuals.max() < 0.01


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_outliers_and_unknown_disparities_do_little(seed):
    poses, world, sightings = scene(seed, cameras=4, noise=1.0)
    rng = np.random.default_rng(seed)
    wrong = 240 + rng.choice(80, 8, replace=False)  # of the last camera
    sightings.seen[wrong, :2] += rng.choice([-1, 1], (8, 2)) * rng.uniform(10, 60, (8, 2))
    sightings.seen[80:][rng.uniform(size=240) < 0.5, 2] = np.nan
    found = adjust(*begun(poses, world, seed), sightings, LENS, FB, rounds=15)
    assert np.linalg.norm(error(found.poses[-1], poses[-1])[:3]) < 0.06
    assert (found.residuals[wrong] > INLIER).mean() > 0.8
    innocent = ~np.isin(sightings.point, sightings.point[wrong])
    assert (found.residuals[innocent] > INLIER).mean() < 0.08


def test_the_covariance_is_that_of_the_errors():
    """Normalised squared errors of 60 noisy scenes have the mean of chi-square with six degrees of freedom."""
    squares, alone = [], []
    for seed in range(60):
        poses, world, sightings = scene(seed, noise=0.7)
        found = adjust(*begun(poses, world, seed), sightings, LENS, FB, rounds=10)
        e = error(found.poses[-1], poses[-1])
        squares.append(e @ np.linalg.solve(found.covariance, e) / 0.7**2)
        alone.append(e[:3] @ e[:3] / np.trace(found.covariance[:3, :3]) / 0.7**2)
    assert 4.5 < np.mean(squares) < 8.0
    assert 0.7 < np.mean(alone) < 1.4


def test_larger_residuals_than_expected_widen_the_covariance():
    few, many = (adjust(*scene(3, noise=n)[:2], scene(3, noise=n)[2], LENS, FB).covariance for n in (0.5, 3.0))
    assert np.trace(many) > 3 * np.trace(few)


def test_disparities_that_are_unknown_do_not_count_as_exact_ones():
    """How much wider noise makes the covariance is told by what was measured, of whatever kind."""
    wider = []
    for unknown in (False, True):
        traces = []
        for noise in (0.01, 3.0):
            poses, world, sightings = scene(3, noise=noise)
            if unknown:
                sightings.seen[80:, 2] = np.nan
            traces.append(np.trace(adjust(poses, world, sightings, LENS, FB, rounds=15).covariance))
        wider.append(traces[1] / traces[0])
    assert wider[1] == pytest.approx(wider[0], rel=0.25)


def test_the_first_camera_does_not_move_and_two_runs_are_the_same():
    poses, world, sightings = scene(5, noise=1.0)
    runs = [adjust(*begun(poses, world), sightings, LENS, FB) for _ in range(2)]
    assert runs[0].poses[0] is poses[0]
    assert runs[0].poses[-1].t.tobytes() == runs[1].poses[-1].t.tobytes()
    assert runs[0].covariance.tobytes() == runs[1].covariance.tobytes()


def test_a_point_behind_the_camera_is_no_sighting():
    poses, world, sightings = scene(2)
    world[0, 2] = -5.0
    found = adjust(poses, world, sightings, LENS, FB)
    assert np.isinf(found.residuals[sightings.point == 0]).all()
    assert error(found.poses[-1], poses[-1]) == pytest.approx(np.zeros(6), abs=1e-6)
