"""How fast an open engine is, with its inputs and outputs in the host's memory and, where it can, on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from engines.engine import Array, Engine
from engines.kernels.on_device import DeviceEngine
from saccade.clock import SEC, perf_ns


class Speed(NamedTuple):
    """Percentiles of one call, ms, and how many a second at the median."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    per_s: float


def speed(engine: Engine, inputs: Mapping[str, Array], runs: int, warm_ups: int) -> Speed:
    """Of `infer`: all copies between host and device are in it."""
    return timed(lambda: engine.infer(inputs), runs, warm_ups)


def speed_on_device(engine: Engine, inputs: Mapping[str, Array], runs: int, warm_ups: int) -> Speed | None:
    """Of the engine alone, inputs and outputs staying on the device; None where a backend does not tell them apart."""
    if not isinstance(engine, DeviceEngine):
        return None
    device = engine.device
    with device.use(), device.stream() as stream:
        held = {name: device.array(array.shape, array.dtype) for name, array in inputs.items()}
        try:
            for name, array in inputs.items():
                np.copyto(held[name].array, array)
                held[name].upload(stream)
            tensors = {name: twin.tensor() for name, twin in held.items()}

            def work() -> None:
                engine.infer_on_device(tensors, stream)
                stream.synchronize()

            return timed(work, runs, warm_ups)
        finally:
            for twin in held.values():
                twin.close()


def timed(work: Callable[[], Any], runs: int, warm_ups: int) -> Speed:
    """Of anything."""
    for _ in range(warm_ups):
        work()
    took_ns = []
    for _ in range(runs):
        begin_ns = perf_ns()
        work()
        took_ns.append(perf_ns() - begin_ns)
    p50, p90, p99 = (float(p) for p in np.percentile(took_ns, [50, 90, 99]))
    return Speed(p50 / 1e6, p90 / 1e6, p99 / 1e6, SEC / p50)
