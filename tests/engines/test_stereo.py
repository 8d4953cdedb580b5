"""A foreign model behind its card: whatever its conventions, full-size positive pixels come out."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.card import Card, Colour, Output, Size, load_card
from engines.engine import EngineError, EngineSpec, TensorSpec
from engines.open import open_engine
from engines.pictures import fitted_shape
from engines.stereo import StereoMatcher


class Recording:
    """An engine that keeps what it was given and answers with what `answer` makes of it."""

    report = {"backend": "test"}

    def __init__(self, answer, shape=("n", "c", "h", "w"), dtype="float32"):
        self.spec = EngineSpec(
            "recording",
            tuple(TensorSpec(name, dtype, shape) for name in ("left", "right")),
            (TensorSpec("disparity", "float32", (-1, -1, -1, -1)), TensorSpec("sure", "float32", (-1, -1))),
        )
        self.answer = answer

    def infer(self, inputs):
        self.spec.check_inputs(inputs)
        self.inputs = dict(inputs)
        return self.answer(inputs["left"])


def card(**fields):
    return Card("x", "stereo", "sgbm", "here", "MIT", **fields)


def constant(value, factor=1.0):
    """An answer: `value` everywhere, at `factor` times the resolution of an NCHW input."""

    def answer(left):
        height, width = (round(size * factor) for size in left.shape[-2:])
        return {"disparity": np.full((1, 1, height, width), value, np.float32), "sure": np.full((height, width), 0.5)}

    return answer


NCHW = Colour(order="rgb", dtype="float32", layout="nchw")


def textured_pair(shape=(50, 90), disparity=7):
    blue = np.random.default_rng(3).integers(0, 256, (shape[0], shape[1] + disparity), np.uint8)
    left, right = np.full((2, *shape, 3), 90, np.uint8)
    left[..., 2], right[..., 2] = blue[:, :-disparity], blue[:, disparity:]
    return left, right


def test_a_bgr_normalised_padded_negative_model_gives_positive_pixels(blocks_card):
    left, right = textured_pair()
    with open_engine(blocks_card) as engine:
        disparity, confidence = StereoMatcher(engine, load_card(blocks_card))(left, right)
    assert disparity.shape == confidence.shape == left.shape[:2]
    assert disparity.dtype == np.float32
    assert (disparity[:, 12:] == 7).all()
    assert confidence[:, 20:-20].min() > 200


def test_the_wrong_colour_order_sees_nothing(blocks_card):
    """The control of the test above: were the order not obeyed, the model would be as blind as here."""
    wrong = load_card(blocks_card)
    wrong = dataclasses.replace(wrong, colour=dataclasses.replace(wrong.colour, order="rgb"))
    with open_engine(blocks_card) as engine:
        disparity, _ = StereoMatcher(engine, wrong)(*textured_pair())
    assert (disparity[:, 12:] == 7).mean() < 0.1


def test_normalisation_is_done_as_written():
    engine = Recording(constant(1))
    colour = Colour("bgr", 1.0, (0.1, 0.2, 0.3), (0.5, 0.25, 2.0), "float32", "nchw")
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[:] = (255, 51, 102)
    StereoMatcher(engine, card(colour=colour))(picture, picture)
    seen = engine.inputs["left"]
    assert seen.shape == (1, 3, 4, 6)
    np.testing.assert_allclose(seen[0, :, 0, 0], [(0.4 - 0.1) / 0.5, (0.2 - 0.2) / 0.25, (1.0 - 0.3) / 2.0], atol=1e-6)


def test_grey_pictures_feed_colour_models_and_the_other_way_round():
    engine = Recording(constant(1))
    StereoMatcher(engine, card(colour=NCHW))(*np.full((2, 4, 6), 77, np.uint8))
    assert (engine.inputs["left"] == 77).all()
    grey = Recording(lambda left: constant(1)(left), shape=("h", "w"), dtype="uint8")
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 0] = 255
    StereoMatcher(grey, card())(red, red)
    assert (grey.inputs["left"] == 76).all()  # ITU-R BT.601


@pytest.mark.parametrize(
    ("size", "output", "value", "factor"),
    [
        (Size(), Output(), 8.0, 1.0),
        (Size(), Output(sign="negative"), -8.0, 1.0),
        (Size(), Output(unit="width_fraction"), 8 / 96, 1.0),
        (Size(), Output(resolution=0.25), 8.0, 0.25),
        (Size(), Output(resolution=0.25, unit_at="output"), 2.0, 0.25),
        (Size("resize", width=48, height=32), Output(), 4.0, 1.0),
        (Size("resize", width=192, height=128), Output(sign="negative"), -16.0, 1.0),
        (Size("resize", width=48, height=32), Output(unit="width_fraction"), 8 / 96, 1.0),
        (Size("resize", width=48, height=32), Output(resolution=0.25, unit_at="output"), 1.0, 0.25),
        (Size("halve", max_pixels=2000), Output(), 4.0, 1.0),
        (Size("pad", stride=32), Output(), 8.0, 1.0),
        (Size("pad", stride=32), Output(resolution=0.25), 8.0, 0.25),
    ],
)
def test_eight_pixels_are_eight_pixels_in_every_convention(size, output, value, factor):
    matcher = StereoMatcher(Recording(constant(value, factor)), card(colour=NCHW, size=size, output=output))
    disparity, confidence = matcher(*np.full((2, 60, 96), 77, np.uint8))
    assert disparity.shape == confidence.shape == (60, 96)
    np.testing.assert_allclose(disparity, 8.0, rtol=1e-6)


def test_a_padded_part_does_not_come_back():
    def ramp(left):
        height, width = left.shape[-2:]
        plane = np.where(np.arange(width) < 90, 5.0, 50.0) * np.where(np.arange(height) < 50, 1.0, 10.0)[:, None]
        return {"disparity": plane.astype(np.float32)[None, None], "sure": np.ones((height, width))}

    matcher = StereoMatcher(Recording(ramp), card(colour=NCHW, size=Size("pad", stride=64)))
    disparity, _ = matcher(*np.zeros((2, 50, 90), np.uint8))
    assert (disparity == 5).all()


def test_what_is_not_a_positive_number_is_none():
    def mixed(left):
        plane = np.full(left.shape[-2:], 3.0, np.float32)
        plane[0, :4] = (0, -2, np.inf, np.nan)
        return {"disparity": plane[None, None], "sure": plane}

    disparity, confidence = StereoMatcher(Recording(mixed), card(colour=NCHW))(*np.zeros((2, 8, 9), np.uint8))
    assert np.isnan(disparity[0, :4]).all()
    assert (confidence[0, :4] == 0).all()
    assert (disparity[1:] == 3).all()


def test_a_models_own_confidence_is_used_and_scaled():
    matcher = StereoMatcher(Recording(constant(3)), card(colour=NCHW, output=Output(confidence="sure")))
    assert (matcher(*np.zeros((2, 8, 9), np.uint8)).confidence == 127).all()


@pytest.mark.parametrize("size", [Size("resize", width=64, height=32), Size("pad", stride=32), Size()])
@pytest.mark.parametrize("other", [(20, 25, 3), (40, 49, 3), (40, 50)])
def test_pictures_that_are_not_alike_are_refused(size, other):
    """Resized or padded they would be, and be matched as if they were."""
    matcher = StereoMatcher(Recording(constant(3)), card(colour=NCHW, size=size))
    with pytest.raises(EngineError, match=r"left picture is \(40, 50, 3\), the right one \("):
        matcher(np.zeros((40, 50, 3), np.uint8), np.zeros(other, np.uint8))


def test_a_card_that_names_no_output_of_the_model_is_refused():
    for output in (Output("flow"), Output(confidence="conf")):
        with pytest.raises(EngineError, match="disparity, sure"):
            StereoMatcher(Recording(constant(1)), card(output=output))


def test_an_output_that_is_no_plane_is_refused():
    def stack(left):
        return {"disparity": np.ones((2, 3, 4, 5), np.float32), "sure": np.ones((4, 5))}

    with pytest.raises(EngineError, match="plane"):
        StereoMatcher(Recording(stack), card(colour=NCHW))(*np.zeros((2, 8, 9), np.uint8))


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 64))
def test_padding_and_resizing_fit_the_stride(height, width, stride):
    padded = fitted_shape(Size("pad", stride=stride), (height, width))
    assert all(
        0 <= after - before < stride and after % stride == 0
        for after, before in zip(padded, (height, width), strict=True)
    )
    resized = fitted_shape(Size("resize", stride=stride), (height, width))
    assert all(after > 0 and after % stride == 0 for after in resized)


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 10**6))
def test_halving_ends_at_the_limit_and_not_before(height, width, limit):
    h, w = fitted_shape(Size("halve", max_pixels=limit), (height, width))
    assert h * w <= limit
    if (h, w) != (height, width):
        assert (2 * h + 1) * (2 * w + 1) > limit
