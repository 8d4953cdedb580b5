"""The contract suite must see each broken promise."""

import threading
import time
from contextlib import nullcontext

import numpy as np
import pytest

from engines.check import check_engine
from engines.engine import ClosesItself, EngineError, EngineSpec, TensorSpec

INPUTS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3)}
RESIZED = {"a": np.ones((4, 5), np.float32)}


class Slot:
    """Where an engine that is not made for threads puts what it works on."""

    a = None


EVERYBODYS = Slot()


class Doubling(ClosesItself):
    """Twice its input, and one fault (or one honest way of keeping threads apart)."""

    def __init__(self, fault=""):
        self.fault, self.calls, self.open = fault, 0, True
        self.report = {} if fault == "report" else {"backend": "numpy"}
        self.lock, self.buffers, self.slot = threading.Lock(), {}, EVERYBODYS if fault == "global" else Slot()
        shape = ("H", "W")
        self.spec = EngineSpec("doubling", (TensorSpec("a", "float32", shape),), (TensorSpec("b", "float32", shape),))

    def close(self):
        self.open = self.fault == "close"

    def __enter__(self):
        return object() if self.fault == "enter" else self

    def infer(self, inputs):
        if not self.open:
            raise EngineError("no" if self.fault == "mute" else "closed")
        if self.fault != "unchecked":
            self.check(inputs)
        if self.fault == "hangs" and not self.lock.acquire(blocking=False):
            threading.Event().wait()
        if self.fault == "refusing" and not self.lock.acquire(blocking=False):
            raise EngineError("in use by another thread")
        with self.lock if self.fault in ("locked", "global") else nullcontext():
            found = self.doubled(inputs.get("a", INPUTS["a"]))
        if self.fault in ("refusing", "hangs"):
            self.lock.release()
        return found

    def check(self, inputs):
        try:
            self.spec.check_inputs(inputs)
        except EngineError:
            self.calls += 1000 * (self.fault == "hurt")
            if self.fault == "nameless":
                raise EngineError("wrong") from None
            raise

    def doubled(self, a):
        self.calls += 1
        if self.fault == "writes":
            a += 1
        if self.fault == "same":
            return {"b": a}
        if self.fault == "forgets" and self.calls > 1:
            return {}
        if self.fault in ("one slot", "global", "hangs"):
            self.slot.a = a
            time.sleep(0.005)
            a = self.slot.a
        if self.fault == "sticky" and a.shape != (2, 3):
            self.fault = "random"
        b = 2 * a + (self.calls if self.fault == "random" else self.calls // 1000)
        if self.fault in ("dtype", "shape"):
            b = b.astype(np.float64) if self.fault == "dtype" else b.T
        # One buffer for everybody where calls come one by one, or where that is the fault.
        whose = 0 if self.fault in ("locked", "global") else threading.get_ident()
        if self.fault != "allocates":
            b = self.kept((whose, b.shape), b)
        return {"b": b}

    def kept(self, key, b):
        buffer = self.buffers.setdefault(key, np.empty_like(b))
        np.copyto(buffer, b)
        return buffer


@pytest.mark.parametrize("way", ["", "locked", "refusing"])
def test_an_honest_engine_passes(way):
    check_engine(Doubling(way), INPUTS, RESIZED, lambda: Doubling(way))


FAULTS = {
    "report": "report", "enter": "__enter__", "close": "still infers", "mute": "does not say",
    "unchecked": "accepted", "nameless": "names no tensor", "hurt": "refused inputs changed",
    "writes": "written to", "same": "an output is input", "random": "other outputs", "sticky": "another size",
    "dtype": "spec", "shape": "spec", "allocates": "new memory",
    "one slot": "two threads at once", "global": "two engines in two threads",
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(fault):
    with pytest.raises(AssertionError, match=FAULTS[fault]):
        check_engine(Doubling(fault), {"a": INPUTS["a"].copy()}, RESIZED, lambda: Doubling(fault))


def test_an_output_that_is_left_out_later_is_found():
    with pytest.raises(AssertionError, match="other outputs"):
        check_engine(Doubling("forgets"), INPUTS)


def test_threads_that_wait_for_each_other_for_ever_are_found(monkeypatch):
    monkeypatch.setattr("engines.check._PATIENCE_S", 2.0)
    found = []

    def checked():
        with pytest.raises(AssertionError, match="one had no answer in 2 s"):
            check_engine(Doubling("hangs"), INPUTS)
        found.append(True)

    checking = threading.Thread(target=checked, daemon=True)
    checking.start()
    checking.join(20)
    assert found, "the check hangs too"
