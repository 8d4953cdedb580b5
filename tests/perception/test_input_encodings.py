"""Every encoding that cameras send, through the whole node: pictures to depth, depth images to depth, in metres."""

import struct

import cv2
import numpy as np
import pytest
from perception_scenes import (
    FRAME_NS,
    HEIGHT,
    START_NS,
    WIDTH,
    drive,
    infos,
    odom,
    play,
    static_tf,
    wall_pair,
)

from saccade.node import Sample
from saccade.wire.codec import codec
from saccade.wire.convert import header
from saccade.wire.images import decode_depth


def image(now_ns, topic, encoding, data):
    height, width = data.shape[:2]
    frame = "left_optical" if "right" not in topic else "right_optical"
    msg = codec().new(
        "sensor_msgs/msg/Image", header=header(now_ns, frame), height=height, width=width, encoding=encoding,
        is_bigendian=0, step=data.nbytes // height, data=np.ascontiguousarray(data).reshape(-1).view(np.uint8),
    )  # fmt: skip
    return Sample(topic, now_ns, codec().encode(msg))


def packed(now_ns, topic, format_, data):
    frame = "left_optical" if "right" not in topic else "right_optical"
    msg = codec().new(
        "sensor_msgs/msg/CompressedImage", header=header(now_ns, frame), format=format_,
        data=np.frombuffer(bytes(data), np.uint8),
    )  # fmt: skip
    return Sample(topic, now_ns, codec().encode(msg))


def colour(grey):
    return cv2.merge([grey, grey, grey])


PLAIN = {
    "mono8": lambda g: g,
    "8UC1": lambda g: g,
    "mono16": lambda g: g.astype(np.uint16) * 256,
    "rgb8": colour,
    "bgr8": colour,
    "8UC3": colour,
    "rgba8": lambda g: cv2.cvtColor(g, cv2.COLOR_GRAY2RGBA),
    "bgra8": lambda g: cv2.cvtColor(g, cv2.COLOR_GRAY2BGRA),
    **dict.fromkeys((f"bayer_{order}8" for order in ("rggb", "bggr", "gbrg", "grbg")), lambda g: g),
}


def depth_of_pictures(make, suffix=""):
    """Depth in metres that the node makes of a wall two metres ahead."""
    samples = [s for s in drive(2) if "image" not in s.topic]
    for i in range(2):
        now_ns = START_NS + i * FRAME_NS
        for side, grey in zip(("left", "right"), wall_pair(seed=i), strict=True):
            # Smooth, as a lens is: neither a mosaic nor JPEG keeps noise of single pixels.
            samples.append(make(now_ns, f"{side}/image_rect{suffix}", cv2.GaussianBlur(grey, (0, 0), 1.5)))
    tap = play(samples)
    assert tap.of("local_map"), tap.diagnoses()
    return decode_depth("depth/image_rect", tap.of("depth/image_rect")[-1].cdr)[2]


@pytest.mark.parametrize("encoding", PLAIN)
def test_pictures_of_every_encoding_become_depth(encoding):
    depth_m = depth_of_pictures(lambda now_ns, topic, grey: image(now_ns, topic, encoding, PLAIN[encoding](grey)))
    assert np.isfinite(depth_m).mean() > 0.8
    assert abs(np.nanmedian(depth_m) - 2.0) < 0.03


@pytest.mark.parametrize(
    ("format_", "extension"), [("jpeg", ".jpg"), ("bgr8; jpeg compressed bgr8", ".jpg"), ("png", ".png")]
)
@pytest.mark.parametrize("paint", [lambda g: g, colour], ids=["grey", "colour"])
def test_compressed_pictures_become_depth(format_, extension, paint):
    def make(now_ns, topic, grey):
        return packed(now_ns, topic, format_, cv2.imencode(extension, paint(grey))[1])

    depth_m = depth_of_pictures(make, "/compressed")
    assert np.isfinite(depth_m).mean() > 0.8
    assert abs(np.nanmedian(depth_m) - 2.0) < 0.03


def compressed_depth(metres):
    """As compressed_depth_image_transport packs 32FC1: 12 bytes of header, then a PNG of inverse depth."""
    a, b = 100.0 * (100.0 + 1.0), -99.0
    inverse = np.nan_to_num(a / metres + b).astype(np.uint16)
    return struct.pack("<iff", 0, a, b) + cv2.imencode(".png", inverse)[1].tobytes()


def mm(metres):
    return (np.nan_to_num(metres) * 1000).round().astype(np.uint16)


DEPTHS = {
    "32FC1": lambda t, d: image(t, "rgbd/depth/image_rect", "32FC1", d),
    "16UC1": lambda t, d: image(t, "rgbd/depth/image_rect", "16UC1", mm(d)),
    "mono16": lambda t, d: image(t, "rgbd/depth/image_rect", "mono16", mm(d)),
    "16UC1 compressed": lambda t, d: packed(
        t, "rgbd/depth/image_rect/compressedDepth", "16UC1; compressedDepth",
        bytes(12) + cv2.imencode(".png", mm(d))[1].tobytes(),
    ),
    "32FC1 compressed": lambda t, d: packed(
        t, "rgbd/depth/image_rect/compressedDepth", "32FC1; compressedDepth", compressed_depth(d)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DEPTHS)
def test_depth_images_of_every_encoding_become_depth_and_a_map(name):
    metres = np.tile(np.linspace(1.0, 3.0, WIDTH, dtype=np.float32), (HEIGHT, 1))
    metres[:, :20] = np.nan
    samples = [static_tf(START_NS), Sample("rgbd/depth/camera_info", START_NS, infos(START_NS)[0].cdr)]
    for i in range(3):
        samples += [odom(START_NS + i * FRAME_NS), DEPTHS[name](START_NS + i * FRAME_NS, metres)]
    tap = play(samples)
    assert len(tap.of("local_map")) == 3, tap.diagnoses()
    sent = decode_depth("depth/image_rect", tap.of("depth/image_rect")[-1].cdr)[2]
    np.testing.assert_array_equal(np.isnan(sent), np.isnan(metres))
    np.testing.assert_allclose(sent, metres, atol=0.002)


def test_an_encoding_that_is_not_known_is_named_with_its_topic():
    samples = [s for s in drive(2) if "image" not in s.topic]
    for i in range(2):
        for side, grey in zip(("left", "right"), wall_pair(), strict=True):
            samples.append(image(START_NS + i * FRAME_NS, f"{side}/image_rect", "yuv422_yuy2", colour(grey)[..., :2]))
    tap = play(samples)
    assert not tap.of("depth/image_rect")
    told = tap.named("images", "corrupt picture")[0]
    assert "left/image_rect: picture with encoding 'yuv422_yuy2'" in told
    assert "mono8" in told


@pytest.mark.parametrize(("bits", "stage", "name"), [(10, "stereo", "blank"), (12, "sight", "left too dark")])
def test_pictures_that_want_a_shift_are_not_just_called_dark(bits, stage, name):
    def told(encoding, make):
        samples = [s for s in drive(8) if "image" not in s.topic]
        for i in range(8):
            for side, grey in zip(("left", "right"), wall_pair(seed=i), strict=True):
                samples.append(image(START_NS + i * FRAME_NS, f"{side}/image_rect", encoding, make(grey)))
        return " ".join(play(samples).named(stage, name))

    hint = "left/image_rect and right/image_rect: mono16 below 4096; shift 10 or 12 bits to the full range of 16"
    assert hint in told("mono16", lambda g: g.astype(np.uint16) << bits - 8)
    eight = told("mono8", lambda g: g >> 16 - bits)
    assert eight, "as dark in eight bits"
    assert "mono16" not in eight
