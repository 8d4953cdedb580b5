"""The whole node with one camera gone: monocular depth where a model is set, silence where none is."""

import dataclasses

import cv2
import numpy as np
import pytest
from perception_scenes import (
    BASELINE_M,
    CAMERA,
    FRAME_NS,
    FX,
    HEIGHT,
    PARAMS,
    START_NS,
    T_BASE_FROM_CAM,
    WIDTH,
    camera_model,
    infos,
    odom,
    pictures,
    play,
    static_tf,
)  # fmt: skip

import perception_node.mono
from perception_node.params import MonoParams
from saccade.clock import MS
from saccade.geometry import SE3
from saccade.wire.convert import decode, decode_camera
from saccade.wire.images import decode_depth, decode_image

MONO = dataclasses.replace(PARAMS, mono=MonoParams(card="stand-in", max_s=2.0))
NEAR_PX, FAR_PX = 8, 4
"""Disparities of a wall at 1.5 m that fills the lower half, and of one at 3 m above it."""
TRUTH_M = np.where(np.arange(HEIGHT)[:, None] < HEIGHT // 2, FX * BASELINE_M / FAR_PX, FX * BASELINE_M / NEAR_PX)


class StandIn:
    """A monocular model that knows the two walls; it says 5 / depth + 0.7, and nobody is told."""

    kind = "relative_inverse"

    def __init__(self, engine, card): ...

    def __call__(self, picture, focal_px):
        assert picture.shape[:2] == (HEIGHT, WIDTH)
        return np.broadcast_to(5.0 / TRUTH_M + 0.7, (HEIGHT, WIDTH)).astype(np.float32)


class Closed:
    def close(self): ...


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    monkeypatch.setattr(perception_node.mono, "load_card", lambda name: None)
    monkeypatch.setattr(perception_node.mono, "open_engine", lambda card: Closed())
    monkeypatch.setattr(perception_node.mono, "DepthEstimator", StandIn)


def walls():
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH + NEAR_PX), np.uint8)
    scene = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 1.5), None, 0, 255, cv2.NORM_MINMAX)
    left, right = scene[:, :WIDTH].copy(), scene[:, NEAR_PX:].copy()
    right[: HEIGHT // 2] = scene[: HEIGHT // 2, FAR_PX : FAR_PX + WIDTH]
    return left, right


def drive(frames=30, change=lambda i, now_ns, samples: samples):
    """A robot that stands before the walls; from frame 5 on, `change` says what the cameras send."""
    T_right = SE3(T_BASE_FROM_CAM.R, T_BASE_FROM_CAM.apply(np.array([[BASELINE_M, 0.0, 0.0]]))[0])
    samples = [static_tf(START_NS), static_tf(START_NS, child="right_optical", T=T_right), *infos(START_NS)]
    for i in range(frames):
        now_ns = START_NS + i * FRAME_NS
        pair = pictures(now_ns, walls())
        samples += [odom(now_ns), *(change(i, now_ns, pair) if i >= 5 else pair)]
    return samples


def without(side):
    return lambda i, now_ns, pair: [s for s in pair if not s.topic.startswith(side)]


def depths(tap):
    return {
        stamp_ns: (frame, depth_m)
        for stamp_ns, frame, depth_m in (decode_depth(s.topic, s.cdr) for s in tap.of("depth/image_rect"))
    }


def levels(tap, stage):
    told = [decode("diagnostics", s.cdr).status[0] for s in tap.of("diagnostics")]
    return [(int(s.level), s.message) for s in told if s.name == f"perception: {stage}"]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_silent_camera_leaves_depth_of_the_other_for_a_while(side):
    tap = play(drive(change=without(side)), MONO)
    frames = depths(tap)
    late = [stamp_ns for stamp_ns in frames if stamp_ns > START_NS + 4 * FRAME_NS]
    # From the second picture without a partner (120 ms) until the last stereo depth is 2 s old.
    assert late[0] == START_NS + 6 * FRAME_NS
    assert START_NS + 4 * FRAME_NS + 2000 * MS - 4 * FRAME_NS <= late[-1] < START_NS + 4 * FRAME_NS + 2000 * MS
    for stamp_ns in late[:5]:
        frame, depth_m = frames[stamp_ns]
        assert frame == ("right_optical" if side == "left" else "left_optical")
        known = np.isfinite(depth_m)
        assert known.mean() > 0.95
        assert np.median(np.abs(depth_m / TRUTH_M - 1)[known]) < 0.02
    assert tap.of("local_map")
    warned = [text for level, text in levels(tap, "stereo") if level == 1]
    assert any(
        "one camera: monocular depth, scale from stereo" in text and f"{side} is silent" in text for text in warned
    )
    assert any("no scale" in text for _, text in levels(tap, "stereo"))


def test_no_pictures_are_missed_while_one_camera_will_do():
    tap = play(drive(20, change=without("right")), MONO)
    assert max(depths(tap)) == START_NS + 19 * FRAME_NS
    assert not tap.named("sync", "pictures stopped")


def test_its_confidence_falls_with_age():
    tap = play(drive(change=without("right")), MONO)
    sure = [int(decode_image(s.topic, s.cdr).data.max()) for s in tap.of("depth/confidence")][5:]
    assert sure == sorted(sure, reverse=True)
    assert len(set(sure)) == len(sure)
    assert sure[0] > 200
    assert sure[-1] < 64


def test_without_a_card_the_robot_stops_as_before():
    tap = play(drive(change=without("right")), PARAMS)
    assert max(depths(tap)) == START_NS + 4 * FRAME_NS
    assert tap.named("sync", "pictures stopped")


@pytest.mark.parametrize("side", [0, 1])
def test_a_covered_camera_leaves_depth_of_the_other(side):
    def covered(i, now_ns, pair):
        pictures_ = list(walls())
        pictures_[side] = np.full((HEIGHT, WIDTH), 12, np.uint8)
        return pictures(now_ns, pictures_)

    tap = play(drive(12, covered), MONO)
    frames = depths(tap)
    assert len(frames) == 12
    frame, depth_m = frames[max(frames)]
    assert frame == ("right_optical", "left_optical")[side]
    assert np.nanmedian(np.abs(depth_m / TRUTH_M - 1)) < 0.02
    assert any("is blank" in text for level, text in levels(tap, "stereo") if level == 1)
    assert len(depths(play(drive(12, covered), PARAMS))) == 5


def test_the_camera_that_is_left_has_its_own_principal_point():
    """doffs: the right camera's camera_info must be the right camera's, not the left one's."""
    right = camera_model("right")
    P = right.P.copy()
    P[0, 2] += 3.0
    samples = drive(12, without("left"))
    samples[2:4] = infos(START_NS, right=camera_model("right", P=P))
    tap = play(samples, MONO)
    info = decode_camera(tap.of("depth/camera_info")[-1].cdr)[1]
    assert (info.frame_id, info.P[0, 2]) == ("right_optical", CAMERA.cx + 3.0)


def test_both_cameras_gone_is_silence():
    def dark(i, now_ns, pair):
        return pictures(now_ns, np.full((2, HEIGHT, WIDTH), 8, np.uint8))

    tap = play(drive(10, dark), MONO)
    assert max(depths(tap)) == START_NS + 4 * FRAME_NS


def test_another_scene_gets_no_depth():
    def elsewhere(i, now_ns, pair):
        other = np.random.default_rng(9).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
        return pictures(now_ns, [cv2.GaussianBlur(other, (0, 0), 1.5)] * 2)[:1]

    tap = play(drive(12, elsewhere), MONO)
    assert max(depths(tap)) == START_NS + 4 * FRAME_NS
    assert any("looks otherwise now" in text for _, text in levels(tap, "stereo"))


def test_when_the_camera_comes_back_both_are_used():
    def gap(i, now_ns, pair):
        return pair[:1] if i < 12 else pair

    tap = play(drive(25, gap), MONO)
    assert len(depths(tap)) == 25 - 1  # one frame is waited for the partner
    assert levels(tap, "stereo")[-1][0] == 0


def test_two_runs_give_the_same_bytes():
    runs = [[(s.topic, bytes(s.cdr)) for s in play(drive(12, without("right")), MONO).heard] for _ in range(2)]
    assert runs[0] == runs[1]
