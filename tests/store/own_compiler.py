"""Compilers for tests, run in real child processes: one that works, and one for each way of going wrong.

An "engine file" is a header and the graph. A test names one of these classes in `COMPILERS`, which children are told.
"""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

import numpy as np

from engines.device.common import failed
from engines.engine import EngineError
from engines.options import OrtOptions
from engines.ort import OrtEngine

MAGIC = b"OWN1"
BUILDS = "OWN_COMPILER_BUILDS"
"""Names a file that gets a line for each build that begins."""
GO = "OWN_COMPILER_GO"
"""Names a file that `Waits` waits for."""


class Own:
    """Compiles well."""

    name = "own"
    quick = True
    version, device = "1.0", "this CPU"

    def __init__(self, options=None):
        self.options = options

    def cannot(self, precision):
        return "nothing here has bf16" if precision == "bf16" else ""

    def versions(self):
        return {"own": self.version, "device": self.device}

    def build(self, model, plan, timing_cache, progress):
        if BUILDS in os.environ:
            with open(os.environ[BUILDS], "a") as file:
                file.write(f"{os.getpid()}\n")
        progress("compiling", 0.5)
        if timing_cache is not None:
            timing_cache.write_bytes(timing_cache.read_bytes() + b"t" if timing_cache.exists() else b"t")
        return MAGIC + model

    def load(self, name, blob, plan):
        if not blob.startswith(MAGIC):
            raise EngineError(f"{name}: not an engine of this compiler")
        return self.opened(OrtEngine(name, blob[len(MAGIC) :], "", OrtOptions(intra_threads=1)))

    def opened(self, engine):
        return engine


class OtherVersion(Own):
    version = "1.1"


class OtherDevice(Own):
    device = "another CPU"


class Missing(Own):
    def versions(self):
        raise EngineError("own is not installed; pip install own")


class Refuses(Own):
    def build(self, model, plan, timing_cache, progress):
        super().build(model, plan, timing_cache, progress)
        raise EngineError("operator GridSample is not supported")


class NoMemory(Own):
    """The device's memory is full when it builds."""

    def build(self, model, plan, timing_cache, progress):
        raise failed("cuMemAlloc", "CUDA_ERROR_OUT_OF_MEMORY (out of memory)")


class NoMemoryLoading(Own):
    def load(self, name, blob, plan):
        raise failed("cuMemAlloc", "CUDA_ERROR_OUT_OF_MEMORY (out of memory)")


class NoMemoryRunning(Own):
    def opened(self, engine):
        def full(array):
            raise failed("cuMemAlloc", "CUDA_ERROR_OUT_OF_MEMORY (out of memory)")

        return _Changed(engine, full)


class Segfaults(Own):
    def build(self, model, plan, timing_cache, progress):
        super().build(model, plan, timing_cache, progress)
        print("about to touch address 0", flush=True)
        ctypes.string_at(0)


class SegfaultsLoading(Own):
    def load(self, name, blob, plan):
        ctypes.string_at(0)


class Big(Own):
    """Its engine does not fit into a small disk."""

    def build(self, model, plan, timing_cache, progress):
        return super().build(model, plan, timing_cache, progress) + bytes(8 << 20)


class Waits(Own):
    """Builds until a file is there."""

    def build(self, model, plan, timing_cache, progress):
        blob = super().build(model, plan, timing_cache, progress)
        while not Path(os.environ[GO]).exists():
            progress("compiling for long", 0.25)
            time.sleep(0.02)
        return blob


class _Changed:
    """An engine whose disparity is not what the graph says."""

    def __init__(self, engine, change, spec=None):
        self._engine, self._change = engine, change
        self.spec, self.report = engine.spec, engine.report

    def infer(self, inputs):
        return {name: self._change(array) for name, array in self._engine.infer(inputs).items()}

    def close(self):
        self._engine.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class NotANumber(Own):
    def opened(self, engine):
        def change(array):
            changed = array.copy()
            changed[..., 20, 30] = np.nan
            return changed

        return _Changed(engine, change)


class WrongShape(Own):
    def opened(self, engine):
        return _Changed(engine, lambda array: array[..., :-1])


class WrongType(Own):
    def opened(self, engine):
        return _Changed(engine, lambda array: array.astype(np.float64))


class Constant(Own):
    def opened(self, engine):
        return _Changed(engine, lambda array: np.full_like(array, 7))


class Inexact(Own):
    """Wrong by 2 px at a tenth of the pixels."""

    def opened(self, engine):
        def change(array):
            changed = array.copy()
            changed[..., ::10] += 2
            return changed

        return _Changed(engine, change)


def use(name):
    """Let runtime openvino mean one of these, in this process."""
    from engines.store.compilers import COMPILERS

    COMPILERS["openvino"] = f"own_compiler:{name}"


def builds():
    """How many builds began in this test."""
    path = Path(os.environ[BUILDS])
    return len(path.read_text().splitlines()) if path.exists() else 0


def alive():
    """Processes that began a build in this test and still run."""
    path = Path(os.environ[BUILDS])
    pids = path.read_text().split() if path.exists() else ()
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]
