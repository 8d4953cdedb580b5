"""Derivatives against finite differences, and what refinement makes better."""

import numpy as np
import pytest
from test_gaussians import fused, splats
from volume_scenes import looking, plane, render

from map_node.gaussians.base import Gaussians, View
from map_node.gaussians.cpu import CpuRenderer
from map_node.gaussians.refine import slope
from map_node.gaussians.splats import SplatParams, Splats
from saccade.errors import ConfigError
from saccade.geometry import SE3, Pinhole

CAMERA = Pinhole(60.0, 50.0, 30.0, 21.0, 70, 45)
T = SE3.from_rpy(0.1, -0.2, 0.15, (0.05, -0.03, -0.2))


def moved(gaussians, n, field, k, step):
    w, x, y, z = gaussians.wxyz[n].astype(float)
    normal = SE3.from_quaternion((x, y, z, w), np.zeros(3)).R[:, 2]
    changed = {name: part.astype(np.float64) for name, part in gaussians._asdict().items()}
    if field == "normal":
        changed["at"][n] += step * normal
    elif field == "log_scale":
        changed["scale_m"][n, k] *= np.exp(step)
    elif field == "rgb":
        changed["rgb"][n, k] += step
    else:
        changed["opacity"][n] += step
    return Gaussians(*(part.astype(np.float32) for part in changed.values()))


@pytest.mark.parametrize("field", ["rgb", "opacity", "normal", "log_scale"])
def test_derivatives_are_those_of_finite_differences(field):
    some = splats(12, 5)._replace(opacity=np.linspace(0.3, 0.8, 12, dtype=np.float32))
    some = some._replace(scale_m=some.scale_m * 2 + np.float32(0.1), at=some.at * np.float32([0.5, 0.5, 1]))
    drawn = CpuRenderer().draw(some, T, CAMERA)
    assert drawn.alpha.max() > 0.9
    rng = np.random.default_rng(0)
    view = View(rng.integers(0, 256, (45, 70, 3), dtype=np.uint8), T, CAMERA)

    mask = (drawn.alpha > 0.5)[..., None]

    def loss(gaussians):
        error = (CpuRenderer().draw(gaussians, T, CAMERA).rgb.astype(float) - view.rgb / 255) * mask
        return (error**2).sum() / (3 * mask.sum())

    found = slope(some, view)
    assert found.loss == pytest.approx(loss(some), rel=1e-5)
    by = getattr(found, field)
    step = 1e-3 if field == "normal" else 4e-3  # small where depths may change places
    for n in range(12):
        for k in range(by.shape[1] if by.ndim > 1 else 1):
            numeric = (loss(moved(some, n, field, k, step)) - loss(moved(some, n, field, k, -step))) / (2 * step)
            mine = by[n, k] if by.ndim > 1 else by[n]
            assert mine == pytest.approx(numeric, rel=0.03, abs=0.01 * np.abs(by).max()), (n, k)


def wall(colours):
    """A volume of a wall that is grey, and views of it with the colours of a picture painted on it."""
    made = fused(plane((0, 1, 0), -0.6), [(0.0, 1.2, 0.0)], (128, 128, 128))
    views = []
    for at in ((0.0, 1.2, 0.0), (0.2, 1.1, 0.1), (-0.25, 1.0, -0.1)):
        T = looking(at, (0.0, -0.6, 0.0))
        depth = render(plane((0, 1, 0), -0.6), T)
        v, u = np.mgrid[:120, :160]
        at_m = T.apply(depth.camera.unproject(np.stack([u, v], -1).astype(float), depth.depth_m.astype(float)))
        views.append(View(colours(at_m), T, depth.camera))
    return made, views


def stripes(at_m):
    bright = np.nan_to_num(np.sin(at_m[..., 0] * 12) * 80 + 128)
    return np.stack([bright, 255 - bright, np.full_like(bright, 60)], -1).astype(np.uint8)


def test_steps_bring_the_colours_that_were_seen_and_other_views_show_them_too():
    made, (held, *seen) = wall(stripes)
    scene = Splats(SplatParams(parts=1))
    scene.update(made)
    before = slope(scene.gaussians, held).loss
    losses = [scene.refine(seen[n % 2]) for n in range(16)]
    assert losses[-1] < losses[0] / 5
    assert slope(scene.gaussians, held).loss < before / 4
    again = Splats(SplatParams(parts=1))
    again.update(made)
    assert [again.refine(seen[n % 2]) for n in range(4)] == losses[:4]


def test_what_was_learned_stays_with_the_place():
    made, views = wall(stripes)
    scene = Splats(SplatParams(parts=1))
    assert len(scene.gaussians.at) == 0
    scene.update(made)
    for view in views:
        scene.refine(view)
    learned = scene.gaussians
    scene.update(made)
    for mine, before in zip(scene.gaussians, learned, strict=True):
        np.testing.assert_array_equal(mine, before)
    made.centre((1.6, 0.0, 0.0))  # part of the wall leaves the window
    scene.update(made)
    assert 0 < len(scene.gaussians.at) < len(learned.at)
    where = {tuple(at): rgb for at, rgb in zip(learned.at.tolist(), learned.rgb.tolist(), strict=True)}
    same = [
        where.get(tuple(at)) == rgb
        for at, rgb in zip(scene.gaussians.at.tolist(), scene.gaussians.rgb.tolist(), strict=True)
    ]
    assert np.mean(same) > 0.95


def test_nothing_is_learned_beyond_its_bounds():
    made, views = wall(lambda at_m: np.full((*at_m.shape[:2], 3), 255, np.uint8))
    scene = Splats(SplatParams(parts=1, rgb_step=5.0, opacity_step=9.0, normal_step=3.0, scale_step=9.0))
    scene.update(made)
    start = scene.gaussians
    for n in range(4):
        scene.refine(views[n % 3])
    end = scene.gaussians
    assert all(np.isfinite(part).all() for part in end)
    assert end.rgb.max() <= 1
    assert np.linalg.norm(end.at - start.at, axis=1).max() <= 0.5 * 0.05 + 1e-6
    assert np.abs(np.log(end.scale_m / start.scale_m)).max() <= np.log(scene.params.most_stretch) + 1e-5
    with pytest.raises(ConfigError, match="no negative step"):
        SplatParams(rgb_step=-1)


def test_memory_is_bounded_whatever_the_surface():
    made, views = wall(stripes)
    scene = Splats(SplatParams(parts=2, most=100))
    scene.update(made)
    assert len(scene.gaussians.at) == 100
    scene.refine(views[0])
