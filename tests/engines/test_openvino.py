"""OpenVINO behind the engine contract, and as a compiler whose files are only loaded where they were made."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from block_matching import block_matching_graph

from engines import openvino_engine
from engines.card import load_card, with_options, with_runtime, with_threads
from engines.check import check_engine
from engines.compiler import BuildPlan, Shapes
from engines.engine import EngineError
from engines.openvino import OpenVinoCompiler, OpenVinoEngine
from engines.options import OpenVinoOptions, OrtOptions
from engines.ort import OrtEngine
from engines.precision.half import Half
from engines.store.cases import cases_for
from engines.store.compilers import compiler_of
from engines.store.gate import judge
from engines.store.key import models_of
from engines.store.shapes import plans
from saccade.errors import ConfigError

openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed (an extra)")
ONE = OpenVinoOptions(threads=1)
PLAN = BuildPlan()
MODEL = block_matching_graph().SerializeToString()


def pair(height=32, width=64, disparity=5):
    scene = np.random.default_rng(2).standard_normal((1, 3, height, width + disparity)).astype(np.float32)
    return {"left_bgr": scene[..., :-disparity].copy(), "right_bgr": scene[..., disparity:].copy()}


def opened(plan=PLAN):
    return OpenVinoEngine("blocks", MODEL, ONE, plan)


def built(plan, model=MODEL):
    """An engine that went through its file."""
    compiler = OpenVinoCompiler(ONE)
    return compiler.load("blocks", compiler.build(model, plan, None, lambda what, share: None), plan)


def within(smallest, usual, largest):
    """A plan of (H, W)."""
    shapes = Shapes(*((1, 3, *size) for size in (smallest, usual, largest)))
    return BuildPlan(shapes={"left_bgr": shapes, "right_bgr": shapes})


@pytest.fixture(scope="module")
def blob():
    told = []
    made = OpenVinoCompiler(ONE).build(MODEL, PLAN, None, lambda what, share: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0
    return made


def test_it_keeps_the_contract():
    check_engine(opened(), pair(), pair(48, 32), opened)


def test_what_went_through_a_file_keeps_the_contract():
    plan = within((16, 16), (32, 64), (64, 96))
    check_engine(built(plan), pair(), pair(48, 32), lambda: built(plan))


def test_a_graph_in_fp16_keeps_its_names():
    """A cast behind an input becomes one with it, and its name comes first."""
    half = Half(MODEL)
    with opened() as engine, built(PLAN, half.lowered(frozenset(half.nodes))) as compiled:
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
    for engine in (opened(), OpenVinoCompiler(ONE).load("blocks", blob, PLAN)):
        with engine, pytest.raises(EngineError, match="W = 64"):
            engine.infer(wrong)


def test_what_lies_outside_the_shapes_it_was_built_for_is_told_with_what_to_do():
    with built(within((16, 32), (32, 64), (32, 96))) as engine:
        before = engine.infer(pair())["flow"].copy()
        for height, width in ((8, 64), (32, 128)):
            words = rf"'left_bgr' is 1x3x{height}x{width}; .* for 1x3x16x32 to 1x3x32x96.*build: {{shapes: {{left_bgr:"
            with pytest.raises(EngineError, match=words):
                engine.infer(pair(height, width))
        assert (engine.infer(pair())["flow"] == before).all()


def test_each_size_is_compiled_once_and_the_usual_one_at_once(monkeypatch):
    compiled = []

    class Core:
        """OpenVINO's own, listened to."""

        def __init__(self):
            self._core = openvino.Core()

        def __getattr__(self, name):
            return getattr(self._core, name)

        def compile_model(self, graph, *how):
            compiled.append(tuple(graph.inputs[0].get_shape())[2:])
            return self._core.compile_model(graph, *how)

    monkeypatch.setattr(openvino_engine, "library", lambda: SimpleNamespace(**{**vars(openvino), "Core": Core}))
    sizes = [(16 + 8 * i, 64) for i in range(6)]
    with opened(within((8, 32), (32, 64), (64, 96))) as engine:
        assert compiled == [(32, 64)]
        for size in (*sizes, *sizes[2:]):
            flow = engine.infer(pair(*size))["flow"]
            assert flow.shape[2:] == size
            assert (flow[..., 7:] == -5).all()
    assert compiled == [(32, 64), *(size for size in sizes if size != (32, 64))], "of four sizes, the last"
    with opened(within((8, 32), (32, 64), (64, 96))) as engine:
        for size in sizes:
            engine.infer(pair(*size))
        del compiled[:]
        assert (engine.infer(pair(*sizes[0]))["flow"][..., 7:] == -5).all()
    assert compiled == sizes[:1], "the first had gone"


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


def has_bf16():
    return OpenVinoCompiler(ONE).cannot("bf16") == ""


@pytest.mark.skipif("not has_bf16()", reason="this processor has no bfloat16")
def test_bfloat16_is_got():
    with opened(BuildPlan(precision="bf16")) as engine:
        assert "INFERENCE_PRECISION_HINT bf16" in engine.report["got"]
        assert "bf16" in engine.report["asked"]
        assert (engine.infer(pair())["flow"][..., 7:] == -5).mean() > 0.9


def test_bfloat16_is_refused_where_openvino_would_only_say_that_it_has_it(monkeypatch):
    """As it does on a processor with AVX-512 alone, where it imitates it."""
    monkeypatch.setattr(openvino_engine, "capabilities", lambda core: "EXPORT_IMPORT FP32 INT8")
    with pytest.raises(EngineError, match=r"blocks: asked OpenVINO for bf16, but .* no instructions for bfloat16"):
        opened(BuildPlan(precision="bf16"))
    assert "INFERENCE_PRECISION_HINT f32" in opened().report["got"]


def test_another_precision_than_asked_is_an_error(monkeypatch):
    """A processor without fp16 computes in fp32, or in bf16 where it has that, and says nothing."""
    if "FP16" in OpenVinoCompiler(ONE).versions()["capabilities"].split():
        pytest.skip("this processor has fp16")
    monkeypatch.setattr(openvino_engine, "properties", lambda options, plan: {"INFERENCE_PRECISION_HINT": "f16"})
    with pytest.raises(EngineError, match=r"asked OpenVINO for f16, got (f32|bf16); this processor has no f16"):
        opened()


@pytest.mark.parametrize(("told", "has_it"), [("BF16 FP32", True), ("FP32 INT8", False), ("XBF16X", False)])
def test_a_processor_s_capabilities_say_whether_it_has_bfloat16(told, has_it, monkeypatch):
    compiler = OpenVinoCompiler(ONE)
    versions = compiler.versions()
    monkeypatch.setattr(compiler, "versions", lambda: {**versions, "capabilities": told})
    assert ("no instructions for bfloat16" in compiler.cannot("bf16")) != has_it
    assert not any(compiler.cannot(precision) for precision in ("fp32", "fp16", "int8"))


@pytest.mark.slow
@pytest.mark.skipif("not has_bf16()", reason="this processor has no bfloat16")
@pytest.mark.parametrize("name", ["stereo-s", "stereo-m"])
def test_our_networks_in_bfloat16_pass_the_gate_and_another_picture_does_not(name):
    """As does not the network whose look-ups counted columns in floating point: its error grew with the width."""
    card = with_threads(with_runtime(load_card(name), "openvino", "bf16"), 2)
    models = models_of(card)
    (plan,), cases = plans(card, models), cases_for(card, models, lambda what, share: None)
    compiler = OpenVinoCompiler(card.openvino)
    with compiler.load(name, compiler.build(models[0], plan, None, lambda what, share: None), plan) as engine:
        judgement = judge(card, engine, cases)
        assert judgement.passed, judgement.reasons
        assert 0.01 < judgement.figures["EPE px"] < 0.15, "bfloat16 was not computed in, or badly"
        wrong = [replace(case, inputs={card.left: case.inputs[card.right], card.right: case.inputs[card.left]})
                 for case in cases.all]  # fmt: skip
        assert not judge(card, engine, replace(cases, all=tuple(wrong))).passed


@pytest.mark.parametrize("spoil", [
    lambda blob: blob[:-1],
    lambda blob: blob[: len(blob) // 2],
    lambda blob: blob[: len(blob) // 2] + bytes([blob[len(blob) // 2] ^ 1]) + blob[len(blob) // 2 + 1 :],
    lambda blob: b"hello",
    lambda blob: b"",
])  # fmt: skip
def test_a_damaged_file_is_refused(blob, spoil):
    with pytest.raises(EngineError, match="build it again"):
        OpenVinoCompiler(ONE).load("blocks", spoil(blob), PLAN)


@pytest.mark.parametrize("what", ["openvino", "flags", "device"])
def test_a_file_of_another_version_or_processor_is_refused(blob, what, monkeypatch):
    compiler = OpenVinoCompiler(ONE)
    versions = compiler.versions()
    monkeypatch.setattr(compiler, "versions", lambda: {**versions, what: "another"})
    with pytest.raises(EngineError, match=f"{what} was .*, is another"):
        compiler.load("blocks", blob, PLAN)


def test_a_file_for_another_precision_is_refused(blob):
    with pytest.raises(EngineError, match="precision was fp32, is bf16"):
        OpenVinoCompiler(ONE).load("blocks", blob, BuildPlan(precision="bf16"))


def test_the_plan_bounds_the_shapes():
    engine = built(within((32, 64), (32, 64), (32, 64)))
    assert engine.spec.inputs[0].shape == (1, 3, 32, 64)
    check_engine(engine, pair())


def test_what_is_no_graph_is_refused():
    with pytest.raises(EngineError, match="cannot load"):
        OpenVinoEngine("blocks", b"not a model", ONE, PLAN)
    with pytest.raises(EngineError, match="OpenVINO"):
        built(PLAN, b"not a model")


def test_a_card_says_how_many_threads(monkeypatch):
    card = with_runtime(load_card("stereo-s"), "openvino")
    for asked, got in ((with_threads(card, 1), "1"), (with_options(card, {"threads": 2}), "2")):
        compiler = compiler_of("openvino", asked)
        with compiler.load("blocks", compiler.build(MODEL, PLAN, None, lambda what, share: None), PLAN) as engine:
            assert f"INFERENCE_NUM_THREADS {got}" in engine.report["got"]
    with pytest.raises(ConfigError, match="precision"):
        with_options(card, {"precision": "bf16"})
