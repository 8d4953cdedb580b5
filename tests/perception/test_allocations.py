"""From a raw pair to points, a steady node makes nothing that is as large as a picture, but for the message it sends.

What is counted: all that Python and numpy allocate, OpenCV's results among it. Not what OpenCV and ONNX Runtime
allocate and free inside a call.
"""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from perception_scenes import camera_model

from engines.card import Card, Colour, Output, Size, load_card
from engines.engine import EngineSpec, TensorSpec
from engines.open import open_engine
from engines.pictures import ModelInput
from engines.stereo import StereoMatcher
from perception_node.cloud import Clouds
from perception_node.depth import Triangulator
from perception_node.params import PointsParams
from perception_node.rectify import Rectifier
from saccade.geometry import Pinhole
from saccade.types import StereoPair

WIDTH, HEIGHT = 320, 240
CAMERA = Pinhole(200.0, 200.0, 159.5, 119.5, WIDTH, HEIGHT)
LARGE = WIDTH * HEIGHT // 2
"""Bytes: half of the smallest picture that there is, a grey one."""


class Echo:
    """An engine that costs nothing and answers with what it is given, at a part of the resolution."""

    report = {}

    def __init__(self, resolution):
        free = ("n", "c", "h", "w")
        self.spec = EngineSpec(
            "echo", tuple(TensorSpec(name, "float32", free) for name in ("left", "right")),
            tuple(TensorSpec(name, "float16", free) for name in ("disparity", "sure")),
        )  # fmt: skip
        self.resolution, self.answers = resolution, {}

    def infer(self, inputs):
        shape = inputs["left"].shape
        shape = tuple(round(size * self.resolution) for size in (shape[1:3] if shape[-1] == 3 else shape[2:]))
        if shape not in self.answers:
            self.answers[shape] = np.full((1, 1, *shape), 5, np.float16)
        return {"disparity": self.answers[shape], "sure": self.answers[shape]}


def echo(resolution=1.0, size=Size(), order="rgb", layout="nchw", confidence="sure"):  # noqa: B008 - frozen
    """(engine, card) of a model with these conventions."""
    colour = Colour(order, dtype="float32", layout=layout)
    output = Output(resolution=resolution, confidence=confidence)
    return Echo(resolution), Card("echo", "stereo", "sgbm", "here", "MIT", colour=colour, size=size, output=output)


def shipped(name, **options):
    card = load_card(name, **options)
    return open_engine(card), card


MODELS = {
    "sgbm": lambda: shipped("sgbm"),
    "stereo-s": lambda: shipped("stereo-s", intra_threads=1),
    "stereo-s-int8": lambda: shipped("stereo-s-int8", intra_threads=1),
    "padded, bgr, nhwc": lambda: echo(size=Size("pad", stride=64), order="bgr", layout="nhwc"),
    "resized, a quarter": lambda: echo(0.25, Size("resize", width=256, height=192)),
    "grey, judged here": lambda: echo(size=Size("halve", max_pixels=40_000), order="grey", confidence=""),
}


class Chain:
    """All steps from a raw colour pair to the bytes of a cloud, as the node takes them."""

    def __init__(self, engine, card, left_right_px=0.0):
        D = np.array([-0.2, 0.03, 0, 0, 0])
        K = np.array([[200.0, 0, 159.5], [0, 200.0, 119.5], [0, 0, 1]])
        P = np.hstack([K, np.zeros((3, 1))])
        model = camera_model(width=WIDTH, height=HEIGHT, D=D, K=K, R=np.eye(3), P=P)
        self.rectify = Rectifier(model), Rectifier(model)
        self.match, self.left_right_px = StereoMatcher(engine, card), left_right_px
        self.triangulate = Triangulator(0.1, 100.0)
        self.clouds = Clouds(PointsParams(step=1))

    def depth(self, left, right):
        pictures = (rectify(picture) for rectify, picture in zip(self.rectify, (left, right), strict=True))
        self.pair = StereoPair(0, "left_optical", *pictures, CAMERA, CAMERA.cx, 0.12)
        return self.triangulate(self.pair, *self.match(self.pair.left, self.pair.right, self.left_right_px))

    def cloud(self, depth):
        return self.clouds.out(depth, self.pair.left, 0).cdr


def most_bytes(chain):
    """Bytes that are alive at once while a frame is worked on, after the first two: up to depth, and for the cloud.

    The cloud's message, which is the receiver's to keep, does not count.
    """
    pictures = np.random.default_rng(1).integers(0, 256, (2, HEIGHT, WIDTH, 3), np.uint8)
    for _ in range(2):
        chain.cloud(chain.depth(*pictures))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        depth = chain.depth(*pictures)
        between, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        message = chain.cloud(depth)
        return peak - before, tracemalloc.get_traced_memory()[1] - between - len(message)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("left_right_px", [0.0, 1.5])
@pytest.mark.parametrize("name", MODELS)
def test_a_steady_frame_makes_nothing_as_large_as_a_picture(name, left_right_px):
    assert max(most_bytes(Chain(*MODELS[name](), left_right_px))) < LARGE


@pytest.mark.parametrize("part", ["tensor", "disparity", "cloud"])
def test_a_single_copy_of_a_grey_picture_is_seen(part, monkeypatch):
    """The control of the test above: one more copy anywhere, and it fails."""
    chain = Chain(*echo())
    if part == "tensor":
        prepare = ModelInput.__call__
        monkeypatch.setattr(ModelInput, "__call__", lambda self, picture: prepare(self, picture).copy())
    elif part == "disparity":
        match = chain.match
        chain.match = lambda *pictures: [array.copy() for array in match(*pictures)]
    else:
        cloud = chain.cloud
        chain.cloud = lambda depth: cloud(replace(depth, depth_m=depth.depth_m.copy()))
    assert max(most_bytes(chain)) > LARGE
