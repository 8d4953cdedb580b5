"""ONNX Runtime as an engine; nothing else imports onnxruntime, besides what makes models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from engines.engine import Array, ClosesItself, EngineError, EngineSpec, TensorSpec

try:
    import onnxruntime
except ImportError as error:
    raise EngineError(
        f"ONNX Runtime cannot be imported ({error}). Install one build of it: pip install 'saccade[cpu]', or [gpu], "
        "[gpu-cu12], [jetson] (docs/platforms.md says which); OpenCV's matchers (sgbm, bm) do without"
    ) from None

from engines.onnx_file import read_model
from engines.options import OrtOptions
from engines.ort_binding import Binding
from engines.ort_providers import CPU, CUDA, TENSORRT, Provider, otherwise, placed, providers_for, told
from engines.threads import threads
from engines.trt_library import tensorrt
from saccade.errors import choices

_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64",
           "tensor(uint8)": "uint8", "tensor(int8)": "int8", "tensor(int16)": "int16", "tensor(uint16)": "uint16",
           "tensor(int32)": "int32", "tensor(int64)": "int64", "tensor(bool)": "bool"}  # fmt: skip


class OrtEngine(ClosesItself):
    """Any ONNX graph, of a file with its hash, or read and checked already. EngineError when the file is not the one
    meant, or when it runs elsewhere than asked.

    For the shapes of its first inputs, and again when they change, the graph is compiled anew with these shapes fixed:
    a tenth of a stereo network's time was spent on finding them out. Inputs and outputs are bound to buffers that are
    kept as long. Threads may share it: one `infer` runs at a time. `stream`: the address of a CUDA stream to work on.
    """

    def __init__(self, name: str, source: Path | bytes, sha256: str, options: OrtOptions, stream: int = 0) -> None:
        self._model = source if isinstance(source, bytes) else read_model(name, source, sha256)
        self._name, self._options, self._stream, self._lock = name, options, stream, Lock()
        self._available = onnxruntime.get_available_providers()
        for provider in options.providers:
            if provider not in self._available and not options.allow_fallback:
                raise EngineError(f"{name}: ONNX Runtime has no {provider}; {choices(provider, self._available)}")
        load_libraries(set(options.providers) & set(self._available))
        self._threads = threads(options.intra_threads, options.share)
        self.report = {
            "backend": f"ONNX Runtime {onnxruntime.__version__}",
            "asked": ", ".join(options.providers),
            "threads": f"{self._threads} within an operator, {options.inter_threads} between, "
            f"{'spinning' if options.spinning else 'sleeping'} while they wait for each other",
        }
        # By itself ONNX Runtime runs single operators that a provider lacks on the CPU, in silence.
        self._strict = CPU not in options.providers and not options.allow_fallback
        self.spec = self._looked_at()
        fixed = {t.name: tuple(n for n in t.shape if isinstance(n, int) and n >= 0) for t in self.spec.inputs}
        self._free = any(len(fixed[tensor.name]) < len(tensor.shape) for tensor in self.spec.inputs)
        shapes = {} if self._free else fixed
        self._session: Any = self._compiled({}, shapes)
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._binding: Binding | None = None

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Engine.infer`."""
        with self._lock:
            if self._session is None:
                raise EngineError(f"{self._name} is closed; open it again with open_engine")
            sizes = self.spec.check_inputs(inputs)
            arrays = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
            shapes = {name: array.shape for name, array in arrays.items()}
            if self._binding is None or shapes != self._shapes:
                self._binding = self._fitted(sizes, shapes, arrays)
                self._shapes = shapes
            return self._running(self._binding, arrays)

    def close(self) -> None:
        """See `Engine.close`."""
        with self._lock:
            self._session = self._binding = None

    def _fitted(
        self, sizes: Mapping[str, int], shapes: dict[str, tuple[int, ...]], arrays: dict[str, Array]
    ) -> Binding:
        """A session for these shapes and its buffers."""
        self._binding, self._shapes = None, {}
        if self._free:
            self._session = self._compiled(sizes, shapes)
        self.report["compiled for"] = ", ".join(f"{axis} = {size}" for axis, size in sizes.items()) or "fixed shapes"
        self.report["nodes"] = told(placed(self._session)) or "not told by this ONNX Runtime"
        try:
            binding = Binding(self._session, self.spec, arrays, self._options)
        except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
            raise self._failure(arrays, error) from error
        self.spec.check_outputs(binding.outputs, sizes)
        self.report["buffers"] = binding.where
        return binding

    def _running(self, binding: Binding, arrays: Mapping[str, Array]) -> dict[str, Array]:
        try:
            return binding.run(arrays)
        except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
            raise self._failure(arrays, error) from error

    def _failure(self, arrays: Mapping[str, Array], error: Exception) -> EngineError:
        given = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        return EngineError(f"{self._name} fails with {given}: {str(error).splitlines()[0]}")

    def _looked_at(self) -> EngineSpec:
        """What the graph takes and gives, read without preparing it for any provider."""
        settings = onnxruntime.SessionOptions()
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        settings.log_severity_level, settings.intra_op_num_threads = 4, 1
        session = self._loaded(settings, [(CPU, {})])
        return EngineSpec(
            self._name,
            tuple(_tensor(self._name, t) for t in session.get_inputs()),
            tuple(_tensor(self._name, t) for t in session.get_outputs()),
        )

    def _compiled(self, sizes: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]) -> Any:
        """A session on the providers asked for, for these sizes. EngineError where it is on others."""
        options = self._options
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = self._threads
        settings.inter_op_num_threads = options.inter_threads
        settings.log_severity_level = 4  # what goes wrong is in the exception
        for axis, size in sizes.items():
            settings.add_free_dimension_override_by_name(axis, size)
        settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spinning else "0")
        settings.add_session_config_entry("session.force_spinning_stop", "1")  # when the frame is done
        settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if self._strict and shapes:  # with sizes that are free, finding them out belongs on the CPU
            settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        asked = providers_for(self._name, self._model, options, self._available, shapes, self._stream)
        session = self._loaded(settings, asked)
        got = session.get_providers()
        if got[0] != asked[0][0] and not options.allow_fallback:
            raise EngineError(
                f"{self._name}: asked for {', '.join(options.providers)}, got {', '.join(got)}; "
                "repair that provider, ask for what is there, or set allow_fallback"
            )
        if wrong := otherwise(asked, session.get_provider_options()):
            self.report["options taken otherwise"] = ", ".join(wrong)
        self.report["got"] = ", ".join(got)
        return session

    def _loaded(self, settings: Any, providers: list[Provider]) -> Any:
        try:
            # Without enable_fallback=0 it would print what went wrong and take the CPU.
            return onnxruntime.InferenceSession(self._model, settings, providers=providers, enable_fallback=0)
        except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
            raise EngineError(f"{self._name}: ONNX Runtime cannot load it: {error}") from error


def load_libraries(providers: Iterable[str]) -> None:
    """Load what these providers are linked to from the wheels that brought it; the system's loader does not look there.

    Nothing is said of what is missing: the session that needs it fails, and names it.
    """
    if {CUDA, TENSORRT}.isdisjoint(providers):
        return
    if hasattr(onnxruntime, "preload_dlls"):  # since 1.21
        with redirect_stdout(StringIO()):
            onnxruntime.preload_dlls()
    if TENSORRT in providers:
        with suppress(EngineError):  # the library may be the system's, and the Python package not there
            tensorrt()


def _tensor(name: str, tensor: Any) -> TensorSpec:
    if tensor.type not in _DTYPES:
        raise EngineError(f"{name}: {tensor.name!r} is a {tensor.type}; {choices(tensor.type, _DTYPES)}")
    shape = tuple(size if isinstance(size, int | str) and size != "" else -1 for size in tensor.shape)
    return TensorSpec(tensor.name, _DTYPES[tensor.type], shape)
