"""The contract of an engine as a function anyone can run: `check_engine(engine, inputs)`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, TimeoutError
from functools import partial

import numpy as np

from engines.engine import Array, Engine, EngineError

_ROUNDS = 6
_CALLS = 4
"""An engine may have this many sets of outputs, less one, that it uses in turn."""
_PATIENCE_S = 120.0


def check_engine(
    engine: Engine,
    inputs: Mapping[str, Array],
    resized: Mapping[str, Array] | None = None,
    another: Callable[[], Engine] | None = None,
) -> None:
    """Hold an open engine to the contract of `engines.engine` and close it; AssertionError names the broken promise.

    `inputs` are valid for the engine, and other values of the same shapes are too; `resized`, valid too, have other
    sizes, for engines that allow it. `another` opens a second engine like it, to work beside it in a thread of its own.
    """
    spec = engine.spec
    _require(bool(engine.report), "report tells nothing about the backend")
    with engine as entered:
        _require(entered is engine, "__enter__ gives another object")
        first = _copy(_checked(engine, inputs))
        _require(_same(first, engine.infer(inputs)), "the same inputs gave other outputs")
        _keeps_its_buffers(engine, inputs)
        if resized is not None:
            _checked(engine, resized)
            _require(_same(first, _checked(engine, inputs)), "another size in between changed the outputs")
        _refuses_wrong_inputs(engine, inputs)
        _require(_same(first, engine.infer(inputs)), "refused inputs changed the outputs of good ones")
        _serves_two_threads(engine, inputs)
        if another is not None:
            with another() as second:
                _works_beside(engine, second, inputs)
    engine.close()
    try:
        engine.infer(inputs)
    except EngineError as error:
        _require("close" in str(error), f"the error of a closed engine does not say that it is closed: {error}")
        return
    raise AssertionError(f"{spec.name}: a closed engine still infers")


def _checked(engine: Engine, inputs: Mapping[str, Array]) -> dict[str, Array]:
    before = _copy(inputs)
    sizes = engine.spec.check_inputs(inputs)
    outputs = engine.infer(inputs)
    for name, array in inputs.items():
        _require(array.tobytes() == before[name].tobytes(), f"input {name!r} was written to")
        _require(
            not any(np.shares_memory(array, output) for output in outputs.values()), f"an output is input {name!r}"
        )
    try:
        engine.spec.check_outputs(outputs, sizes)
    except EngineError as error:
        raise AssertionError(f"outputs break the spec: {error}") from error
    return outputs


def _keeps_its_buffers(engine: Engine, inputs: Mapping[str, Array]) -> None:
    """Outputs of the same shapes come in memory that earlier ones came in; all are held, so that none is reused."""
    calls = [engine.infer(inputs) for _ in range(_CALLS)]
    for name, last in calls[-1].items():
        _require(
            any(np.shares_memory(last, earlier[name]) for earlier in calls[:-1]),
            f"output {name!r} is new memory at every call",
        )


def _refuses_wrong_inputs(engine: Engine, inputs: Mapping[str, Array]) -> None:
    name = engine.spec.inputs[0].name
    array = inputs[name]
    other = np.float64 if array.dtype != np.float64 else np.int8
    faults: dict[str, dict[str, Array]] = {
        "a missing input": {n: a for n, a in inputs.items() if n != name},
        "an unknown input": {**inputs, "no_such_input": array},
        "another dtype": {**inputs, name: array.astype(other)},
        "another number of axes": {**inputs, name: array[None]},
    }
    for fault, given in faults.items():
        try:
            engine.infer(given)
        except EngineError as error:
            _require(
                name in str(error) or "no_such_input" in str(error), f"the error on {fault} names no tensor: {error}"
            )
        else:
            raise AssertionError(f"{engine.spec.name}: {fault} was accepted")


def _serves_two_threads(engine: Engine, inputs: Mapping[str, Array]) -> None:
    """Two calls at once: the outputs of the one that ended last are right, and those that are its own memory too.

    Outputs are valid until the next call, whoever makes it. An engine may refuse the second call with an EngineError.
    """
    given = (dict(inputs), _turned(inputs))
    want = [_copy(engine.infer(each)) for each in given]
    for _ in range(_ROUNDS):
        got = _at_once([partial(engine.infer, each) for each in given])
        right = [found is not None and _same(expected, found) for found, expected in zip(got, want, strict=True)]
        _require(any(right), "two threads at once, and neither got its answer")
        one, other = got
        if one is not None and other is not None and not _share(one, other):
            _require(all(right), "two threads at once, and one got a wrong answer")
    _require(_same(want[0], engine.infer(given[0])), "two threads at once changed later answers")


def _works_beside(engine: Engine, second: Engine, inputs: Mapping[str, Array]) -> None:
    """Two engines in two threads, each right."""
    turned = _turned(inputs)
    work = ((engine, inputs, _copy(engine.infer(inputs))), (second, turned, _copy(engine.infer(turned))))

    def repeated(who: Engine, given: Mapping[str, Array], want: Mapping[str, Array]) -> dict[str, Array]:
        for _ in range(_ROUNDS):
            _require(_same(want, who.infer(given)), "two engines in two threads, and one got a wrong answer")
        return {}

    for done in _at_once([partial(repeated, *each) for each in work]):
        _require(done is not None, "two engines in two threads, and one refused")


def _at_once(calls: list[Callable[[], dict[str, Array]]]) -> list[dict[str, Array] | None]:
    """What each call gives in a thread of its own, begun together; None where it raised EngineError."""
    ready = threading.Barrier(len(calls))
    futures = [Future[dict[str, Array] | None]() for _ in calls]

    def begun(call: Callable[[], dict[str, Array]], future: Future[dict[str, Array] | None]) -> None:
        try:
            ready.wait(_PATIENCE_S)
            future.set_result(call())
        except EngineError:
            future.set_result(None)
        except BaseException as error:
            future.set_exception(error)

    for each in zip(calls, futures, strict=True):
        threading.Thread(target=begun, args=each, daemon=True).start()  # nobody waits for one that never ends
    try:
        return [future.result(_PATIENCE_S) for future in futures]
    except TimeoutError:
        raise AssertionError(f"two threads at once, and one had no answer in {_PATIENCE_S:g} s") from None


def _turned(inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The same values in another order, so that ranges stay valid."""
    return {name: np.ascontiguousarray(array[..., ::-1]) for name, array in inputs.items()}


def _share(one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    return any(np.shares_memory(array, other[name]) for name, array in one.items())


def _same(want: Mapping[str, Array], got: Mapping[str, Array]) -> bool:
    return want.keys() == got.keys() and all(
        np.array_equal(want[n], a, equal_nan=a.dtype.kind == "f") for n, a in got.items()
    )


def _copy(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in arrays.items()}


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
