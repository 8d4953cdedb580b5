"""TensorRT 8.6, 10 and 11, through NVIDIA's own Python package, which is imported only when it is used."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from engines.compiler import BuildPlan, Progress
from engines.device.device import Device
from engines.device.open import open_device
from engines.engine import EngineError
from engines.options import Precision, TrtOptions
from engines.trt_build import build_engine, parse_onnx
from engines.trt_engine import TrtEngine
from engines.trt_library import logger_of, tensorrt
from engines.trt_plugins import load_plugins
from saccade.paths import user_data


class TrtCompiler:
    """See `Compiler`. Its engines share one device and its primary context."""

    name = "tensorrt"
    quick = False

    def __init__(self, options: TrtOptions | None = None, allowed_plugins: Path | None = None) -> None:
        self._options = options or TrtOptions()
        self._allowed = allowed_plugins or user_data() / "plugins.sha256"

    def versions(self) -> dict[str, str]:
        """See `Compiler.versions`."""
        info = self._device.info
        return {
            "tensorrt": str(self._trt.__version__),
            "cuda driver": info.driver,
            "device": info.name,
            "compute capability": ".".join(map(str, info.compute_capability)),
        }

    def cannot(self, precision: Precision) -> str:
        """See `Compiler.cannot`."""
        return "networks are strongly typed, and no graph is made in bfloat16" if precision == "bf16" else ""

    def build(self, model: bytes, plan: BuildPlan, timing_cache: Path | None, progress: Progress) -> bytes:
        """See `Compiler.build`. An exception that `progress` raises ends the build and comes out of here."""
        trt = self._trt
        logger, messages = logger_of(trt)
        with self._device.use():
            builder = self._made(trt.Builder)
            trt.init_libnvinfer_plugins(logger, "")
            load_plugins(builder.get_plugin_registry(), plan.plugins, self._allowed)

            def parse(network: Any) -> None:
                parse_onnx(trt, network, logger, model)

            return build_engine(trt, builder, messages, parse, plan, timing_cache, progress)

    def load(self, name: str, blob: bytes, plan: BuildPlan) -> TrtEngine:
        """See `Compiler.load`."""
        trt = self._trt
        logger, messages = logger_of(trt)
        with self._device.use():
            runtime = self._made(trt.Runtime)
            trt.init_libnvinfer_plugins(logger, "")
            load_plugins(runtime.get_plugin_registry(), plan.plugins, self._allowed)
            mark = messages.mark()
            engine = runtime.deserialize_cuda_engine(blob)
            if engine is None:
                raise EngineError(
                    f"{name}: TensorRT {trt.__version__} cannot load the engine: {messages.since(mark)}. Engines work "
                    "only on the version and the GPU that they were built on; build it again: saccade engine build"
                )
            return TrtEngine(name, trt, (runtime, engine), self._device, self._options.priority, self._options.graphs)

    @cached_property
    def _trt(self) -> Any:
        return tensorrt()

    @cached_property
    def _device(self) -> Device:
        return open_device(prefer=self._options.library)

    def _made(self, kind: Any) -> Any:
        """A builder or runtime; where TensorRT gives none, its bindings raise TypeError and its log says why."""
        logger, messages = logger_of(self._trt)
        mark = messages.mark()
        try:
            return kind(logger)
        except TypeError as error:
            raise EngineError(
                f"TensorRT {self._trt.__version__} cannot start on {self._device.info.name}: {messages.since(mark)}; "
                "run `saccade doctor`"
            ) from error
