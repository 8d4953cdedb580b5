"""Perception on the engine's own device: what the node says is what it says with the same engine on the CPU.

The device is `HostDevice`: CUDA's kernels compiled for the CPU, memory of the host. Its engine is the shipped network
in ONNX Runtime. No GPU and no TensorRT is in here.
"""

import dataclasses
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from perception_scenes import FRAME_NS, PARAMS, START_NS, camera_model, drive, infos, odom, pictures, play, wall_pair

sys.path.append(str(Path(__file__).parents[1] / "kernels"))  # the device

from host_device import HostDevice, HostEvent, HostStream, compiled
from on_host_device import OnHostDevice

from engines.card import card_names, load_card
from engines.engine import EngineError
from engines.kernels import way
from engines.kernels.launch import Kernels
from engines.kernels.pair import Rig
from engines.open import open_engine
from engines.swapping import SwappingEngine
from perception_node import matching
from perception_node.cameras import Sources
from perception_node.params import DepthParams
from saccade.clock import MS
from saccade.geometry import Pinhole
from saccade.stages import Stages
from saccade.types import StereoPair
from saccade.wire.convert import decode

pytestmark = pytest.mark.skipif("stereo-s" not in card_names(), reason="no weights in engines/cards")
RAW, RECTIFIED = (tuple(f"{side}/image_{kind}" for side in ("left", "right")) for kind in ("raw", "rect"))
LENS = np.array([-0.2, 0.05, 1e-3, -1e-3, 0.0])


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Each file of kernels, compiled for the CPU."""
    folder = tmp_path_factory.mktemp("kernels")
    return {name: str(compiled(folder, name)).encode() for name in ("prepare", "triangulate", "between")}


class Both:
    """Plays a scene twice: with the engine on the CPU, and on the device."""

    def __init__(self, patch, images):
        self.patch, self.images = patch, images
        self.device, self.engines = HostDevice(), []
        self.wrapped = lambda engine: engine

    def played(self, samples, params=PARAMS, on_device=True):
        with self.patch.context() as patch:
            if on_device:
                patch.setattr(matching, "open_engine", self.opened)
                patch.setattr(way, "Kernels", lambda device: Kernels(device, lambda name, _: self.images[name]))
            return play(samples, params)

    def opened(self, card):
        self.engines.append(OnHostDevice(open_engine(card), self.device))
        return self.wrapped(self.engines[-1])

    def pairs(self):
        """How many have gone through the device, and its way is closed again."""
        assert all(memory.closed for memory in self.device.memories)
        assert all(engine.closed for engine in self.engines)
        return sum(engine.pairs for engine in self.engines)

    def same(self, samples, params=PARAMS):
        """Everything that is sent, but how long it took, is the same bytes; the tap of the device's run."""
        here, there = self.played(samples, params, on_device=False), self.played(samples, params)
        assert [(s.topic, s.cdr) for s in here.heard if s.topic != "diagnostics"] == [
            (s.topic, s.cdr) for s in there.heard if s.topic != "diagnostics"
        ]
        assert [said[:2] for said in here.diagnoses()] == [said[:2] for said in there.diagnoses()]
        return there


@pytest.fixture
def both(monkeypatch, images):
    return Both(monkeypatch, images)


def params(**depth):
    """All that can be sent is."""
    return dataclasses.replace(PARAMS, engine="stereo-s", depth=DepthParams(publish_disparity=True, **depth))


def depths(tap):
    return len(tap.of("depth/image_rect"))


def coloured(seed):
    """The wall through cameras of colours."""
    return [np.ascontiguousarray(cv2.applyColorMap(picture, cv2.COLORMAP_JET)) for picture in wall_pair(seed=seed)]


def with_lens(samples):
    """The rig's cameras with lenses that bend lines, each as much as it does."""
    bent = [camera_model(side, D=D) for side, D in (("left", LENS), ("right", 0.8 * LENS))]
    return [*samples[:1], *infos(START_NS, *bent), *samples[3:]]


def frames(pairs, topics=RAW):
    """A drive of these pairs."""
    samples = drive(0)
    for i, pair in enumerate(pairs):
        samples += [odom(START_NS + i * FRAME_NS), *pictures(START_NS + i * FRAME_NS, pair, topics=topics)]
    return samples


@pytest.mark.parametrize("pairs", [wall_pair, coloured], ids=["grey", "colour"])
def test_raw_pictures_become_the_same_depth_disparity_map_and_cloud(both, pairs):
    tap = both.same(with_lens(frames([pairs(seed=i) for i in range(4)])), params())
    assert (depths(tap), both.pairs()) == (4, 4)
    assert tap.of("points")
    assert tap.of("disparity")
    assert len(both.device.graphs) == 1  # the second pair is captured, all later ones start as one


def test_so_do_rectified_ones_and_grey_may_turn_to_colour(both):
    grey, colour = wall_pair(seed=0), coloured(seed=1)
    mixed = np.repeat(grey[0][..., None], 3, axis=2), grey[1]
    pairs = [grey, grey, colour, colour, mixed, grey]
    tap = both.same(frames(pairs, RECTIFIED), params())
    assert (depths(tap), both.pairs()) == (6, 6)


def test_a_frame_that_waits_for_odometry_is_not_written_over_by_one_that_is_refused(both):
    fine, at_ns = [wall_pair(seed=i) for i in range(4)], START_NS + 2 * FRAME_NS
    covered = np.full_like(fine[3][0], 3), fine[3][1]
    late = odom(at_ns)._replace(stamp_ns=at_ns + 50 * MS)
    refused = pictures(at_ns + 40 * MS, covered, topics=RAW)
    tap = both.same([*frames(fine[:2]), *pictures(at_ns, fine[2], topics=RAW), *refused, late], params())
    assert tap.named("stereo", "blank")
    assert len(tap.of("local_map")) == 3


def test_pairs_that_are_refused_meanwhile_do_not_come_out_later(both):
    fine = [wall_pair(seed=i) for i in range(6)]
    covered = np.full_like(fine[0][0], 3), fine[0][1]
    tap = both.same(frames([fine[0], covered, fine[2], fine[3][::-1], fine[4], fine[5]]), params())
    assert tap.named("stereo", "blank")
    assert both.pairs() == 6


def test_what_is_kept_changes_with_the_parameters(both):
    for limits in ({"max_m": 1.0}, {"min_m": 3.0}, {"min_confidence": 250}):
        both.same(frames([wall_pair(seed=0)]), params(**limits))
    assert both.pairs() == 3


def test_a_left_right_check_goes_through_the_cpu(both):
    both.same(frames([wall_pair(seed=i) for i in range(5)]), params(left_right_every=2))
    assert both.pairs() == 2


def test_a_left_right_check_waits_for_a_pair_that_was_given_up(both, monkeypatch):
    streams, busy, made, infer = [], [], HostDevice.stream, OnHostDevice.infer

    def stream(device, priority):
        streams.append(made(device, priority))
        return streams[-1]

    def noted(engine, inputs):
        busy.append(any(one.log for one in streams))
        return infer(engine, inputs)

    monkeypatch.setattr(HostDevice, "stream", stream)
    monkeypatch.setattr(HostStream, "synchronize", lambda one: one.log.clear())
    monkeypatch.setattr(OnHostDevice, "infer", noted)
    fine = wall_pair(seed=0)
    covered = np.full_like(fine[0], 3), fine[1]
    tap = both.played(frames([fine, covered, wall_pair(seed=2)]), params(left_right_every=2))
    assert (depths(tap), both.pairs(), busy) == (2, 1, [False] * 4)


def test_a_new_calibration_counts_from_its_first_pair(both):
    samples = with_lens(frames([wall_pair(seed=i) for i in range(4)]))
    other = [camera_model(side, D=-LENS) for side in ("left", "right")]
    tap = both.same([*samples, *infos(START_NS + 2 * FRAME_NS - 1, *other)], params())
    assert (depths(tap), both.pairs()) == (4, 4)


def test_an_engine_that_comes_later_takes_its_device_along(both):
    class Later(SwappingEngine):
        calls = 0

        def current(self):
            self.calls += 1
            if self.calls == 4:  # asked once when the node starts, then for each pair
                self.swap(both.engines[-1], {"runtime": "there"})
            return super().current()

    both.wrapped = lambda engine: Later(open_engine("stereo-s"))
    tap = both.same(frames([wall_pair(seed=i) for i in range(5)]), params())
    assert (depths(tap), both.pairs()) == (5, 3)


def told(tap):
    """What the node says of where pictures are prepared."""
    status = (one for sample in tap.of("diagnostics") for one in decode("diagnostics", sample.cdr).status)
    return {value.value for one in status for value in one.values if value.key == "pictures"}


def test_it_says_where_pictures_are_prepared(both):
    samples = frames([wall_pair(seed=i) for i in range(14)])
    assert told(both.played(samples, params(), on_device=False)) == set()
    assert told(both.played(samples, params())) == {"on host"}


def test_how_long_the_device_was_at_a_pair_is_a_stage_of_its_own(both, monkeypatch):
    monkeypatch.setattr(HostEvent, "elapsed_ms", lambda end, begin: 7.0)
    monkeypatch.setattr(matching, "open_engine", both.opened)
    monkeypatch.setattr(way, "Kernels", lambda device: Kernels(device, lambda name, _: both.images[name]))
    stages = Stages()
    found = matching.Matching(load_card("stereo-s"), DepthParams(), stages)
    left, right = wall_pair(seed=0)
    height, width = left.shape
    camera = Pinhole(400.0, 400.0, width / 2, height / 2, width, height)
    found.begin(Sources(0, "left", left, right, Rig(camera, camera.cx, 0.1)))
    found.disparity(StereoPair(0, "left", left, right, camera, camera.cx, 0.1))
    assert stages.summary()["device"]["p50_ms"] == 7.0
    found.close()


def test_without_a_compiler_for_kernels_the_cpu_prepares_and_that_is_told(both, monkeypatch):
    def none(device):
        raise EngineError("no NVRTC here")

    samples = frames([wall_pair(seed=i) for i in range(14)])
    here = both.played(samples, params(), on_device=False)
    monkeypatch.setattr(matching, "open_engine", both.opened)
    monkeypatch.setattr(way, "Kernels", none)
    there = play(samples, params())
    assert [s.cdr for s in here.of("depth/image_rect")] == [s.cdr for s in there.of("depth/image_rect")]
    assert told(there) == {"on the CPU: no NVRTC here"}
    assert both.pairs() == 0


def test_what_the_engine_refuses_is_named(both):
    def refusing(engine):
        engine.infer_on_device = lambda inputs, stream: (_ for _ in ()).throw(EngineError("too wide"))
        return engine

    both.wrapped = refusing
    tap = both.played(frames([wall_pair(seed=0)]), params())
    assert not depths(tap)
    assert tap.named("stereo", "engine refused") == ["engine refused: too wide"]
