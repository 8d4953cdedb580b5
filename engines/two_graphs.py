"""Models of two graphs as one engine, with the step between them done here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock

import numpy as np

from engines.card import Card, Second
from engines.device.device import DeviceTensor
from engines.engine import Array, ClosesItself, Engine, EngineError, EngineSpec
from engines.engine import TensorSpec as Tensor
from saccade.errors import choices
from saccade.geometry import F32
from saccade.kernel import array, buffer, f32, kernel, void

_HALF = 2


def joined(card: Card, graphs: Sequence[Engine]) -> Engine:
    """The graphs of a card as one engine."""
    return graphs[0] if card.second is None else TwoGraphs(graphs[0], graphs[1], card)


class TwoGraphs(ClosesItself):
    """Two graphs and the step that `Card.second` asks for between them; takes what the first takes, at full size.

    The engines are its own and closed with it.
    """

    def __init__(self, first: Engine, second: Engine, card: Card) -> None:
        if card.second is None:
            raise EngineError(f"card {card.name!r} has no second graph; expected `second:`")
        self._first, self._second, self._card, self._step = first, second, card, card.second
        self._volume: F32 = np.empty((0,) * 5, np.float32)
        self._lock = Lock()
        asked = [tensor.name for tensor in second.spec.inputs]
        if self._step.input not in asked:
            raise EngineError(
                f"{card.name}: its second graph has no input {self._step.input!r}; {choices(self._step.input, asked)}"
            )
        self.spec = EngineSpec(card.name, _inputs(first, second, card), second.spec.outputs)
        self.report = {**first.report, "graphs": f"{card.onnx}, {self._step.onnx}"}

    @property
    def graphs(self) -> tuple[Engine, Engine]:
        """Both, for who joins them elsewhere (`engines.kernels.two_graphs`)."""
        return self._first, self._second

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Engine.infer`."""
        self.spec.check_inputs(inputs)
        with self._lock:
            return self._inferred(inputs)

    def _inferred(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if self._step.step == "coarse_first":
            coarse = self._first.infer({name: _halved(picture) for name, picture in inputs.items()})
            # The second run may not write into what it is given.
            return self._second.infer({**inputs, self._step.input: next(iter(coarse.values()))})
        found = self._first.infer(inputs)
        volume = self._correlated(found, self._step)
        wanted = (tensor.name for tensor in self._second.spec.inputs)
        return self._second.infer({n: volume if n == self._step.input else _named(found, n) for n in wanted})

    def close(self) -> None:
        """See `Engine.close`."""
        self._first.close()
        self._second.close()

    def _correlated(self, found: Mapping[str, Array], step: Second) -> Array:
        """The volume, computed in float32, as the second graph takes it: exports in mixed precision want float16."""
        left, right = (np.ascontiguousarray(_named(found, n), np.float32) for n in (step.left, step.right))
        check_alike(self._card.name, step, left, right)
        _, channels, height, width = left.shape
        wanted = next(tensor for tensor in self._second.spec.inputs if tensor.name == step.input)
        groups, disparities = wanted.shape[1:3] if len(wanted.shape) == 5 else (0, 0)
        if not isinstance(groups, int) or not isinstance(disparities, int) or groups < 1 or channels % groups:
            raise EngineError(
                f"{self._card.name}: the second graph takes {wanted} and the first gives {channels} channels; expected "
                "(1, groups, disparities, H, W) with fixed groups that divide the channels"
            )
        if step.normalise:
            left, right = unit_groups(left, groups), unit_groups(right, groups)
        shape = (1, groups, disparities, height, width)
        if self._volume.shape != shape:
            self._volume = np.empty(shape, np.float32)
        group_correlation(left[0], right[0], self._volume[0])
        return self._volume.astype(wanted.dtype, copy=False)


def check_alike(name: str, step: Second, left: Array | DeviceTensor, right: Array | DeviceTensor) -> None:
    """EngineError for features of two shapes: what correlates them would read beyond the smaller ones."""
    if left.shape != right.shape or len(left.shape) != 4:
        raise EngineError(
            f"{name}: {step.left!r} is {left.shape} and {step.right!r} {right.shape}; expected features of one shape "
            "(1, C, H, W)"
        )


@kernel(void, array(f32, 3), array(f32, 3), buffer(f32, 4))
def group_correlation(left: F32, right: F32, volume: F32) -> None:
    """volume (G, D, H, W): sum over each group of channels of left (C, H, W) times right, moved right by d; 0 outside.

    Group-wise correlation (Guo et al., CVPR 2019), summed, not averaged.
    """
    groups, disparities, height, width = volume.shape
    each = left.shape[0] // groups
    volume[:] = 0
    for g in range(groups):
        for d in range(min(disparities, width)):
            for c in range(g * each, (g + 1) * each):
                for y in range(height):
                    for x in range(d, width):
                        volume[g, d, y, x] += left[c, y, x] * right[c, y, x - d]


def unit_groups(features: F32, groups: int) -> F32:
    """(1, C, H, W) with the channels of each group scaled to length one at every pixel."""
    grouped = features.reshape(groups, -1, *features.shape[2:])
    length = np.sqrt(np.square(grouped).sum(axis=1, keepdims=True))
    unit: F32 = (grouped / np.maximum(length, np.float32(1e-12))).reshape(features.shape)
    return unit


def _inputs(first: Engine, second: Engine, card: Card) -> tuple[Tensor, ...]:
    if card.second is not None and card.second.step == "coarse_first":
        return tuple(tensor for tensor in second.spec.inputs if tensor.name in (card.left, card.right))
    return first.spec.inputs


def _halved(picture: Array) -> Array:
    """(1, C, H, W) at half its size, each pixel the mean of four."""
    _, channels, height, width = picture.shape
    if height % _HALF or width % _HALF:
        raise EngineError(f"a picture of {width} x {height} cannot be halved; expected even numbers")
    fours = picture.reshape(1, channels, height // _HALF, _HALF, width // _HALF, _HALF)
    return np.asarray(fours.mean(axis=(3, 5)), picture.dtype)


def _named(found: Mapping[str, Array], name: str) -> Array:
    if name not in found:
        raise EngineError(f"the first graph gives no {name!r}; {choices(name, found)}")
    return found[name]
