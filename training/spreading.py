"""How disparities reach other pixels: along their row to where there is no match, and to a finer grid."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

OFFSETS = (-16, -10, -6, -4, -2, -1, 0, 1, 2, 4, 6, 10, 16)
"""Columns from a pixel to those of its row that it may take a disparity from."""
REACH = max(OFFSETS)


class Propagation(nn.Module):
    """Disparities carried along their row from where they are sure: a normalised convolution whose weights are learned.

    What only one camera sees has no match; what is known of it stands beside it, in a row of a rectified picture (where
    KITTI's development kit fills from too). A weight is how sure the source is (normalised convolution, Knutsson and
    Westin 1993) times how much the pixel that takes asks for it (affinity: CSPN, Cheng et al. 2018).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        count = len(OFFSETS)
        self.asks, self.knows = nn.Conv2d(channels, count, 1), nn.Conv2d(channels, 1, 1)
        with torch.no_grad():  # at first nearly everything stays where it is
            self.asks.bias.copy_(torch.tensor([-7.0 if offset else 2.0 for offset in OFFSETS]))
            self.knows.bias.fill_(2.0)
        # As in Upsampling, convolutions with constants take neighbours and make sums.
        near = torch.zeros(count, 1, 1, 2 * REACH + 1)
        near[torch.arange(count), 0, 0, torch.tensor(OFFSETS) + REACH] = 1.0
        self.register_buffer("near", near, persistent=False)
        self.register_buffer("total", torch.ones(1, count, 1, 1), persistent=False)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """(B, 1, h, w) by what `state` (B, C, h, w) tells, to the same."""
        beside = (REACH, REACH, 0, 0)
        there = F.conv2d(F.pad(x, beside, mode="replicate"), self.near)
        known = F.conv2d(F.pad(torch.sigmoid(self.knows(state)), beside), self.near)  # nothing is known of outside
        weights = torch.sigmoid(self.asks(state)) * known + 1e-6
        return F.conv2d(weights * there, self.total) / F.conv2d(weights, self.total)


class Upsampling(nn.Module):
    """Learned convex combinations (RAFT), here of the four coarse values around each fine one, as bilinear ones are."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.factor, fine = factor, factor * factor
        self.weights = nn.Conv2d(channels, 4 * fine, 1)
        # Neighbours are taken and sums made by convolutions with constants: ONNX Runtime's reductions and slices took
        # five times as long.
        near = torch.zeros(4, fine, 1, 3, 3)
        for k in range(fine):
            y, x = (2 * n // factor for n in divmod(k, factor))  # 0: the upper or left half of the coarse pixel
            for i in range(4):
                near[i, k, 0, y + i // 2, x + i % 2] = 1.0
        self.register_buffer("near", near.flatten(0, 1), persistent=False)
        self.register_buffer("total", torch.eye(fine).repeat(1, 4)[:, :, None, None], persistent=False)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """(B, 1, h, w) by what `state` (B, C, h, w) tells, to (B, 1, factor h, factor w)."""
        # Positive is enough, a softmax costs more; and never 0, to which ONNX Runtime rounds a sigmoid below -18.
        weights = torch.sigmoid(self.weights(state)) + 1e-6
        near = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), self.near)
        mean = F.conv2d(weights * near, self.total) / F.conv2d(weights, self.total)
        return F.pixel_shuffle(mean, self.factor)
