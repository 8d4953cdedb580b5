"""Mismatches in mid-air are dropped by how large they would be, not by how many pixels they take."""

import numpy as np
import pytest

from perception_node.specks import Specks
from saccade.geometry import Pinhole
from saccade.types import Depth

CAMERA = Pinhole(120.0, 120.0, 119.5, 79.5, 240, 160)
BASELINE_M, LEAST_M = 0.2, 0.06


def scene(*patches):
    """Nothing but patches (row, column, height, width, depth)."""
    depth_m = np.full((160, 240), np.nan, np.float32)
    for row, col, height, width, z in patches:
        depth_m[row : row + height, col : col + width] = z
    confidence = np.where(np.isfinite(depth_m), 200, 0).astype(np.uint8)
    return Depth(0, "left", depth_m, confidence, CAMERA)


def dropped(depth, least_m=LEAST_M):
    Specks().drop(depth, BASELINE_M, least_m)
    assert np.array_equal(np.isfinite(depth.depth_m), depth.confidence > 0)
    return not np.isfinite(depth.depth_m).any()


@pytest.mark.parametrize("z", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("edge_m", "gone"), [(0.05, True), (0.08, False)])
def test_how_near_it_is_does_not_matter(z, edge_m, gone):
    edge = round(edge_m * CAMERA.fx / z)
    assert dropped(scene((40, 100, edge, edge, z))) == gone


def test_a_thin_long_thing_stays():
    assert not dropped(scene((10, 50, 2, 150, 0.8)))


def test_a_small_thing_on_something_is_no_speck():
    floor = np.linspace(2.0, 0.8, 60)
    depth = scene((90, 100, 10, 10, 1.95))
    depth.depth_m[100:160] = floor[:, None].astype(np.float32)
    depth.confidence[100:160] = 200
    Specks().drop(depth, BASELINE_M, LEAST_M)
    assert np.isfinite(depth.depth_m[90:100, 100:110]).all(), "it stands on the floor"


def test_what_hangs_before_a_wall_is_judged_without_it():
    depth = scene((0, 0, 160, 240, 3.0))
    depth.depth_m[50:55, 50:55] = 0.6
    Specks().drop(depth, BASELINE_M, LEAST_M)
    assert not np.isfinite(depth.depth_m[50:55, 50:55]).any()
    assert np.isfinite(depth.depth_m).sum() == 160 * 240 - 25


@pytest.mark.parametrize("row", [39, 40])
def test_a_picture_ends_at_its_edges(row):
    """Two specks at the ends of neighbouring rows are not one thing, whichever is met first."""
    edge = round(0.05 * CAMERA.fx / 0.5)
    assert dropped(scene((40, 0, edge, edge, 0.5), (row, 240 - edge, edge, edge, 0.5)))


def test_nothing_is_dropped_where_that_is_not_wanted():
    assert not dropped(scene((40, 100, 2, 2, 0.5)), 0.0)


def test_sizes_may_change_and_the_same_image_gives_the_same():
    specks, first = Specks(), scene((40, 100, 6, 6, 0.5), (80, 20, 40, 40, 1.0))
    again = Depth(0, "left", first.depth_m.copy(), first.confidence.copy(), CAMERA)
    specks.drop(first, BASELINE_M, LEAST_M)
    small = Depth(0, "left", np.full((20, 30), 1.0, np.float32), np.full((20, 30), 9, np.uint8), CAMERA)
    specks.drop(small, BASELINE_M, LEAST_M)
    assert np.isfinite(small.depth_m).all()
    specks.drop(again, BASELINE_M, LEAST_M)
    np.testing.assert_array_equal(first.depth_m, again.depth_m)
    assert np.isfinite(again.depth_m).sum() == 40 * 40
