"""The stereo network: row correlations, 2-D aggregation, look-ups at a quarter, propagation, convex upsampling.

Coarse to fine: group-wise correlations (GwcNet, Guo et al. 2019) of whole rows at 1/8, a matrix product, aggregated by
a small U-Net that sees the left picture (2-D cost aggregation as in MobileStereoNet, Shamsafar et al. 2022, and
LightStereo, Guo et al. 2024), give a first disparity: the mean around the best score, not over all, so that an edge is
one side or the other. Look-ups of correlations around it at 1/4 (RAFT-Stereo, Lipson et al. 2021) each give a
correction. What has no match takes a disparity of its row's, and learned convex combinations (RAFT, Teed and Deng 2020)
bring all from 1/8 to 1/4 and to full size (`training.spreading`). No 3-D convolution, no grid sampling, nothing that
ONNX Runtime or TensorRT lack.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.correlation import EMPTY, RADIUS, band, best, look_up, rows
from training.spreading import Propagation, Upsampling

STRIDE = 32  # both sizes of a picture are multiples of this
RANGE = 192  # disparities of the shipped networks, pixels of the full picture
GROUPS = 2  # of channels that are correlated apart


@dataclass(frozen=True, slots=True)
class Size:
    """How big a network is: channels at 1/2, 1/4, 1/8, 1/16 and 1/32, of aggregation, of refinement; depths; look-ups.

    Multiples of 16 cost no more than a little less: that is how ONNX Runtime's kernels block channels with AVX-512.
    """

    channels: tuple[int, int, int, int, int]
    aggregate: int
    blocks: int
    refine: int
    rounds: int


SIZES = {  # from small to large
    "s": Size((16, 32, 48, 64, 96), 48, 1, 32, 2),
    "m": Size((32, 48, 64, 96, 128), 64, 2, 64, 3),
}


def conv(inputs: int, outputs: int, stride: int = 1, kernel: int = 3, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation (folded at export) and ReLU."""
    return nn.Sequential(*_linear(inputs, outputs, stride, kernel, groups), nn.ReLU(inplace=True))


def _linear(inputs: int, outputs: int, stride: int = 1, kernel: int = 3, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    )


class Block(nn.Module):
    """Inverted residual (MobileNetV2, Sandler et al. 2018): widen, filter each channel, narrow, add."""

    def __init__(self, channels: int, widen: int = 2) -> None:
        super().__init__()
        wide = channels * widen
        self.body = nn.Sequential(
            conv(channels, wide, kernel=1), conv(wide, wide, groups=wide), _linear(wide, channels, kernel=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        return x + self.body(x)


class Join(nn.Module):
    """ReLU of the sum of two linear maps: what one map of both, laid side by side, would give, without laying them.

    The first is at half the size of the second and mapped before it is doubled, a quarter of the work, if `doubled`.
    """

    def __init__(self, first: int, second: int, outputs: int, kernels: tuple[int, int] = (1, 1), doubled: bool = True):
        super().__init__()
        self.first, self.second = _linear(first, outputs, 1, kernels[0]), _linear(second, outputs, 1, kernels[1])
        self.doubled = doubled

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(B, F, H / 2, W / 2) or, not doubled, (B, F, H, W); and (B, S, H, W); to (B, outputs, H, W)."""
        one = self.first(first)
        return F.relu((twice(one) if self.doubled else one) + self.second(second))


class Features(nn.Module):
    """Pyramid of one picture: maps at 1/4 and 1/8 that have seen the coarser ones."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        c2, c4, c8, c16, c32 = size.channels
        self.white = 255.0  # 1 where the first convolution's weights hold the scale
        self.stem = nn.Sequential(conv(3, c2, 2), conv(c2, c4, 2))
        self.down8 = nn.Sequential(conv(c4, c8, 2), *(Block(c8) for _ in range(size.blocks)))
        self.down16 = nn.Sequential(conv(c8, c16, 2), *(Block(c16) for _ in range(size.blocks + 1)))
        self.down32 = nn.Sequential(conv(c16, c32, 2), *(Block(c32) for _ in range(size.blocks + 1)))
        self.up16 = Join(c32, c16, c16)
        self.up8, self.at8 = Join(c16, c8, c8), Block(c8)
        self.up4, self.at4 = Join(c8, c4, c4), Block(c4)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """RGB 0..255 (B, 3, H, W) to (B, c4, H/4, W/4) and (B, c8, H/8, W/8)."""
        x4 = self.stem(picture if self.white == 1.0 else picture / self.white)
        x8 = self.down8(x4)
        x16 = self.down16(x8)
        x16 = self.up16(self.down32(x16), x16)
        x8 = self.at8(self.up8(x16, x8))
        return self.at4(self.up4(x8, x4)), x8


class Aggregation(nn.Module):
    """2-D U-Net over the cost volume, whose channels are disparities, guided by the left picture."""

    def __init__(self, disparities: int, guide: int, channels: int, blocks: int) -> None:
        super().__init__()
        c = channels
        self.enter = Join(GROUPS * disparities, guide, c, (3, 1), doubled=False)
        self.level8 = nn.Sequential(*(Block(c) for _ in range(blocks)))
        self.down = nn.Sequential(conv(c, 2 * c, 2), *(Block(2 * c) for _ in range(blocks + 1)))
        self.deep = nn.Sequential(conv(2 * c, 2 * c, 2), *(Block(2 * c) for _ in range(blocks + 1)))
        self.rise, self.level16 = Join(2 * c, 2 * c, 2 * c), Block(2 * c)
        self.leave, self.last = Join(2 * c, c, c), nn.Sequential(*(Block(c) for _ in range(blocks)))
        self.cost = nn.Conv2d(c, disparities, 3, padding=1)
        # The raw correlations score too, so that an untrained network already matches, if badly.
        self.raw = nn.Conv2d(GROUPS * disparities, disparities, 1, bias=False)
        with torch.no_grad():
            self.raw.weight.copy_(torch.eye(disparities).repeat(1, GROUPS)[:, :, None, None])

    def forward(self, volume: Tensor, guide: Tensor) -> tuple[Tensor, Tensor]:
        """(B, GROUPS D, h, w) and (B, G, h, w) to scores (B, D, h, w) and what was seen (B, c, h, w)."""
        x = self.level8(self.enter(volume, guide))
        y = self.down(x)
        y = self.level16(self.rise(self.deep(y), y))
        x = self.last(self.leave(y, x))
        return self.cost(x) + self.raw(volume), x


class Round(nn.Module):
    """What a look-up of correlations around a disparity tells: how far that is off."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.looked = Join(2 * RADIUS + 2, channels, channels, (3, 1), doubled=False)
        self.refine = nn.Sequential(*(Block(channels) for _ in range(blocks)))
        self.step = nn.Conv2d(channels, 1, 1)

    def forward(self, near: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 2 RADIUS + 2, h, w) and (B, C, h, w) to what is known now, like the latter, and a step (B, 1, h, w)."""
        state = self.refine(self.looked(near, state))
        return state, self.step(state)


class StereoNet(nn.Module):
    """Disparity and confidence of a rectified pair; `max_disparity` in pixels of the full picture, a multiple of 8."""

    def __init__(self, size: str = "s", max_disparity: int = RANGE) -> None:
        super().__init__()
        if max_disparity % 8 or size not in SIZES:
            raise ValueError(
                f"size must be of {sorted(SIZES)} and max_disparity a multiple of 8: {size}, {max_disparity}"
            )
        s = SIZES[size]
        c4, c8, r = s.channels[1], s.channels[2], s.refine
        self.size, self.disparities = size, max_disparity // 8
        self.features = Features(s)
        self.aggregation = Aggregation(self.disparities, c8, s.aggregate, s.blocks)
        self.rise = Upsampling(s.aggregate, 2)
        self.state = Join(s.aggregate, c4, r)
        self.rounds = nn.ModuleList(Round(r, s.blocks) for _ in range(s.rounds))
        self.carry = Propagation(r)
        self.finish = Upsampling(r, 4)
        self.sure = nn.Conv2d(r, 16, 1)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """RGB 0..255 float (B, 3, H, W), H and W multiples of 32, to disparity in pixels >= 0 and confidence 0..1.

        Both (B, 1, H, W).
        """
        steps = self.steps(left, right)
        return steps.disparity, torch.sigmoid(steps.sure)

    def steps(self, left: Tensor, right: Tensor) -> Steps:
        """All that training looks at on the way to the answer."""
        (l4, l8), (r4, r8) = self.features(left), self.features(right)
        table = rows(l8, r8, (self.disparities - 1, 0), GROUPS)
        scores, seen = self.aggregation(band(table, self.disparities), l8)
        disparity = 2.0 * self.rise(best(scores), seen)
        coarse = [disparity]
        table = rows(l4, r4, EMPTY)
        state = self.state(seen, l4)
        for correct in self.rounds:
            near = torch.cat([look_up(table, disparity), disparity / (2.0 * self.disparities)], 1)
            state, step = correct(near, state)
            disparity = F.relu(disparity + step)
            coarse.append(disparity)
        disparity = self.carry(disparity, state)
        coarse.append(disparity)
        return Steps(scores, coarse, 4.0 * self.finish(disparity, state), F.pixel_shuffle(self.sure(state), 4))


@dataclass(frozen=True, slots=True)
class Steps:
    """scores (B, D, H/8, W/8), the last channel disparity 0; disparities (B, 1, H/4, W/4) in pixels of 1/4; the final
    disparity (B, 1, H, W) in pixels; and the confidence's logit (B, 1, H, W).
    """

    scores: Tensor
    coarse: list[Tensor]
    disparity: Tensor
    sure: Tensor


def twice(x: Tensor) -> Tensor:
    """(B, C, H, W) to twice the size, nearest."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
