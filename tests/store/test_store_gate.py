"""The gate: what a compiled engine must answer alike, and that each measure can refuse."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import own_compiler
import pytest
from compiled_cards import SIZE
from own_compiler import MAGIC
from stand_ins import matcher, written

from engines.card import Card, Output, Tolerance, load_card, with_threads
from engines.compiler import BuildPlan, Shapes
from engines.engine import ClosesItself, EngineError, EngineSpec, TensorSpec
from engines.open import open_unproven
from engines.parity import same_interface
from engines.probe.scenes import slanted, step
from engines.store.cases import Case, Cases, cases_for, shown
from engines.store.gate import LIMITS, elsewhere, gate_digest, judge, near
from engines.store.key import models_of
from engines.store.shapes import LARGEST, SMALLEST, USUAL, plans, tried_sizes


def silent(what, share):
    pass


@pytest.fixture(scope="module")
def golden_card(tmp_path_factory):
    """A card of open size with a golden pair of 64 x 32."""
    folder = tmp_path_factory.mktemp("golden")
    card = load_card(written(folder, matcher(), golden={"inputs": "in.npz", "outputs": "out.npz"}))
    inputs = shown(card, slanted((32, 64), 8))
    np.savez(folder / "in.npz", **inputs)
    with open_unproven(card) as engine:
        np.savez(folder / "out.npz", **engine.infer(inputs))
    return card


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    card = load_card(written(tmp_path_factory.mktemp("gate"), matcher(shape=(96, 160)), size=SIZE))
    models = models_of(card)
    return card, models, cases_for(card, models, silent)


def judged(tried, fault, card=None):
    own, models, cases = tried
    card = card or own
    engine = getattr(own_compiler, fault)().load(card.name, MAGIC + models[0], plans(card, models)[0])
    return judge(card, engine, cases)


def test_what_answers_alike_passes_with_its_figures(tried):
    judgement = judged(tried, "Own")
    assert judgement.passed, judgement.reasons
    assert judgement.figures["EPE px"] == judgement.figures["disparity max error"] == 0
    assert len(judgement.lines) == 4


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("NotANumber", "NaN or infinity: disparity holds 1 of 15360"),
        ("WrongShape", "wrong shape or type: disparity is float32 (1, 1, 96, 159)"),
        ("WrongType", "wrong shape or type: disparity is float64"),
        ("Constant", "constant output: disparity is 7 everywhere"),
        ("Inexact", "FAIL"),
    ],
)
def test_what_does_not_is_refused_by_name(tried, fault, words):
    (reason,) = judged(tried, fault).reasons
    assert words in reason


def test_the_disparity_itself_is_judged_where_parity_is_generous(tried, monkeypatch):
    card, _, _ = tried
    generous = replace(LIMITS["fp32"], parity=Tolerance(0.5, 0.99, 0.4, 0.05))
    monkeypatch.setitem(LIMITS, "fp32", generous)
    (reason,) = judged(tried, "Inexact", card).reasons
    assert "disparity differs from the CPU's" in reason
    assert "expected at most 0.05 px" in reason


class Yard(ClosesItself):
    """A depth model that sees the upper part of a picture infinitely far away, with an error of its own."""

    spec = EngineSpec("yard", (TensorSpec("left", "uint8", ("H", "W")),), (TensorSpec("z", "float32", ("H", "W")),))
    report: ClassVar = {"backend": "numpy"}

    def __init__(self, error=0.0):
        self.error = error

    def infer(self, inputs):
        z = inputs["left"] + np.float32(10)
        z[:, ::2] += np.float32(self.error)
        z[: len(z) // 3] = np.inf
        return {"z": z}

    def close(self):
        pass


def test_depth_that_is_infinite_in_places_is_judged_where_it_is_a_number(monkeypatch):
    output = Output("z", unit="canonical", focal_px=300.0)
    card = Card("yard", "depth", "onnx", "here", "MIT", onnx="yard.onnx", sha256="0" * 64, output=output)
    scene = slanted((96, 160), 16)
    inputs = {"left": scene.left}
    cases = Cases(Yard.spec, (Case("yard", inputs, Yard().infer(inputs), scene),))
    judgement = judge(card, Yard(0.01), cases)
    assert judgement.passed, judgement.reasons
    assert 0 < judgement.figures["mean difference / spread"] < 1e-3
    monkeypatch.setitem(LIMITS, "fp32", replace(LIMITS["fp32"], parity=Tolerance(0.5, 0.99, 0.1, 0.05)))
    (reason,) = judge(card, Yard(5.0), cases).reasons
    assert "depth is off by" in reason


def test_limits_that_let_everything_pass_are_reported_as_broken(tried, monkeypatch):
    monkeypatch.setitem(LIMITS, "fp32", replace(LIMITS["fp32"], epe_px=1e9, bad1=100.0))
    (reason,) = judged(tried, "Own").reasons
    assert "the check itself is broken" in reason


@pytest.mark.parametrize("precision", LIMITS)
@pytest.mark.parametrize("scene", [slanted, step])
def test_every_scene_in_another_place_is_refused(scene, precision):
    """A control that passed would refuse every engine of that precision, right ones too."""
    for shape, most in ((SMALLEST, 16), (USUAL, 64), (LARGEST, 64)):
        truth = np.nan_to_num(scene(shape, most).truth, nan=1.0)
        assert near(truth, truth, LIMITS[precision])
        assert not near(elsewhere(truth), truth, LIMITS[precision])


def test_fewer_bits_may_be_less_exact():
    for ahead, behind in (("fp32", "fp16"), ("fp16", "bf16"), ("bf16", "int8")):
        assert LIMITS[ahead].epe_px < LIMITS[behind].epe_px
        assert LIMITS[ahead].parity.bad_over <= LIMITS[behind].parity.bad_over


def test_what_is_verified_against_is_hashed(golden_card, tmp_path):
    card = golden_card
    digests = {gate_digest(card), gate_digest(replace(card, left="right_bgr", right="left_bgr"))}
    for file in ("in.npz", "out.npz"):
        (tmp_path / file).write_bytes(card.beside(file).read_bytes())
    moved = replace(with_threads(card, 3), path=str(tmp_path / "blocks.yaml"))
    assert gate_digest(moved) in digests, "where it lies and how it is run do not count"
    np.savez(tmp_path / "out.npz", flow=np.zeros(3))
    digests.add(gate_digest(moved))
    assert len(digests) == 3


def test_the_golden_input_is_tried_where_engines_take_its_size(golden_card):
    models = models_of(golden_card)
    assert tried_sizes(golden_card, models) == ((480, 640), (64, 96), (720, 1280))
    taller = Shapes((1, 3, 64, 96), (1, 3, 64, 96), (1, 3, 64, 128))
    card = replace(golden_card, build=BuildPlan(shapes={golden_card.left: taller, golden_card.right: taller}))
    names = [case.name for case in cases_for(card, models, silent).all]
    assert names == ["slanted plane, 96 x 64", "board before a wall, 96 x 64", "slanted plane, 128 x 64"]
    own = Shapes((1, 3, 32, 64), (1, 3, 64, 96), (1, 3, 64, 128))
    card = replace(golden_card, build=BuildPlan(shapes={golden_card.left: own, golden_card.right: own}))
    assert tried_sizes(card, models) == ((64, 96), (32, 64), (64, 128))
    names = [case.name for case in cases_for(card, models, silent).all]
    assert names[0] == "golden input"
    assert names[-1] == "slanted plane, 128 x 64"


def test_an_interface_is_the_same_only_with_the_same_names_types_and_sizes(tried):
    _, _, cases = tried
    spec = cases.spec
    same_interface(spec, spec)
    tensor = spec.inputs[0]
    for other in (replace(tensor, name="l"), replace(tensor, dtype="float16"), replace(tensor, shape=(1, 3, 96, 161))):
        with pytest.raises(EngineError, match="wrong input"):
            same_interface(replace(spec, inputs=(other, *spec.inputs[1:])), spec)
    open_ended = replace(tensor, shape=(1, 3, -1, "W"))
    same_interface(replace(spec, inputs=(open_ended, *spec.inputs[1:])), spec)
