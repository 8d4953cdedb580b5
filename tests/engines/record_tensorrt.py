"""Record the calls of TensorRT's Python package that Saccade uses: python record_tensorrt.py FOLDER... > data/….yaml

Each FOLDER holds an unpacked wheel of the bindings. They need libnvinfer and its parser and plugins to be imported, but
not to be introspected: empty libraries of those names, with the symbols that `nm -D --undefined-only` names, will do
(in LD_LIBRARY_PATH). Signatures are pybind11's own, without the module's name and with today's names of types.
"""

import json
import os
import re
import subprocess
import sys

import yaml

CLASSES = """
ILogger: __init__ log
IProgressMonitor: __init__ phase_start step_complete phase_finish
Builder: __init__ create_network create_builder_config create_optimization_profile build_serialized_network
 get_plugin_registry platform_has_fast_fp16 build_engine max_batch_size
IBuilderConfig: set_memory_pool_limit clear_flag set_flag create_timing_cache set_timing_cache get_timing_cache
 add_optimization_profile progress_monitor max_workspace_size
ITimingCache: serialize
IOptimizationProfile: set_shape
INetworkDefinition: name num_inputs get_input num_layers get_layer
ITensor: name shape dtype get_dimension_name
ILayer: type precision num_outputs get_output set_output_type
OnnxParser: __init__ parse num_errors get_error
ParserError: desc
IPluginRegistry: load_library
Runtime: __init__ deserialize_cuda_engine get_plugin_registry
ICudaEngine: name num_io_tensors get_tensor_name get_tensor_mode get_tensor_shape get_tensor_dtype get_tensor_location
 get_tensor_profile_shape create_execution_context num_bindings get_binding_name device_memory_size
IExecutionContext: set_input_shape get_tensor_shape set_tensor_address execute_async_v3 execute_async_v2 infer_shapes
IHostMemory: nbytes
Dims: __init__ __len__
"""
ENUMS = ("ILogger.Severity", "NetworkDefinitionCreationFlag", "BuilderFlag", "MemoryPoolType", "LayerType", "DataType",
         "TensorIOMode", "TensorLocation")  # fmt: skip
FUNCTIONS = ("init_libnvinfer_plugins",)
ORIGIN = "introspected from the wheel of its bindings on PyPI (cp311, x86_64), with empty native libraries"


def members() -> dict[str, list[str]]:
    """The names to look at, by class."""
    joined = CLASSES.replace("\n ", " ").strip().splitlines()
    return {name: rest.split() for name, _, rest in (line.partition(":") for line in joined)}


def look() -> dict[str, object]:
    """What the wheel on the path has of these names."""
    import tensorrt_bindings as trt

    found: dict[str, object] = {"version": trt.__version__}
    for name, wanted in members().items():
        kind = getattr(trt, name, None)
        found.update({f"{name}.{m}": signatures(kind.__dict__[m], m) for m in wanted if kind and m in kind.__dict__})
    for name in FUNCTIONS:
        found[name] = signatures(getattr(trt, name), name)
    for name in ENUMS:
        outer, _, inner = name.rpartition(".")
        kind = getattr(getattr(trt, outer) if outer else trt, inner)
        found[name] = " ".join(kind.__members__)
    return found


def signatures(member: object, name: str) -> list[str]:
    """pybind11's signatures, or "property" with the type and whether it can be set."""
    if isinstance(member, property):
        lines = [line for line in (member.fget.__doc__ or "").splitlines() if "->" in line]
        kind = plain(lines[0].rpartition("-> ")[2]) if lines else "object"
        return [f"property {kind}{' rw' if member.fset else ''}"]
    lines = [line.strip() for line in (member.__doc__ or "").splitlines()]
    ways = [line for line in lines if re.match(rf"(\d+\. )?{name}\(", line) and "*args" not in line]
    return [plain(re.sub(rf"^(\d+\. )?{name}", "", line)) for line in ways]


def plain(signature: str) -> str:
    """A signature as the newest version would write it, shorter."""
    for old, new in ((r"tensorrt_bindings\.tensorrt\.|nvinfer1::|nvonnxparser::|typing_extensions\.|typing\.", ""),
                     (r"ILogger::Severity", "ILogger.Severity"), (r"IParserError", "ParserError"),
                     (r"List\[", "list["), (r"collections\.abc\.", ""), (r"SupportsInt", "int"),
                     (r"CapsuleType", "capsule"), (r"\bbuffer\b", "Buffer"),
                     (r"<(\w+)\.(\w+): -?\d+>", r"\1.\2")):  # fmt: skip
        signature = re.sub(old, new, signature)
    return signature


def main() -> None:
    """Look at each wheel in a process of its own, and put together what is the same."""
    if sys.argv[1] == "--look":
        print(json.dumps(look()))
        return
    recorded: dict[str, dict[str, object]] = {}
    for folder in sys.argv[1:]:
        done = subprocess.run([sys.executable, __file__, "--look"], env={**os.environ, "PYTHONPATH": folder},
                              capture_output=True, text=True, check=True)  # fmt: skip
        one = json.loads(done.stdout)
        recorded[one.pop("version")] = one
    versions = sorted(recorded, key=lambda v: [int(n) for n in v.split(".")])
    names = sorted({name for one in recorded.values() for name in one})
    calls: dict[str, dict[str, object]] = {}
    for name in names:
        ways: dict[str, list[str]] = {}
        for version in versions:
            if name in recorded[version]:
                ways.setdefault(json.dumps(recorded[version][name]), []).append(version)
        calls[name] = {
            "all" if having == versions else ", ".join(having): json.loads(way) for way, having in ways.items()
        }
    document = {"origin": dict.fromkeys(versions, ORIGIN), "calls": calls}
    print("# Facts about TensorRT's Python package, written by record_tensorrt.py. TensorRT itself was not run.")
    print(yaml.safe_dump(document, sort_keys=False, width=118), end="")


if __name__ == "__main__":
    main()
