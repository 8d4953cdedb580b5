"""Point clouds: organised, in the camera's frame, in its colours, at their rate, after the map."""

import dataclasses

import numpy as np
import pytest
from perception_scenes import (
    CAMERA,
    FRAME_NS,
    HEIGHT,
    PARAMS,
    START_NS,
    WIDTH,
    depth_of,
    depth_sample,
    drive,
    infos,
    odom,
    play,
    static_tf,
)

from perception_node.cloud import Clouds
from perception_node.node import PerceptionNode
from perception_node.params import PointsParams
from saccade.clock import MS, SEC
from saccade.node import Sample
from saccade.types import Image
from saccade.wire.convert import decode, stamp_ns
from saccade.wire.images import encode_image


def unpacked(cdr):
    """(message, xyz (H, W, 3), rgb (H, W, 3)) as any ROS user reads them."""
    msg = decode("points", cdr)
    assert [(f.name, f.offset, f.datatype, f.count) for f in msg.fields] == [
        ("x", 0, 7, 1), ("y", 4, 7, 1), ("z", 8, 7, 1), ("rgb", 12, 7, 1)
    ]  # fmt: skip
    assert (msg.point_step, msg.row_step, msg.is_bigendian, msg.is_dense) == (16, 16 * msg.width, False, False)
    points = np.array(msg.data).view(np.float32).reshape(msg.height, msg.width, 4)
    packed = points[..., 3].copy().view(np.uint32)
    rgb = np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=-1)
    assert not (packed >> 24).any()
    return msg, points[..., :3], rgb


def far():
    rng = np.random.default_rng(3)
    depth_m = rng.uniform(1, 5, (HEIGHT, WIDTH)).astype(np.float32)
    depth_m[rng.random((HEIGHT, WIDTH)) < 0.3] = np.nan
    return depth_m


@pytest.mark.parametrize("step", [1, 2, 3, 4, 7, 1000])
def test_every_point_is_where_its_pixel_looks(step):
    depth_m = far()
    colour = np.random.default_rng(4).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    out = Clouds(PointsParams(step=step)).out(depth_of(depth_m), colour, START_NS)
    msg, xyz, rgb = unpacked(out.cdr)
    step = min(step, HEIGHT, WIDTH)  # one point is left at least
    v, u = np.meshgrid(np.arange(step // 2, HEIGHT, step), np.arange(step // 2, WIDTH, step), indexing="ij")
    assert (msg.height, msg.width) == v.shape
    assert (msg.header.frame_id, stamp_ns(msg.header.stamp)) == ("left_optical", START_NS)
    expected = CAMERA.unproject(np.stack([u, v], axis=-1).astype(float), depth_m[v, u].astype(float))
    np.testing.assert_allclose(xyz, expected, rtol=1e-4, atol=1e-5)
    assert (np.isnan(xyz).all(axis=-1) == np.isnan(depth_m[v, u])).all()
    assert (rgb == colour[v, u]).all()


def test_a_grey_picture_is_grey_and_none_is_mid_grey():
    clouds = Clouds(PointsParams(step=1))
    grey = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    assert (unpacked(clouds.out(depth_of(far()), grey, 0).cdr)[2] == grey[..., None]).all()
    assert (unpacked(clouds.out(depth_of(far()), None, 0).cdr)[2] == 0x80).all()


def test_a_cloud_that_was_sent_does_not_change_with_the_next():
    clouds = Clouds(PointsParams())
    first = clouds.out(depth_of(np.full((HEIGHT, WIDTH), 1.0)), None, 0).cdr
    kept = bytes(first)
    clouds.out(depth_of(np.full((HEIGHT, WIDTH), 2.0)), None, SEC)
    assert bytes(first) == kept


def test_the_node_sends_them_five_times_a_second_after_the_map():
    tap = play(drive(12))
    assert [s.stamp_ns for s in tap.of("points")] == [START_NS + k * 200 * MS for k in range(6)]
    order = [
        s.topic for s in tap.heard if s.stamp_ns == START_NS and s.topic in ("local_map", "depth/image_rect", "points")
    ]
    assert order == ["local_map", "depth/image_rect", "points"]
    _, xyz, rgb = unpacked(tap.of("points")[0].cdr)
    assert abs(np.nanmedian(xyz[..., 2]) - 2.0) < 0.02
    assert len(np.unique(rgb)) > 20
    slow = dataclasses.replace(PARAMS, points=PointsParams(rate_hz=2.0))
    assert len(play(drive(12), slow).of("points")) == 3
    off = dataclasses.replace(PARAMS, points=PointsParams(publish=False))
    assert not play(drive(12), off).of("points")


def test_a_running_node_can_be_told_otherwise():
    node, off = PerceptionNode(PARAMS), dataclasses.replace(PARAMS, points=PointsParams(publish=False))
    sent = []
    for i, sample in enumerate(drive(12)):
        if i == 20:
            node.retune(off)
        sent += [out.topic for out in node.on_sample(sample, sample.stamp_ns)]
    node.close()
    assert 0 < sent.count("points") < 6


@pytest.mark.parametrize(("age_ms", "size", "coloured"), [(0, 1, True), (50, 1, True), (51, 1, False), (0, 2, False)])
def test_rgbd_clouds_take_colour_from_a_picture_of_the_same_moment_and_size(age_ms, size, coloured):
    red = np.zeros((HEIGHT // size, WIDTH // size, 3), np.uint8)
    red[..., 0] = 200
    picture = encode_image(Image(START_NS - age_ms * MS, "rgb_optical", red))
    samples = [
        static_tf(START_NS), Sample("rgbd/depth/camera_info", START_NS, infos(START_NS)[0].cdr), odom(START_NS),
        Sample("rgbd/color/image_rect", START_NS, picture),
        depth_sample(START_NS, np.full((HEIGHT, WIDTH), 2.0, np.float32)),
    ]  # fmt: skip
    (cloud,) = play(samples).of("points")
    assert (unpacked(cloud.cdr)[2] == ([200, 0, 0] if coloured else [0x80] * 3)).all()


def test_a_broken_colour_picture_costs_the_colour_alone():
    samples = [
        static_tf(START_NS), Sample("rgbd/depth/camera_info", START_NS, infos(START_NS)[0].cdr), odom(START_NS),
        Sample("rgbd/color/image_rect", START_NS, b"\x00\x01\x00\x00junk"),
        depth_sample(START_NS + FRAME_NS, np.full((HEIGHT, WIDTH), 2.0, np.float32)),
    ]  # fmt: skip
    assert (unpacked(play(samples).of("points")[0].cdr)[2] == 0x80).all()


@pytest.mark.parametrize("bad", [{"rate_hz": 0.0}, {"rate_hz": float("nan")}, {"step": 0}])
def test_parameters_are_checked(bad):
    with pytest.raises(ValueError, match="points"):
        PointsParams(**bad)
