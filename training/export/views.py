"""What helpers for models of several views share: the graph's inputs, its fixed parts, and weights in eight bits."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from engines.probe.room import walk
from training.export.base import OPSET, parser


def parser_of_views(about: str, size: str) -> argparse.ArgumentParser:
    """The arguments of a helper for a model of several views whose patches are 14 pixels wide."""
    made = parser(about, size, 14)
    made.add_argument("--views", type=int, default=4, help="how many pictures the graph takes (default 4)")
    return made


def views_of_a_room(size: tuple[int, int], views: int, mean: Any = 0.0, std: Any = 1.0) -> torch.Tensor:
    """Pictures (1, n, 3, H, W) float32 of something with depth, normalised as (x - mean) / std."""
    pictures = walk("walk", size, views).pictures.transpose(0, 3, 1, 2)[None] / 255
    mean, std = (np.reshape(np.broadcast_to(values, 3), (1, 1, 3, 1, 1)) for values in (mean, std))
    return torch.from_numpy(((pictures - mean) / std).astype(np.float32))


def fix_what_depends_on_the_size(owner: Any, *names: str) -> None:
    """Let a module's functions of these names remember what they gave for arguments of the same sizes.

    A graph has one size, and ONNX no operator for the interpolation of embeddings or for grids of positions. So they
    are worked out before the export, when the model is run once.
    """
    for name in names:
        if getattr(owner, name) is not None:
            setattr(owner, name, _remembered(getattr(owner, name)))


def _remembered(call: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    kept: dict[str, torch.Tensor] = {}

    def known(*arguments: Any, **named: Any) -> torch.Tensor:
        key = str([_size(argument) for argument in (*arguments, *named.values())])
        if key not in kept:
            kept[key] = call(*arguments, **named).detach()
        return kept[key]

    return known


def _size(argument: Any) -> Any:
    """A tensor's shape; sizes are tensors too while a graph is traced."""
    if not isinstance(argument, torch.Tensor):
        return argument
    return tuple(map(int, argument.shape)) if argument.ndim else int(argument)


def _matrices_transposed(graph: Any, matrices: Any) -> Any:
    """`Tensor.mT`, which the exporter does not know."""
    rank = matrices.type().dim()
    return graph.op("Transpose", matrices, perm_i=[*range(rank - 2), rank - 1, rank - 2])


torch.onnx.register_custom_op_symbolic("aten::mT", _matrices_transposed, OPSET)


class _Eight(nn.Module):  # type: ignore[misc]  # torch is not installed where mypy runs
    """A linear layer with eight bits a weight, and one scale for each row of them."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach()
        scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        self.register_buffer("steps", (weight / scale).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.bias = layer.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See `nn.Linear`."""
        made: torch.Tensor = functional.linear(x, self.steps.to(x.dtype) * self.scale, self.bias)
        return made


def in_eight_bits(model: nn.Module) -> None:
    """Put eight bits for each weight of every linear layer: an ONNX file can have 2 GB, and must be one file."""
    for name, layer in list(model.named_children()):
        if isinstance(layer, nn.Linear):
            setattr(model, name, _Eight(layer))
        else:
            in_eight_bits(layer)
