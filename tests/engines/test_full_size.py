"""Pictures in and disparity out against the same steps written one by one, to the last bit, whatever the card says."""

from contextlib import suppress
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.card import Card, Colour, Output, Size
from engines.engine import EngineError
from engines.full_size import FullSize
from engines.opencv import OpenCvEngine
from engines.options import BmOptions
from engines.pictures import ModelInput, fitted_shape

SIZES = [
    Size(), Size("pad", stride=16), Size("resize", width=40, height=30), Size("resize", width=150, height=98),
    Size("halve", max_pixels=900), Size("resize", stride=14, short_side=28),
]  # fmt: skip
SCALED = {"white": 1.0, "dtype": "float32", "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
COLOURS = [
    Colour(), Colour("grey", 255.0, (90.0,), (40.0,), "float32", "nchw"), Colour("grey", dtype="float32"),
    Colour("rgb", dtype="float32", layout="nchw"), Colour("bgr", layout="nchw", **SCALED),
    Colour("rgb", layout="nhwc", **SCALED), Colour("bgr", layout="nhwc"), Colour("rgb", layout="nchw"),
]  # fmt: skip
SHAPES = st.tuples(st.integers(5, 70), st.integers(5, 70))


def seen_by(picture, colour, size):
    """The picture as the model is to see it, one step after the other."""
    if picture.ndim == 2 and colour.order != "grey":
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
    elif picture.ndim == 3 and colour.order == "grey":
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    elif colour.order == "bgr":
        picture = picture[..., ::-1]
    height, width = fitted_shape(size, picture.shape)
    if size.rule == "pad":
        sides = ((0, height - picture.shape[0]), (0, width - picture.shape[1]), (0, 0))
        return np.pad(picture, sides[: picture.ndim], mode="edge")
    if (height, width) != picture.shape[:2]:
        how = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_LINEAR
        picture = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=how)
    return picture


def tensor_of(picture, colour, size):
    array = seen_by(picture, colour, size)
    if colour.dtype == "float32":
        scale, mean, std = (np.float32(x) for x in (colour.white / 255.0, colour.mean, colour.std))
        array = (array.astype(np.float32) * scale - mean) / std
    if colour.layout == "hw":
        return array
    array = array.reshape(*array.shape[:2], -1)
    return array.transpose(2, 0, 1)[None] if colour.layout == "nchw" else array[None]


@settings(max_examples=80, deadline=None)
@given(SHAPES, st.sampled_from(COLOURS), st.sampled_from(SIZES), st.booleans(), st.integers(0, 2**32 - 1))
def test_a_tensor_is_what_the_card_says(shape, colour, size, grey, seed):
    pictures = np.random.default_rng(seed).integers(0, 256, (2, *shape, *(() if grey else (3,))), np.uint8)
    prepare = ModelInput(colour, size)
    for picture in pictures:  # the second goes into the buffers of the first
        made = prepare(picture)
        assert made.flags.c_contiguous
        assert made.dtype == colour.dtype
        np.testing.assert_array_equal(made, tensor_of(picture, colour, size), strict=True)


def test_a_model_that_takes_the_picture_as_it_is_gets_it_uncopied():
    picture = np.zeros((4, 6), np.uint8)
    assert np.shares_memory(ModelInput(Colour(), Size())(picture), picture)


@pytest.mark.parametrize("size", [Size(), Size("pad", stride=8), Size("resize", width=6, height=4)])
@pytest.mark.parametrize("colour", [Colour(), Colour("rgb", dtype="float32", layout="nchw")])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((5, 7, 3), "float32"), ((5, 7), "uint16"), ((5, 7, 4), "uint8"), ((5, 7, 1), "uint8"), ((0, 7), "uint8"),
     ((7,), "uint8")],
)  # fmt: skip
def test_what_is_no_picture_of_bytes_is_refused(size, colour, shape, dtype):
    """OpenCV leaves alone what it is given to write to where types differ, and what was in it would be matched."""
    prepare = ModelInput(colour, size)
    if shape[2:] in ((), (3,)) and shape[0] == 5:
        prepare(np.zeros(shape, np.uint8))  # nor after a picture of that shape
    with pytest.raises(EngineError, match=rf"a picture is {dtype} .*expected uint8 \(H, W\)"):
        prepare(np.zeros(shape, dtype))


def full_px(raw, output, size, shape):
    """(H, W) disparity of a model's plane, pixel by pixel."""
    fitted = fitted_shape(size, shape)
    part = raw.shape
    if size.rule == "pad":
        part = tuple(round(n * output.resolution) for n in shape)
    sign = -1 if output.sign == "negative" else 1
    px = raw.astype(np.float32) * np.float32(sign * output.scale) + np.float32(output.offset_px)
    most = output.max_disparity or np.finfo(np.float32).max
    with np.errstate(invalid="ignore"):
        px[~((px > 0) & (px <= most))] = np.nan
    if size.rule != "pad":
        px = px * np.float32(shape[1] / fitted[1])
    return nearest(px[: part[0], : part[1]], shape)


def nearest(plane, shape):
    if plane.shape == shape:
        return plane
    return cv2.resize(np.ascontiguousarray(plane), shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


OUTPUTS = [
    Output(), Output(sign="negative", scale=0.5), Output(resolution=0.5), Output(max_disparity=6.0, offset_px=0.25),
]  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(
    SHAPES, st.sampled_from(SIZES), st.sampled_from(OUTPUTS), st.sampled_from(["f4", "f2", "u1"]), st.integers(0, 99)
)
def test_a_models_numbers_come_out_at_full_size(shape, size, output, sure_type, seed):
    output = replace(output, confidence="sure")
    rng = np.random.default_rng(seed)
    raw_shape = tuple(round(n * output.resolution) for n in fitted_shape(size, shape))
    read = FullSize(Card("x", "stereo", "sgbm", "here", "MIT", size=size, output=output))
    for _ in range(2):
        raw = rng.normal(3, 4, raw_shape).astype(np.float32)
        raw[rng.random(raw_shape) < 0.2] = rng.choice([np.nan, np.inf, -np.inf, 0])
        sure = rng.uniform(-0.2, 1.2, raw_shape).astype(np.float32)
        sure = (255 * sure.clip(0, 1)).astype("u1") if sure_type == "u1" else sure.astype(sure_type)
        kept = raw.copy()
        disparity, confidence = read({"disparity": raw[None, None], "sure": sure}, *np.zeros((2, *shape), np.uint8))
        np.testing.assert_array_equal(raw, kept)  # an engine's outputs are not written to
        wanted = full_px(raw, output, size, shape)
        np.testing.assert_array_equal(disparity, wanted, strict=True)
        shares = sure if sure_type == "u1" else (255 * sure.astype(np.float32).clip(0, 1)).astype("u1")
        shown = [round(n * output.resolution) for n in shape] if size.rule == "pad" else raw_shape
        np.testing.assert_array_equal(
            confidence, np.where(np.isnan(wanted), 0, nearest(shares[: shown[0], : shown[1]], shape))
        )


def test_half_of_a_padded_output_can_be_as_large_as_the_picture_and_is_placed_all_the_same():
    """16 x 16 padded to 32 x 32; the output, at half of that, is 16 x 16 again, and a quarter of it is shown."""
    output, size = Output(resolution=0.5, confidence="sure"), Size("pad", stride=32)
    raw = np.full((16, 16), 5.0, np.float32)
    raw[8:], raw[:, 8:] = 9.0, 9.0
    read = FullSize(Card("x", "stereo", "sgbm", "here", "MIT", size=size, output=output))
    sure = (raw == 5).astype(np.float32)
    disparity, confidence = read({"disparity": raw, "sure": sure}, *np.zeros((2, 16, 16), np.uint8))
    assert (disparity == 5).all()
    assert (confidence == 255).all()


@pytest.mark.parametrize("size", [Size(), Size("pad", stride=32), Size("halve", max_pixels=1200)])
def test_what_a_model_does_not_say_of_itself_is_seen_in_the_pictures(size):
    texture = np.random.default_rng(2).integers(0, 256, (40, 60), np.uint8)
    texture = cv2.GaussianBlur(texture, (0, 0), 2)
    left, right = texture[:, :-4], texture[:, 4:]
    read = FullSize(Card("x", "stereo", "sgbm", "here", "MIT", size=size))
    zoom = fitted_shape(size, left.shape)[1] / left.shape[1] if size.rule == "halve" else 1.0
    raw = np.full(fitted_shape(size, left.shape), 4.0 * zoom, np.float32)
    raw[5:9] = np.nan
    disparity, confidence = read({"disparity": raw}, left, right)
    known = ~np.isnan(disparity)
    np.testing.assert_allclose(disparity[known], 4.0)
    assert not confidence[~known].any()
    assert np.median(confidence[-15:, 10:-10]) > 150


@pytest.mark.parametrize("fails", range(6))
@pytest.mark.parametrize("larger", [False, True])
def test_memory_that_could_not_be_had_is_asked_for_again(monkeypatch, fails, larger):
    """What was half made, or made for another size, must not be taken for whole."""
    first, other = ((40, 64), (61, 70)) if larger else ((61, 70), (40, 64))
    card = Card("x", "stereo", "sgbm", "here", "MIT")
    prepare, read, engine = ModelInput(Colour(), Size("pad", stride=16)), FullSize(card), OpenCvEngine("x", BmOptions())

    def steps(picture):
        yield lambda: prepare(picture).copy()
        yield lambda: read({"disparity": np.full(picture.shape, 3.0, np.float32)}, picture, picture)[1].copy()
        yield lambda: engine.infer({"left": picture, "right": picture})["confidence"].copy()

    rng, empty = np.random.default_rng(1), np.empty
    pictures = {shape: rng.integers(0, 256, shape, np.uint8) for shape in (first, other)}
    before = {shape: [step() for step in steps(pictures[shape])] for shape in (other, first)}
    for step in steps(pictures[other]):
        left = iter(range(fails))

        def running_out(*how, left=left, **more):
            if next(left, None) is None:
                raise MemoryError
            return empty(*how, **more)

        with monkeypatch.context() as patched, suppress(MemoryError):
            patched.setattr(np, "empty", running_out)
            step()
    for shape in (first, other, first):
        for step, wanted in zip(steps(pictures[shape]), before[shape], strict=True):
            np.testing.assert_array_equal(step(), wanted)
