"""OpenVINO: the engine that compiles a graph by itself, and a compiler whose files need not be compiled at every start.

Only the files `engines/openvino*.py` import openvino.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engines.compiler import BuildPlan, Progress
from engines.engine import EngineError
from engines.onnx_file import graph_inputs
from engines.openvino_engine import OpenVinoEngine, last_line, library, properties
from engines.options import OpenVinoOptions

__all__ = ["OpenVinoCompiler", "OpenVinoEngine"]

_MAGIC = b"saccade openvino 2\n"
_HASH = 64


class OpenVinoCompiler:
    """Compiles a graph once for this processor, so that it need not be at every start. See `Compiler`."""

    name = "openvino"
    quick = True

    def __init__(self, options: OpenVinoOptions | None = None) -> None:
        self._options = options or OpenVinoOptions()

    def versions(self) -> dict[str, str]:
        """See `Compiler.versions`: the processor and what it can do count, since code is made for exactly that."""
        core, device = library().Core(), self._options.device
        try:
            full_name = core.get_property(device, "FULL_DEVICE_NAME")
            able = sorted(core.get_property(device, "OPTIMIZATION_CAPABILITIES"))
        except RuntimeError as error:
            there = ", ".join(core.available_devices)
            raise EngineError(f"OpenVINO has no device {device!r} here; it has {there}") from error
        return {
            "openvino": str(library().__version__), "device": f"{device} {full_name.strip()}",
            "capabilities": " ".join(able), "flags": _processor_flags(), "computes in": self._options.precision,
        }  # fmt: skip

    def build(self, model: bytes, plan: BuildPlan, timing_cache: Path | None, progress: Progress) -> bytes:
        """See `Compiler.build`. Inputs with one shape in the plan are fixed to it, others keep to its range."""
        progress("reading the graph", 0.0)
        core = library().Core()
        try:
            graph = core.read_model(model)
            outputs = [port.get_any_name() for port in graph.outputs]
            shapes = {name: _range(s.smallest, s.largest) for name, s in plan.shapes.items()}
            if shapes:
                graph.reshape(shapes)
            progress("compiling", 0.1)
            stream = core.compile_model(graph, self._options.device, properties(self._options)).export_model()
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"OpenVINO cannot compile this graph: {last_line(error)}") from error
        progress("compiled", 1.0)
        payload = stream if isinstance(stream, bytes) else stream.getvalue()
        about = {"versions": self.versions(), "inputs": graph_inputs(model), "outputs": outputs}
        head = json.dumps(about).encode() + b"\n"
        return _MAGIC + hashlib.sha256(head + payload).hexdigest().encode() + head + payload

    def load(self, name: str, blob: bytes, plan: BuildPlan) -> OpenVinoEngine:
        """See `Compiler.load`. EngineError for a file that is damaged, or was made for another machine or version."""
        about, payload = _opened(name, blob, self.versions())
        try:
            graph = library().Core().import_model(payload, self._options.device, properties(self._options))
        except RuntimeError as error:
            raise EngineError(f"{name}: OpenVINO cannot load what it compiled: {last_line(error)}") from error
        return OpenVinoEngine.compiled(name, graph, about["inputs"], about["outputs"], self._options)


def _opened(name: str, blob: bytes, here: Mapping[str, str]) -> tuple[dict[str, Any], bytes]:
    """What was noted of the graph, and what OpenVINO exported; it would itself load a file with flipped bits."""
    start = len(_MAGIC) + _HASH
    if blob[: len(_MAGIC)] != _MAGIC or hashlib.sha256(blob[start:]).hexdigest().encode() != blob[len(_MAGIC) : start]:
        raise EngineError(f"{name}: no compiled OpenVINO graph, or a damaged one; build it again")
    text, _, payload = blob[start:].partition(b"\n")
    about = json.loads(text)
    made: dict[str, str] = about["versions"]
    if changed := [key for key in sorted({*made, *here}) if made.get(key) != here.get(key)]:
        told = "; ".join(f"{key} was {made.get(key, 'not there')}, is {here.get(key, 'not there')}" for key in changed)
        raise EngineError(f"{name}: compiled elsewhere ({told}); build it again on this machine")
    return about, payload


def _range(smallest: tuple[int, ...], largest: tuple[int, ...]) -> Any:
    ov = library()
    return ov.PartialShape([ov.Dimension(a, b) for a, b in zip(smallest, largest, strict=True)])


def _processor_flags(path: Path = Path("/proc/cpuinfo")) -> str:
    """A digest of what the processor says it can do, where the system tells."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return "unknown"
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(" ".join(sorted(flags.split())).encode()).hexdigest()[:16]
