"""Figures of stereo benchmarks against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engines.accuracy import Errors, errors, filled, jitter, seen_by_both, trust

NAN = np.nan


def px(rows):
    return np.array(rows, np.float32)


def test_errors_by_hand():
    truth = px([[10, 10, 10, 10, NAN, 10, 10, 10]])
    disparity = px([[10, 11.5, 8, 13.5, 3, NAN, 15, 10]])
    everywhere = np.ones(truth.shape, bool)
    found = errors(disparity, truth, everywhere)
    # Seven known, six given: 0, 1.5, 2, 3.5, 5, 0.
    assert found.density == pytest.approx(100 * 6 / 7)
    assert found.epe == pytest.approx(2.0)
    assert (found.bad1, found.bad2) == (pytest.approx(100 * 4 / 6), pytest.approx(100 * 2 / 6))
    assert (found.bad3, found.bad4) == (pytest.approx(100 * 2 / 6), pytest.approx(100 * 1 / 6))
    part = everywhere.copy()
    part[:, 3:] = False
    assert errors(disparity, truth, part) == Errors(100.0, pytest.approx(3.5 / 3), pytest.approx(200 / 3), 0, 0, 0)


def test_errors_of_nothing_are_not_zero():
    truth, none = px([[5, NAN]]), px([[NAN, 5]])
    found = errors(none, truth, np.ones((1, 2), bool))
    assert found.density == 0
    assert np.isnan([found.epe, found.bad1, found.bad4]).all()
    assert np.isnan(errors(none, truth, np.zeros((1, 2), bool)).density)


def test_holes_are_filled_from_the_background():
    disparity = px([[NAN, 4, NAN, NAN, 9, NAN], [NAN] * 6, [7, NAN, NAN, 2, NAN, NAN], [NAN] * 6])
    assert np.array_equal(
        filled(disparity), px([[4, 4, 4, 4, 9, 9], [4, 2, 2, 2, 2, 2], [7, 2, 2, 2, 2, 2], [7, 2, 2, 2, 2, 2]])
    )
    assert (filled(px([[NAN, NAN]])) == 0).all()


sparse = arrays(np.float32, (5, 8), elements=st.one_of(st.just(NAN), st.floats(0.5, 100, width=32)))


@settings(max_examples=50)
@given(sparse)
def test_filling_keeps_what_is_there_and_never_comes_nearer(disparity):
    before = disparity.copy()
    full = filled(disparity)
    assert np.array_equal(disparity, before, equal_nan=True)
    known = np.isfinite(disparity)
    assert np.isfinite(full).all()
    assert np.array_equal(full[known], disparity[known])
    assert not known.any() or full.max() <= disparity[known].max()
    assert np.array_equal(filled(full), full)


@settings(max_examples=50)
@given(sparse, sparse)
def test_errors_are_ordered_and_bounded(disparity, truth):
    found = errors(disparity, truth, np.ones(truth.shape, bool))
    if np.isfinite(found.epe):
        assert 100 >= found.bad1 >= found.bad2 >= found.bad3 >= found.bad4 >= 0
        assert found.epe >= found.bad4 * 4 / 100
        assert 0 < found.density <= 100
    exact = errors(truth, truth, np.ones(truth.shape, bool))
    assert not np.isfinite(truth).any() or (exact.epe, exact.bad1, exact.density) == (0, 0, 100)


def test_jitter_by_hand():
    one, other = px([[1, 2, 3, NAN, 5]]), px([[1, 2.5, 2, 4, NAN]])
    found = jitter(one, other)
    assert (found.median, found.p95) == (pytest.approx(0.5), pytest.approx(0.95))
    assert np.isnan(jitter(one, px([[NAN] * 5])).median)


def test_a_point_counts_as_seen_only_where_both_truths_agree():
    left, right = px([[2, 2, 2, 2, 5, 5, 2, NAN]]), px([[5, 5, 2, 2, 2, NAN, NAN, NAN]])
    # Columns 0 and 1 leave the picture; 2 and 3 land on the near board; 4 leaves; 5 sees it; 6 sees the wall at 4.
    assert seen_by_both(left, right).tolist() == [[False, False, False, False, False, True, True, False]]
    assert not seen_by_both(px([[NAN, 1]]), px([[NAN, NAN]])).any()


def test_a_point_between_two_pixels_is_looked_up_in_both():
    assert seen_by_both(px([[NAN, NAN, 1.4]]), px([[9, 1.5, NAN]])).tolist() == [[False, False, True]]
    assert seen_by_both(px([[NAN, NAN, 1.4]]), px([[1.5, 9, NAN]])).tolist() == [[False, False, True]]


def test_trust_by_hand():
    truth, disparity = px([[10, 10, 10, 10, NAN, 10]]), px([[11, 13, 10, 12, 3, NAN]])
    sureness = np.array([[200, 10, 255, 90, 255, 255]], np.uint8)
    found = trust(disparity, sureness, truth, np.ones(truth.shape, bool))
    assert (found.sure_epe, found.unsure_epe) == (0.5, 2.5)
    alike = trust(disparity, np.zeros((1, 6), np.uint8), truth, np.ones(truth.shape, bool))
    assert (alike.sure_epe, alike.unsure_epe) == (1.0, 2.0)
    assert np.isnan(trust(disparity, sureness, truth, np.zeros(truth.shape, bool)).sure_epe)
