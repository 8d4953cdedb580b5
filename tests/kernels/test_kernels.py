"""The kernels against NumPy and OpenCV, on the CPU through a C++ compiler and, marked gpu, on a GPU."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from device_stand_in import DeviceStandIn
from host_device import HostDevice, compiled, loaded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.card import Card, Colour, Output, Size
from engines.kernels.nvrtc import source
from engines.kernels.pair import Keep, Rig
from engines.kernels.pipeline import DevicePipeline
from engines.options import TrtOptions
from engines.pictures import fitted_shape
from engines.stereo import StereoMatcher
from perception_node.cloud import Clouds
from perception_node.depth import Triangulator
from perception_node.params import PointsParams
from perception_node.rectify import Rectifier
from saccade.geometry import Pinhole
from saccade.types import CameraModel, StereoPair
from saccade.wire.convert import decode

EXAMPLES = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
SHAPES = st.tuples(st.integers(9, 70), st.integers(9, 70))
SEEDS = st.integers(0, 2**32 - 1)


def camera_model(shape, cx):
    height, width = shape
    K = np.array([[0.9 * width, 0, cx], [0, 0.92 * width, height / 2], [0, 0, 1]])
    R, _ = cv2.Rodrigues(np.array([0.03, -0.05, 0.02]))
    D = np.array([-0.2, 0.05, 1e-3, -1e-3, 0.0])
    return CameraModel("left_optical", width, height, "plumb_bob", D, K, R, np.hstack([K, np.zeros((3, 1))]))


def pinhole(model):
    return Pinhole(model.K[0, 0], model.K[1, 1], model.K[0, 2], model.K[1, 2], model.width, model.height)


class OnCpu:
    """The same way on the CPU, of the node's own parts."""

    def __init__(self, engine, card, models, rectify, baseline_m, keep):
        self.engine, self.card, self.keep = engine, card, keep
        self.rectify = tuple(map(Rectifier, models)) if rectify else (lambda p: p, lambda p: p)
        self.camera, self.cx_right, self.baseline_m = pinhole(models[0]), models[1].K[0, 2], baseline_m

    def __call__(self, left, right):
        left, right = (rectify(picture) for rectify, picture in zip(self.rectify, (left, right), strict=True))
        pair = StereoPair(0, "left_optical", left, right, self.camera, self.cx_right, self.baseline_m)
        disparity, confidence = StereoMatcher(self.engine, self.card)(left, right)
        keep = self.keep
        depth = Triangulator(keep.min_m, keep.max_m, keep.min_confidence)(pair, disparity, confidence)
        message = decode("points", Clouds(PointsParams(step=keep.step)).out(depth, left, 0).cdr)
        points = np.array(message.data).view(np.float32).reshape(message.height, message.width, 4)
        return disparity, confidence, depth.depth_m, depth.confidence, points


def run(machine, card, raw_shape, seed, rectify=True, keep=Keep(0.2, 30.0), dtype="float32", odd=True):  # noqa: B008
    """(what the pipeline gave, what the CPU gives, tensors there, tensors here) of one random pair."""
    device, kernels = machine
    card = replace(card, tensorrt=TrtOptions(graphs=False))  # the stand-in waits, which no capture allows
    rng = np.random.default_rng(seed)
    shape = raw_shape[:2]
    models = camera_model(shape, shape[1] / 2 - 1.5), camera_model(shape, shape[1] / 2 + 2.0)
    fitted = fitted_shape(card.size, shape)
    plane = tuple(round(n * card.output.resolution) for n in fitted)
    disparity = rng.normal(6, 5, (1, 1, *plane)).astype(np.float32)
    if odd:
        where = rng.random(disparity.shape) < 0.1
        disparity[where] = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], where.sum())
    answers = {"disparity": disparity, "sure": rng.uniform(-0.1, 1.1, (1, *plane)).astype(np.float32)}
    if dtype == "float16":
        answers = {name: array.astype(np.float16) for name, array in answers.items()}
    takes = card.colour.dtype, (-1,) * (2 if card.colour.layout == "hw" else 4)
    pictures = rng.integers(0, 256, (2, *raw_shape), np.uint8)
    with device.use(), DeviceStandIn(device, {"left": takes, "right": takes}, answers) as engine:
        cpu = OnCpu(engine, card, models, rectify, 0.11, keep)
        wanted = cpu(*pictures)
        wanted_tensors = engine.given
        maps = tuple(r.maps for r in cpu.rectify) if rectify else None
        rig = Rig(cpu.camera, cpu.cx_right, 0.11, maps)
        with DevicePipeline(device, kernels, engine, card, raw_shape, rig, keep) as pipeline:
            seen = [array.copy() for array in pipeline(*pictures)]
    return seen, wanted, engine.given, wanted_tensors


def card_of(size=Size(), colour=Colour("rgb", dtype="float32", layout="nchw"), **output):  # noqa: B008 - frozen
    convention = Output(**{"confidence": "sure", **output})
    return Card("x", "stereo", "sgbm", "here", "MIT", size=size, colour=colour, output=convention)


def assert_bits(a, b):
    """Equal to the last bit, NaN where NaN."""
    for mine, others in zip(a, b, strict=True):
        assert mine.dtype == others.dtype
        np.testing.assert_array_equal(mine, others, strict=True)


SCALED = {"white": 1.0, "dtype": "float32", "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
COLOURS = [
    Colour("rgb", dtype="float32", layout="nchw"), Colour("bgr", layout="nchw", **SCALED),
    Colour("rgb", layout="nhwc", **SCALED), Colour("grey", 255.0, (90.0,), (40.0,), "float32", "nchw"), Colour(),
]  # fmt: skip


@EXAMPLES
@given(SHAPES, st.booleans(), st.booleans(), st.sampled_from(COLOURS), st.sampled_from([1, 16]), SEEDS)
def test_a_pair_is_rectified_padded_and_normalised_as_on_the_cpu(machine, shape, grey, rectify, colour, stride, seed):
    raw = shape if grey else (*shape, 3)
    card = card_of(Size("pad", stride=stride), colour)
    seen, wanted, tensors, wanted_tensors = run(machine, card, raw, seed, rectify)
    assert_bits([tensors[name] for name in ("left", "right")], [wanted_tensors[name] for name in ("left", "right")])
    assert_bits(seen, wanted)


@EXAMPLES
@given(
    SHAPES, SEEDS, st.sampled_from(["float32", "float16"]), st.sampled_from(["positive", "negative"]),
    st.sampled_from([1.0, 0.5, 0.25]), st.sampled_from([1, 2, 3]), st.integers(0, 200),
)  # fmt: skip
def test_disparity_becomes_depth_and_points_as_on_the_cpu(machine, shape, seed, dtype, sign, resolution, step, least):
    card = card_of(Size("pad", stride=8), resolution=resolution, sign=sign, max_disparity=11.0, offset_px=0.5)
    seen, wanted, *_ = run(machine, card, (*shape, 3), seed, True, Keep(0.5, 4.0, least, step), dtype)
    assert_bits(seen, wanted)


@EXAMPLES
@given(SHAPES, SEEDS, st.sampled_from([Size("resize", width=96, height=80), Size("resize", width=8, height=7)]))
def test_a_resized_picture_is_within_a_grey_value_of_opencvs(machine, shape, seed, size):
    """OpenCV sums in fixed point; what comes after the network is the same to the last bit."""
    seen, wanted, tensors, wanted_tensors = run(machine, card_of(size), (*shape, 3), seed)
    for name in ("left", "right"):
        assert np.abs(tensors[name] - wanted_tensors[name]).max() <= 1
        assert np.abs(tensors[name] - wanted_tensors[name]).mean() < 0.25
    assert_bits(seen, wanted)


MUTANTS = {
    "wrong sign of cx": ("triangulate", "disparity + how->cx_offset_px", "disparity - how->cx_offset_px"),
    "a range one side open": ("triangulate", "metres <= how->max_m &&", "true &&"),
    "no largest disparity": ("triangulate", "px <= how->most_px", "true"),
    "zero is a disparity": ("triangulate", "px > 0.0f", "px >= 0.0f"),
    "sure of nothing": ("triangulate", "(u8)(kept ? found : 0)", "(u8)found"),
    "sure within the range alone": ("triangulate", "certainty[at] = (u8)found", "certainty[at] = kept ? found : 0"),
    "rows for columns": ("triangulate", "z * right[j]", "z * right[i]"),
    "one pixel beside": ("prepare", "const int left = places[2 * at]", "const int left = 1 + places[2 * at]"),
    "cut, not rounded": ("prepare", "pixel[c] = 512", "pixel[c] = 0"),
    "fractions swapped": ("prepare", "fx = fractions[at] & 31, fy = fractions[at] >> 5",
                          "fy = fractions[at] & 31, fx = fractions[at] >> 5"),
    "wrapped at the border": ("prepare", " || column < 0 || column >= camera->raw_width", ""),
    "blue for red": ("prepare", "how->order == BGR ? 2 - c : c", "how->order == RGB ? 2 - c : c"),
    "another camera's map": ("prepare", "second ? right_places : left_places", "left_places"),
    "no mean": ("prepare", "- how->mean[c]", ""),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_kernel_that_is_wrong_is_seen(mutant, images, tmp_path):
    """The control of the tests above: each of these, and they would fail."""
    name, right, wrong = MUTANTS[mutant]
    text = source(name)
    assert text.count(right) == 1
    wrong_one = str(compiled(tmp_path, name, text.replace(right, wrong), ["-w"])).encode()
    machine = loaded(HostDevice(), {**images, name: wrong_one})
    card = card_of(Size("pad", stride=16), COLOURS[1], max_disparity=11.0)
    seen, wanted, tensors, wanted_tensors = run(machine, card, (40, 50, 3), 4, keep=Keep(0.4, 1.0, 40))
    with pytest.raises(AssertionError):
        assert_bits([*seen, *tensors.values()], [*wanted, *wanted_tensors.values()])
