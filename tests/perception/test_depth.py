"""Disparity to depth: the rig's own geometry, with what is out of range or unknown as NaN."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from perception_scenes import BASELINE_M, CAMERA, FX, HEIGHT, PARAMS, WIDTH, depth_of, drive, play

from perception_node.depth import Triangulator, thinned
from perception_node.params import DepthParams, PointsParams
from saccade.types import StereoPair
from saccade.wire.convert import decode
from saccade.wire.images import decode_depth, decode_image


def pair(cx_right=CAMERA.cx, baseline_m=BASELINE_M):
    grey = np.zeros((HEIGHT, WIDTH), np.uint8)
    return StereoPair(5, "left_optical", grey, grey, CAMERA, cx_right, baseline_m)


def sure():
    return np.full((HEIGHT, WIDTH), 200, np.uint8)


@pytest.mark.parametrize("cx_right", [CAMERA.cx, CAMERA.cx + 7.25, CAMERA.cx - 3.5])
def test_a_slanted_plane_comes_back_through_both_cameras(cx_right):
    """True geometry: points of a plane, projected into two cameras; their disparity must give the points back."""
    z = 2.0 + 0.004 * np.arange(WIDTH)[None, :] + 0.002 * np.arange(HEIGHT)[:, None]
    v, u = np.indices((HEIGHT, WIDTH))
    point = CAMERA.unproject(np.stack([u, v], -1).astype(np.float64), z)
    u_right = FX * (point[..., 0] - BASELINE_M) / z + cx_right
    disparity = (u - u_right).astype(np.float32)
    depth = Triangulator(0.1, 50)(pair(cx_right), disparity, sure())
    np.testing.assert_allclose(depth.depth_m, z, rtol=1e-4)
    assert (depth.confidence == 200).all()
    assert depth.stamp_ns == 5
    assert depth.depth_m.dtype == np.float32


def test_unknown_impossible_and_out_of_range_are_none():
    disparity = np.full((HEIGHT, WIDTH), 6.0, np.float32)
    disparity[0, :6] = (np.nan, 0.0, -3.0, 120.0, 0.1, np.inf)  # none, infinity, behind, 0.1 m, 120 m, 0 m
    depth = Triangulator(0.2, 40)(pair(), disparity, sure())
    assert np.isnan(depth.depth_m[0, :6]).all()
    assert (depth.confidence[0, :6] == 0).all()
    np.testing.assert_allclose(depth.depth_m[1:], 2.0, rtol=1e-6)
    assert (depth.confidence[1:] == 200).all()


def test_what_a_sensor_measured_is_held_to_the_same_range():
    depth_m = np.full((HEIGHT, WIDTH), 3.0, np.float32)
    depth_m[0, :4] = (np.nan, 0.1, 41.0, np.inf)
    depth = Triangulator(0.2, 40).measured(7, "c", depth_m, CAMERA)
    assert np.isnan(depth.depth_m[0, :4]).all()
    assert (depth.confidence[0, :4] == 0).all()
    assert (depth.confidence[1:] == 255).all()
    assert (depth.depth_m[1:] == 3).all()


def test_buffers_are_kept():
    triangulate, disparity = Triangulator(0.2, 40), np.full((HEIGHT, WIDTH), 6.0, np.float32)
    first = triangulate(pair(), disparity, sure())
    second = triangulate(pair(), disparity, sure())
    assert first.depth_m is second.depth_m
    assert first.confidence is second.confidence


@given(st.integers(1, 9), st.integers(0, 10**6))
def test_thinning_keeps_every_kept_pixel_at_its_place_in_space(stride, seed):
    depth_m = np.random.default_rng(seed).uniform(1, 9, (HEIGHT, WIDTH)).astype(np.float32)
    whole = depth_of(depth_m)
    part = thinned(whole, stride)
    assert part.depth_m.shape == (part.camera.height, part.camera.width) == part.confidence.shape
    v, u = np.indices(part.depth_m.shape)
    got = part.camera.unproject(np.stack([u, v], -1).astype(np.float64), part.depth_m.astype(np.float64))
    v, u = np.indices((HEIGHT, WIDTH))
    everywhere = CAMERA.unproject(np.stack([u, v], -1).astype(np.float64), depth_m.astype(np.float64))
    first = stride // 2
    np.testing.assert_allclose(got, everywhere[first::stride, first::stride], atol=1e-9)


@pytest.mark.parametrize("stride", [HEIGHT, HEIGHT + 1, 2 * HEIGHT, 1000])
def test_a_stride_beyond_the_picture_leaves_one_pixel(stride):
    depth_m = np.random.default_rng(0).uniform(1, 9, (HEIGHT, WIDTH)).astype(np.float32)
    part = thinned(depth_of(depth_m), stride)
    assert part.depth_m.shape == part.confidence.shape == (part.camera.height, part.camera.width) == (1, 1)
    v = u = HEIGHT // 2
    expected = CAMERA.unproject(np.array([u, v], np.float64), np.float64(depth_m[v, u]))
    got = part.camera.unproject(np.zeros(2), np.float64(part.depth_m[0, 0]))
    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_whatever_the_stride_the_node_sends_a_depth_image_that_can_be_read():
    depth, points = DepthParams(publish_stride=1000), PointsParams(step=1000)
    tap = play(drive(1), dataclasses.replace(PARAMS, depth=depth, points=points))
    assert decode_depth("depth/image_rect", tap.of("depth/image_rect")[0].cdr)[2].shape == (1, 1)
    assert decode_image("depth/confidence", tap.of("depth/confidence")[0].cdr).data.shape == (1, 1)
    cloud = decode("points", tap.of("points")[0].cdr)
    assert (cloud.height, cloud.width) == (1, 1)
