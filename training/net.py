"""The stereo network: row correlations, aggregation with 2-D convolutions, one look-up at a quarter, convex upsampling.

Coarse to fine: correlations of whole rows at 1/8 (a matrix product), aggregated by a small U-Net that sees the left
picture (2-D cost aggregation as in MobileStereoNet, Shamsafar et al. 2022, and LightStereo, Guo et al. 2024), give a
first disparity; a look-up of correlations around it at 1/4 (RAFT-Stereo, Lipson et al. 2021) gives a correction, once
or more; learned convex combinations (RAFT, Teed and Deng 2020) bring it to full size. No 3-D convolution, no grid
sampling, nothing that ONNX Runtime or TensorRT lack.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 32  # both sizes of a picture are multiples of this


@dataclass(frozen=True, slots=True)
class Size:
    """How big a network is: channels at 1/2, 1/4, 1/8, 1/16 and 1/32, of aggregation, of refinement; depths.

    Multiples of 16 cost no more than a little less: that is how ONNX Runtime's kernels block channels with AVX-512.
    """

    channels: tuple[int, int, int, int, int]
    aggregate: int
    blocks: int
    refine: int
    rounds: int


SIZES = {
    "s": Size((16, 32, 48, 64, 96), 48, 1, 32, 1),
    "m": Size((32, 48, 64, 96, 128), 64, 2, 64, 3),
}
RADIUS = 4  # of the look-up, in pixels of the picture at 1/4


def conv(inputs: int, outputs: int, stride: int = 1, kernel: int = 3, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation (folded at export) and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Block(nn.Module):
    """Inverted residual (MobileNetV2, Sandler et al. 2018): widen, filter each channel, narrow, add."""

    def __init__(self, channels: int, widen: int = 2) -> None:
        super().__init__()
        wide = channels * widen
        self.body = nn.Sequential(
            conv(channels, wide, kernel=1), conv(wide, wide, groups=wide), nn.Conv2d(wide, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        return x + self.body(x)


class Features(nn.Module):
    """Pyramid of one picture: maps at 1/4 and 1/8 that have seen the coarser ones."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        c2, c4, c8, c16, c32 = size.channels
        self.stem = nn.Sequential(conv(3, c2, 2), conv(c2, c4, 2), Block(c4))
        self.down8 = nn.Sequential(conv(c4, c8, 2), *(Block(c8) for _ in range(size.blocks)))
        self.down16 = nn.Sequential(conv(c8, c16, 2), *(Block(c16) for _ in range(size.blocks + 1)))
        self.down32 = nn.Sequential(conv(c16, c32, 2), *(Block(c32) for _ in range(size.blocks + 1)))
        self.up16 = conv(c32 + c16, c16, kernel=1)
        self.up8 = nn.Sequential(conv(c16 + c8, c8, kernel=1), Block(c8))
        self.up4 = nn.Sequential(conv(c8 + c4, c4, kernel=1), Block(c4))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) to (B, c4, H/4, W/4) and (B, c8, H/8, W/8)."""
        x4 = self.stem(picture)
        x8 = self.down8(x4)
        x16 = self.down16(x8)
        x16 = self.up16(torch.cat([twice(self.down32(x16)), x16], 1))
        x8 = self.up8(torch.cat([twice(x16), x8], 1))
        return self.up4(torch.cat([twice(x8), x4], 1)), x8


class Aggregation(nn.Module):
    """2-D U-Net over the cost volume, whose channels are disparities, guided by the left picture."""

    def __init__(self, disparities: int, guide: int, channels: int, blocks: int) -> None:
        super().__init__()
        c = channels
        self.enter = nn.Sequential(conv(disparities + guide, c), *(Block(c) for _ in range(blocks)))
        self.down = nn.Sequential(conv(c, 2 * c, 2), *(Block(2 * c) for _ in range(blocks + 1)))
        self.deep = nn.Sequential(conv(2 * c, 2 * c, 2), *(Block(2 * c) for _ in range(blocks + 1)))
        self.rise = conv(4 * c, 2 * c, kernel=1)
        self.leave = nn.Sequential(conv(3 * c, c, kernel=1), *(Block(c) for _ in range(blocks)))
        self.cost = nn.Conv2d(c, disparities, 3, padding=1)

    def forward(self, volume: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D, h, w) and (B, G, h, w) to scores (B, D, h, w) and what was seen (B, c, h, w)."""
        x = self.enter(torch.cat([volume, guide], 1))
        y = self.down(x)
        y = self.rise(torch.cat([y, twice(self.deep(y))], 1))
        x = self.leave(torch.cat([x, twice(y)], 1))
        return self.cost(x), x


class StereoNet(nn.Module):
    """Disparity and confidence of a rectified pair; `max_disparity` in pixels of the full picture, a multiple of 8."""

    def __init__(self, size: str = "s", max_disparity: int = 192) -> None:
        super().__init__()
        if max_disparity % 8 or size not in SIZES:
            raise ValueError(
                f"size must be of {sorted(SIZES)} and max_disparity a multiple of 8: {size}, {max_disparity}"
            )
        s = SIZES[size]
        c4, c8, r = s.channels[1], s.channels[2], s.refine
        self.disparities, self.rounds = max_disparity // 8, s.rounds
        self.features = Features(s)
        self.aggregation = Aggregation(self.disparities, c8, s.aggregate, s.blocks)
        self.state = conv(s.aggregate + c4, r, kernel=1)
        self.refine = nn.Sequential(conv(r + 2 * RADIUS + 2, r, kernel=1), Block(r), Block(r))
        self.step = nn.Conv2d(r, 1, 3, padding=1)
        self.sure = nn.Conv2d(r, 1, 3, padding=1)
        self.blend = nn.Conv2d(r, 9 * 16, 1)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """RGB 0..255 float (B, 3, H, W), H and W multiples of 32, to disparity in pixels >= 0 and confidence 0..1.

        Both (B, 1, H, W).
        """
        both = self.features(torch.cat([left, right], 0) / 127.5 - 1.0)
        (l4, r4), (l8, r8) = (x.chunk(2, 0) for x in both)
        scores, seen = self.aggregation(band(rows(l8, r8, self.disparities), self.disparities), l8)
        steps = torch.arange(self.disparities - 1, -1, -1, dtype=scores.dtype, device=scores.device).view(1, -1, 1, 1)
        disparity = twice((F.softmax(scores, 1) * steps).sum(1, keepdim=True)) * 2.0  # pixels at 1/4
        table = rows(l4, r4, 1)
        state = self.state(torch.cat([twice(seen), l4], 1))
        for _ in range(self.rounds):
            near = look_up(table, disparity)
            state = self.refine(torch.cat([state, near, disparity / (2.0 * self.disparities)], 1))
            disparity = F.relu(disparity + self.step(state))
        weights = torch.exp(self.blend(state).clamp(-8.0, 8.0)).unflatten(1, (9, 16))
        weights = weights / weights.sum(1, keepdim=True)  # a softmax, but ONNX Runtime's is slow along this axis
        return 4.0 * convex(disparity, weights), torch.sigmoid(convex(self.sure(state), weights))


def twice(x: Tensor) -> Tensor:
    """(B, C, H, W) to twice the size, nearest."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def rows(left: Tensor, right: Tensor, disparities: int) -> Tensor:
    """Correlation of every pixel with every one of its row in the right picture: (B, H, W, D - 1 + W).

    Before the right picture's first column stand D - 1 empty ones.
    """
    channels = left.shape[1]
    one = F.normalize(left, dim=1, eps=1e-4).permute(0, 2, 3, 1)
    two = F.pad(F.normalize(right, dim=1, eps=1e-4), (disparities - 1, 0)).permute(0, 2, 1, 3)
    return torch.matmul(one, two) * channels**0.5


def band(table: Tensor, disparities: int) -> Tensor:
    """The cost volume (B, D, H, W) out of `rows`: entry k of pixel x is its correlation with x - (D - 1 - k).

    A row of the table is one longer than the way to the same disparity in the next row, so cutting the table anew, one
    entry longer a row, brings each disparity into a column: no loop over disparities.
    """
    b, h, w, n = table.shape
    skew = F.pad(table.reshape(b, h, w * n), (0, w)).reshape(b, h, w, n + 1)
    return skew[..., :disparities].permute(0, 3, 1, 2)


def look_up(table: Tensor, disparity: Tensor) -> Tensor:
    """Correlations (B, 2 RADIUS + 1, H, W) at disparities -RADIUS..RADIUS around (B, 1, H, W), linear between columns.

    As correlation is linear in the right picture's features, this is what warping them would give.
    """
    width = table.shape[2]
    x = torch.arange(width, dtype=disparity.dtype, device=disparity.device).view(1, 1, 1, width)
    taps = torch.arange(-RADIUS, RADIUS + 2, dtype=disparity.dtype, device=disparity.device).view(1, -1, 1, 1)
    place = x - disparity
    low = torch.floor(place)
    columns = low + taps
    inside = ((columns >= 0) & (columns <= width - 1)).to(table.dtype)
    index = columns.clamp(0, width - 1).to(torch.int64).permute(0, 2, 3, 1)
    found = torch.gather(table, 3, index).permute(0, 3, 1, 2) * inside
    part = place - low
    return found[:, :-1] * (1.0 - part) + found[:, 1:] * part


def convex(x: Tensor, weights: Tensor) -> Tensor:
    """(B, 1, h, w) to (B, 1, 4h, 4w): each fine value a mean of 3x3 coarse ones with weights (B, 9, 16, h, w)."""
    h, w = x.shape[2:]
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    near = torch.cat([padded[:, :, j : j + h, i : i + w] for j in range(3) for i in range(3)], 1)
    return F.pixel_shuffle((weights * near.unsqueeze(2)).sum(1), 4)
