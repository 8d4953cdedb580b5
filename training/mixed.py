"""Training in mixed precision (Micikevicius et al. 2018): bfloat16 where nothing is told in pixels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from training.net import Block, Features, Join

NORMALISED = (nn.Sequential, Block, Join, Features)
"""Parts whose convolutions are all normalised, so that eight bits of mantissa are enough between them."""


def mixed(module: nn.Module, device: torch.device) -> None:
    """Have the parts of a network that are `NORMALISED` calculate in bfloat16, from and to float32; in place.

    Weights stay in float32. So do correlations, scores, steps and all that carries a disparity, which bfloat16 would
    round to half a pixel from 64 px on.
    """
    for part in module.children():
        if isinstance(part, NORMALISED):
            _shorten(part, device)
        else:
            mixed(part, device)


def _shorten(part: nn.Module, device: torch.device) -> None:
    whole = part.forward

    def forward(*inputs: Tensor) -> Any:
        with torch.autocast(device.type, torch.bfloat16):
            out = whole(*inputs)
        return tuple(x.float() for x in out) if isinstance(out, tuple) else out.float()

    part.forward = forward
