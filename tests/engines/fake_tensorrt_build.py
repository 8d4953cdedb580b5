"""What the objects of the fake TensorRT do that build: parser, network, configuration, builder."""

import json

import onnx
from fake_tensorrt_objects import MAGIC, complain, made, tensor, type_of

LAYERS = {"QuantizeLinear": "QUANTIZE", "DequantizeLinear": "DEQUANTIZE", "Cast": "CAST", "Constant": "CONSTANT"}


class ILogger:
    def __init__(self):
        pass

    def log(self, severity, msg):
        raise NotImplementedError("Tried to call pure virtual function")


class IProgressMonitor:
    def __init__(self):
        pass


class Dims:
    def __init__(self, shape=()):
        self._shape = tuple(shape)

    def __len__(self):
        return -1 if self._shape == (-1,) * 9 else len(self._shape)

    def __getitem__(self, at):
        return self._shape[at]


class IHostMemory:
    def __bytes__(self):
        return self._data


class Builder:
    def __init__(self, logger):
        self._trt._world.logger = logger
        if getattr(self._trt._world, "no_device", False):
            complain(self._trt, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")

    def create_network(self, flags=0):
        network = made(self._trt, "INetworkDefinition", _flags=flags, _name="", _model=None)
        self._trt._world.networks.append(network)
        return network

    def create_builder_config(self):
        config = made(self._trt, "IBuilderConfig", _flags={"TF32"}, _profiles=[], _cache=None, _pools={},
                      _progress_monitor=None)  # fmt: skip
        self._trt._world.configs.append(config)
        return config

    def create_optimization_profile(self):
        return made(self._trt, "IOptimizationProfile", _shapes={})

    def get_plugin_registry(self):
        return made(self._trt, "IPluginRegistry")

    def build_serialized_network(self, network, config):
        dynamic = [t for t in network._inputs if -1 in t._shape]
        reason = wrongly_typed(self._trt, network, config)
        if dynamic and not (config._profiles and all(t._name in config._profiles[0]._shapes for t in dynamic)):
            reason = "Network has dynamic or shape inputs, but no optimization profile has been defined."
        if reason:
            complain(self._trt, reason)
            return None
        if config._progress_monitor is not None and not report(config._progress_monitor):
            return None
        profile = config._profiles[0]._shapes if config._profiles else {}
        head = json.dumps({"version": self._trt.__version__, "name": network._name, "profile": profile}).encode()
        data = MAGIC + len(head).to_bytes(4, "little") + head + network._model
        return made(self._trt, "IHostMemory", _data=data, _nbytes=len(data))


def wrongly_typed(trt, network, config):
    """As the documentation of each version says that flags, types and networks go together."""
    halves = any(layer._outputs[0]._dtype == trt.DataType.HALF for layer in network._layers)
    quantised = any(layer._type == trt.LayerType.QUANTIZE for layer in network._layers)
    strong = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    if strong is not None and network._flags >> int(strong) & 1:
        asked = config._flags & {"FP16", "INT8", "OBEY_PRECISION_CONSTRAINTS"}
        return f"{asked} cannot be set in a strongly typed network" if asked else ""
    if halves and "FP16" not in config._flags:
        return "the network has half tensors, but FP16 is not allowed"
    return "the network is quantised, but INT8 is not allowed" if quantised and "INT8" not in config._flags else ""


def report(monitor):
    """Two phases, one within the other, as TensorRT tells of them; False where the monitor wants no more."""
    monitor.phase_start("Building Engine", None, 2)
    for step in range(2):
        monitor.phase_start("Tactics", "Building Engine", 2)
        for inner in range(2):
            if not monitor.step_complete("Tactics", inner):
                return False
        monitor.phase_finish("Tactics")
        if not monitor.step_complete("Building Engine", step):
            return False
    monitor.phase_finish("Building Engine")
    return True


class IBuilderConfig:
    def set_memory_pool_limit(self, pool, pool_size):
        self._pools[pool.name] = pool_size

    def set_flag(self, flag):
        self._flags.add(flag.name)

    def clear_flag(self, flag):
        self._flags.discard(flag.name)

    def add_optimization_profile(self, profile):
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def create_timing_cache(self, serialized_timing_cache):
        if serialized_timing_cache and not serialized_timing_cache.startswith(b"timing:"):
            complain(self._trt, "the timing cache cannot be read")
            return None
        return made(self._trt, "ITimingCache", _data=serialized_timing_cache)

    def set_timing_cache(self, cache, ignore_mismatch):
        if cache._data and not cache._data.startswith(f"timing:{self._trt.__version__}:".encode()):
            return False
        self._cache = cache
        return True

    def get_timing_cache(self):
        return self._cache


class ITimingCache:
    def serialize(self):
        data = (self._data or f"timing:{self._trt.__version__}:".encode()) + b"+"
        return made(self._trt, "IHostMemory", _data=data, _nbytes=len(data))


class IOptimizationProfile:
    def set_shape(self, input, min, opt, max):
        self._shapes[input] = [list(min), list(opt), list(max)]


class INetworkDefinition:
    @property
    def num_inputs(self):
        return len(self._inputs)

    def get_input(self, index):
        return self._inputs[index]

    @property
    def num_layers(self):
        return len(self._layers)

    def get_layer(self, index):
        return self._layers[index]


class ITensor:
    @property
    def shape(self):
        return self._trt.Dims(list(self._shape))

    def get_dimension_name(self, index):
        return self._symbols[index]


class ILayer:
    @property
    def num_outputs(self):
        return len(self._outputs)

    def get_output(self, index):
        return self._outputs[index]


class ParserError:
    def desc(self):
        return self._text


class OnnxParser:
    def __init__(self, network, logger):
        self._network, self._errors = network, []

    def parse(self, model, path=None):
        trt, flags = self._trt, self._trt.NetworkDefinitionCreationFlag
        explicit = getattr(flags, "EXPLICIT_BATCH", None)
        try:
            if trt.__version__.startswith("8") and not self._network._flags >> int(explicit) & 1:
                raise ValueError("explicit batch is needed")
            graph = onnx.load_from_string(model)
            onnx.checker.check_model(graph)
            inferred = onnx.shape_inference.infer_shapes(graph).graph
        except Exception as error:
            self._errors.append(made(trt, "ParserError", _text=f"ModelImporter.cpp: {error}"[:200]))
            return False
        types = {v.name: v.type.tensor_type.elem_type for v in (*inferred.value_info, *inferred.output)}
        self._network._model, self._network._inputs = bytes(model), [tensor(trt, v) for v in graph.graph.input]
        self._network._layers = [
            made(trt, "ILayer", _type=trt.LayerType[LAYERS.get(node.op_type, "ACTIVATION")], _precision=None,
                 _outputs=[made(trt, "ITensor", _dtype=type_of(trt, types.get(node.output[0], 1)))])
            for node in graph.graph.node
        ]  # fmt: skip
        return True

    @property
    def num_errors(self):
        return len(self._errors)

    def get_error(self, index):
        return self._errors[index]


BEHAVIOURS = {kind.__name__: kind for kind in list(globals().values()) if isinstance(kind, type)}
