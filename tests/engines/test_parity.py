"""Parity accepts what is equal, refuses what is not, and distrusts itself."""

import numpy as np
import pytest

from engines.card import Tolerance, load_card
from engines.engine import EngineError, EngineSpec, TensorSpec
from engines.open import open_engine
from engines.parity import check_golden, check_parity, compare

WIDE = Tolerance(max_abs=1e9, cosine=-1.0, bad_over=1e9, bad_fraction=1.0)


def golden(blocks_card):
    with np.load(blocks_card.parent / "in.npz") as inputs, np.load(blocks_card.parent / "out.npz") as outputs:
        return dict(inputs), dict(outputs)


def test_the_engine_passes_its_golden(blocks_card):
    with open_engine(blocks_card) as engine:
        parity = check_golden(load_card(blocks_card), engine)
    assert parity.passed, str(parity)
    assert parity.differences[0].max_abs == 0


def test_an_engine_is_its_own_reference(blocks_card):
    inputs, _ = golden(blocks_card)
    with open_engine(blocks_card) as engine, open_engine(blocks_card, intra_threads=1) as reference:
        assert check_parity(engine, inputs, reference, Tolerance()).passed


@pytest.mark.parametrize("fault", ["offset", "one_pixel", "sign", "nan"])
def test_a_wrong_reference_fails(blocks_card, fault):
    inputs, outputs = golden(blocks_card)
    flow = outputs["flow"]
    if fault == "offset":
        flow = flow + 0.02
    elif fault == "sign":
        flow = -flow
    else:
        flow[0, 0, 9, 9] = np.nan if fault == "nan" else -4
    with open_engine(blocks_card) as engine:
        parity = check_parity(engine, inputs, {"flow": flow}, Tolerance())
    assert not parity.passed
    assert not parity.broken
    assert "FAIL" in str(parity)


def test_a_tolerance_that_lets_everything_pass_is_reported_as_broken(blocks_card):
    inputs, outputs = golden(blocks_card)
    with open_engine(blocks_card) as engine:
        parity = check_parity(engine, inputs, outputs, WIDE)
    assert not parity.passed
    assert "broken" in str(parity)


def test_a_limitless_tolerance_is_reported_as_broken(blocks_card):
    inputs, outputs = golden(blocks_card)
    limitless = Tolerance(max_abs=np.inf, cosine=-1.0, bad_over=np.inf, bad_fraction=1.0)
    with open_engine(blocks_card) as engine:
        assert "too wide" in check_parity(engine, inputs, outputs, limitless).broken


def test_a_golden_output_without_a_number_is_reported_as_broken():
    class Blank:
        spec = EngineSpec("blank", (TensorSpec("a", "float32", (-1,)),), (TensorSpec("b", "float32", (-1,)),))
        report = {"backend": "numpy"}

        def infer(self, inputs):
            return {"b": np.full(4, np.nan, np.float32)}

    nothing = {"b": np.full(4, np.nan, np.float32)}
    parity = check_parity(Blank(), {"a": np.arange(4, dtype=np.float32)}, nothing, Tolerance())
    assert parity.differences[0].passed
    assert "no number" in parity.broken


def test_an_input_that_does_not_reach_the_output_is_reported_as_broken(blocks_card):
    flat = {name: np.full((1, 3, 16, 32), 0.5, np.float32) for name in ("left_bgr", "right_bgr")}
    with open_engine(blocks_card) as engine:
        outputs = {"flow": engine.infer(flat)["flow"].copy()}
        parity = check_parity(engine, flat, outputs, Tolerance())
    assert not parity.passed
    assert "golden input" in parity.broken


@pytest.mark.parametrize("shape", [(6, 8), (1, 1, 6, 8), (1, 6, 8, 1), (1, 6, 8, 3), (1, 8, 6, 3)])
def test_inputs_are_spoilt_wherever_their_channels_stand(shape):
    """Were it the channels that change places, a grey picture would stay as it is and a good engine be distrusted."""

    class Blurred:
        spec = EngineSpec("e", (TensorSpec("a", "float32", (-1,) * len(shape)),), (TensorSpec("b", "float32", ()),))

        def infer(self, inputs):
            return {"b": np.cumsum(inputs["a"])}

    rows = np.arange(48, dtype=np.float32).reshape(6, 8)[..., None]
    grey = np.repeat(rows, shape[-1], axis=2) if shape[-1] == 3 else rows
    assert check_parity(Blurred(), {"a": grey.reshape(shape)}, Blurred(), Tolerance()).passed


def test_compare_counts_nan_and_infinity():
    want = np.array([1.0, np.nan, np.inf, 4.0])
    assert compare("d", want.copy(), want, Tolerance()).passed
    assert compare("d", np.array([1.0, np.nan, -np.inf, 4.0]), want, Tolerance()).max_abs == np.inf
    assert compare("d", np.array([1.0, 2.0, np.inf, 4.0]), want, Tolerance()).bad_fraction == 0.25
    with pytest.raises(EngineError, match="shape"):
        compare("d", want[:2], want, Tolerance())


def test_every_limit_of_the_tolerance_bites():
    want = np.linspace(1, 2, 1000)
    one = want.copy()
    one[0] += 0.5
    loose = Tolerance(max_abs=1.0, cosine=0.0, bad_over=0.1, bad_fraction=0.01)
    assert compare("d", one, want, loose).passed
    assert not compare("d", one, want, Tolerance(0.4, 0.0, 0.1, 0.01)).passed
    assert not compare("d", one, want, Tolerance(1.0, 0.0, 0.1, 0.0005)).passed
    assert not compare("d", -want, want, Tolerance(10.0, 0.0, 10.0, 0.01)).passed


def test_a_card_without_golden_says_so():
    card = load_card("sgbm")
    with open_engine(card) as engine, pytest.raises(EngineError, match="golden"):
        check_golden(card, engine)
