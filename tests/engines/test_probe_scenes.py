"""The probe's pairs: what the truth says is what the pictures show."""

import cv2
import numpy as np
import pytest

from engines.card import ProbeLimits
from engines.probe.run import judge
from engines.probe.scenes import board_only, dots, shift, slanted, step, tinted

SHAPE = (112, 160)


def residue(scene, truth=None):
    """Mean difference between the left picture and the right one moved by the truth, where it is judged."""
    truth = scene.truth if truth is None else truth
    y, x = np.indices(scene.shape, np.float32)
    seen = np.isfinite(truth)
    moved = cv2.remap(scene.right, x - np.where(seen, truth, 0), y, cv2.INTER_CUBIC)
    return float(np.abs(moved.astype(float) - scene.left)[seen].mean())


@pytest.mark.parametrize("scene", [shift(SHAPE, 9), slanted(SHAPE, 16), step(SHAPE, 16)], ids=lambda s: s.name)
def test_the_truth_moves_the_right_picture_onto_the_left(scene):
    assert residue(scene) < 8
    assert residue(scene, scene.truth + 1) > 2 * residue(scene) + 8
    assert np.isfinite(scene.truth).mean() > 0.5


@pytest.mark.parametrize("scene", [shift(SHAPE, 9), slanted(SHAPE, 16), step(SHAPE, 16)], ids=lambda s: s.name)
def test_the_right_truth_moves_the_left_picture_onto_the_right(scene):
    y, x = np.indices(scene.shape, np.float32)
    seen = np.isfinite(scene.truth_right)
    moved = cv2.remap(scene.left, x + np.where(seen, scene.truth_right, 0), y, cv2.INTER_CUBIC)
    assert np.abs(moved.astype(float) - scene.right)[seen].mean() < 8


def test_shifts_share_the_left_picture():
    assert (shift(SHAPE, 3).left == shift(SHAPE, 14).left).all()
    assert (shift(SHAPE, 3).right != shift(SHAPE, 14).right).any()


def test_the_board_stands_elsewhere_in_each_picture():
    scene = step(SHAPE, 16)
    left, right = board_only(scene)
    assert left.any()
    assert right.any()
    assert not (left & right).any()
    assert (scene.truth[left] == 14).all()
    assert (scene.truth_right[right] == 14).all()


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_the_noise_has_no_luminance_in_its_order_and_much_in_the_other(order):
    scene, weights = tinted(SHAPE, 8, order), np.array([0.299, 0.587, 0.114])

    def apart(weights):
        left, right = scene.left @ weights, scene.right @ weights
        return float(np.abs(np.roll(right, 8, axis=1) - left)[np.isfinite(scene.truth)].mean())

    assert apart(weights if order == "rgb" else weights[::-1]) < 1
    assert apart(weights[::-1] if order == "rgb" else weights) > 8


def test_dots_are_the_same_every_time_and_of_every_brightness():
    again = dots.__wrapped__(SHAPE, 1)
    assert (dots(SHAPE, 1) == again).all()
    assert again.std() > 40


def test_judging_counts_what_is_none_or_negative_as_bad():
    scene, limits = shift(SHAPE, 9), ProbeLimits()
    assert judge(scene, scene.truth, limits).passed
    assert not judge(scene, -scene.truth, limits).passed
    holes = scene.truth.copy()
    holes[:, ::2] = np.nan
    assert judge(scene, holes, limits).bad_share == pytest.approx(0.5, abs=0.02)
    assert not judge(scene, holes, limits).passed
    assert judge(scene, scene.truth + 0.4, limits).passed
    assert not judge(scene, scene.truth + 0.6, limits).passed
    assert judge(shift(SHAPE, 2), np.full(SHAPE, -0.5, np.float32), limits).bad_share == 1  # near, but none to a user
    assert judge(scene, np.full(SHAPE, np.nan, np.float32), limits).median_px == np.inf
