"""The ground under a camera is found from one depth image; what is no ground is not taken for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.geometry import R_BODY_FROM_OPTICAL, SE3, Pinhole
from saccade.wire.ground import find_ground

CAMERA = Pinhole(292.5, 292.5, 159.5, 119.5, 320, 240)


def mounted(height_m, down_deg, roll_deg):
    """T_base_from_camera of a camera that looks down and leans to its right."""
    tilt = SE3.from_rpy(np.radians(roll_deg), np.radians(down_deg), 0.0)
    return SE3(tilt.R @ R_BODY_FROM_OPTICAL, np.array([0.0, 0.0, height_m]))


def seen(T_base_from_camera, planes, noise_m=0.003, seed=0):
    """Depth of `planes`, each (normal, offset, inside): points with n p = offset, where inside(points)."""
    u, v = np.meshgrid(np.arange(CAMERA.width), np.arange(CAMERA.height))
    rays = CAMERA.unproject(np.stack([u, v], axis=-1).astype(float), np.ones(u.shape))
    directions, origin = rays @ T_base_from_camera.R.T, T_base_from_camera.t
    depth = np.full(u.shape, np.inf)
    for normal, offset, inside in planes:
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (offset - origin @ normal) / (directions @ normal)
        hit = (t > 0.2) & (t < 8.0) & inside(origin + t[..., None] * directions)
        depth = np.where(hit & (t < depth), t, depth)
    depth = np.where(np.isfinite(depth), depth, np.nan)
    noise = np.random.default_rng(seed).normal(0, noise_m, depth.shape) * depth
    return (depth + noise).astype(np.float32)


UP, AHEAD = np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])


def everywhere(p):
    return np.ones(p.shape[:-1], bool)


FLOOR = (UP, 0.0, everywhere)
WALL = (AHEAD, 4.0, everywhere)


def table(p):
    return (p[..., 0] > 0.6) & (p[..., 0] < 1.8) & (abs(p[..., 1]) < 0.8)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.3, 2.0), st.floats(-5, 45), st.floats(-15, 15))
def test_height_and_attitude_come_back(height_m, down_deg, roll_deg):
    T = mounted(height_m, down_deg, roll_deg)
    ground = find_ground(seen(T, [FLOOR, WALL]), CAMERA)
    if ground is None:  # so level and so high that hardly any floor is in the picture
        assert down_deg < 12
        return
    # Level, little floor is in view: from 1.9 m, rolled by 12 degrees, 5.3 % were seen.
    assert ground.height_m == pytest.approx(height_m, rel=0.08 if down_deg < 12 else 0.01)
    off = np.degrees(np.arccos(np.clip(ground.R_base_from_camera[2] @ T.R[2], -1, 1)))
    assert off < (1.5 if down_deg < 12 else 0.4)  # level, from 1.27 m, 1.03 degrees were seen: little floor is in view
    assert ground.R_base_from_camera @ ground.R_base_from_camera.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(ground.R_base_from_camera) == pytest.approx(1.0)
    ahead = ground.R_base_from_camera[:, 2]
    assert ahead[0] > 0
    assert ahead[1] == pytest.approx(0.0, abs=1e-9)


def test_a_table_is_no_ground_where_the_floor_shows_beside_it():
    depth = seen(mounted(1.4, 28, -7), [(UP, 0.75, table), FLOOR, WALL])
    ground = find_ground(depth, CAMERA)
    assert ground.height_m == pytest.approx(1.4, abs=0.01)
    assert str(ground).startswith("looks 28 degrees down with -7 of roll; ")


def test_walls_ceilings_noise_and_nothing_are_no_ground():
    level = mounted(1.0, 0, 0)
    ceiling = (UP, 2.5, everywhere)
    noise = np.random.default_rng(1).uniform(0.5, 5, (CAMERA.height, CAMERA.width)).astype(np.float32)
    for depth in (
        seen(level, [WALL]),
        seen(mounted(1.0, -40, 0), [ceiling]),
        noise,
        np.full((CAMERA.height, CAMERA.width), np.nan, np.float32),
    ):
        assert find_ground(depth, CAMERA) is None


def test_the_same_image_gives_the_same_ground():
    depth = seen(mounted(0.8, 20, 3), [FLOOR, WALL])
    a, b = find_ground(depth, CAMERA), find_ground(depth.copy(), CAMERA)
    assert (a.up.tobytes(), a.height_m, a.share) == (b.up.tobytes(), b.height_m, b.share)
