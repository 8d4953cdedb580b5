"""An ONNX graph into a TensorRT engine file: what the graph says is built, and nothing is made less exact."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from engines.compiler import BuildPlan, Progress, Shapes
from engines.engine import EngineError
from engines.trt_library import Messages, major_of, monitor_of
from saccade.errors import choices

_log = logging.getLogger(__name__)
_MB = 1 << 20


def build_engine(
    trt: Any, builder: Any, messages: Messages, parse: Any, plan: BuildPlan, cache: Path | None, progress: Progress
) -> bytes:
    """Build with an open `builder`; `parse` fills a network of it. EngineError says what TensorRT said."""
    major, mark = major_of(trt), messages.mark()
    progress("reading the graph", 0.0)
    network = builder.create_network(network_flags(trt))
    parse(network)
    network.name = symbols(network)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, plan.workspace_mb * _MB)
    config.clear_flag(trt.BuilderFlag.TF32)  # fp32 is to mean fp32; what may be less exact is so in the graph
    if major < 10:
        _type_weakly(trt, network, config)
    _add_profile(builder, network, config, plan)
    _read_cache(config, cache)
    monitor = None
    if major >= 10:
        monitor = config.progress_monitor = monitor_of(trt, progress)
    else:
        progress(f"building (TensorRT {trt.__version__} does not tell how far it is)", 0.0)
    built = builder.build_serialized_network(network, config)
    if monitor is not None and monitor.stopped_by is not None:
        raise monitor.stopped_by
    if built is None:
        raise EngineError(f"TensorRT {trt.__version__} cannot build the engine: {messages.since(mark)}")
    blob = bytes(built)
    _write_cache(config, cache)
    progress("built", 1.0)
    return blob


def network_flags(trt: Any) -> int:
    """Flags of a network that is typed as its graph is; before 10 there was none, and the batch was to be asked for."""
    flags = trt.NetworkDefinitionCreationFlag
    major = major_of(trt)
    return 1 << int(flags.STRONGLY_TYPED if major >= 10 else flags.EXPLICIT_BATCH)


def parse_onnx(trt: Any, network: Any, logger: Any, model: bytes) -> None:
    """Fill a network with an ONNX graph; EngineError with the parser's own words."""
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        said = "; ".join(str(parser.get_error(i).desc()) for i in range(parser.num_errors))
        raise EngineError(f"TensorRT {trt.__version__} cannot read the graph: {said or 'it says nothing'}")


def symbols(network: Any) -> str:
    """What the graph calls the axes of its inputs, as JSON: engines keep the network's name, but not these."""
    inputs = [network.get_input(i) for i in range(network.num_inputs)]
    return json.dumps({t.name: [t.get_dimension_name(axis) for axis in range(len(t.shape))] for t in inputs})


def _type_weakly(trt: Any, network: Any, config: Any) -> None:
    """TensorRT 8.6: allow the types that the graph holds, and keep each layer to its own where that is possible.

    With explicit quantisation the layers between Q and DQ cannot be kept to a type; there the types are only allowed.
    """
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    quantised = any(layer.type == trt.LayerType.QUANTIZE for layer in layers)
    floats = (trt.DataType.FLOAT, trt.DataType.HALF)
    fixed = (trt.LayerType.CONSTANT, trt.LayerType.SHAPE, trt.LayerType.CAST)
    if quantised:
        config.set_flag(trt.BuilderFlag.INT8)
    if not any(_out(layer) == trt.DataType.HALF for layer in layers):
        return
    config.set_flag(trt.BuilderFlag.FP16)
    if quantised:
        return
    config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
    for layer in layers:
        if _out(layer) in floats and layer.type not in fixed:
            layer.precision = _out(layer)


def _out(layer: Any) -> Any:
    """Type of a layer's first output."""
    return layer.get_output(0).dtype if layer.num_outputs else None


def _add_profile(builder: Any, network: Any, config: Any, plan: BuildPlan) -> None:
    inputs = {t.name: tuple(t.shape) for t in (network.get_input(i) for i in range(network.num_inputs))}
    for name in plan.shapes:
        if name not in inputs:
            raise EngineError(f"the plan has shapes of {name!r}, which is no input; {choices(name, inputs)}")
    dynamic = {name: shape for name, shape in inputs.items() if -1 in shape}
    if not dynamic:
        return
    profile = builder.create_optimization_profile()
    for name, shape in dynamic.items():
        wanted = plan.shapes.get(name)
        if wanted is None or not _fits(wanted, shape):
            given = f"the plan says {wanted}" if wanted else "the plan says none"
            raise EngineError(f"input {name!r} is {shape} with -1 for any size and needs shapes; {given}")
        profile.set_shape(name, wanted.smallest, wanted.usual, wanted.largest)
    config.add_optimization_profile(profile)


def _fits(wanted: Shapes, shape: tuple[int, ...]) -> bool:
    ways = (wanted.smallest, wanted.usual, wanted.largest)
    return all(len(way) == len(shape) and all(n in (-1, m) for n, m in zip(shape, way, strict=True)) for way in ways)


def _read_cache(config: Any, path: Path | None) -> None:
    """Timings kept from earlier builds; those of another GPU or version, which TensorRT refuses, begin anew."""
    if path is None:
        return
    known = path.read_bytes() if path.is_file() else b""
    cache = config.create_timing_cache(known)
    if cache is None or not config.set_timing_cache(cache, False):
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _write_cache(config: Any, path: Path | None) -> None:
    if path is None:
        return
    partial = path.with_suffix(".part")
    try:
        partial.write_bytes(bytes(config.get_timing_cache().serialize()))
        os.replace(partial, path)
    except OSError as error:  # the engine is built; the next build only takes longer
        partial.unlink(missing_ok=True)
        _log.warning("cannot keep TensorRT's timings in %s: %s", path, error.strerror)
