"""OpenVINO as an engine. Names and meanings of properties: docs.openvino.ai, "CPU device"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from engines.compiler import BuildPlan, check_within
from engines.engine import Array, ClosesItself, EngineError, EngineSpec, TensorSpec
from engines.onnx_file import graph_inputs
from engines.openvino_gather import flatten
from engines.options import OpenVinoOptions, Precision
from engines.threads import threads

DEVICE = "CPU"
_ANY = -1
_SIZES = 4
"""For how many sizes of its inputs, those that came last, an engine keeps what was compiled."""
Shapes = dict[str, tuple[int, ...]]


class _Fitted(NamedTuple):
    """What was compiled for one size of the inputs, and the arrays that it writes into."""

    request: Any
    outputs: dict[str, Array]


class OpenVinoEngine(ClosesItself):
    """An ONNX graph, read and checked already.

    It is compiled for the very shapes of its inputs, the plan's usual ones at once and others when they come: a graph
    compiled for a range of shapes took a quarter longer. Inputs are read where they lie and outputs written into arrays
    that are kept. Threads may share it: one `infer` runs at a time. EngineError where this machine cannot run it as
    the plan asks.
    """

    def __init__(self, name: str, model: bytes, options: OpenVinoOptions, plan: BuildPlan) -> None:
        self._ov, self._name, self._lock = library(), name, Lock()
        self._core = self._ov.Core()
        self._properties = properties(options, plan)
        self._fitted: dict[tuple[tuple[str, tuple[int, ...]], ...], _Fitted] = {}
        if missing := lacks(capabilities(self._core), plan.precision):
            raise EngineError(f"{name}: asked OpenVINO for {plan.precision}, but {missing}")
        try:
            self._graph: Any = read(self._core, model, plan)
            self.spec = _spec(name, self._graph, graph_inputs(model))
            self._ranges = {tensor.name: _range(self._graph, tensor.name) for tensor in self.spec.inputs}
            if plan.shapes:
                self._graph.reshape({tensor: list(shapes.usual) for tensor, shapes in plan.shapes.items()})
            compiled = self._compiled()
        except RuntimeError as error:
            raise EngineError(f"{name}: OpenVINO cannot load it: {last_line(error)}") from error
        self.report = {
            "backend": f"OpenVINO {self._ov.__version__}",
            "asked": ", ".join(f"{key} {value}" for key, value in self._properties.items()),
            "got": _got(name, compiled, self._properties["INFERENCE_PRECISION_HINT"]),
        }
        if not self._graph.is_dynamic():
            self._keep({t.name: tuple(self._graph.input(t.name).get_shape()) for t in self.spec.inputs}, compiled)

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Engine.infer`."""
        with self._lock:
            if self._graph is None:
                raise EngineError(f"{self._name} is closed; open it again with open_engine")
            sizes = self.spec.check_inputs(inputs)
            # OpenVINO asks for memory that it could write to, and holds on to none: these must outlive the run.
            arrays = {name: np.require(array, requirements=["C", "W"]) for name, array in inputs.items()}
            shapes = {name: array.shape for name, array in arrays.items()}
            try:
                return self._run(self._fit(shapes, sizes), arrays, sizes)
            except RuntimeError as error:
                self._fitted.pop(_key(shapes), None)
                given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
                raise EngineError(f"{self._name} fails with {given}: {last_line(error)}") from error

    def close(self) -> None:
        """See `Engine.close`."""
        with self._lock:
            self._graph = None
            self._fitted.clear()

    def _fit(self, shapes: Shapes, sizes: Mapping[str, int]) -> _Fitted:
        """What is compiled for these shapes, now where it was not."""
        if (found := self._fitted.pop(_key(shapes), None)) is not None:
            self._fitted[_key(shapes)] = found  # the last to go
        else:
            for name, (smallest, largest) in self._ranges.items():
                check_within(self._name, name, shapes[name], smallest, largest)
            self._graph.reshape({name: list(shape) for name, shape in shapes.items()})
            found = self._keep(shapes, self._compiled())
        self.report["compiled for"] = ", ".join(f"{axis} = {size}" for axis, size in sizes.items()) or "fixed shapes"
        return found

    def _compiled(self) -> Any:
        """The graph for the shapes that it has now; it keeps its form, which others can be made of."""
        graph = self._graph.clone()
        flatten(graph, self._ov)
        return self._core.compile_model(graph, DEVICE, self._properties)

    def _keep(self, shapes: Shapes, compiled: Any) -> _Fitted:
        while len(self._fitted) >= _SIZES:
            self._fitted.pop(next(iter(self._fitted)))
        self._fitted[_key(shapes)] = made = _Fitted(compiled.create_infer_request(), {})
        return made

    def _run(self, fitted: _Fitted, arrays: Mapping[str, Array], sizes: Mapping[str, int]) -> dict[str, Array]:
        request, outputs = fitted
        for name, array in arrays.items():
            request.set_tensor(name, self._ov.Tensor(array, shared_memory=True))
        request.infer()
        if not outputs:
            first = {tensor.name: np.array(request.get_tensor(tensor.name).data) for tensor in self.spec.outputs}
            self.spec.check_outputs(first, sizes)
            for name, array in first.items():
                request.set_tensor(name, self._ov.Tensor(array, shared_memory=True))
            outputs.update(first)
        return dict(outputs)


def library() -> Any:
    """The package openvino; EngineError where it is not installed."""
    try:
        import openvino
    except ImportError as error:
        raise EngineError("OpenVINO is not installed; pip install 'saccade[openvino]'") from error
    return openvino


def capabilities(core: Any) -> str:
    """What the processor has instructions for, in OpenVINO's words, sorted: "BIN EXPORT_IMPORT FP32 INT8 WINOGRAD"."""
    return " ".join(sorted(core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")))


def lacks(capabilities: str, precision: Precision) -> str:
    """What a processor of these capabilities lacks for a precision, "" where nothing.

    OpenVINO does not say so itself: with AVX-512 and no bfloat16 it imitates it, in four times the time of fp32.
    """
    if precision == "bf16" and "BF16" not in capabilities.split():
        return "this processor has no instructions for bfloat16 (avx512_bf16 or amx_bf16)"
    return ""


def read(core: Any, model: bytes, plan: BuildPlan) -> Any:
    """The graph of an ONNX file, its inputs in the ranges of the plan; OpenVINO's own errors."""
    ov = library()
    graph = core.read_model(model)
    if plan.shapes:
        graph.reshape({
            name: ov.PartialShape([ov.Dimension(a, b) for a, b in zip(s.smallest, s.largest, strict=True)])
            for name, s in plan.shapes.items()
        })  # fmt: skip
    return graph


def properties(options: OpenVinoOptions, plan: BuildPlan) -> dict[str, Any]:
    """One inference at a time, soonest; on its share of the cores, not bound to any, since others run there too.

    Left to itself OpenVINO takes bf16 where the processor has it, whatever the graph holds, and gives other numbers.
    """
    return {
        "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "bf16" if plan.precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": threads(options.threads, options.share), "ENABLE_CPU_PINNING": False,
    }  # fmt: skip


def last_line(error: Exception) -> str:
    """OpenVINO says first where in its sources it is, and last what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _key(shapes: Shapes) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple(sorted(shapes.items()))


def _range(graph: Any, name: str) -> tuple[list[int], list[float]]:
    """The smallest and largest shape of an input."""
    dims = list(graph.input(name).get_partial_shape())
    return [d.get_min_length() for d in dims], [inf if d.get_max_length() < 0 else d.get_max_length() for d in dims]


def _got(name: str, compiled: Any, asked: str) -> str:
    """What a compiled graph says of itself, as far as it does; EngineError where it computes in something else."""
    told = {}
    for key in ("EXECUTION_DEVICES", "INFERENCE_PRECISION_HINT", "INFERENCE_NUM_THREADS", "NUM_STREAMS"):
        try:
            value = compiled.get_property(key)
        except RuntimeError:
            continue
        told[key] = value.get_type_name() if hasattr(value, "get_type_name") else str(value)
    if (got := told.get("INFERENCE_PRECISION_HINT", asked)) != asked:
        raise EngineError(f"{name}: asked OpenVINO for {asked}, got {got}; this processor has no {asked}")
    return ", ".join(f"{key} {value}" for key, value in told.items())


def _spec(name: str, graph: Any, inputs: Mapping[str, Sequence[int | str]]) -> EngineSpec:
    """What a graph takes and gives. OpenVINO forgets what ONNX calls the sizes that must agree."""
    return EngineSpec(
        name,
        tuple(_tensor(port, inputs) for port in graph.inputs),
        tuple(_tensor(port, {}) for port in graph.outputs),
    )


def _tensor(port: Any, known: Mapping[str, Sequence[int | str]]) -> TensorSpec:
    """A tensor by the name that it has in the file, which may not be its first: a cast's becomes one with its own."""
    own, dims = port.get_names(), list(port.get_partial_shape())
    name = next((one for one in known if one in own), "") or port.get_any_name()
    named = known.get(name, ())
    names = named if len(named) == len(dims) else [_ANY] * len(dims)
    shape = tuple(int(d.get_length()) if d.is_static else n for d, n in zip(dims, names, strict=True))
    return TensorSpec(name, np.dtype(port.get_element_type().to_dtype()).name, shape)
