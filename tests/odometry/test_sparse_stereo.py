"""Disparity of single pixels: exact to a fraction, and none where it is ambiguous or absent."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_node.odometry.sparse import SparseStereo

POINTS = np.array([[u + 0.3, v - 0.4] for u in range(90, 300, 20) for v in range(20, 100, 20)], np.float32)


def picture(seed, width=320, height=120):
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.0), None, 20, 220, cv2.NORM_MINMAX)


def shifted(left, px):
    return cv2.warpAffine(left, np.array([[1, 0, -px], [0, 1, 0.0]]), left.shape[::-1], flags=cv2.INTER_CUBIC)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.floats(0.5, 55.0), st.floats(-15, 15))
def test_a_shift_is_found_to_a_twentieth_whatever_the_exposure(seed, px, brighter):
    left = picture(seed)
    search = SparseStereo(left.astype(np.uint8), np.clip(shifted(left, px) + brighter, 0, 255).astype(np.uint8), 0.0)
    found = search(POINTS)
    assert np.isfinite(found).mean() > 0.9
    assert np.nanmedian(np.abs(found - px)) < 0.05


def test_principal_points_that_differ_are_added():
    left = picture(1)
    pair = left.astype(np.uint8), shifted(left, 12.0).astype(np.uint8)
    assert SparseStereo(*pair, 5.0)(POINTS) - SparseStereo(*pair, 0.0)(POINTS) == pytest.approx(5.0)


@pytest.mark.parametrize("kind", ["swapped", "blank", "stripes", "another"])
def test_what_has_no_clear_partner_has_no_disparity(kind):
    left = picture(2).astype(np.uint8)
    right = shifted(picture(2), 20.0).astype(np.uint8)
    stripes = np.tile((127 + 100 * np.sin(np.arange(320) * np.pi / 6)).astype(np.uint8), (120, 1))
    pairs = {
        "swapped": (right, left), "blank": (np.full_like(left, 90), np.full_like(left, 90)),
        "stripes": (stripes, stripes), "another": (left, picture(9).astype(np.uint8)),
    }  # fmt: skip
    assert np.isnan(SparseStereo(*pairs[kind], 0.0)(POINTS)).mean() > 0.9


def test_at_and_beyond_the_rim_there_is_none():
    left = picture(3).astype(np.uint8)
    rim = np.array([[0, 0], [319, 119], [-20, 50], [400, 50], [100, 500]], np.float32)
    assert np.isnan(SparseStereo(left, left, 0.0)(rim)).all()
    assert SparseStereo(left, left, 0.0)(np.empty((0, 2), np.float32)).shape == (0,)
