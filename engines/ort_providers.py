"""ONNX Runtime's execution providers as it wants them named: typed options become its strings, checked as it took them.

Names and meanings: onnxruntime.ai, pages of the CUDA, TensorRT and OpenVINO execution providers.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from engines.engine import EngineError
from engines.options import OrtOptions
from engines.threads import threads

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
TENSORRT, OPENVINO = "TensorrtExecutionProvider", "OpenVINOExecutionProvider"
_MB = 1 << 20
_SHOWN = 3
"""Kinds of operators named for a provider that has few of them."""

Provider = tuple[str, dict[str, str]]


def providers_for(
    name: str,
    model: bytes,
    options: OrtOptions,
    available: Iterable[str],
    shapes: Mapping[str, tuple[int, ...]],
    stream: int = 0,
) -> list[Provider]:
    """The providers that are there, in the order asked, each with its options; the CPU where there is none.

    `shapes` of the inputs are those that the session is made for, if they are known; `stream` is the address of a CUDA
    stream to work on, 0 for its own. EngineError for a cache folder that others can write into, or nobody can.
    """
    made: dict[str, Callable[[], dict[str, str]]] = {
        CUDA: lambda: _cuda(options, stream),
        TENSORRT: lambda: _tensorrt(name, model, options, shapes, stream),
        OPENVINO: lambda: _openvino(name, options),
    }
    there = set(available)
    return [(p, made[p]() if p in made else {}) for p in options.providers if p in there] or [(CPU, {})]


def otherwise(asked: Iterable[Provider], got: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Options that a provider says it took otherwise than asked; not all of them say it of all."""
    return [
        f"{key} = {got[provider][key]} instead of {value}"
        for provider, options in asked
        for key, value in options.items()
        if key in got.get(provider, {}) and got[provider][key] != value
    ]


def placed(session: Any) -> dict[str, Counter[str]]:
    """How many nodes of which kind run where, by provider; nothing where ONNX Runtime, before 1.24, cannot tell."""
    try:
        parts = session.get_provider_graph_assignment_info()
    except Exception:  # AttributeError, or one of its own where it did not record them
        return {}
    where: dict[str, Counter[str]] = {}
    for part in parts:
        where.setdefault(part.ep_name, Counter()).update(node.op_type for node in part.get_nodes())
    return where


def told(where: Mapping[str, Counter[str]]) -> str:
    """The same for people."""
    lines = []
    for provider, kinds in where.items():
        named = ", ".join(kind for kind, _ in kinds.most_common(_SHOWN))
        lines.append(f"{kinds.total()} by {provider} ({named}{' ...' if len(kinds) > _SHOWN else ''})")
    return "; ".join(lines)


def _cuda(options: OrtOptions, stream: int) -> dict[str, str]:
    cuda = options.cuda
    limit = {"gpu_mem_limit": str(cuda.memory_mb * _MB)} if cuda.memory_mb else {}
    return {
        "device_id": str(cuda.device),
        "arena_extend_strategy": {"exact": "kSameAsRequested", "doubling": "kNextPowerOfTwo"}[cuda.arena],
        "cudnn_conv_algo_search": cuda.conv_search.upper(),
        "cudnn_conv_use_max_workspace": _flag(cuda.workspace),
        "do_copy_in_default_stream": "1",  # copies beside it race with the work (onnxruntime #4829)
        "use_tf32": _flag(cuda.tf32),
        "prefer_nhwc": _flag(cuda.nhwc),
        "enable_cuda_graph": _flag(cuda.graph),
        **limit,
        **_on(stream),
    }


def _tensorrt(
    name: str, model: bytes, options: OrtOptions, shapes: Mapping[str, tuple[int, ...]], stream: int
) -> dict[str, str]:
    asked = options.tensorrt
    given = {
        "device_id": str(options.cuda.device),
        "trt_max_workspace_size": str(asked.workspace_mb * _MB),
        "trt_builder_optimization_level": str(asked.optimisation),
        "trt_context_memory_sharing_enable": _flag(asked.shared_memory),
        **_on(stream),
    }
    # Only where they are wanted: the provider of a TensorRT without them refuses their names.
    given.update({f"trt_{bits}_enable": "1" for bits in ("fp16", "int8") if getattr(asked, bits)})
    if asked.cache:
        folder = str(_private(name, Path(asked.cache)))
        given.update(
            trt_engine_cache_enable="1",
            trt_engine_cache_path=folder,
            trt_engine_cache_prefix=_prefix(name, model, shapes),
            trt_timing_cache_enable="1",
            trt_timing_cache_path=folder,
        )
    if shapes:
        profile = ",".join(f"{tensor}:{'x'.join(map(str, shape))}" for tensor, shape in shapes.items())
        given.update({f"trt_profile_{end}_shapes": profile for end in ("min", "opt", "max")})
    return given


def _openvino(name: str, options: OrtOptions) -> dict[str, str]:
    asked = options.openvino
    given = {"device_type": asked.device, "precision": asked.precision}
    if asked.device == "CPU":  # else 8 threads on a robot with 4 cores
        given.update(num_of_threads=str(threads(options.intra_threads, options.share)), num_streams="1")
    return {**given, "cache_dir": str(_private(name, Path(asked.cache)))} if asked.cache else given


def _prefix(name: str, model: bytes, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """What cached engines are found by.

    Left to itself the provider tells neither weights nor sizes apart: it hashes the names in a graph, and profiles of
    fixed sizes hold no dimensions.
    """
    said = hashlib.sha256(model + repr(sorted(shapes.items())).encode()).hexdigest()
    return f"{re.sub('[^A-Za-z0-9._-]', '_', name)}-{said[:16]}"


def _private(name: str, folder: Path) -> Path:
    """A folder that nobody else can put files into, made where it is missing."""
    folder = folder.expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise EngineError(f"{name}: cannot make the folder {folder}: {error.strerror}; name another one") from error
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise EngineError(
            f"{name}: others can write into {folder}, and engine files are code; expected a folder of your own: "
            f"chmod 700 {folder}"
        )
    return folder


def _on(stream: int) -> dict[str, str]:
    """Work on somebody else's stream, which has a priority; ONNX Runtime's own have none."""
    return {"has_user_compute_stream": "1", "user_compute_stream": str(stream)} if stream else {}


def _flag(value: bool) -> str:
    return "1" if value else "0"
