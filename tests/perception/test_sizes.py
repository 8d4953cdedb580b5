"""Depth and its camera_info agree for every way of fitting a picture to a model: a plane comes back as that plane.

The model is a stand-in that knows the plane: it answers with its disparity, at the size that it was given, in pixels of
that picture, at the centre of each of its pixels.
"""

import numpy as np
import pytest
from perception_scenes import START_NS, camera_model, odom, pictures, play, static_tf

import perception_node.frames
import perception_node.matching
from engines.card import Card, Colour, Output, Size
from engines.engine import EngineSpec, TensorSpec
from perception_node.params import DepthParams, MapParams, PerceptionParams
from saccade.geometry import Pinhole
from saccade.node import Sample
from saccade.wire.convert import decode_camera, encode_camera
from saccade.wire.images import decode_depth

WIDTH, HEIGHT, FX, FY, CX, CY, BASELINE_M, DOFFS_PX = 198, 130, 150.0, 148.0, 91.3, 70.2, 0.12, 7.25
NORMAL, DISTANCE_M = np.array([0.25, -0.35, 1.0]), 2.0
"""The plane: NORMAL . X = DISTANCE_M in the left camera's optical frame."""
RULES = {
    "as_is": Size(),
    "halve": Size("halve", max_pixels=WIDTH * HEIGHT // 3),
    "pad": Size("pad", stride=32),
    "resize down": Size("resize", width=128, height=96),
    "resize up": Size("resize", width=320, height=224),
    "resize to a stride": Size("resize", stride=32),
}


class Plane:
    """An engine that sees the plane; `right` is ignored."""

    report = {"backend": "stand-in"}

    def __init__(self, rule):
        self.rule = rule
        inputs = tuple(TensorSpec(name, "float32", (1, 3, "H", "W")) for name in ("left", "right"))
        self.spec = EngineSpec("plane", inputs, (TensorSpec("disparity", "float32", (1, 1, "H", "W")),
                                                 TensorSpec("sure", "float32", (1, 1, "H", "W"))))  # fmt: skip

    def infer(self, inputs):
        height, width = inputs["left"].shape[-2:]
        # Centres of the model's pixels in the full picture: edges, not centres, lie on one another.
        zoom_x, zoom_y = (1.0, 1.0) if self.rule == "pad" else (width / WIDTH, height / HEIGHT)
        u = (np.arange(width) + 0.5) / zoom_x - 0.5
        v = (np.arange(height)[:, None] + 0.5) / zoom_y - 0.5
        z = DISTANCE_M / (NORMAL[0] * (u - CX) / FX + NORMAL[1] * (v - CY) / FY + NORMAL[2])
        disparity = (FX * BASELINE_M / z - DOFFS_PX) * zoom_x  # d = f B / z - (cx_right - cx_left)
        sure = np.ones((1, 1, height, width), np.float32)
        return {"disparity": disparity[None, None].astype(np.float32), "sure": sure}

    def close(self): ...


def shown(monkeypatch, rule, stride=1):
    """Depth (H, W) and the pinhole of the camera_info that goes with it, as the node sends them."""
    size = RULES[rule]
    card = Card(
        "plane", "stereo", "onnx", "here", "MIT", onnx="x", sha256="0" * 64, size=size,
        output=Output(confidence="sure"), colour=Colour(order="rgb", dtype="float32", layout="nchw"),
    )  # fmt: skip
    monkeypatch.setattr(perception_node.frames, "load_card", lambda name: card)
    monkeypatch.setattr(perception_node.matching, "open_engine", lambda card: Plane(size.rule))
    P = np.array([[FX, 0, CX, 0], [0, FY, CY, 0], [0, 0, 1, 0.0]])
    Q = P + np.array([[0, 0, DOFFS_PX, -FX * BASELINE_M], [0] * 4, [0] * 4])
    left, right = (camera_model(side, width=WIDTH, height=HEIGHT, P=M) for side, M in (("left", P), ("right", Q)))
    scene = np.random.default_rng(0).integers(0, 256, (2, HEIGHT, WIDTH), np.uint8)
    samples = [static_tf(START_NS), Sample("left/camera_info", START_NS, encode_camera(START_NS, left)),
               Sample("right/camera_info", START_NS, encode_camera(START_NS, right)), odom(START_NS),
               *pictures(START_NS, scene)]  # fmt: skip
    tap = play(samples, PerceptionParams(depth=DepthParams(publish_stride=stride), map=MapParams(size_m=6.4)))
    assert len(tap.of("depth/image_rect")) == 1, tap.diagnoses()
    _, _, depth_m = decode_depth("depth/image_rect", tap.of("depth/image_rect")[0].cdr)
    _, info = decode_camera(tap.of("depth/camera_info")[0].cdr)
    assert depth_m.shape == (info.height, info.width)
    np.testing.assert_array_equal(info.K, info.P[:, :3])
    return depth_m, Pinhole(info.P[0, 0], info.P[1, 1], info.P[0, 2], info.P[1, 2], info.width, info.height)


def fitted(depth_m, camera):
    """Normal, as a multiple of its z, and distance of the plane through all points; and how far they lie off it."""
    v, u = np.indices(depth_m.shape)
    known = np.isfinite(depth_m)
    points = camera.unproject(np.stack([u, v], -1)[known].astype(float), depth_m[known].astype(float))
    # z = d - a x - b y for the plane (a, b, 1) . X = d
    (a, b, d), *_ = np.linalg.lstsq(np.column_stack([-points[:, :2], np.ones(len(points))]), points[:, 2], rcond=None)
    off = np.abs(points @ np.array([a, b, 1.0]) - d)
    return np.array([a, b, 1.0]), d, off, known.mean()


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("rule", RULES)
def test_a_plane_comes_back_through_every_size_rule(rule, stride, monkeypatch):
    depth_m, camera = shown(monkeypatch, rule, stride)
    normal, distance_m, off, known = fitted(depth_m, camera)
    assert known > 0.95
    np.testing.assert_allclose(normal, NORMAL, atol=0.004)
    assert distance_m == pytest.approx(DISTANCE_M, rel=0.002)
    coarse = {"halve": 2.0, "resize down": WIDTH / 128}.get(rule, 1.0)
    assert np.median(off) < 2e-3 + 0.006 * (coarse - 1)  # coarse pixels are steps


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("wrong", [{"fx": 1.02}, {"cx": 3.0}, {"cy": 3.0}])
def test_the_plane_would_show_a_wrong_camera_info(rule, wrong, monkeypatch):
    """The control of the test above."""
    depth_m, camera = shown(monkeypatch, rule)
    fields = {name: getattr(camera, name) for name in ("fx", "fy", "cx", "cy", "width", "height")}
    for name, by in wrong.items():
        fields[name] = fields[name] * by if name == "fx" else fields[name] + by
    normal, distance_m, *_ = fitted(depth_m, Pinhole(**fields))
    wrong_plane = np.abs(normal - NORMAL).max() > 0.004 or abs(distance_m / DISTANCE_M - 1) > 0.002
    assert wrong_plane
