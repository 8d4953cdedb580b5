"""What the objects of the fake TensorRT do that run: runtime, engine, context."""

import json
import time

import numpy as np
import onnx
import onnxruntime
from fake_gpu import view
from fake_tensorrt_objects import MAGIC, complain, made, tensor

NUMPY = {"FLOAT": "float32", "HALF": "float16", "INT8": "int8", "INT32": "int32", "INT64": "int64", "UINT8": "uint8",
         "BOOL": "bool"}  # fmt: skip


class IPluginRegistry:
    def load_library(self, plugin_path):
        self._trt._world.plugins.append(plugin_path)
        return object()


class Runtime:
    def __init__(self, logger):
        self._trt._world.logger = logger

    def get_plugin_registry(self):
        return made(self._trt, "IPluginRegistry")

    def deserialize_cuda_engine(self, serialized_engine):
        data = bytes(serialized_engine)
        size = int.from_bytes(data[4:8], "little")
        head = json.loads(data[8 : 8 + size]) if data[:4] == MAGIC and len(data) > 8 + size else {}
        if head.get("version") != self._trt.__version__:
            complain(self._trt, "The engine plan file is not compatible with this version of TensorRT")
            return None
        graph = onnx.load_from_string(data[8 + size :]).graph
        modes = [(v, "INPUT") for v in graph.input] + [(v, "OUTPUT") for v in graph.output]
        return made(self._trt, "ICudaEngine", _name=head["name"], _profile=head["profile"], _model=data[8 + size :],
                    _tensors={v.name: (tensor(self._trt, v), mode) for v, mode in modes})  # fmt: skip


class ICudaEngine:
    @property
    def num_io_tensors(self):
        return len(self._tensors)

    def get_tensor_name(self, index):
        return list(self._tensors)[index]

    def get_tensor_mode(self, name):
        return self._trt.TensorIOMode[self._tensors[name][1]]

    def get_tensor_shape(self, name):
        return self._tensors[name][0].shape

    def get_tensor_dtype(self, name):
        return self._tensors[name][0]._dtype

    def get_tensor_location(self, name):
        return self._trt.TensorLocation.HOST if name == "shape_tensor" else self._trt.TensorLocation.DEVICE

    def get_tensor_profile_shape(self, name, profile_index):
        return [self._trt.Dims(shape) for shape in self._profile[name]]

    def create_execution_context(self):
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        settings.log_severity_level = 4
        session = onnxruntime.InferenceSession(self._model, settings, providers=["CPUExecutionProvider"])
        state = {"_shapes": {}, "_addresses": {}, "_runs": [], "_busy": False}
        context = made(self._trt, "IExecutionContext", _engine=self, _session=session, **state)
        self._trt._world.contexts.append(context)
        return context


class IExecutionContext:
    def _names(self, mode):
        return [name for name, (_, of) in self._engine._tensors.items() if of == mode]

    def set_input_shape(self, name, shape):
        fixed = self._engine._tensors[name][0]._shape
        low, _, high = self._engine._profile.get(name, [fixed] * 3)
        if not all(a <= n <= b for a, n, b in zip(low, shape, high, strict=True)):
            complain(self._trt, f"{name}: shape {tuple(shape)} is outside of the profile")
            return False
        self._shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name):
        if "NonZero" in str(self._engine._model):
            return self._trt.Dims([-1, 2])
        zeros = {n: np.zeros(self._shapes[n], self._numpy(n)) for n in self._names("INPUT")}
        try:
            return self._trt.Dims(list(self._session.run([name], zeros)[0].shape))
        except Exception as error:
            complain(self._trt, f"shapes contradict each other: {error}"[:100])
            return self._trt.Dims([-1] * 9)

    def _numpy(self, name):
        return NUMPY[self._engine._tensors[name][0]._dtype.name]

    def set_tensor_address(self, name, memory):
        if name not in self._engine._tensors or memory % 256:
            complain(self._trt, f"{name}: address {memory} is refused")
            return False
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle):
        if set(self._addresses) != set(self._engine._tensors):
            complain(self._trt, "an address is missing")
            return False
        shapes, addresses = dict(self._shapes), dict(self._addresses)
        self._runs.append((shapes, addresses))

        def run():
            if self._busy:
                raise AssertionError("one context runs twice at once")
            self._busy = True
            time.sleep(0)  # whoever does not lock is seen
            given = {n: view(addresses[n], shapes[n], self._numpy(n)).copy() for n in self._names("INPUT")}
            for name, array in zip(self._names("OUTPUT"), self._session.run(self._names("OUTPUT"), given), strict=True):
                view(addresses[name], array.shape, array.dtype)[...] = array
            self._busy = False

        self._trt._world.gpu.enqueue(stream_handle, run)
        return True


BEHAVIOURS = {kind.__name__: kind for kind in list(globals().values()) if isinstance(kind, type)}
