"""`saccade engine bench`: `infer`, the device alone, and a raw pair to depth, by runtime; and the bench of backends.

The device is `HostDevice`, its engine the shipped network in ONNX Runtime: what is measured of them is no GPU's time.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

sys.path += [str(Path(__file__).parents[1] / "kernels"), str(Path(__file__).parents[2])]  # the device; bench

from host_device import HostDevice, compiled
from on_host_device import OnHostDevice

import engines.open
from bench import perception_backends, perception_stages
from engines.card import card_names, load_card
from engines.engine import EngineError
from engines.kernels import way
from engines.kernels.launch import Kernels
from engines.open import open_engine
from engines.probe.scenes import slanted
from perception_node import matching
from saccade.cli import FAILED, OK, main
from saccade.cli.engine.raw_pair import PairToDepth

pytestmark = pytest.mark.skipif("stereo-s" not in card_names(), reason="no weights in engines/cards")
SHORT = ("--runs", "2", "--warm-ups", "2", "--json")  # the second pair is captured, all later ones start as one


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Each file of kernels, compiled for the CPU."""
    folder = tmp_path_factory.mktemp("kernels")
    return {name: str(compiled(folder, name)).encode() for name in ("prepare", "triangulate", "between")}


@pytest.fixture
def there(monkeypatch, images):
    """A machine with a device and a verified engine for it; the cards that were opened."""
    opened, device = [], HostDevice()

    def on_device(card):
        opened.append(card)
        engine = OnHostDevice(open_engine("stereo-s"), device)
        engine.report = {**engine.report, "graph": "captured" if card.tensorrt.graphs else "not asked"}
        return engine

    monkeypatch.setattr(engines.open, "open_engine", on_device)
    monkeypatch.setattr(matching, "open_engine", on_device)
    monkeypatch.setattr(way, "Kernels", lambda device: Kernels(device, lambda name, _: images[name]))
    yield opened, device
    assert all(memory.closed for memory in device.memories)


def bench(capsys, *arguments, code=OK):
    assert main(["engine", "bench", *arguments]) == code
    return json.loads(capsys.readouterr().out)


def test_on_the_cpu_pictures_are_prepared_there(capsys):
    (row,) = bench(capsys, "stereo-s", "--runtime", "onnxruntime", *SHORT)["runtimes"]
    assert row["on_device"] is None
    assert row["pair_to_depth"]["prepared"] == "on the CPU"
    assert 0 < row["pair_to_depth"]["p50_ms"] <= row["pair_to_depth"]["p99_ms"]


def test_on_a_device_both_are_measured_with_graphs_and_without(capsys, there):
    opened, device = there
    with_graphs, without = bench(capsys, "stereo-s", "--runtime", "tensorrt", "--precision", "fp16", *SHORT)["runtimes"]
    assert (with_graphs["runtime"], without["runtime"]) == ("tensorrt", "tensorrt, no graphs")
    for row in (with_graphs, without):
        assert row["precision"] == "fp16"
        assert row["on_device"]["p50_ms"] > 0
        assert row["pair_to_depth"]["prepared"] == "on host"
    assert [card.tensorrt.graphs for card in opened] == [True, True, False, False]
    assert {(card.runtime, card.build.precision) for card in opened} == {("tensorrt", "fp16")}
    assert len(device.graphs) == 1


def test_the_table_says_what_is_missing_and_where_pictures_are_prepared(capsys, there, monkeypatch):
    def none(device):
        raise EngineError("no NVRTC here")

    monkeypatch.setattr(way, "Kernels", none)
    assert main(["engine", "bench", "stereo-s", "--runtime", "tensorrt", *SHORT[:-1]]) == OK
    out = capsys.readouterr().out
    assert "tensorrt: pictures are prepared on the CPU: no NVRTC here" in out
    assert "…" not in out  # nothing is cut off in a terminal of 80 columns


def test_a_runtime_that_is_not_here_is_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (row,) = bench(capsys, "stereo-s", "--runtime", "openvino", *SHORT, code=FAILED)["runtimes"]
    assert "saccade engine build stereo-s --runtime openvino" in row["trouble"]


def test_what_runs_meanwhile_is_not_timed_as_what_was_asked_for(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    card = Path(load_card("stereo-s").path)
    fields = yaml.safe_load(card.read_text())
    fields |= {"runtime": "openvino", "meanwhile": "onnxruntime", "onnx": str(card.parent / fields["onnx"])}
    fields["golden"] |= {name: str(card.parent / fields["golden"][name]) for name in ("inputs", "outputs")}
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump(fields))
    monkeypatch.setattr("engines.open.require_verdict", lambda card: None)
    monkeypatch.setattr("engines.store.build.require_verdict", lambda card: None)
    (row,) = bench(capsys, str(own), "--runtime", "openvino", *SHORT, code=FAILED)["runtimes"]
    assert "has no openvino engine" in row["trouble"]


def test_what_is_timed_is_the_depth_that_a_node_sends(capsys):
    scene = slanted((96, 160), 16)
    with PairToDepth(load_card("stereo-s"), 160, 96) as perceive:
        pair, depth = perceive(scene.left, scene.right)
        assert pair.left.shape == (96, 160, 3)
        assert not np.array_equal(pair.left, scene.left)  # rectified
        assert depth.depth_m.shape == (96, 160)
        wanted = 100.0 * 0.12 / scene.truth  # the lens bends the plane by little in the middle
        middle = np.s_[40:56, 60:100]
        assert np.nanmedian(np.abs(depth.depth_m - wanted)[middle] / wanted[middle]) < 0.1


def test_every_backend_is_measured_or_named_with_what_it_lacks(capsys, there, monkeypatch, tmp_path):
    for module in (perception_stages, perception_backends):
        monkeypatch.setattr(module, "WIDTH", 160)
        monkeypatch.setattr(module, "HEIGHT", 96)
    found = perception_backends.measured(load_card("stereo-s"), threads=1, frames=1)
    trt = [f"Saccade, TensorRT {precision}" for precision in ("fp32", "fp16")]
    for name in (*trt, *(f"{name}, no graphs" for name in trt)):
        assert found[name]["prepared"] == "on host"
    opened, _ = there
    assert [card.tensorrt.graphs for card in opened if card.runtime == "tensorrt"] == [True, False] * 2
    assert found["script, ONNX Runtime"]["p50_ms"] > 0
    assert "CUDAExecutionProvider" in found["script, ONNX Runtime CUDA"]
    out = capsys.readouterr().out
    assert "not run: script, ONNX Runtime CUDA: this ONNX Runtime has no CUDAExecutionProvider" in out
