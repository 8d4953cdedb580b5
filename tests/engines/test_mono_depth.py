"""A monocular model behind its card: relative inverse depth, or metres for the focal length at hand."""

import dataclasses

import numpy as np
import pytest

from engines.card import Card, Colour, Output, Size
from engines.depth import DepthEstimator
from engines.engine import EngineError, EngineSpec, TensorSpec

RGB = Colour("rgb", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "float32", "nchw")
RELATIVE = Card("x", "depth", "sgbm", "here", "MIT", left="image", colour=RGB,
                size=Size("resize", stride=14, short_side=56),
                output=Output("depth", unit="relative_inverse"))  # fmt: skip
METRIC = dataclasses.replace(RELATIVE, output=Output("depth", unit="canonical", focal_px=300.0))


class Red:
    """An engine that answers with the red channel it was given, undone of its normalisation."""

    report = {"backend": "test"}
    spec = EngineSpec(
        "red", (TensorSpec("image", "float32", (1, 3, -1, -1)),), (TensorSpec("depth", "float32", (1, -1, -1)),)
    )

    def infer(self, inputs):
        self.spec.check_inputs(inputs)
        self.seen = inputs["image"]
        return {"depth": self.seen[:, 0] * 0.229 + 0.485}


def ramp(height=60, width=90):
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0] = np.linspace(10, 250, width).astype(np.uint8)
    return picture


def test_relative_inverse_depth_comes_back_at_the_pictures_size():
    engine = Red()
    values = DepthEstimator(engine, RELATIVE)(ramp(), 500.0)
    assert engine.seen.shape == (1, 3, 56, 84)
    assert values.shape == (60, 90)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, ramp()[..., 0] / 255, atol=0.02)


def test_kind_tells_what_comes_out():
    assert DepthEstimator(Red(), RELATIVE).kind == "relative_inverse"
    assert DepthEstimator(Red(), METRIC).kind == "metric"


@pytest.mark.parametrize("focal_px", [150.0, 300.0, 900.0])
def test_canonical_depth_is_scaled_by_the_focal_length_of_the_picture_that_the_model_saw(focal_px):
    values = DepthEstimator(Red(), METRIC)(ramp(), focal_px)
    expected = ramp()[..., 0] / 255 * focal_px * (84 / 90) / 300
    np.testing.assert_allclose(values, expected, atol=0.02 * focal_px / 300)


def test_padding_leaves_the_focal_length_alone_and_does_not_come_back():
    card = dataclasses.replace(METRIC, size=Size("pad", stride=64))
    engine = Red()
    values = DepthEstimator(engine, card)(ramp(), 300.0)
    assert engine.seen.shape == (1, 3, 64, 128)
    np.testing.assert_allclose(values, ramp()[..., 0] / 255, atol=1e-3)


def test_what_is_no_number_is_none_and_no_depth_is_negative():
    class Odd(Red):
        def infer(self, inputs):
            depth = np.full((1, *inputs["image"].shape[2:]), 2.0, np.float32)
            depth[0, :4] = np.array([np.nan, np.inf, -1.0, 0.0])[:, None]
            return {"depth": depth}

    size = Size("pad", stride=14)
    metric = DepthEstimator(Odd(), dataclasses.replace(METRIC, size=size))(ramp(), 300.0)
    assert np.isnan(metric[:4]).all()
    assert (metric[4:] == 2).all()
    relative = DepthEstimator(Odd(), dataclasses.replace(RELATIVE, size=size))(ramp(), 300.0)
    assert np.isnan(relative[:2]).all()
    assert (relative[2] == -1).all()


def test_a_negative_relative_output_is_turned_round():
    card = dataclasses.replace(RELATIVE, output=Output("depth", sign="negative", unit="relative_inverse"))
    values = DepthEstimator(Red(), card)(ramp(), 300.0)
    assert values[30, 80] < values[30, 10] < 0


def test_what_cannot_be_estimated_is_refused():
    with pytest.raises(EngineError, match="focal length"):
        DepthEstimator(Red(), METRIC)(ramp(), 0.0)
    with pytest.raises(EngineError, match="kind stereo"):
        DepthEstimator(Red(), Card("x", "stereo", "sgbm", "here", "MIT"))
    with pytest.raises(EngineError, match="the model has depth"):
        DepthEstimator(Red(), dataclasses.replace(RELATIVE, output=Output("disp", unit="relative_inverse")))
