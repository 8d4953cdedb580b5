"""The contract of an engine as a function anyone can run: `check_engine(engine, inputs)`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engines.engine import Array, Engine, EngineError


def check_engine(engine: Engine, inputs: Mapping[str, Array], resized: Mapping[str, Array] | None = None) -> None:
    """Hold an open engine to the contract of `engines.engine` and close it; AssertionError names the broken promise.

    `inputs` are valid for the engine; `resized`, valid too, have other sizes, for engines that allow it.
    """
    spec = engine.spec
    _require(bool(engine.report), "report tells nothing about the backend")
    with engine as entered:
        _require(entered is engine, "__enter__ gives another object")
        first = _copy(_checked(engine, inputs))
        _require(
            all(np.array_equal(first[n], a, equal_nan=a.dtype.kind == "f") for n, a in engine.infer(inputs).items()),
            "the same inputs gave other outputs",
        )
        if resized is not None:
            _checked(engine, resized)
            again = _checked(engine, inputs)
            _require(
                all(np.array_equal(first[n], a, equal_nan=a.dtype.kind == "f") for n, a in again.items()),
                "another size in between changed the outputs",
            )
        _refuses_wrong_inputs(engine, inputs)
    engine.close()
    try:
        engine.infer(inputs)
    except EngineError:
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


def _copy(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in arrays.items()}


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
