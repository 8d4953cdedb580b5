"""OpenVINO behind the engine contract, and as a compiler whose files are only loaded where they were made."""

import hashlib

import numpy as np
import pytest
from block_matching import block_matching_graph

from engines.check import check_engine
from engines.compiler import BuildPlan, Shapes
from engines.engine import EngineError
from engines.openvino import OpenVinoCompiler, OpenVinoEngine
from engines.options import OpenVinoOptions, OrtOptions
from engines.ort import OrtEngine
from engines.precision.half import Half

pytest.importorskip("openvino", reason="OpenVINO is not installed (an extra)")
ONE = OpenVinoOptions(threads=1)
MODEL = block_matching_graph().SerializeToString()


def pair(height=32, width=64, disparity=5):
    scene = np.random.default_rng(2).standard_normal((1, 3, height, width + disparity)).astype(np.float32)
    return {"left_bgr": scene[..., :-disparity].copy(), "right_bgr": scene[..., disparity:].copy()}


def opened(options=ONE):
    return OpenVinoEngine("blocks", MODEL, "", options)


@pytest.fixture(scope="module")
def blob():
    told = []
    made = OpenVinoCompiler(ONE).build(MODEL, BuildPlan(), None, lambda what, share: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0
    return made


def test_it_keeps_the_contract():
    check_engine(opened(), pair(), pair(48, 32), opened)


def test_what_it_compiled_keeps_the_contract(blob):
    def load():
        return OpenVinoCompiler(ONE).load("blocks", blob, BuildPlan())

    check_engine(load(), pair(), pair(48, 32), load)


def test_a_graph_in_fp16_keeps_its_names():
    """A cast behind an input becomes one with it, and its name comes first."""
    half = Half(MODEL)
    model, compiler = half.lowered(frozenset(half.nodes)), OpenVinoCompiler(ONE)
    blob = compiler.build(model, BuildPlan(), None, lambda what, share: None)
    with opened() as engine, compiler.load("blocks", blob, BuildPlan()) as compiled:
        assert compiled.spec == engine.spec
        assert (compiled.infer(pair())["flow"][..., 7:] == -5).all()


def test_it_gives_what_onnx_runtime_gives():
    with opened() as engine, OrtEngine("blocks", MODEL, "", OrtOptions(intra_threads=1)) as reference:
        for size in ((32, 64), (48, 32)):
            got, want = engine.infer(pair(*size)), reference.infer(pair(*size))
            assert (got["flow"] == want["flow"]).mean() > 0.99  # at the margin costs are alike
            assert (got["flow"][..., 7:] == -5).all()


def test_sizes_that_disagree_are_refused_by_their_names(blob):
    wrong = {"left_bgr": pair()["left_bgr"], "right_bgr": pair(32, 48)["right_bgr"]}
    for engine in (opened(), OpenVinoCompiler(ONE).load("blocks", blob, BuildPlan())):
        with engine, pytest.raises(EngineError, match="W = 64"):
            engine.infer(wrong)


def test_what_lies_outside_the_shapes_it_was_built_for_is_told_with_what_to_do():
    shapes = {name: Shapes((1, 3, 16, 32), (1, 3, 32, 64), (1, 3, 32, 96)) for name in ("left_bgr", "right_bgr")}
    plan, compiler = BuildPlan(shapes=shapes), OpenVinoCompiler(ONE)
    with compiler.load("blocks", compiler.build(MODEL, plan, None, lambda what, share: None), plan) as engine:
        before = engine.infer(pair())["flow"].copy()
        for height, width in ((8, 64), (32, 128)):
            words = rf"'left_bgr' is 1x3x{height}x{width}; .* for 1x3x16x32 to 1x3x32x96.*build: {{shapes: {{left_bgr:"
            with pytest.raises(EngineError, match=words):
                engine.infer(pair(height, width))
        assert (engine.infer(pair())["flow"] == before).all()


def test_inputs_are_read_where_they_lie():
    """A second call sees what was written into the same array meanwhile, whatever was shared before."""
    with opened() as engine:
        given = pair()
        engine.infer(given)
        given["right_bgr"][:] = given["left_bgr"]
        assert (engine.infer(given)["flow"][..., 12:] == 0).all()


def test_an_input_that_cannot_be_written_to_is_taken():
    with opened() as engine:
        given = pair()
        for array in given.values():
            array.flags.writeable = False
        assert (engine.infer(given)["flow"][..., 7:] == -5).all()


def test_it_says_what_was_asked_and_got():
    with opened() as engine:
        assert "INFERENCE_PRECISION_HINT f32" in engine.report["got"]
        assert "INFERENCE_NUM_THREADS 1" in engine.report["got"]
        engine.infer(pair())
        assert engine.report["compiled for"] == "H = 32, W = 64"


def test_another_precision_than_asked_is_an_error():
    """A processor without fp16 computes in fp32, or in bf16 where it has that, and says nothing."""
    asked = OpenVinoOptions(precision="f16", threads=1)
    if "FP16" in OpenVinoCompiler(ONE).versions()["capabilities"].split():
        pytest.skip("this processor has fp16")
    with pytest.raises(EngineError, match=r"asked OpenVINO for f16 on CPU, got (f32|bf16)"):
        opened(asked)


@pytest.mark.parametrize("spoil", [
    lambda blob: blob[:-1],
    lambda blob: blob[: len(blob) // 2],
    lambda blob: blob[: len(blob) // 2] + bytes([blob[len(blob) // 2] ^ 1]) + blob[len(blob) // 2 + 1 :],
    lambda blob: b"hello",
    lambda blob: b"",
])  # fmt: skip
def test_a_damaged_file_is_refused(blob, spoil):
    with pytest.raises(EngineError, match="build it again"):
        OpenVinoCompiler(ONE).load("blocks", spoil(blob), BuildPlan())


@pytest.mark.parametrize("what", ["openvino", "flags", "device"])
def test_a_file_of_another_version_or_processor_is_refused(blob, what, monkeypatch):
    compiler = OpenVinoCompiler(ONE)
    versions = compiler.versions()
    monkeypatch.setattr(compiler, "versions", lambda: {**versions, what: "another"})
    with pytest.raises(EngineError, match=f"{what} was .*, is another"):
        compiler.load("blocks", blob, BuildPlan())


def test_a_file_computing_in_another_precision_is_refused(blob):
    with pytest.raises(EngineError, match="computes in was f32, is bf16"):
        OpenVinoCompiler(OpenVinoOptions(precision="bf16")).load("blocks", blob, BuildPlan())


def test_the_plan_bounds_the_shapes():
    size = {name: Shapes((1, 3, 32, 64), (1, 3, 32, 64), (1, 3, 32, 64)) for name in ("left_bgr", "right_bgr")}
    compiler, plan = OpenVinoCompiler(ONE), BuildPlan(shapes=size)
    engine = compiler.load("blocks", compiler.build(MODEL, plan, None, lambda what, share: None), plan)
    assert engine.spec.inputs[0].shape == (1, 3, 32, 64)
    check_engine(engine, pair())


def test_a_wrong_file_or_device_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(MODEL)
    with pytest.raises(EngineError, match="sha256"):
        OpenVinoEngine("blocks", tmp_path / "m.onnx", "0" * 64, ONE)
    OpenVinoEngine("blocks", tmp_path / "m.onnx", hashlib.sha256(MODEL).hexdigest(), ONE).close()
    with pytest.raises(EngineError, match="cannot load"):
        OpenVinoEngine("blocks", b"not a model", "", ONE)
    with pytest.raises(EngineError, match="has no device 'TPU'"):
        OpenVinoCompiler(OpenVinoOptions(device="TPU")).versions()
    with pytest.raises(EngineError, match="OpenVINO"):
        OpenVinoCompiler(ONE).build(b"not a model", BuildPlan(), None, lambda what, share: None)
