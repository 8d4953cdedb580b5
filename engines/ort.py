"""ONNX Runtime as an engine; nothing else imports onnxruntime."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from engines.card import OrtOptions
from engines.engine import Array, ClosesItself, EngineError, EngineSpec, TensorSpec
from saccade.errors import choices

_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64",
           "tensor(uint8)": "uint8", "tensor(int8)": "int8", "tensor(int16)": "int16", "tensor(uint16)": "uint16",
           "tensor(int32)": "int32", "tensor(int64)": "int64", "tensor(bool)": "bool"}  # fmt: skip
_CPU = "CPUExecutionProvider"


class OrtEngine(ClosesItself):
    """Any ONNX graph, of a file with its hash, or checked and read already. EngineError when the file is not the one
    meant, or runs elsewhere than asked.

    For the shapes of its first inputs, and again when they change, the graph is compiled anew with these shapes fixed:
    a tenth of a stereo network's time was spent on finding them out. Outputs go into buffers that are kept as long.
    """

    def __init__(self, name: str, source: Path | bytes, sha256: str, options: OrtOptions) -> None:
        model = source if isinstance(source, bytes) else _read(name, source, sha256)
        available = onnxruntime.get_available_providers()
        for provider in options.providers:
            if provider not in available and not options.allow_fallback:
                raise EngineError(f"{name}: ONNX Runtime has no {provider}; {choices(provider, available)}")
        self._compiled = partial(_session, name, model, options, available)
        self._session: Any = self._compiled({})
        got = self._session.get_providers()
        asked = next((p for p in options.providers if p in available), _CPU)
        if got[0] != asked and not options.allow_fallback:
            raise EngineError(
                f"{name}: asked for {', '.join(options.providers)}, got {', '.join(got)}; "
                "repair that provider, ask for what is there, or set allow_fallback"
            )
        self.spec = EngineSpec(
            name,
            tuple(_tensor(name, t) for t in self._session.get_inputs()),
            tuple(_tensor(name, t) for t in self._session.get_outputs()),
        )
        self.report = {
            "backend": f"ONNX Runtime {onnxruntime.__version__}",
            "asked": ", ".join(options.providers),
            "got": ", ".join(got),
            "threads": f"{options.intra_threads} within an operator, {options.inter_threads} between",
        }
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._outputs: dict[str, Array] = {}

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Engine.infer`."""
        if self._session is None:
            raise EngineError(f"{self.spec.name} is closed; open it again with open_engine")
        sizes = self.spec.check_inputs(inputs)
        arrays = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        shapes = {name: array.shape for name, array in arrays.items()}
        if shapes != self._shapes:
            names = [tensor.name for tensor in self.spec.outputs]
            self._session = self._compiled(sizes)
            self.report["compiled for"] = (
                ", ".join(f"{axis} = {size}" for axis, size in sizes.items()) or "fixed shapes"
            )
            first = dict(zip(names, self._run(names, arrays), strict=True))
            self.spec.check_outputs(first, sizes)
            self._shapes, self._outputs = shapes, first
            return dict(first)
        binding = self._session.io_binding()
        for name, array in arrays.items():
            binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in self._outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        self._session.run_with_iobinding(binding)
        return dict(self._outputs)

    def _run(self, names: list[str], arrays: Mapping[str, Array]) -> list[Array]:
        try:
            return list(self._session.run(names, arrays))
        except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
            given = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
            raise EngineError(f"{self.spec.name} fails with {given}: {str(error).splitlines()[0]}") from error

    def close(self) -> None:
        """See `Engine.close`."""
        self._session = None


def _read(name: str, path: Path, sha256: str) -> bytes:
    try:
        model = path.read_bytes()
    except OSError as error:
        raise EngineError(f"{name}: cannot read {path}: {error.strerror}; the card says where to get it") from error
    if (found := hashlib.sha256(model).hexdigest()) != sha256.lower():
        raise EngineError(f"{name}: {path} has sha256 {found}, its card says {sha256}: not the model that was tested")
    return model


def _session(name: str, model: bytes, options: OrtOptions, available: list[str], sizes: Mapping[str, int]) -> Any:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.intra_threads
    settings.inter_op_num_threads = options.inter_threads
    settings.log_severity_level = 4  # what goes wrong is in the exception
    for axis, size in sizes.items():
        settings.add_free_dimension_override_by_name(axis, size)
    if _CPU not in options.providers and not options.allow_fallback:
        # Without this, single operators that the provider lacks would run on the CPU in silence.
        settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    providers = [p for p in options.providers if p in available] or [_CPU]
    try:
        return onnxruntime.InferenceSession(model, settings, providers=providers)
    except Exception as error:  # ONNX Runtime's exceptions share no base class of their own
        raise EngineError(f"{name}: ONNX Runtime cannot load it: {error}") from error


def _tensor(name: str, tensor: Any) -> TensorSpec:
    if tensor.type not in _DTYPES:
        raise EngineError(f"{name}: {tensor.name!r} is a {tensor.type}; {choices(tensor.type, _DTYPES)}")
    shape = tuple(size if isinstance(size, int | str) and size != "" else -1 for size in tensor.shape)
    return TensorSpec(tensor.name, _DTYPES[tensor.type], shape)
