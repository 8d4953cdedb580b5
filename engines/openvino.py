"""OpenVINO: graphs that are verified for this processor and this version, and compiled when they are opened.

Only the files `engines/openvino*.py` import openvino.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from engines.compiler import BuildPlan, Progress
from engines.engine import EngineError
from engines.openvino_engine import DEVICE, OpenVinoEngine, capabilities, lacks, last_line, library, read
from engines.options import OpenVinoOptions, Precision

__all__ = ["OpenVinoCompiler", "OpenVinoEngine"]

_MAGIC = b"saccade openvino 3\n"
_HASH = 64
_REWRITTEN = "gathers"
"""What of a graph is written otherwise before it is compiled: what was verified without it is not what would run."""


class OpenVinoCompiler:
    """Takes a graph for this processor; its file holds the graph, and opening it compiles it. See `Compiler`.

    That takes half a second for our network, and is done for the size of the pictures that come: what OpenVINO exports
    can only be for one size, or be slower for all.
    """

    name = "openvino"
    quick = True

    def __init__(self, options: OpenVinoOptions | None = None) -> None:
        self._options = options or OpenVinoOptions()

    def versions(self) -> dict[str, str]:
        """See `Compiler.versions`: the processor and what it can do count, since code is made for exactly that."""
        core = library().Core()
        return {
            "openvino": str(library().__version__),
            "device": f"{DEVICE} {core.get_property(DEVICE, 'FULL_DEVICE_NAME').strip()}",
            "capabilities": capabilities(core),
            "flags": _processor_flags(),
            "rewritten": _REWRITTEN,
        }  # fmt: skip

    def cannot(self, precision: Precision) -> str:
        """See `Compiler.cannot`."""
        return lacks(self.versions()["capabilities"], precision)

    def build(self, model: bytes, plan: BuildPlan, timing_cache: Path | None, progress: Progress) -> bytes:
        """See `Compiler.build`. Inputs with one shape in the plan are fixed to it, others keep to its range."""
        progress("reading the graph", 0.0)
        try:
            read(library().Core(), model, plan)
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"OpenVINO cannot compile this graph: {last_line(error)}") from error
        progress("read", 1.0)
        payload = json.dumps(self._made_for(plan)).encode() + b"\n" + model
        return _MAGIC + hashlib.sha256(payload).hexdigest().encode() + payload

    def load(self, name: str, blob: bytes, plan: BuildPlan) -> OpenVinoEngine:
        """See `Compiler.load`. EngineError for a file that is damaged, or was made for another machine or version."""
        return OpenVinoEngine(name, _opened(name, blob, self._made_for(plan)), self._options, plan)

    def _made_for(self, plan: BuildPlan) -> dict[str, str]:
        return {**self.versions(), "precision": plan.precision}


def _opened(name: str, blob: bytes, here: Mapping[str, str]) -> bytes:
    """The graph in an engine's file."""
    start = len(_MAGIC) + _HASH
    if blob[: len(_MAGIC)] != _MAGIC or hashlib.sha256(blob[start:]).hexdigest().encode() != blob[len(_MAGIC) : start]:
        raise EngineError(f"{name}: no OpenVINO engine, or a damaged one; build it again")
    text, _, model = blob[start:].partition(b"\n")
    made: dict[str, str] = json.loads(text)
    if changed := [key for key in sorted({*made, *here}) if made.get(key) != here.get(key)]:
        told = "; ".join(f"{key} was {made.get(key, 'not there')}, is {here.get(key, 'not there')}" for key in changed)
        raise EngineError(f"{name}: made for something else ({told}); build it again on this machine")
    return model


def _processor_flags(path: Path = Path("/proc/cpuinfo")) -> str:
    """A digest of what the processor says it can do, where the system tells."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return "unknown"
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return hashlib.sha256(" ".join(sorted(flags.split())).encode()).hexdigest()[:16]
