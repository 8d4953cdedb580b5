"""Models of two graphs on a device: the step between them is done there, and nothing comes back to the host."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from engines.card import Card, Second
from engines.device.device import Device, DeviceTensor, Memory, Stream
from engines.engine import ClosesItself, EngineError
from engines.kernels.launch import Kernels, kind_of
from engines.kernels.on_device import DeviceEngine
from engines.two_graphs import check_alike


class DeviceTwoGraphs(ClosesItself):
    """See `engines.two_graphs.TwoGraphs`, of which this is the twin on a device. The engines stay their opener's."""

    def __init__(self, device: Device, kernels: Kernels, first: DeviceEngine, second: DeviceEngine, card: Card) -> None:
        if card.second is None:
            raise EngineError(f"card {card.name!r} has no second graph; expected `second:`")
        self._device, self._kernels, self._first, self._second = device, kernels, first, second
        self._card, self._step = card, card.second
        self._held: dict[str, tuple[Memory, DeviceTensor]] = {}
        self.spec = second.spec if self._step.step == "coarse_first" else first.spec

    @property
    def device(self) -> Device:
        """Where both run."""
        return self._device

    def infer_on_device(self, inputs: Mapping[str, DeviceTensor], stream: Stream) -> dict[str, DeviceTensor]:
        """See `DeviceEngine.infer_on_device`."""
        step = self._step
        if step.step == "coarse_first":
            halves = {name: self._halved(name, picture, stream) for name, picture in inputs.items()}
            coarse = next(iter(self._first.infer_on_device(halves, stream).values()))
            return self._second.infer_on_device({**inputs, step.input: coarse}, stream)
        found = {**inputs, **self._first.infer_on_device(inputs, stream)}
        found[step.input] = self._correlated(found, step, stream)
        wanted = (tensor.name for tensor in self._second.spec.inputs)
        return self._second.infer_on_device({name: found[name] for name in wanted}, stream)

    def close(self) -> None:
        """Free what is between them."""
        with self._device.use():
            for memory, _ in self._held.values():
                memory.close()
        self._held.clear()

    def _halved(self, name: str, picture: DeviceTensor, stream: Stream) -> DeviceTensor:
        *planes, height, width = picture.shape
        if height % 2 or width % 2:
            raise EngineError(f"a picture of {width} x {height} cannot be halved; expected even numbers")
        count, height, width = prod(planes), height // 2, width // 2
        half = self._tensor(f"half {name}", (*planes, height, width), picture.dtype)
        arguments = (picture, kind_of(picture, name), half, count, height, width)
        self._kernels.launch("halve", (width, height, count), arguments, stream)
        return half

    def _correlated(self, found: Mapping[str, DeviceTensor], step: Second, stream: Stream) -> DeviceTensor:
        left, right = found[step.left], found[step.right]
        check_alike(self._card.name, step, left, right)
        _, channels, height, width = left.shape
        wanted = next(tensor for tensor in self._second.spec.inputs if tensor.name == step.input)
        groups, disparities = wanted.shape[1:3] if len(wanted.shape) == 5 else (0, 0)
        if not isinstance(groups, int) or not isinstance(disparities, int) or groups < 1 or channels % groups:
            raise EngineError(
                f"{self._card.name}: the second graph takes {wanted} and the first gives {channels} channels; expected "
                "(1, groups, disparities, H, W) with fixed groups that divide the channels"
            )
        each = channels // groups
        if step.normalise:
            left, right = (
                self._unit(f"unit {name}", features, groups, stream)
                for name, features in ((step.left, left), (step.right, right))
            )
        volume = self._tensor("volume", (1, groups, disparities, height, width), wanted.dtype)
        arguments = (
            left, right, kind_of(left, step.left), volume, kind_of(volume, step.input),
            groups, each, disparities, height, width,
        )  # fmt: skip
        self._kernels.launch("correlate", (width, height, groups * disparities), arguments, stream)
        return volume

    def _unit(self, name: str, features: DeviceTensor, groups: int, stream: Stream) -> DeviceTensor:
        _, channels, height, width = features.shape
        unit = self._tensor(name, features.shape, "float32")
        pixels, kind = height * width, kind_of(features, name)
        arguments = (features, kind, unit, groups, channels // groups, pixels)
        self._kernels.launch("unit_groups", (pixels, 1, groups), arguments, stream)
        return unit

    def _tensor(self, name: str, shape: tuple[int, ...], dtype: str) -> DeviceTensor:
        """Memory of this name and shape, made anew only when the shape changes."""
        if name in self._held and self._held[name][1].shape == shape:
            return self._held[name][1]
        if name in self._held:
            stale, _ = self._held.pop(name)
            stale.close()
        memory = self._device.memory(prod(shape) * np.dtype(dtype).itemsize)
        tensor = DeviceTensor(memory.address, shape, dtype)
        self._held[name] = memory, tensor
        return tensor
