"""What a device's engine is to the kernels around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from engines.device.device import DeviceTensor, Stream
from engines.engine import EngineSpec


class DeviceEngine(Protocol):
    """An engine that takes and gives tensors on its device, in the order of a stream."""

    spec: EngineSpec

    def infer_on_device(self, inputs: Mapping[str, DeviceTensor], stream: Stream) -> dict[str, DeviceTensor]:
        """Outputs by name; queued and not waited for, at addresses that stay while shapes stay."""

    def close(self) -> None:
        """Release what it holds; closing twice is allowed."""
