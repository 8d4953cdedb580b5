"""`DeviceWay`: which pairs go through a device, and what is made anew when."""

import numpy as np
import pytest
from device_stand_in import DeviceStandIn
from test_kernels import camera_model, card_of, pinhole

from engines.card import Card, Colour, Output, Second, Size
from engines.engine import ClosesItself, EngineError
from engines.kernels import way
from engines.kernels.pair import Keep, Rig
from engines.kernels.way import DeviceWay
from engines.stereo import StereoMatcher
from engines.swapping import SwappingEngine
from engines.two_graphs import TwoGraphs

SHAPE = (20, 36)
KEEP = Keep(0.1, 50.0, step=0)
TAKES = dict.fromkeys(("left", "right"), ("float32", (-1,) * 4))
PAIR = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), np.uint8)


@pytest.fixture
def device(host, monkeypatch):
    """A device whose kernels are there, and which remembers what is made."""
    machine, kernels = host
    machine.memories.clear()
    monkeypatch.setattr(way, "Kernels", lambda device: kernels)
    return machine


def rig():
    return Rig(pinhole(camera_model(SHAPE, 18.0)), 18.0, 0.1)


def stand_in(device, px=5.0):
    plane = np.full((1, 1, *SHAPE), px, np.float32)
    with device.use():
        return DeviceStandIn(device, TAKES, {"disparity": plane, "sure": plane})


class OnHost(ClosesItself):
    """The same engine without a device."""

    def __init__(self, engine):
        self.engine, self.spec, self.report = engine, engine.spec, {}

    def infer(self, inputs):
        return self.engine.infer(inputs)

    def close(self):
        self.engine.close()


def test_an_engine_on_the_host_is_left_to_the_host(device):
    with DeviceWay(OnHost(stand_in(device)), card_of()) as device_way:
        assert not device_way.begin(*PAIR, rig(), KEEP)
        assert device_way.report == ""
        with pytest.raises(EngineError, match="no pair was begun"):
            device_way.end()


def test_it_is_made_once_and_anew_when_what_is_wanted_changes(device):
    first = rig()
    with DeviceWay(stand_in(device), card_of()) as device_way:
        for _ in range(3):
            assert device_way.begin(*PAIR, first, KEEP)
            held = device.memories[2:]  # two are the engine's
        assert np.isfinite(device_way.end().depth_m).all()
        assert device_way.begin(*PAIR, first, Keep(0.1, 0.2, step=0))
        assert np.isnan(device_way.end().depth_m).all()
        assert all(memory.closed for memory in held)
        assert device_way.begin(*PAIR, rig(), KEEP)
        assert not device_way.begin(*PAIR[:, :10], first, KEEP)
        assert device_way.report == "on the CPU: pictures are (10, 36), the rig's are (20, 36) (H, W)"
        assert all(memory.closed for memory in device.memories[2:])
        assert device_way.begin(*PAIR, first, KEEP)
        assert device_way.report == "on host"
    assert all(memory.closed for memory in device.memories[2:])


def test_a_card_that_does_not_say_how_sure_it_is_stays_on_the_cpu_and_that_is_told(device):
    with DeviceWay(stand_in(device), card_of(confidence="")) as device_way:
        assert not device_way.begin(*PAIR, rig(), KEEP)
        assert (
            device_way.report
            == "on the CPU: card 'x' names no output.confidence; use StereoMatcher, which judges itself"
        )


def test_an_engine_that_was_swapped_in_brings_its_device(device):
    swapping = SwappingEngine(OnHost(stand_in(device)))
    with DeviceWay(swapping, card_of()) as device_way:
        assert not device_way.begin(*PAIR, rig(), KEEP)
        swapping.swap(stand_in(device, 7.0), {})
        assert device_way.begin(*PAIR, rig(), KEEP)
        assert (device_way.end().disparity_px == 7.0).all()
    swapping.close()


@pytest.mark.parametrize("both_there", [True, False])
def test_two_graphs_go_through_the_device_where_both_are_there(device, both_there):
    step = {"step": "group_correlation", "input": "volume", "left": "one", "right": "two"}
    card = Card(
        "two", "stereo", "sgbm", "here", "MIT", size=Size(), colour=Colour("rgb", dtype="float32", layout="nchw"),
        output=Output(confidence="sure"), second=Second("second.onnx", "0" * 64, **step),
    )  # fmt: skip
    features = np.random.default_rng(1).standard_normal((2, 1, 4, 5, 9)).astype(np.float32)
    plane = np.full((1, 1, *SHAPE), 5.0, np.float32)
    with device.use():
        first = DeviceStandIn(device, TAKES, dict(zip(("one", "two"), features, strict=True)))
        takes = {"volume": ("float32", (1, 2, 3, 5, 9)), "one": ("float32", (-1,) * 4)}
        second = DeviceStandIn(device, takes, {"disparity": plane, "sure": plane})
    engine = TwoGraphs(first if both_there else OnHost(first), second, card)
    colours = np.repeat(PAIR[..., None], 3, axis=3)
    found = StereoMatcher(engine, card)(*colours)
    volume = second.given["volume"]
    with DeviceWay(engine, card) as device_way:
        assert device_way.begin(*colours, rig(), KEEP) is both_there
        if both_there:
            assert second.given["volume"] is not volume
            np.testing.assert_array_equal(second.given["volume"], volume)
            np.testing.assert_array_equal(device_way.end().disparity_px, found.disparity)
    engine.close()
