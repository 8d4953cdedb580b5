"""An engine changes its inside while it is used: no call waits, mixes two engines, or loses its outputs."""

import threading

import numpy as np
import pytest

from engines.check import check_engine
from engines.engine import ClosesItself, EngineError, EngineSpec, TensorSpec
from engines.swapping import SwappingEngine

ONE = {"x": np.zeros(2, np.float32)}


class Constant(ClosesItself):
    """Gives two outputs with its own number; `hold` keeps a call inside."""

    def __init__(self, number, shape=(2,), hold=None):
        self.spec = EngineSpec(
            "constant",
            (TensorSpec("x", "float32", shape),),
            (TensorSpec("a", "float32", shape), TensorSpec("b", "float32", shape)),
        )
        self.report = {"backend": f"number {number}"}
        self.number, self.hold, self.inside = number, hold, threading.Event()
        self.closed, self.made = threading.Event(), {}

    def infer(self, inputs):
        if self.closed.is_set():
            raise EngineError("closed")
        self.spec.check_inputs(inputs)
        self.inside.set()
        if self.hold is not None:
            assert self.hold.wait(10)
        made = self.made.setdefault(inputs["x"].shape, [np.empty(inputs["x"].shape, np.float32) for _ in "ab"])
        for array in made:
            array[:] = self.number
        return dict(zip("ab", made, strict=True))

    def close(self):
        self.closed.set()


def test_it_keeps_the_contract():
    check_engine(SwappingEngine(Constant(1)), ONE)
    swapped = SwappingEngine(Constant(1))
    swapped.swap(Constant(2), {"backend": "two"})
    check_engine(swapped, ONE)


def test_the_next_call_is_answered_by_the_new_engine_and_the_old_is_closed_after_its_outputs():
    old, new = Constant(1), Constant(2)
    with SwappingEngine(old) as engine:
        assert engine.infer(ONE)["a"][0] == 1
        engine.swap(new, {"backend": "two"})
        assert not old.closed.is_set()  # its outputs are still in use
        assert engine.report["backend"] == "number 1"
        assert engine.infer(ONE)["a"][0] == 2
        assert engine.report == {"backend": "two"}
        assert old.closed.wait(5)
    assert new.closed.is_set()


def test_a_call_inside_the_old_engine_is_not_disturbed():
    hold = threading.Event()
    old, new, got = Constant(1, hold=hold), Constant(2), []
    engine = SwappingEngine(old)
    thread = threading.Thread(target=lambda: got.append(engine.infer(ONE)["a"][0]))
    thread.start()
    assert old.inside.wait(5)
    engine.swap(new, {})
    assert engine.infer(ONE)["a"][0] == 2  # answered while the old one still works
    assert not old.closed.is_set()
    hold.set()
    thread.join(5)
    assert got == [1]
    assert engine.infer(ONE)["a"][0] == 2
    assert old.closed.wait(5)


def test_no_call_mixes_two_engines_under_load():
    engine, wrong, stop = SwappingEngine(Constant(0)), [], threading.Event()

    def use():
        while not stop.is_set():
            outputs = engine.infer(ONE)
            if outputs["a"][0] != outputs["b"][1]:
                wrong.append(outputs)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    made = [Constant(number) for number in range(1, 200)]
    for new in made:
        engine.swap(new, {})
    stop.set()
    for thread in threads:
        thread.join(10)
    assert not wrong
    assert engine.infer(ONE)["a"][0] == 199
    engine.infer(ONE)
    assert all(new.closed.wait(5) for new in made[:-1])


@pytest.mark.parametrize("new", [Constant(2, shape=(3,)), Constant(2, shape=(2, 1))])
def test_an_engine_that_takes_something_else_is_refused_and_closed(new):
    engine = SwappingEngine(Constant(1))
    with pytest.raises(EngineError, match="wrong input"):
        engine.swap(new, {})
    assert new.closed.is_set()
    assert engine.infer(ONE)["a"][0] == 1


def test_an_engine_that_cannot_answer_what_is_asked_is_refused():
    engine = SwappingEngine(Constant(1, shape=("n",)))
    engine.infer(ONE)

    class ThreeOnly(Constant):
        def infer(self, inputs):
            if inputs["x"].size != 3:
                raise EngineError("built for 3")
            return super().infer(inputs)

    with pytest.raises(EngineError, match="built for 3"):
        engine.swap(ThreeOnly(2, shape=(-1,)), {})
    assert engine.infer(ONE)["a"][0] == 1


def test_what_comes_too_late_is_closed():
    told = []
    engine, new = SwappingEngine(Constant(1), lambda: told.append("closed")), Constant(2)
    engine.close()
    engine.close()
    assert told == ["closed"]
    engine.swap(new, {})
    assert new.closed.is_set()


def test_a_newer_engine_replaces_one_that_never_answered():
    first, second = Constant(2), Constant(3)
    engine = SwappingEngine(Constant(1))
    engine.swap(first, {})
    engine.swap(second, {})
    assert first.closed.is_set()
    assert engine.infer(ONE)["a"][0] == 3
