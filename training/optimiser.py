"""The optimiser: Muon for the matrices of convolutions, AdamW for all other weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

DECAY = 1e-4
"""Of weights, a step and rate."""
NARROWEST, SMALLEST = 16, 512
"""Outputs and weights of a matrix from which on it is worth orthogonalising."""


class Optimiser:
    """Muon (Jordan et al. 2024) and AdamW, used as one of PyTorch's, at one learning rate.

    A step of Muon moves a matrix as far in every direction, one of AdamW furthest where many gradients point. Its
    length is made AdamW's (Liu et al. 2025, "Muon is scalable for LLM training"), so that one rate does for both.
    Weights are taken as channels_last; ValueError where they are not.
    """

    def __init__(self, net: nn.Module, rate: float) -> None:
        weights = list(net.parameters())
        self._matrices = [(w, nn.Parameter(_matrix(w.detach()))) for w in weights if worth(w)]
        rest = [w for w in weights if not worth(w)]
        self._each: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, rate, weight_decay=DECAY),
            torch.optim.Muon([matrix for _, matrix in self._matrices], rate, DECAY, adjust_lr_fn="match_rms_adamw"),
        ]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Of both, to set their rates."""
        return [group for one in self._each for group in one.param_groups]

    def step(self) -> None:
        """Change the weights by their gradients."""
        for weight, matrix in self._matrices:
            matrix.grad = None if weight.grad is None else _matrix(weight.grad)
        for one in self._each:
            one.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """What a run needs to go on."""
        return [one.state_dict() for one in self._each]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Go on from `state_dict`."""
        for one, state in zip(self._each, states, strict=True):
            one.load_state_dict(state)


def worth(weight: Tensor) -> bool:
    """Whether a weight is a matrix that mixes channels, large enough: neither depthwise, nor a bias or a scale."""
    return weight.dim() == 4 and weight.shape[1] > 1 and len(weight) >= NARROWEST and weight.numel() >= SMALLEST


def _matrix(weight: Tensor) -> Tensor:
    """(O, I, h, w) channels_last as (O, h w I): the same memory, so that who changes the one changes the other."""
    # PyTorch keeps a gradient in the order of its weight.
    try:
        return weight.permute(0, 2, 3, 1).view(len(weight), -1)
    except RuntimeError:
        raise ValueError(f"weights {tuple(weight.shape)} are not channels_last; convert the network first") from None
