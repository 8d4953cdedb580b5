"""Pictures and depth: every encoding against a reference, corrupt data named."""

import contextlib
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saccade.errors import DataError
from saccade.types import Image
from saccade.wire.codec import codec
from saccade.wire.convert import header
from saccade.wire.images import decode_depth, decode_image, encode_depth, encode_image, encode_mono8, unshifted

RAW, PACKED = "left/image_raw", "left/image_raw/compressed"
DEPTH, PACKED_DEPTH = "rgbd/depth/image_rect", "rgbd/depth/image_rect/compressedDepth"
RGB = np.random.default_rng(1).integers(0, 255, (6, 8, 3), np.uint8)


def image_cdr(encoding, pixels, pad=0, big=False, height=None):
    """sensor_msgs/Image of `pixels` (H, W[, C]) with `pad` bytes after each row, in either byte order."""
    pixels = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<"))
    rows = [row.tobytes() + b"\xee" * pad for row in np.ascontiguousarray(pixels)]
    msg = codec().new(
        "sensor_msgs/msg/Image", header=header(123, "cam_optical"), height=height or pixels.shape[0],
        width=pixels.shape[1], encoding=encoding, is_bigendian=int(big), step=len(rows[0]),
        data=np.frombuffer(b"".join(rows), np.uint8),
    )  # fmt: skip
    return codec().encode(msg)


def compressed_cdr(format_, data):
    msg = codec().new(
        "sensor_msgs/msg/CompressedImage", header=header(123, "cam_optical"), format=format_,
        data=np.frombuffer(data, np.uint8),
    )  # fmt: skip
    return codec().encode(msg)


def packed(pixels, extension):
    return cv2.imencode(extension, pixels)[1].tobytes()


sizes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 5))


@given(sizes, st.sampled_from(["mono8", "8UC1", "rgb8", "bgr8", "8UC3", "rgba8", "bgra8"]), st.integers(0, 99))
def test_any_padding_of_8_bit_pictures_gives_the_same_pixels(size, encoding, seed):
    height, width, pad = size
    wanted = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    alpha = np.full((height, width, 1), 7, np.uint8)
    sent = {
        "rgb8": wanted, "bgr8": wanted[..., ::-1], "8UC3": wanted[..., ::-1],
        "rgba8": np.concatenate([wanted, alpha], 2), "bgra8": np.concatenate([wanted[..., ::-1], alpha], 2),
    }.get(encoding, wanted[..., 0])  # fmt: skip
    image = decode_image(RAW, image_cdr(encoding, sent, pad))
    assert (image.stamp_ns, image.frame_id) == (123, "cam_optical")
    np.testing.assert_array_equal(image.data, wanted if sent.ndim == 3 else wanted[..., 0])


@given(sizes, st.booleans(), st.integers(0, 99))
def test_depth_in_either_byte_order_and_padding(size, big, seed):
    height, width, pad = size
    mm = np.random.default_rng(seed).integers(0, 4, (height, width), np.uint16) * 1234
    wanted = np.where(mm > 0, mm / np.float32(1000), np.nan).astype(np.float32)
    for encoding, sent in (("16UC1", mm), ("32FC1", np.where(mm > 0, wanted, np.float32(np.nan)))):
        _, frame, depth = decode_depth(DEPTH, image_cdr(encoding, sent, pad, big))
        assert depth.dtype == np.float32
        assert frame == "cam_optical"
        np.testing.assert_allclose(depth, wanted, rtol=1e-6)


@pytest.mark.parametrize("big", [False, True])
def test_mono16_keeps_the_high_byte(big):
    pixels = np.array([[0, 0x1200, 0xFF00]], np.uint16)
    np.testing.assert_array_equal(decode_image(RAW, image_cdr("mono16", pixels, 2, big)).data, [[0, 0x12, 0xFF]])


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("most", "is_so"), [(1023, True), (4095, True), (4096, False), (65535, False)])
def test_16_bits_of_which_12_are_used_are_noticed(most, is_so, big):
    pixels = np.array([[0, 17, most]], np.uint16)
    assert unshifted(RAW, image_cdr("mono16", pixels, 2, big)) is is_so


def test_8_bits_and_compressed_pictures_are_not_in_want_of_a_shift():
    dark = np.zeros((2, 3), np.uint8)
    assert not unshifted(RAW, image_cdr("mono8", dark))
    assert not unshifted(PACKED, compressed_cdr("png", packed(dark, ".png")))


@pytest.mark.parametrize("order", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_of_a_flat_colour_is_that_colour(order):
    colour = {"r": 200, "g": 120, "b": 40}
    tile = np.array([[colour[order[0]], colour[order[1]]], [colour[order[2]], colour[order[3]]]], np.uint8)
    image = decode_image(RAW, image_cdr(f"bayer_{order}8", np.tile(tile, (4, 4))))
    assert (image.data == (200, 120, 40)).all()


def test_unpadded_pictures_and_depths_are_views_of_the_message():
    for cdr, data in (
        (image_cdr("mono8", RGB[..., 0]), lambda cdr: decode_image(RAW, cdr).data),
        (image_cdr("rgb8", RGB), lambda cdr: decode_image(RAW, cdr).data),
        (image_cdr("32FC1", np.ones((4, 5), np.float32)), lambda cdr: decode_depth(DEPTH, cdr)[2]),
    ):
        raw = bytearray(cdr)
        assert np.shares_memory(data(memoryview(raw)), np.frombuffer(raw, np.uint8))


@given(st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_what_is_encoded_decodes_to_the_same(height, width, colour):
    data = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    data = data if colour else data[..., 1]
    image = decode_image(RAW, encode_image(Image(5, "f", data)))
    np.testing.assert_array_equal(image.data, data)
    assert image.stamp_ns == 5
    grey = data[..., 0] if colour else data
    np.testing.assert_array_equal(decode_image(RAW, encode_mono8(5, "f", grey)).data, grey)
    depth = np.where(data > 3, data, np.nan).astype(np.float32).reshape(height, -1)
    np.testing.assert_array_equal(decode_depth(DEPTH, encode_depth(5, "f", depth))[2], depth)


@pytest.mark.parametrize("format_", ["bgr8; jpeg compressed bgr8", "jpeg", "rgb8; png compressed bgr8"])
def test_compressed_colour_is_rgb(format_):
    flat = np.full((16, 16, 3), (250, 128, 4), np.uint8)  # RGB
    extension = ".png" if "png" in format_ else ".jpg"
    image = decode_image(PACKED, compressed_cdr(format_, packed(flat[..., ::-1], extension)))
    assert np.abs(image.data.astype(int) - flat).max() <= 3


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_compressed_grey_stays_grey(extension):
    image = decode_image(PACKED, compressed_cdr("mono8; compressed", packed(np.full((8, 9), 77, np.uint8), extension)))
    assert image.data.shape == (8, 9)
    assert np.abs(image.data.astype(int) - 77).max() <= 1


@pytest.mark.parametrize("headed", [True, False])
def test_compressed_depth_in_millimetres(headed):
    mm = np.array([[0, 1, 1500, 65535]], np.uint16)
    data = (b"\0" * 12 if headed else b"") + packed(mm, ".png")
    _, _, depth = decode_depth(PACKED_DEPTH, compressed_cdr("16UC1; compressedDepth png", data))
    np.testing.assert_allclose(depth, [[np.nan, 0.001, 1.5, 65.535]], rtol=1e-6)


@settings(max_examples=20)
@given(st.lists(st.floats(0.3, 9.0), min_size=1, max_size=8))
def test_compressed_depth_quantised_as_the_transport_does(metres):
    quantum, furthest = 100.0, 10.0
    a = quantum * (quantum + 1.0)
    b = 1.0 - a / furthest
    codes = np.array([[0, *(int(a / m + b) for m in metres)]], np.uint16)
    data = struct.pack("<iff", 0, a, b) + packed(codes, ".png")
    _, _, depth = decode_depth(PACKED_DEPTH, compressed_cdr("32FC1; compressedDepth png", data))
    assert np.isnan(depth[0, 0])
    wanted = np.array(metres)
    assert (np.abs(depth[0, 1:] - wanted) <= wanted**2 / a * 1.1 + 1e-4).all()


def test_depth_that_is_no_distance_becomes_nan():
    sent = np.array([[1.0, 0.0, -2.0, np.inf, -np.inf, np.nan]], np.float32)
    depth = decode_depth(DEPTH, image_cdr("32FC1", sent))[2]
    np.testing.assert_array_equal(depth, [[1.0] + [np.nan] * 5])


JPEG = packed(cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8), (9, 9), 3), ".jpg")
PNG = packed(RGB, ".png")


@pytest.mark.parametrize(
    ("name", "cdr", "reason"),
    [
        (RAW, b"\0\1\0\0junk", "not a sensor_msgs/msg/Image"),
        (RAW, b"", "not a sensor_msgs/msg/Image"),
        (RAW, image_cdr("mono8", RGB[..., 0], height=7), "7 rows"),
        (RAW, image_cdr("rgb8", RGB[..., 0]), "step of at least 24"),
        (RAW, image_cdr("yuv422", RGB[..., 0]), "encoding 'yuv422'"),
        (RAW, image_cdr("32FC1", np.ones((2, 2), np.float32)), "encoding '32FC1'"),
        (DEPTH, image_cdr("mono8", RGB[..., 0]), "encoding 'mono8'"),
        (PACKED, compressed_cdr("jpeg", b""), "0 bytes"),
        (PACKED, compressed_cdr("jpeg", JPEG[: len(JPEG) // 2]), "not a readable"),
        (PACKED, compressed_cdr("png", PNG[:-20]), "not a readable"),
        (PACKED, compressed_cdr("png", PNG[:60] + b"????" + PNG[64:]), "not a readable"),
        (PACKED_DEPTH, compressed_cdr("16UC1; compressedDepth rvl", b"\0" * 40), "no PNG"),
        (PACKED_DEPTH, compressed_cdr("16UC1; compressedDepth png", b"\0" * 5), "no PNG"),
        (PACKED_DEPTH, compressed_cdr("16UC1; compressedDepth png", b"\0" * 12 + PNG), "expected (H, W) of 16 bit"),
        (PACKED_DEPTH, compressed_cdr("32FC1; compressedDepth", packed(np.ones((2, 2), np.uint16), ".png")), "lacks"),
    ],
)  # fmt: skip
def test_corrupt_data_is_named(name, cdr, reason):
    with pytest.raises(DataError) as error:
        decode_depth(name, cdr) if "depth" in name else decode_image(name, cdr)
    assert reason in str(error.value)


@given(st.binary(max_size=200), st.sampled_from([RAW, PACKED, DEPTH, PACKED_DEPTH]))
def test_any_bytes_give_a_picture_or_a_named_error(data, name):
    with contextlib.suppress(DataError):
        decode_depth(name, data) if "depth" in name else decode_image(name, data)
