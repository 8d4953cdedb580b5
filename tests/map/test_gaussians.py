"""Gaussians on the surface, drawn: known pixels, order, edges."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from volume_scenes import CAMERA, HZ_NS, looking, plane, render, sphere, volume

from map_node.gaussians.base import Gaussians
from map_node.gaussians.cpu import CpuRenderer
from map_node.gaussians.surface import facing, surface
from saccade.geometry import SE3, Pinhole

AHEAD = SE3.identity()
RENDERER = CpuRenderer()


def ball(x, y, z, radius_m=0.05, rgb=(1.0, 0.0, 0.0), opacity=0.9):
    f32 = np.float32
    return Gaussians(
        np.array([[x, y, z]], f32), np.full((1, 3), radius_m, f32), np.array([[1, 0, 0, 0]], f32),
        np.array([rgb], f32), np.array([opacity], f32),
    )  # fmt: skip


def together(*some):
    return Gaussians(*(np.concatenate(parts) for parts in zip(*some, strict=True)))


def fused(scene, views, rgb=None, **changes):
    made = volume(**changes)
    made.centre((0.0, 0.0, 0.0))
    for n, at in enumerate(views):
        T = looking(at, (0.0, 0.0, 0.0))
        for repeat in range(3):
            depth = render(scene, T, (3 * n + repeat + 1) * HZ_NS)
            made.integrate(depth, T, None if rgb is None else np.full((*depth.depth_m.shape, 3), rgb, np.uint8))
    return made


def test_one_is_drawn_where_and_as_large_as_the_pinhole_says():
    drawn = RENDERER.draw(ball(0.2, -0.1, 2.0), AHEAD, CAMERA)
    u, v = 150 * 0.1 + 79.5, 150 * -0.05 + 59.5
    y, x = np.mgrid[:120, :160]
    sigma2 = (150 * 0.05 / 2.0) ** 2 + 0.3
    expected = 0.9 * np.exp(-0.5 * ((x - u) ** 2 + (y - v) ** 2) / sigma2)
    expected[expected < 1 / 255] = 0
    np.testing.assert_allclose(drawn.alpha, expected, atol=6e-3)  # off the axis it is not quite round
    np.testing.assert_allclose(drawn.rgb[..., 0], drawn.alpha, atol=1e-6)
    assert np.nanmax(np.abs(drawn.depth_m - 2.0)) < 1e-6
    assert np.isnan(drawn.depth_m[0, 0])


def test_the_nearer_hides_the_farther_whatever_their_order():
    red, green = ball(0, 0, 1.0), ball(0, 0, 2.0, rgb=(0.0, 1.0, 0.0), opacity=0.8, radius_m=0.2)
    one, other = (RENDERER.draw(together(*pair), AHEAD, CAMERA, (0, 0, 1)) for pair in ((red, green), (green, red)))
    np.testing.assert_array_equal(one.rgb, other.rgb)
    middle = one.rgb[59:61, 79:81].mean(axis=(0, 1))
    a = 0.9 * np.exp(-0.25 / (7.5**2 + 0.3))
    b = 0.8 * np.exp(-0.25 / (15.0**2 + 0.3))
    assert middle == pytest.approx([a, (1 - a) * b, (1 - a) * (1 - b)], abs=1e-4)


def test_what_is_behind_or_nearer_than_asked_is_not_drawn():
    assert not RENDERER.draw(ball(0, 0, -1.0), AHEAD, CAMERA).alpha.any()
    assert not RENDERER.draw(ball(0, 0, 1.0), AHEAD, CAMERA, near_m=1.5).alpha.any()
    assert RENDERER.draw(ball(0, 0, 1.0), AHEAD, CAMERA, near_m=0.5).alpha.any()
    assert not RENDERER.draw(ball(9, 0, 1.0), AHEAD, CAMERA).alpha.any()
    none = Gaussians(*(part[:0] for part in ball(0, 0, 1)))
    drawn = RENDERER.draw(none, AHEAD, CAMERA, (0.1, 0.2, 0.3))
    np.testing.assert_allclose(drawn.rgb, np.broadcast_to([0.1, 0.2, 0.3], drawn.rgb.shape), atol=1e-7)


def splats(count, seed):
    rng, f32 = np.random.default_rng(seed), np.float32
    wxyz = rng.normal(size=(count, 4))
    return Gaussians(
        rng.uniform((-1.2, -1, 0.5), (1.2, 1, 3), (count, 3)).astype(f32),
        rng.uniform(0.01, 0.2, (count, 3)).astype(f32), (wxyz / np.linalg.norm(wxyz, axis=1)[:, None]).astype(f32),
        rng.uniform(0, 1, (count, 3)).astype(f32), rng.uniform(0.05, 1, count).astype(f32),
    )  # fmt: skip


def brute_force(gaussians, camera):
    """Every Gaussian at every pixel, in numpy, from the formulas of the paper."""
    y, x = np.mgrid[: camera.height, : camera.width].astype(float)
    left, rgb = np.ones(x.shape), np.zeros((*x.shape, 3))
    for n in np.argsort(gaussians.at[:, 2], kind="stable"):
        px, py, pz = gaussians.at[n].astype(float)
        w, i, j, k = gaussians.wxyz[n].astype(float)
        R = SE3.from_quaternion((i, j, k, w), np.zeros(3)).R
        low = [
            (-0.15 * s - c) / f
            for s, c, f in ((camera.width, camera.cx, camera.fx), (camera.height, camera.cy, camera.fy))
        ]
        high = [
            (1.15 * s - c) / f
            for s, c, f in ((camera.width, camera.cx, camera.fx), (camera.height, camera.cy, camera.fy))
        ]
        a, b = np.clip((px / pz, py / pz), low, high)
        J = np.array([[camera.fx / pz, 0, -camera.fx * a / pz], [0, camera.fy / pz, -camera.fy * b / pz]])
        cov = J @ R @ np.diag(gaussians.scale_m[n].astype(float) ** 2) @ R.T @ J.T + 0.3 * np.eye(2)
        d = np.stack([x - camera.fx * px / pz - camera.cx, y - camera.fy * py / pz - camera.cy], -1)
        alpha = np.minimum(
            0.99, gaussians.opacity[n] * np.exp(-0.5 * np.einsum("hwi,ij,hwj->hw", d, np.linalg.inv(cov), d))
        )
        alpha[(alpha < 1 / 255) | (left < 1e-4)] = 0
        rgb += (left * alpha)[..., None] * gaussians.rgb[n]
        left *= 1 - alpha
    return rgb, 1 - left


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_it_draws_what_the_formulas_say(seed, count):
    camera = Pinhole(60.0, 50.0, 30.0, 21.0, 70, 45)
    some = splats(count, seed)
    drawn = RENDERER.draw(some, AHEAD, camera)
    rgb, alpha = brute_force(some, camera)
    np.testing.assert_allclose(drawn.rgb, rgb, atol=5e-3)  # at the threshold of 1/255 rounding decides
    np.testing.assert_allclose(drawn.alpha, alpha, atol=5e-3)
    assert np.abs(drawn.rgb - rgb).mean() < 1e-5
    again = RENDERER.draw(some, AHEAD, camera)
    assert drawn.rgb.tobytes() == again.rgb.tobytes()


@settings(max_examples=20)
@given(st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda n: np.linalg.norm(n) > 0.1))
def test_a_normal_is_where_the_third_axis_goes(normal):
    normal = np.array(normal) / np.linalg.norm(normal)
    w, x, y, z = facing(np.stack([normal, [0, 0, -1.0]]))[0].astype(float)
    assert SE3.from_quaternion((x, y, z, w), np.zeros(3)).R[:, 2] == pytest.approx(normal, abs=1e-5)
    assert facing(np.array([[0, 0, -1.0]]))[0] == pytest.approx([0, 1, 0, 0])


BALL = (0.02, 0.01, 0.03), 0.5


@cache
def round_volume():
    return fused(sphere(*BALL), [(1.1, 1.1, 0.9), (-1.1, -1, 0.9)])


@pytest.mark.parametrize("parts", [1, 2])
def test_they_lie_on_the_surface_one_per_part_of_a_voxel(parts):
    ground, made = sphere(*BALL), round_volume()
    found = surface(made, parts)
    assert len(found.key) > 300 * parts**2
    assert len(np.unique(found.key)) == len(found.key)
    assert (np.diff(found.key) > 0).all()
    at = found.gaussians.at.astype(float)
    assert np.percentile(np.abs(ground(at)), 95) < 0.03
    spacing_m = made.params.voxel_m / parts
    places = np.stack([found.key >> 42, found.key >> 21 & 2**21 - 1, found.key & 2**21 - 1], axis=1) - 2**20
    off = at / spacing_m - 0.5 * parts - places  # parts lie between the centres of voxels
    assert (off > -1e-3).all()
    assert (off < 1 + 1e-3).all()
    w, x, y, z = found.gaussians.wxyz.astype(float).T
    normal = np.stack([2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)], axis=1)
    outward = (at - BALL[0]) / np.linalg.norm(at - BALL[0], axis=1)[:, None]
    assert np.percentile((normal * outward).sum(axis=1), 10) > 0.9


def test_a_coloured_wall_is_seen_in_its_colour_and_place_from_elsewhere():
    made = fused(plane((0, 1, 0), -0.6), [(0.0, 1.2, 0.0)], (200, 90, 10))
    T = looking((0.3, 1.0, 0.2), (0.0, -0.6, 0.0))
    drawn, truth = RENDERER.draw(surface(made).gaussians, T, CAMERA), render(plane((0, 1, 0), -0.6), T)
    inside = (slice(40, 80), slice(50, 110))
    assert drawn.alpha[inside].min() > 0.9
    seen = drawn.rgb[inside] / drawn.alpha[inside][..., None] * 255
    np.testing.assert_allclose(seen, np.broadcast_to([200, 90, 10], seen.shape), atol=2)
    assert np.nanmedian(np.abs(drawn.depth_m - truth.depth_m)[inside]) < 0.02


def test_of_too_many_those_in_the_middle_stay():
    made = fused(plane((0, 1, 0), -0.6), [(0.0, 1.2, 0.0)])
    every, some = surface(made).gaussians.at, surface(made, most=50).gaussians.at
    assert len(some) == 50
    middle = (np.array(made.corner) + np.array(made.params.shape) / 2) * 8 * made.params.voxel_m
    apart = np.sort(np.linalg.norm(every - middle, axis=1))
    assert np.linalg.norm(some - middle, axis=1).max() == pytest.approx(apart[49], abs=0.03)
