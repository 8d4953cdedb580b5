"""Decoding ahead changes when pictures are unpacked, and nothing that a node sees."""

import cv2
import numpy as np
import pytest

from saccade.node import NEVER_NS, BusEnd, Sample
from saccade.wire.ahead import DecodeAhead, unpack
from saccade.wire.codec import codec
from saccade.wire.convert import encode_text, header
from saccade.wire.images import decode_depth, decode_image
from saccade.wire.virtual import VirtualBus

RNG = np.random.default_rng(1)
GREY = RNG.integers(0, 255, (24, 32), np.uint8)
COLOUR = RNG.integers(0, 255, (24, 32, 3), np.uint8)
DEPTH_MM = RNG.integers(0, 9000, (24, 32), np.uint16)
DEPTH = "rgbd/depth/image_rect/compressedDepth"
LEFT, RIGHT = "left/image_rect/compressed", "right/image_rect/compressed"


def compressed(picture, suffix, format_, before=b""):
    data = np.frombuffer(before + cv2.imencode(suffix, picture)[1].tobytes(), np.uint8)
    return codec().encode(
        codec().new("sensor_msgs/msg/CompressedImage", header=header(7, "cam"), format=format_, data=data)
    )


class Script:
    """A source of given samples that notes how many were taken."""

    start_ns = 0

    def __init__(self, samples):
        self.samples, self.taken, self.closed = samples, 0, False

    def next_ns(self):
        return self.samples[self.taken].stamp_ns if self.taken < len(self.samples) else None

    def take(self):
        self.taken += 1
        return self.samples[self.taken - 1]

    def advance(self, to_ns):
        pass

    def heard(self, topic, cdr, now_ns):
        pass

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    ("picture", "suffix", "format_"),
    [(GREY, ".png", "mono8; png compressed mono8"), (COLOUR, ".png", "png"), (COLOUR, ".jpg", "rgb8; jpeg compressed")],
)
def test_an_unpacked_picture_is_the_same_picture(picture, suffix, format_):
    packed = compressed(picture, suffix, format_)
    plain = unpack(packed)
    assert len(plain) != len(packed)
    before, after = decode_image(LEFT, packed), decode_image(LEFT, plain)
    assert (after.stamp_ns, after.frame_id) == (7, "cam")
    np.testing.assert_array_equal(after.data, before.data)


def test_colour_of_16_bit_is_left_to_the_nodes():
    """As TIFF it would come to 8 bit by another rounding than as PNG."""
    packed = compressed(RNG.integers(0, 2**16, (24, 32, 3), np.uint16), ".png", "rgb16; png compressed bgr16")
    np.testing.assert_array_equal(decode_image(LEFT, unpack(packed)).data, decode_image(LEFT, packed).data)


@pytest.mark.parametrize("before", [b"", bytes(12)])
def test_an_unpacked_depth_image_is_the_same_depth(before):
    packed = compressed(DEPTH_MM, ".png", "16UC1; compressedDepth png", before)
    plain = unpack(packed)
    assert b"\x89PNG" not in bytes(plain)
    np.testing.assert_array_equal(decode_depth(DEPTH, plain)[2], decode_depth(DEPTH, packed)[2])


def test_quantised_depth_keeps_its_scale():
    import struct

    packed = compressed(DEPTH_MM, ".png", "32FC1; compressedDepth png", struct.pack("<iff", 0, 100.0, 2.0))
    np.testing.assert_array_equal(decode_depth(DEPTH, unpack(packed))[2], decode_depth(DEPTH, packed)[2])


@pytest.mark.parametrize("cdr", [b"", b"\0\1\0\0nonsense", compressed(GREY, ".png", "png")[:-200]])
def test_what_cannot_be_unpacked_comes_as_it_is(cdr):
    assert unpack(cdr) is cdr


def test_samples_keep_their_order_and_time_and_only_named_topics_are_unpacked():
    packed = compressed(GREY, ".png", "png")
    script = [
        Sample(topic, 10 * i, cdr)
        for i in range(40)
        for topic, cdr in ((LEFT, packed), ("instruction", encode_text(str(i))), (RIGHT, packed))
    ]
    source = Script(script)
    bus, heard = VirtualBus(DecodeAhead(source, {LEFT, "instruction"})), []
    assert source.taken == 0
    for _ in script:
        heard.append(bus.recv(NEVER_NS))
        assert heard[-1].stamp_ns == bus.now_ns()
        assert source.taken - len(heard) <= 256
    with pytest.raises(BusEnd):
        bus.recv(NEVER_NS)
    bus.close()
    assert source.closed
    assert [(s.topic, s.stamp_ns) for s in heard] == [(s.topic, s.stamp_ns) for s in script]
    for sent, came in zip(script, heard, strict=True):
        assert bytes(came.cdr) == bytes(unpack(sent.cdr) if sent.topic == LEFT else sent.cdr)
