"""One camera left: a monocular model at the scale of the last stereo depth, and refused where it has none.

The model is a stand-in: it answers with the truth of a generated world under a scale and shift that nobody is told, and
noise. What is tested is the alignment, not a model.
"""

from functools import lru_cache

import numpy as np
import pytest

import perception_node.mono
from perception_node.align import fit
from perception_node.mono import OneEye
from perception_node.params import MonoParams
from saccade.clock import MS, SEC
from saccade.geometry import SE3, Pinhole
from saccade.stages import Stages
from saccade.types import Depth
from saccade.wire.health import Refused
from training.sample import sample

SEEDS = (1, 2, 4, 6, 7)
made = lru_cache(sample)


class StandIn:
    """A model that says scale / depth + shift, with relative noise; `truth_m` is what is in front of the camera."""

    def __init__(self, kind="relative_inverse", scale=3.7, shift=-0.4, noise=0.03):
        self.kind, self.scale, self.shift, self.noise = kind, scale, shift, noise
        self.truth_m = None
        self.random = np.random.default_rng(0)

    def __call__(self, picture, focal_px):
        wrong = 1 + self.noise * self.random.standard_normal(self.truth_m.shape)
        values = self.truth_m * self.scale * wrong if self.kind == "metric" else self.scale / self.truth_m * wrong
        return (values + (self.shift / np.median(self.truth_m) if self.kind == "relative_inverse" else 0.0)).astype(
            np.float32
        )


class World:
    """A generated pair: the left view, and the right one as the view from where the camera has moved to."""

    def __init__(self, seed, kind="relative_inverse"):
        s = made(seed, (320, 240), 64, effects=())
        rig = s.rig
        self.camera = Pinhole(rig.focal_px, rig.focal_px, rig.cx, rig.cy, rig.width, rig.height)
        self.pictures = s.left, s.right
        with np.errstate(divide="ignore"):
            self.depths_m = [
                (rig.focal_px * rig.baseline_m / d).astype(np.float32) for d in (s.disparity, s.right_disparity)
            ]
        self.places = {0: SE3.identity(), SEC: SE3(np.eye(3), np.array([rig.baseline_m, 0.0, 0.0]))}
        self.model = StandIn(kind)
        limit_m = 20 * rig.near_m
        self.stereo_m = np.where(self.depths_m[0] < limit_m, self.depths_m[0], np.nan).astype(np.float32)
        self.known = self.depths_m[1] < limit_m

    def eye(self, monkeypatch, place=None, **params):
        for name, stand_in in (
            ("load_card", lambda name: None), ("open_engine", lambda card: None),
            ("DepthEstimator", lambda engine, card: self.model),
        ):  # fmt: skip
            monkeypatch.setattr(perception_node.mono, name, stand_in)
        eye = OneEye(MonoParams("stand-in", **params), place or (lambda stamp, frame: self.places[stamp]), Stages())
        sure = np.where(np.isfinite(self.stereo_m), 255, 0).astype(np.uint8)
        eye.remember(Depth(0, "eye", self.stereo_m.copy(), sure, self.camera), self.pictures[0])
        return eye

    def ask(self, eye, view=1, stamp_ns=SEC):
        self.model.truth_m = np.minimum(self.depths_m[view], 1e4)
        return eye.depth(self.pictures[view], self.camera, stamp_ns, "eye")


@pytest.mark.parametrize("kind", ["relative_inverse", "metric"])
@pytest.mark.parametrize("seed", SEEDS)
def test_depth_of_one_eye_has_the_scale_of_the_last_stereo_depth(seed, kind, monkeypatch):
    world = World(seed, kind)
    depth, words = world.ask(world.eye(monkeypatch))
    error = np.abs(depth.depth_m / world.depths_m[1] - 1)[world.known & np.isfinite(depth.depth_m)]
    assert np.median(error) < 0.03
    assert np.percentile(error, 90) < 0.15
    assert np.isfinite(depth.depth_m[world.known]).mean() > 0.8
    assert "scale from stereo 1.0 s ago" in words
    assert 0.6 * 255 * 2 / 3 - 1 <= depth.confidence.max() <= 255 * 2 / 3  # of 3 s, one has passed


@pytest.mark.parametrize("seed", SEEDS)
def test_another_world_gets_no_scale(seed, monkeypatch):
    world, other = World(seed), World(seed + 40)
    eye = world.eye(monkeypatch)
    world.pictures, world.depths_m = other.pictures, other.depths_m
    with pytest.raises(Refused, match="world, or the robot, moved"):
        world.ask(eye)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_robot_that_moved_otherwise_than_odometry_says_is_not_mis_scaled_in_silence(seed, monkeypatch):
    """Odometry says one and a half baselines too much, forward: either it is seen, or the depth is still right."""
    world = World(seed)
    near = float(np.nanpercentile(world.stereo_m, 10))
    world.places[SEC] = SE3(np.eye(3), world.places[SEC].t + np.array([0.0, 0.0, 0.5 * near]))
    try:
        depth, _ = world.ask(world.eye(monkeypatch))
    except Refused:
        return
    error = np.abs(depth.depth_m / world.depths_m[1] - 1)[world.known & np.isfinite(depth.depth_m)]
    assert np.median(error) < 0.15, "silently mis-scaled"


def test_it_ends_when_the_scale_is_old_and_is_less_sure_before(monkeypatch):
    world = World(2)
    world.places = dict.fromkeys((0, 0 * MS, 1500 * MS, 2900 * MS, 3000 * MS), SE3.identity())
    eye = world.eye(monkeypatch)
    sure = [int(world.ask(eye, 0, t)[0].confidence.max()) for t in (0, 1500 * MS, 2900 * MS)]
    assert sure[0] > sure[1] > sure[2]
    assert sure[2] < 16
    with pytest.raises(Refused, match=r"3\.0 s old"):
        world.ask(eye, 0, 3000 * MS)


def test_without_stereo_depth_or_odometry_there_is_no_scale(monkeypatch):
    world = World(2)
    with pytest.raises(Refused, match="odometry and tf"):
        world.ask(world.eye(monkeypatch, place=lambda stamp, frame: None))
    eye = world.eye(monkeypatch)
    eye.forget()
    with pytest.raises(Refused, match="no stereo depth yet"):
        world.ask(eye)


def test_a_fit_survives_a_third_of_wrong_points_and_not_most():
    rng = np.random.default_rng(1)
    values = rng.uniform(1, 5, 3000)
    inverse = 0.2 * values + 0.1
    for wrong, expected in ((0.33, True), (0.9, False)):
        spoilt = np.where(rng.random(3000) < wrong, rng.uniform(0.1, 2, 3000), inverse)
        found = fit(values, spoilt, 0.05, True)
        right = found is not None and abs(found.scale - 0.2) < 0.01 and found.agree > 0.6
        assert right is expected
    assert (
        fit(values, 3.0 - 0.4 * values, 0.05, True) is None or fit(values, 3.0 - 0.4 * values, 0.05, True).agree < 0.5
    )
