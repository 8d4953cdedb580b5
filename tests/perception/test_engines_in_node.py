"""Every engine that ships, in the node: bad input gives a named error or no depth, and noise moves depth little."""

import dataclasses

import numpy as np
import pytest
from perception_scenes import (
    BASELINE_M,
    FRAME_NS,
    FX,
    HEIGHT,
    PARAMS,
    START_NS,
    WIDTH,
    camera_model,
    drive,
    infos,
    odom,
    pictures,
    play,
    wall_pair,
)  # fmt: skip

from engines.card import card_names, load_card
from engines.open import open_engine
from engines.ort import OrtEngine
from engines.stereo import StereoMatcher
from perception_node.params import DepthParams
from saccade.wire.images import decode_depth
from training.sample import sample

ENGINES = [
    "sgbm",
    pytest.param(
        "stereo-s", marks=pytest.mark.skipif("stereo-s" not in card_names(), reason="no weights in engines/cards")
    ),
]


@pytest.fixture(autouse=True, scope="module")
def each_graph_loaded_once():
    """A session of ONNX Runtime keeps nothing from one picture to the next, and takes long to make."""
    loaded, sessions = OrtEngine._loaded, {}

    def once(engine, settings, providers):
        if engine._name not in sessions:
            sessions[engine._name] = loaded(engine, settings, providers)
        return sessions[engine._name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OrtEngine, "_loaded", once)
        yield


@pytest.fixture(params=ENGINES)
def params(request):
    return dataclasses.replace(PARAMS, engine=request.param)


def with_infos(samples, left=None, right=None):
    return [*samples[:1], *infos(START_NS, left, right), *samples[3:]]


def depths(tap):
    return [decode_depth("depth/image_rect", s.cdr)[2] for s in tap.of("depth/image_rect")]


def projection(**changed):
    """Both cameras with entries of P and K changed: fx, cx_right, tx."""
    models = []
    for side in ("left", "right"):
        model = camera_model(side)
        P, K = model.P.copy(), model.K.copy()
        if "f" in changed:
            P[0, 0] = P[1, 1] = K[0, 0] = K[1, 1] = changed["f"]
        if side == "right" and "tx" in changed:
            P[0, 3] = changed["tx"]
        models.append(camera_model(side, P=P, K=K))
    return models


CALIBRATIONS = {
    "NaN baseline": (projection(tx=np.nan), "NaN"),
    "infinite baseline": (projection(tx=-np.inf), "infinity"),
    "zero baseline": (projection(tx=0.0), "no baseline"),
    "negative baseline": (projection(tx=FX * BASELINE_M), "swapped"),
    "baseline in millimetres": (projection(tx=-FX * BASELINE_M * 1000), "metres"),
    "negative focal length": (projection(f=-FX), "focal"),
    "focal length of zero": (projection(f=0.0), "focal"),
    "K of zeros": ([camera_model(side, K=np.zeros((3, 3))) for side in ("left", "right")], "K is all zero"),
    "P of zeros": ([camera_model(side, P=np.zeros((3, 4))) for side in ("left", "right")], "P is all zero"),
    "no size": ([camera_model(side, width=0) for side in ("left", "right")], "size"),
}


@pytest.mark.parametrize("fault", CALIBRATIONS)
def test_a_calibration_that_cannot_be_right_gives_no_depth(fault, params):
    models, words = CALIBRATIONS[fault]
    tap = play(with_infos(drive(2), *models), params)
    assert not depths(tap)
    told = tap.named("calibration", "unusable calibration")
    assert any(words in text for text in told), told


def test_pictures_of_different_size_give_no_depth(params):
    def sizes(seed):
        left, right = wall_pair(seed=seed)
        return left, right[:-2, :-4].copy()

    tap = play(drive(2, pairs=sizes), params)
    assert not depths(tap)
    assert (
        "right/image_rect is 156x118, right/camera_info says 160x120"
        in (tap.named("calibration", "unusable calibration")[0])
    )


@pytest.mark.parametrize("grey", [0, 255])
def test_black_and_white_pictures_give_no_depth(grey, params):
    tap = play(drive(3, pairs=lambda seed: np.full((2, HEIGHT, WIDTH), grey, np.uint8)), params)
    assert not depths(tap)
    assert tap.named("stereo", "blank" if grey == 0 else "over-exposed")


def painted(pair, how):
    colour = [np.repeat(p[..., None], 3, axis=2) for p in pair]
    return {
        "grey": pair, "colour": colour, "grey and colour": (pair[0], colour[1]), "colour and grey": (colour[0], pair[1])
    }[how]  # fmt: skip


def test_grey_and_colour_give_the_same_depth_and_may_change_while_running(params):
    hows = ["grey", "colour", "grey and colour", "colour and grey", "grey"]
    samples = [s for s in drive(1) if "image" not in s.topic]
    for i, how in enumerate(hows):
        now_ns = START_NS + i * FRAME_NS
        samples += [odom(now_ns), *pictures(now_ns, painted(wall_pair(seed=0), how))]
    found = depths(play(samples, params))
    assert len(found) == len(hows)
    for depth_m in found[1:]:
        both = np.isfinite(depth_m) & np.isfinite(found[0])
        assert (np.isfinite(depth_m) == np.isfinite(found[0])).mean() > 0.99
        assert np.median(np.abs(depth_m - found[0])[both]) < 0.01


def test_every_number_that_goes_out_is_in_range(params):
    """Noise, ramps, stripes, and a wall beyond what can be seen: depth in range, or none."""
    noise = np.random.default_rng(0)
    ramp = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    stripes = np.tile((np.arange(WIDTH) // 4 % 2 * 255).astype(np.uint8), (HEIGHT, 1))
    scenes = [
        tuple(noise.integers(0, 256, (2, HEIGHT, WIDTH), np.uint8)), (ramp, ramp), (stripes, stripes),
        wall_pair(0.14), wall_pair(0.1), wall_pair(0.5), wall_pair(6.0),
    ]  # fmt: skip
    limits = dataclasses.replace(params, depth=DepthParams(min_m=0.4, max_m=5.0))
    for i, scene in enumerate(scenes):
        for depth_m in depths(play(drive(2, pairs=lambda seed, scene=scene: scene), limits)):
            known = depth_m[np.isfinite(depth_m)]
            assert ((known >= 0.4) & (known <= 5.0)).all(), i
    assert not np.isinf(known).any()


def test_unsure_depth_is_none(params):
    """min_confidence: the same frames, less depth, and none of it less sure."""
    shares = []
    for least in (0, 128, 255):
        asked = dataclasses.replace(params, depth=DepthParams(min_confidence=least))
        found = depths(play(drive(2), asked))
        shares.append(np.isfinite(found[0]).mean() if found else 0.0)
    assert shares[0] >= shares[1] >= shares[2]
    assert shares[0] > shares[2]


def test_the_left_right_check_is_done_as_often_as_asked(params):
    """Of a network every n-th frame, of an engine that checks itself never."""
    from perception_node.node import PerceptionNode

    for every, expected in ((0, 0), (1, 6), (3, 2)):
        node = PerceptionNode(dataclasses.replace(params, depth=DepthParams(left_right_every=every)))
        for sample_ in drive(6):
            list(node.on_sample(sample_, sample_.stamp_ns))
        node.close()
        count = node.stages.summary().get("left-right", {"count": 0})["count"]
        assert count == (0 if params.engine == "sgbm" else expected)


JITTER_PX = {"sgbm": 0.25, "stereo-s": 0.25}
"""Median change of disparity from noise of 2 grey values: the bound of each engine, at half its own noise or more."""


@pytest.mark.parametrize("engine", ENGINES)
def test_noise_moves_the_depth_of_a_still_scene_little(engine):
    """The same generated scene twice, each time with other noise of a good camera; judged where both are sure."""
    s = sample(4, (320, 240), 64, effects=(), scene="street")
    noise = np.random.default_rng(0)

    def noisy(picture):
        return np.clip(picture + 2.0 * noise.standard_normal(picture.shape), 0, 255).astype(np.uint8)

    card = load_card(engine)
    with open_engine(card) as opened:
        match = StereoMatcher(opened, card)
        first, second = ((d.copy(), c.copy()) for d, c in (match(noisy(s.left), noisy(s.right)) for _ in range(2)))
    sure = (first[1] >= 128) & (second[1] >= 128)
    moved = np.abs(first[0] - second[0])[sure]
    assert sure.mean() > 0.2
    assert np.median(moved) < JITTER_PX[engine]
    assert (moved > 2).mean() < 0.03
    assert np.median(moved) > 0  # or nothing was tested


def test_a_running_node_takes_other_limits_of_depth():
    from perception_node.node import PerceptionNode

    node, shares = PerceptionNode(PARAMS), []
    for depth in (DepthParams(), DepthParams(min_m=2.5), DepthParams(min_confidence=245), DepthParams()):
        node.retune(dataclasses.replace(PARAMS, depth=depth))
        stamp_ns = START_NS + (len(shares) + 1) * FRAME_NS
        samples = [s for s in drive(1) if "image" not in s.topic] if not shares else []
        samples += [odom(stamp_ns), *pictures(stamp_ns, wall_pair(seed=len(shares)))]
        outs = [out for s in samples for out in node.on_sample(s, stamp_ns)]
        (sent,) = [out for out in outs if out.topic == "depth/image_rect"]
        shares.append(np.isfinite(decode_depth("depth/image_rect", sent.cdr)[2]).mean())
    node.close()
    assert shares[0] > 0.9
    assert shares[1] == 0  # the wall is at 2 m
    assert shares[2] < 0.9
    assert shares[3] > 0.9
