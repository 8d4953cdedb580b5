"""ONNX Runtime behind the engine contract: the right file, on the provider asked for."""

import dataclasses
import time

import numpy as np
import onnxruntime
import pytest

from engines import ort
from engines.card import OrtOptions, load_card
from engines.check import check_engine
from engines.engine import EngineError
from engines.open import open_engine, open_unproven
from engines.ort import OrtEngine
from engines.ort_providers import OPENVINO
from saccade.errors import ConfigError


def pair(height=32, width=64, disparity=5):
    scene = np.random.default_rng(2).standard_normal((1, 3, height, width + disparity)).astype(np.float32)
    return {"left_bgr": scene[..., :-disparity].copy(), "right_bgr": scene[..., disparity:].copy()}


def test_it_keeps_the_contract(blocks_card):
    check_engine(open_engine(blocks_card), pair(), pair(48, 32), lambda: open_engine(blocks_card))


@pytest.mark.skipif(OPENVINO not in onnxruntime.get_available_providers(), reason="needs onnxruntime-openvino")
def test_the_openvino_provider_keeps_it_too_and_gives_the_same(blocks_card):
    def opened():
        return open_engine(blocks_card, providers=(OPENVINO,))

    check_engine(opened(), pair(), pair(48, 32), opened)
    with opened() as engine, open_engine(blocks_card) as reference:
        np.testing.assert_array_equal(engine.infer(pair())["flow"], reference.infer(pair())["flow"])
        assert "by OpenVINOExecutionProvider" in engine.report["nodes"]


def test_it_computes_what_the_graph_says(blocks_card):
    with open_engine(blocks_card) as engine:
        for _ in range(3):  # the first call allocates, later ones write into its buffers
            flow = engine.infer(pair())["flow"]
            assert (flow[..., 7:] == -5).all()


def test_buffers_are_kept_while_shapes_stay(blocks_card):
    with open_engine(blocks_card) as engine:
        first = engine.infer(pair())["flow"]
        assert engine.infer(pair(disparity=3))["flow"] is first
        assert (first[..., 7:] == -3).all()


def test_the_graph_is_compiled_for_the_shapes_that_it_is_given(blocks_card):
    with open_engine(blocks_card) as engine:
        for height, width in ((32, 64), (48, 32)):
            assert (engine.infer(pair(height, width))["flow"][..., 7:] == -5).all()
            assert f"H = {height}, W = {width}" in engine.report["compiled for"]


def test_threads_that_spin_within_a_frame_rest_between_frames():
    card = load_card("stereo-s")
    card = dataclasses.replace(card, ort=dataclasses.replace(card.ort, intra_threads=2, spinning=True))
    pictures = {side: np.zeros((1, 3, 96, 128), np.float32) for side in ("left", "right")}
    busy_s = 0.0
    with open_engine(card) as engine:
        for _ in range(5):
            engine.infer(pictures)
            begin_s = time.process_time()
            time.sleep(0.05)
            busy_s += time.process_time() - begin_s
    assert busy_s < 0.05, "of 0.25 s in which there was nothing to do"


def test_sizes_that_disagree_are_refused(blocks_card):
    with open_engine(blocks_card) as engine, pytest.raises(EngineError, match="W = 64"):
        engine.infer({"left_bgr": pair()["left_bgr"], "right_bgr": pair(32, 48)["right_bgr"]})


def test_a_graph_that_does_not_give_what_it_declares_is_refused(tmp_path):
    import hashlib

    from onnx import TensorProto, helper

    tensors = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["H", "W"]) for n in ("a", "b")]
    graph = helper.make_graph([helper.make_node("Transpose", ["a"], ["b"])], "turn", tensors[:1], tensors[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    (tmp_path / "turn.onnx").write_bytes(model)
    with OrtEngine("turn", tmp_path / "turn.onnx", hashlib.sha256(model).hexdigest(), OrtOptions()) as engine:
        assert engine.infer({"a": np.ones((3, 3), np.float32)})["b"].shape == (3, 3)
        with pytest.raises(EngineError, match="output 'b'"):
            engine.infer({"a": np.ones((2, 3), np.float32)})


def test_it_says_what_was_asked_and_got(blocks_card):
    with open_engine(blocks_card, intra_threads=1) as engine:
        assert engine.report["asked"] == engine.report["got"] == "CPUExecutionProvider"
        assert engine.report["threads"].startswith("1 within")


def test_another_file_than_the_card_means_is_refused(blocks_card):
    card = dataclasses.replace(load_card(blocks_card), sha256="0" * 64)
    with pytest.raises(EngineError, match="sha256"):
        open_unproven(card)
    card = dataclasses.replace(load_card(blocks_card), onnx="absent.onnx")
    with pytest.raises(EngineError, match=r"absent\.onnx"):
        open_unproven(card)


def test_a_provider_that_is_not_there_is_an_error_unless_allowed(blocks_card):
    asked = {"providers": ["CUDAExecutionProvider"]}
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has the provider that the test needs to be absent")
    with pytest.raises(EngineError, match="CUDAExecutionProvider"):
        open_engine(blocks_card, **asked)
    with open_engine(blocks_card, **asked, allow_fallback=True) as engine:
        assert engine.report["asked"] == "CUDAExecutionProvider"
        assert engine.report["got"] == "CPUExecutionProvider"


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_silent_fallback_inside_the_library_is_seen(blocks_card, monkeypatch):
    """A provider that is listed but does not load: the library falls back by itself, the engine refuses."""
    import onnxruntime

    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    with pytest.raises(EngineError, match="CUDAExecutionProvider"):
        open_engine(blocks_card, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])


def test_a_file_that_is_no_model_is_refused(blocks_card, tmp_path):
    import hashlib

    (tmp_path / "blocks.onnx").write_bytes(b"not a model")
    card = dataclasses.replace(
        load_card(blocks_card), path=str(tmp_path / "c.yaml"), sha256=hashlib.sha256(b"not a model").hexdigest()
    )
    with pytest.raises(EngineError, match="cannot load"):
        open_unproven(card)


def test_an_unknown_option_is_an_error(blocks_card):
    with pytest.raises(ConfigError, match="did you mean 'intra_threads'"):
        open_engine(blocks_card, intra_thread=1)


@pytest.mark.parametrize(
    ("providers", "loaded"),
    [
        ([ort.CPU], []), ([ort.CUDA, ort.CPU], ["cuda"]), ([ort.TENSORRT, ort.CUDA], ["cuda", "tensorrt"]),
        ([ort.TENSORRT], ["cuda", "tensorrt"]),
    ],
)  # fmt: skip
def test_libraries_that_came_as_wheels_are_loaded_for_the_providers_that_need_them(
    providers, loaded, monkeypatch, capsys
):
    seen = []

    def missing():
        seen.append("tensorrt")
        raise EngineError("not installed")

    monkeypatch.setattr(ort.onnxruntime, "preload_dlls", lambda: print("WARNING") or seen.append("cuda"), raising=False)
    monkeypatch.setattr(ort, "tensorrt", missing)
    ort.load_libraries(providers)
    assert seen == loaded
    assert capsys.readouterr().out == ""


def test_an_engine_loads_them_for_what_it_runs_on(blocks_card, monkeypatch):
    asked = []
    monkeypatch.setattr(ort, "load_libraries", asked.append)
    open_engine(blocks_card, providers=(ort.CUDA, ort.CPU), allow_fallback=True).close()
    assert asked == [{ort.CUDA, ort.CPU} & set(ort.onnxruntime.get_available_providers())]
