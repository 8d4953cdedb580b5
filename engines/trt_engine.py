"""A TensorRT engine at work: buffers held for one shape, one stream, and a CUDA graph where the library has graphs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np

from engines.compiler import check_within
from engines.device.device import Device, DeviceTensor, Graph, HostDeviceArray, Memory, Priority, Stream
from engines.engine import Array, ClosesItself, EngineError, EngineSpec, TensorSpec
from engines.trt_library import Messages, logger_of
from saccade.errors import choices

_DTYPES = {"FLOAT": "float32", "HALF": "float16", "INT8": "int8", "INT32": "int32", "INT64": "int64",
           "UINT8": "uint8", "BOOL": "bool"}  # fmt: skip
_ALIGNED = 256  # what set_tensor_address asks of addresses
Sizes = dict[str, tuple[int, ...]]


class TrtEngine(ClosesItself):
    """See `Engine`. Threads may share it: one `infer` runs at a time, and its outputs are valid until anybody's next.

    For each new set of shapes the first `infer` allocates and runs plainly, and then captures a graph for the next.
    """

    def __init__(
        self, name: str, trt: Any, engine: tuple[Any, Any], device: Device, priority: Priority, graphs: bool
    ) -> None:
        self._trt, self._device, self._lock = trt, device, Lock()
        self._messages: Messages = logger_of(trt)[1]
        self._runtime, self._engine = engine  # an engine must not outlive its runtime
        self.spec = spec_of(name, trt, self._engine)
        self._limits = _limits(self._engine, self.spec)
        mark = self._messages.mark()
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise EngineError(f"{name}: TensorRT cannot run the engine: {self._messages.since(mark)}")
        self._shapes: Sizes = {}
        self._twins: dict[str, HostDeviceArray] = {}
        self._outputs: dict[str, Memory] = {}
        self._graph: Graph | None = None
        self._shape({tensor.name: usual for tensor, (_, usual, _) in zip(self.spec.inputs, self._limits, strict=True)})
        self._stream: Stream = device.stream(priority)
        self._wants_graph = graphs and device.supports_graphs
        self.report = {
            "backend": f"TensorRT {trt.__version__} through {device.info.library}",
            "device": f"{device.info.name}, compute capability {'.'.join(map(str, device.info.compute_capability))}",
            "inputs and outputs": ", ".join(str(tensor) for tensor in (*self.spec.inputs, *self.spec.outputs)),
            "copies": "none: memory is shared with the CPU" if device.info.unified else "through pinned memory",
            "priority": priority
            if device.supports_priorities
            else f"{device.info.library} has none; asked: {priority}",
            "graph": "not yet"
            if self._wants_graph
            else "not asked"
            if not graphs
            else f"{device.info.library} has none",
        }

    @property
    def device(self) -> Device:
        """Where it runs."""
        return self._device

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Engine.infer`."""
        with self._lock:
            self._check(inputs)
            with self._device.use():
                self._shape({name: array.shape for name, array in inputs.items()})
                self._hold()
                for name, array in inputs.items():
                    np.copyto(self._twins[name].array, array)
                if self._graph is not None:
                    self._graph.launch(self._stream)
                    self._stream.synchronize()
                else:
                    self._run()
                    self._stream.synchronize()
                    self._capture()
            return {tensor.name: self._twins[tensor.name].array for tensor in self.spec.outputs}

    def infer_on_device(self, inputs: Mapping[str, DeviceTensor], stream: Stream) -> dict[str, DeviceTensor]:
        """Outputs by name, on the device, from inputs there: queued on `stream` and not waited for.

        Nothing is copied, and the outputs, valid until the next call, keep their addresses while shapes stay. So after
        a first call the whole way, kernels before and after included, can be captured by `Device.capture`. Work of one
        engine must not overlap: use one stream, and synchronise before `infer`.
        """
        with self._lock:
            # Arrays of these shapes that take no memory, for the spec to look at.
            self._check({name: np.broadcast_to(np.empty((), t.dtype), t.shape) for name, t in inputs.items()})
            for name, tensor in inputs.items():
                if tensor.address % _ALIGNED:
                    raise EngineError(f"{self.spec.name}: input {name!r} is not aligned to {_ALIGNED} bytes")
            with self._device.use():
                self._shape({name: tensor.shape for name, tensor in inputs.items()})
                given = {tensor.name: self._output_on_device(tensor) for tensor in self.spec.outputs}
                self._enqueue({**inputs, **given}, stream)
            return given

    def close(self) -> None:
        """See `Engine.close`."""
        with self._lock:
            if self._context is None:
                return
            with self._device.use():
                self._drop_graph()
                for held in (*self._twins.values(), *self._outputs.values(), self._stream):
                    held.close()
                self._twins, self._outputs = {}, {}
                self._context = self._engine = self._runtime = None

    def _check(self, inputs: Mapping[str, Array]) -> None:
        if self._context is None:
            raise EngineError(f"{self.spec.name} is closed; open it again with open_engine")
        self.spec.check_inputs(inputs)
        for tensor, (smallest, _, largest) in zip(self.spec.inputs, self._limits, strict=True):
            check_within(self.spec.name, tensor.name, inputs[tensor.name].shape, smallest, largest)

    def _shape(self, inputs: Sizes) -> None:
        """Tell TensorRT the inputs' shapes and hear the outputs'; what was captured for others is dropped."""
        if all(self._shapes.get(name) == shape for name, shape in inputs.items()):
            return
        self._drop_graph()
        self._shapes, mark = {}, self._messages.mark()
        fit = all(self._context.set_input_shape(name, shape) for name, shape in inputs.items())
        # infer_shapes would say what is wrong, but in 8.6 to 11 it raises without the GIL, which can end the process.
        try:
            outputs = {t.name: tuple(self._context.get_tensor_shape(t.name)) for t in self.spec.outputs} if fit else {}
        except ValueError:  # TensorRT gives -1 axes where shapes contradict each other
            fit = False
        if not fit:
            raise EngineError(f"{self.spec.name}: TensorRT refuses {inputs}: {self._messages.since(mark)}")
        for name, shape in outputs.items():
            if -1 in shape:
                raise EngineError(
                    f"{self.spec.name}: the shape of output {name!r}, {shape}, depends on what the inputs hold; export "
                    "the model so that it follows from their shapes"
                )
        self._shapes = {**inputs, **outputs}

    def _hold(self) -> None:
        """Have pinned and device memory for the present shapes."""
        for tensor in (*self.spec.inputs, *self.spec.outputs):
            held, shape = self._twins.get(tensor.name), self._shapes[tensor.name]
            if held is None or held.array.shape != shape:
                if held is not None:
                    del self._twins[tensor.name]
                    held.close()
                self._twins[tensor.name] = self._device.array(shape, tensor.dtype)

    def _output_on_device(self, tensor: TensorSpec) -> DeviceTensor:
        shape = self._shapes[tensor.name]
        nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(tensor.dtype).itemsize
        held = self._outputs.get(tensor.name)
        if held is None or held.nbytes != nbytes:
            if held is not None:
                del self._outputs[tensor.name]
                held.close()
            held = self._outputs[tensor.name] = self._device.memory(nbytes)
        return DeviceTensor(held.address, shape, tensor.dtype)

    def _run(self) -> None:
        for tensor in self.spec.inputs:
            self._twins[tensor.name].upload(self._stream)
        self._enqueue({name: twin.tensor() for name, twin in self._twins.items()}, self._stream)
        for tensor in self.spec.outputs:
            self._twins[tensor.name].download(self._stream)

    def _enqueue(self, tensors: Mapping[str, DeviceTensor], stream: Stream) -> None:
        mark = self._messages.mark()
        for name, tensor in tensors.items():
            if not self._context.set_tensor_address(name, tensor.address):
                raise EngineError(f"{self.spec.name}: TensorRT refuses {name!r}: {self._messages.since(mark)}")
        if not self._context.execute_async_v3(stream.handle):
            raise EngineError(f"{self.spec.name}: TensorRT failed: {self._messages.since(mark)}")

    def _capture(self) -> None:
        if not self._wants_graph:
            return
        try:
            self._graph = self._device.capture(self._stream, self._run)
            self.report["graph"] = "captured"
        except EngineError as error:  # some graphs, such as those with loops, cannot be captured
            self._wants_graph = False
            self.report["graph"] = f"cannot be captured: {error}"

    def _drop_graph(self) -> None:
        if self._graph is not None:
            self._graph.close()
            self._graph = None


def spec_of(name: str, trt: Any, engine: Any) -> EngineSpec:
    """What an engine takes and gives; EngineError for tensors in host memory or of types that numpy does not know."""
    try:
        symbols: dict[str, list[str]] = json.loads(engine.name)
    except ValueError:  # built by another program
        symbols = {}
    inputs: list[TensorSpec] = []
    outputs: list[TensorSpec] = []
    for tensor in (engine.get_tensor_name(i) for i in range(engine.num_io_tensors)):
        if engine.get_tensor_location(tensor) != trt.TensorLocation.DEVICE:
            raise EngineError(f"{name}: {tensor!r} is a shape tensor, in host memory; export the model without it")
        dtype = engine.get_tensor_dtype(tensor).name
        if dtype not in _DTYPES:
            raise EngineError(f"{name}: {tensor!r} is {dtype}; {choices(dtype, _DTYPES)}")
        sizes = tuple(engine.get_tensor_shape(tensor))
        said = symbols.get(tensor, [""] * len(sizes))
        shape = tuple(size if size >= 0 else symbol or -1 for size, symbol in zip(sizes, said, strict=True))
        is_input = engine.get_tensor_mode(tensor) == trt.TensorIOMode.INPUT
        (inputs if is_input else outputs).append(TensorSpec(tensor, _DTYPES[dtype], shape))
    return EngineSpec(name, tuple(inputs), tuple(outputs))


def _limits(engine: Any, spec: EngineSpec) -> list[tuple[tuple[int, ...], ...]]:
    """The smallest, the usual and the largest shape of each input."""
    limits = []
    for tensor in spec.inputs:
        fixed = tuple(engine.get_tensor_shape(tensor.name))
        shapes = engine.get_tensor_profile_shape(tensor.name, 0) if -1 in fixed else [fixed] * 3
        limits.append(tuple(tuple(shape) for shape in shapes))
    return limits
