"""An engine's spec: what it accepts, and how it says what it does not."""

import numpy as np
import pytest

from engines.engine import EngineError, EngineSpec, TensorSpec

GREY = ("H", "W")
SPEC = EngineSpec(
    "e",
    (TensorSpec("left", "uint8", GREY), TensorSpec("right", "uint8", GREY), TensorSpec("k", "float32", (3, -1))),
    (TensorSpec("d", "float32", GREY),),
)


def arrays(**changed):
    good = {"left": np.zeros((4, 5), np.uint8), "right": np.zeros((4, 5), np.uint8), "k": np.zeros((3, 7), np.float32)}
    return {**good, **changed}


def test_symbols_take_the_sizes_they_meet():
    assert SPEC.check_inputs(arrays()) == {"H": 4, "W": 5}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"right": np.zeros((4, 6), np.uint8)}, "'right' is uint8 (4, 6); expected right uint8 (H, W) with W = 5"),
        ({"left": np.zeros((4, 5), np.float32)}, "'left' is float32 (4, 5)"),
        ({"left": np.zeros((4, 5, 1), np.uint8)}, "'left' is uint8 (4, 5, 1)"),
        ({"k": np.zeros((2, 7), np.float32)}, "'k' is float32 (2, 7); expected k float32 (3, -1)"),
        ({"k": np.zeros((3, 7), ">f4")}, "'k' is >f4 (3, 7); expected k float32 (3, -1)"),  # read as it lies
        ({"rihgt": np.zeros((4, 5), np.uint8)}, "no input 'rihgt'; did you mean 'right'"),
    ],
)
def test_a_wrong_input_is_named_with_what_was_expected(changed, words):
    with pytest.raises(EngineError) as error:
        SPEC.check_inputs(arrays(**changed))
    assert words in str(error.value)


def test_a_missing_input_is_named():
    with pytest.raises(EngineError, match="'left' is missing"):
        SPEC.check_inputs({"right": np.zeros((4, 5), np.uint8)})


def test_outputs_are_held_to_the_inputs_sizes():
    SPEC.check_outputs({"d": np.zeros((4, 5), np.float32)}, {"H": 4, "W": 5})
    with pytest.raises(EngineError, match="H = 4"):
        SPEC.check_outputs({"d": np.zeros((8, 5), np.float32)}, {"H": 4, "W": 5})


@pytest.mark.parametrize(
    "tensors", [(), (TensorSpec("a", "uint8", ()), TensorSpec("a", "uint8", ())), (TensorSpec("a", "uint9", ()),)]
)
def test_a_spec_that_makes_no_sense_is_refused_at_load(tensors):
    with pytest.raises(EngineError):
        EngineSpec("e", tensors, (TensorSpec("d", "float32", GREY),))
