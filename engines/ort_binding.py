"""Inputs and outputs of an ONNX Runtime session bound to memory that is kept: of this process, or of a CUDA device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime

from engines.engine import Array, EngineSpec
from engines.options import OrtOptions
from engines.ort_providers import CUDA, TENSORRT

_NO_GRAPH = "-1"
"""Of all numbers that a CUDA graph can have, the one for none."""


class Binding:
    """The buffers of one session for inputs of one set of shapes; `outputs` are this process's, for `arrays` at first.

    On the CPU, inputs are read where they lie, and outputs are written into arrays kept here. On a GPU inputs are
    copied into device memory kept here; outputs come back into arrays kept here, unless the session replays a CUDA
    graph, whose addresses must all be of the device and never change.
    """

    def __init__(self, session: Any, spec: EngineSpec, arrays: Mapping[str, Array], options: OrtOptions) -> None:
        self._session, self._binding = session, session.io_binding()
        provider = session.get_providers()[0]
        gpu, self._graph = provider in (CUDA, TENSORRT), provider == CUDA and options.cuda.graph
        self._device = options.cuda.device
        self.where = f"CUDA device {self._device}" if gpu else "read and written in place"
        self._inputs: dict[str, Any] = {}
        self._results: dict[str, Any] = {}
        names = [tensor.name for tensor in spec.outputs]
        if gpu:
            self._inputs = {name: self._on_device(array) for name, array in arrays.items()}
            for name, value in self._inputs.items():
                self._binding.bind_ortvalue_input(name, value)
            for name in names:  # their shapes are known once they were there
                self._binding.bind_output(name, "cuda", self._device)
            plainly = onnxruntime.RunOptions()
            plainly.add_run_config_entry("gpu_graph_id", _NO_GRAPH)  # a graph would keep these outputs' addresses
            session.run_with_iobinding(self._binding, plainly)
            self.outputs = dict(zip(names, self._binding.copy_outputs_to_cpu(), strict=True))
        else:
            self.outputs = dict(zip(names, session.run(names, dict(arrays)), strict=True))
        self._bind_outputs()

    def run(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs for other inputs of the same shapes, in the same arrays as ever."""
        for name, array in arrays.items():
            if name in self._inputs:
                self._inputs[name].update_inplace(array)
            else:
                self._binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        for name, result in self._results.items():
            np.copyto(self.outputs[name], result.numpy())
        return dict(self.outputs)

    def _bind_outputs(self) -> None:
        self._binding.clear_binding_outputs()
        for name, array in self.outputs.items():
            if self._graph:
                self._results[name] = self._on_device(array)
                self._binding.bind_ortvalue_output(name, self._results[name])
            else:
                self._binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def _on_device(self, array: Array) -> Any:
        return onnxruntime.OrtValue.ortvalue_from_numpy(array, "cuda", self._device)
