"""The contract suite must see each broken promise."""

import numpy as np
import pytest

from engines.check import check_engine
from engines.engine import ClosesItself, EngineError, EngineSpec, TensorSpec

INPUTS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3)}


class Doubling(ClosesItself):
    """Twice its input, and one fault."""

    def __init__(self, fault=""):
        self.fault, self.calls, self.open = fault, 0, True
        self.report = {} if fault == "report" else {"backend": "numpy"}
        shape = ("H", "W")
        self.spec = EngineSpec("doubling", (TensorSpec("a", "float32", shape),), (TensorSpec("b", "float32", shape),))

    def close(self):
        self.open = self.fault == "close"

    def infer(self, inputs):
        if not self.open:
            raise EngineError("closed")
        if self.fault != "unchecked":
            self.spec.check_inputs(inputs)
        self.calls += 1
        a = inputs.get("a", INPUTS["a"])
        if self.fault == "writes":
            a += 1
        if self.fault == "same":
            return {"b": a}
        b = 2 * a + (self.calls if self.fault == "random" else 0)
        if self.fault == "sticky" and b.shape != (2, 3):
            self.fault = "random"
        return {"b": b.astype(np.float64) if self.fault == "dtype" else b.T if self.fault == "shape" else b}


def test_an_honest_engine_passes():
    check_engine(Doubling(), INPUTS, {"a": np.ones((4, 5), np.float32)})


@pytest.mark.parametrize(
    "fault", ["report", "close", "unchecked", "writes", "same", "random", "sticky", "dtype", "shape"]
)
def test_each_fault_is_found(fault):
    with pytest.raises(AssertionError):
        check_engine(Doubling(fault), {"a": INPUTS["a"].copy()}, {"a": np.ones((4, 5), np.float32)})
