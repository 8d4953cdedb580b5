"""What a device's engine is to the kernels around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from engines.device.device import Device, DeviceTensor, Stream
from engines.engine import Engine, EngineSpec
from engines.two_graphs import TwoGraphs


@runtime_checkable
class DeviceEngine(Protocol):
    """An engine that takes and gives tensors on its device, in the order of a stream."""

    spec: EngineSpec

    @property
    def device(self) -> Device:
        """Where it runs."""

    def infer_on_device(self, inputs: Mapping[str, DeviceTensor], stream: Stream) -> dict[str, DeviceTensor]:
        """Outputs by name; queued and not waited for, at addresses that stay while shapes stay."""

    def close(self) -> None:
        """Release what it holds; closing twice is allowed."""


def graphs_on_device(engine: Engine) -> list[DeviceEngine]:
    """The graphs of an engine that a card opened, as their device sees them; empty where they run on the host."""
    graphs = engine.graphs if isinstance(engine, TwoGraphs) else (engine,)
    found: list[DeviceEngine] = [graph for graph in graphs if isinstance(graph, DeviceEngine)]
    return found if len(found) == len(graphs) else []
