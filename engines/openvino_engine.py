"""OpenVINO as an engine. Names and meanings of properties: docs.openvino.ai, "CPU device"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from engines.compiler import check_within
from engines.engine import Array, ClosesItself, EngineError, EngineSpec, TensorSpec
from engines.onnx_file import graph_inputs, read_model
from engines.options import OpenVinoOptions
from engines.threads import threads

if TYPE_CHECKING:
    from typing_extensions import Self

_ANY = -1


class OpenVinoEngine(ClosesItself):
    """An ONNX graph, of a file with its hash or read and checked already.

    A graph is reshaped and compiled anew for the shapes of its first inputs, and again when they change. Inputs are
    read where they lie and outputs written into arrays that are kept. Threads may share it: one `infer` runs at a time.
    EngineError when the file is not the one meant, or when this machine cannot run it.
    """

    def __init__(self, name: str, source: Path | bytes, sha256: str, options: OpenVinoOptions) -> None:
        model = source if isinstance(source, bytes) else read_model(name, source, sha256)
        self._core = library().Core()
        try:
            graph = self._core.read_model(model)
            self._start(name, options, graph, self._core.compile_model(graph, options.device, properties(options)))
        except RuntimeError as error:
            raise EngineError(f"{name}: OpenVINO cannot load it: {last_line(error)}") from error
        self.spec = _spec(name, graph, graph_inputs(model))

    @classmethod
    def compiled(
        cls,
        name: str,
        graph: Any,
        inputs: Mapping[str, Sequence[int | str]],
        outputs: Sequence[str],
        options: OpenVinoOptions,
    ) -> Self:
        """An engine of a graph that OpenVINO has compiled already; `inputs` are the shapes in the ONNX file, by name,
        `outputs` its names.
        """
        engine = cls.__new__(cls)
        engine._start(name, options, None, graph)
        engine.spec = _spec(name, graph, inputs, outputs)
        return engine

    def _start(self, name: str, options: OpenVinoOptions, graph: Any, compiled: Any) -> None:
        self._ov, self._name, self._lock, self._options = library(), name, Lock(), options
        self._graph, self._compiled = graph, compiled
        self._request: Any = None
        self.report = {
            "backend": f"OpenVINO {self._ov.__version__}",
            "asked": ", ".join(f"{k} {v}" for k, v in {"device": options.device, **properties(options)}.items()),
            "got": _got(name, compiled, options),
        }
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._outputs: dict[str, Array] = {}

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Engine.infer`."""
        with self._lock:
            if self._compiled is None:
                raise EngineError(f"{self._name} is closed; open it again with open_engine")
            sizes = self.spec.check_inputs(inputs)
            # OpenVINO asks for memory that it could write to, and holds on to none: these must outlive the run.
            arrays = {name: np.require(array, requirements=["C", "W"]) for name, array in inputs.items()}
            shapes = {name: array.shape for name, array in arrays.items()}
            try:
                if shapes != self._shapes:
                    self._fit(shapes, sizes)
                return self._run(arrays, sizes)
            except RuntimeError as error:
                self._shapes = {}
                given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
                raise EngineError(f"{self._name} fails with {given}: {last_line(error)}") from error

    def close(self) -> None:
        """See `Engine.close`."""
        with self._lock:
            self._graph = self._compiled = self._request = None
            self._outputs = {}

    def _fit(self, shapes: dict[str, tuple[int, ...]], sizes: Mapping[str, int]) -> None:
        """A graph for these shapes, where it is not compiled for all of them already."""
        if self._graph is None:
            _check_within(self._name, self._compiled, shapes)
        self._outputs = {}
        if self._graph is not None and (self._graph.is_dynamic() or self._shapes):
            self._graph.reshape({name: list(shape) for name, shape in shapes.items()})
            self._compiled = self._core.compile_model(self._graph, self._options.device, properties(self._options))
        self._request = self._compiled.create_infer_request()
        self._shapes = shapes
        self.report["compiled for"] = ", ".join(f"{axis} = {size}" for axis, size in sizes.items()) or "fixed shapes"

    def _run(self, arrays: Mapping[str, Array], sizes: Mapping[str, int]) -> dict[str, Array]:
        request = self._request
        for name, array in arrays.items():
            request.set_tensor(name, self._ov.Tensor(array, shared_memory=True))
        request.infer()
        if not self._outputs:
            first = {tensor.name: np.array(request.get_tensor(tensor.name).data) for tensor in self.spec.outputs}
            self.spec.check_outputs(first, sizes)
            for name, array in first.items():
                request.set_tensor(name, self._ov.Tensor(array, shared_memory=True))
            self._outputs = first
        return dict(self._outputs)


def library() -> Any:
    """The package openvino; EngineError where it is not installed."""
    try:
        import openvino
    except ImportError as error:
        raise EngineError("OpenVINO is not installed; pip install 'saccade[openvino]'") from error
    return openvino


def properties(options: OpenVinoOptions) -> dict[str, Any]:
    """One inference at a time, soonest; on its share of the cores, not bound to any, since others run there too."""
    given: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": options.precision}
    if options.device == "CPU":
        given |= {"INFERENCE_NUM_THREADS": threads(options.threads, options.share), "ENABLE_CPU_PINNING": False}
    return given


def _check_within(name: str, compiled: Any, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """EngineError where a graph was compiled for other shapes than these."""
    for port in compiled.inputs:
        tensor, dims = next(one for one in shapes if one in port.get_names()), list(port.get_partial_shape())
        smallest, largest = [d.get_min_length() for d in dims], [d.get_max_length() for d in dims]
        check_within(name, tensor, shapes[tensor], smallest, [inf if n < 0 else n for n in largest])


def last_line(error: Exception) -> str:
    """OpenVINO says first where in its sources it is, and last what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _got(name: str, compiled: Any, options: OpenVinoOptions) -> str:
    """What a compiled graph says of itself, as far as it does; EngineError where it computes in something else."""
    told = {}
    for key in ("EXECUTION_DEVICES", "INFERENCE_PRECISION_HINT", "INFERENCE_NUM_THREADS", "NUM_STREAMS"):
        try:
            value = compiled.get_property(key)
        except RuntimeError:
            continue
        told[key] = value.get_type_name() if hasattr(value, "get_type_name") else str(value)
    precision = told.get("INFERENCE_PRECISION_HINT", options.precision)
    if precision != options.precision:
        raise EngineError(
            f"{name}: asked OpenVINO for {options.precision} on {options.device}, got {precision}; ask for that"
        )
    return ", ".join(f"{key} {value}" for key, value in told.items())


def _spec(name: str, graph: Any, inputs: Mapping[str, Sequence[int | str]], outputs: Sequence[str] = ()) -> EngineSpec:
    """What a graph takes and gives. OpenVINO forgets what ONNX calls the sizes that must agree."""
    return EngineSpec(
        name,
        tuple(_tensor(port, inputs) for port in graph.inputs),
        tuple(_tensor(port, dict.fromkeys(outputs, ())) for port in graph.outputs),
    )


def _tensor(port: Any, known: Mapping[str, Sequence[int | str]]) -> TensorSpec:
    """A tensor by the name that it has in the file: compiled, it has those too of all that it became one with."""
    own, dims = port.get_names(), list(port.get_partial_shape())
    name = next((one for one in known if one in own), "") or port.get_any_name()
    named = known.get(name, ())
    names = named if len(named) == len(dims) else [_ANY] * len(dims)
    shape = tuple(int(d.get_length()) if d.is_static else n for d, n in zip(dims, names, strict=True))
    return TensorSpec(name, np.dtype(port.get_element_type().to_dtype()).name, shape)
