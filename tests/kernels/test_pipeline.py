"""The pipeline's own promises, on a device that keeps a log: one way, in order, and captured once."""

from dataclasses import replace

import numpy as np
import pytest
from device_stand_in import DeviceStandIn
from test_kernels import camera_model, card_of, pinhole

from engines.card import Size
from engines.engine import EngineError
from engines.kernels.pair import Keep, Rig
from engines.kernels.pipeline import STAGES, DevicePipeline
from engines.options import TrtOptions

SHAPE = (20, 36)
ORDER = ["upload", "upload", "prepare", "triangulate", "download", "download", "download", "download", "download"]


def pipeline(host, graphs, card=None, step=1, raw=SHAPE):
    device, kernels = host
    takes = "float32", (-1,) * 4
    plane = np.full((1, 1, *SHAPE), 5, np.float32)
    card = replace(card or card_of(), tensorrt=TrtOptions(graphs=graphs, priority="low"))
    with device.use():
        engine = DeviceStandIn(device, {"left": takes, "right": takes}, {"disparity": plane, "sure": plane})
    rig = Rig(pinhole(camera_model(SHAPE, 18.0)), 18.0, 0.1)
    return DevicePipeline(device, kernels, engine, card, raw, rig, Keep(0.1, 50.0, step=step))


def test_each_call_goes_the_way_once_in_order(host):
    pair = np.zeros((2, *SHAPE), np.uint8)
    with pipeline(host, graphs=False) as device_pipeline:
        for _ in range(3):
            device_pipeline._stream.log.clear()
            device_pipeline(*pair)
            assert device_pipeline._stream.log == ORDER
            assert device_pipeline.times_ms().keys() == {*STAGES, "total"}
            assert device_pipeline.times_ms()["total"] == len(ORDER)


def test_the_second_call_captures_the_way_and_later_ones_start_it(host):
    device, _ = host
    before = len(device.graphs)
    with pipeline(host, graphs=True) as device_pipeline:
        seen = []
        for level in (10, 80, 200):
            pair = np.full((2, *SHAPE), level, np.uint8)
            device_pipeline._stream.log.clear()
            seen.append(device_pipeline(*pair).points[..., 3].copy())
            assert device_pipeline._stream.log == ORDER
        assert [graph.launches for graph in device.graphs[before:]] == [2]
        assert device_pipeline.times_ms().keys() == {"total"}
    assert len({colours.tobytes() for colours in seen}) == 3  # each call shows its own pictures


def test_a_way_that_cannot_be_captured_is_gone_step_by_step(host, monkeypatch, caplog):
    device, _ = host
    asked = []

    def refuse(stream, work):
        asked.append(stream)
        raise EngineError("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")

    monkeypatch.setattr(device, "capture", refuse)
    with pipeline(host, graphs=True) as device_pipeline:
        for _ in range(4):
            device_pipeline._stream.log.clear()
            assert (device_pipeline(*np.zeros((2, *SHAPE), np.uint8)).disparity_px == 5).all()
            assert device_pipeline._stream.log == ORDER
        assert device_pipeline.times_ms().keys() == {*STAGES, "total"}
    assert len(asked) == 1
    assert "x: queued anew for each pair" in caplog.text


def test_nothing_is_made_anew_once_the_shapes_are_known(host):
    device, _ = host
    pair = np.zeros((2, *SHAPE), np.uint8)
    with pipeline(host, graphs=False) as device_pipeline:
        first = device_pipeline(*pair)
        made = len(device.memories)
        again = device_pipeline(*pair)
        assert len(device.memories) == made
        assert all(a is b for a, b in zip(first, again, strict=True))


def test_without_points_none_are_fetched_and_all_else_is_the_same(host):
    pair = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), np.uint8)
    with pipeline(host, graphs=False) as whole, pipeline(host, graphs=False, step=0) as bare:
        wanted, seen = whole(*pair), bare(*pair)
        assert bare._stream.log == ORDER[:-1]
    for mine, others in zip(seen[:-1], wanted[:-1], strict=True):
        np.testing.assert_array_equal(mine, others, strict=True)


def test_a_pair_that_is_begun_and_not_ended_leaves_nothing_behind(host):
    one, two = np.random.default_rng(0).integers(0, 256, (2, 2, *SHAPE), np.uint8)
    with pipeline(host, graphs=True) as device_pipeline:
        wanted = [array.copy() for array in device_pipeline(*two)]
        device_pipeline.begin(*one)
        waited = []
        device_pipeline._stream.synchronize = lambda: waited.append(device_pipeline._pictures[0].array.copy())
        device_pipeline.begin(*two)
        np.testing.assert_array_equal(waited[0], one[0])  # or it would be changed while it is copied
        for mine, others in zip(device_pipeline.end(), wanted, strict=True):
            np.testing.assert_array_equal(mine, others, strict=True)


def test_its_work_has_the_priority_that_the_card_says(host):
    with pipeline(host, graphs=False) as device_pipeline:
        assert device_pipeline._stream.priority == "low"


def test_it_is_not_closed_under_work(host):
    with pipeline(host, graphs=False) as device_pipeline:
        device_pipeline.begin(*np.zeros((2, *SHAPE), np.uint8))
        waited = []
        device_pipeline._stream.synchronize = lambda: waited.append(host[0].memories[-1].closed)
    assert waited == [False]
    device_pipeline.close()
    assert waited == [False]


def test_what_it_cannot_do_it_refuses(host):
    with pytest.raises(EngineError, match="StereoMatcher"):
        pipeline(host, False, card_of(confidence=""))
    with pytest.raises(EngineError, match=r"pictures are \(20, 35\), the rig's are \(20, 36\)"):
        pipeline(host, False, raw=(20, 35))
    device, before = host[0], len(host[0].memories)
    with pytest.raises(EngineError, match="narrower and higher"):
        pipeline(host, False, card_of(Size("resize", width=20, height=40)))
    _, _, *made = device.memories[before:]  # two are the engine's
    assert made
    assert all(memory.closed for memory in made)
    with pipeline(host, False) as device_pipeline, pytest.raises(EngineError, match=r"made for \(20, 36\)"):
        device_pipeline(*np.zeros((2, 20, 37), np.uint8))
