"""What an adapter learns from: crops of recorded pairs, and generated pairs with truth that look like the recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from saccade.geometry import F32
from saccade.types import U8
from training.gate import Look
from training.net import STRIDE
from training.sample import sample

Random = np.random.Generator
Picture = npt.NDArray[Any]


class Net(Protocol):
    """A stereo network, adapted or not."""

    def __call__(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """Disparity and confidence, see `StereoNet`."""


class Pair(NamedTuple):
    """left, right (H, W, 3) RGB uint8."""

    left: U8
    right: U8


class Truth(NamedTuple):
    """A generated pair: disparity (H, W) px and where it is known to the right camera too, (H, W) 0 or 1."""

    left: U8
    right: U8
    disparity: F32
    seen: F32


def coloured(picture: U8) -> U8:
    """Grey or RGB as RGB."""
    return picture if picture.ndim == 3 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), np.uint8)


def tensor(pictures: Sequence[Picture]) -> Tensor:
    """(H, W, 3) or (H, W) of one size as (B, 3 or 1, H, W) float."""
    stacked = torch.from_numpy(np.stack([np.ascontiguousarray(p, np.float32) for p in pictures]))
    return stacked.permute(0, 3, 1, 2) if stacked.ndim == 4 else stacked.unsqueeze(1)


class Views(NamedTuple):
    """Pairs and their mirror images, (2 B, C, H, W): what is a left picture in one half is a right one in the other.

    `other` is the right picture's disparity, which is that of the mirror image, mirrored back.
    """

    left: Tensor
    right: Tensor
    disparity: Tensor
    other: Tensor
    confidence: Tensor


def both_ways(net: Net, left: Tensor, right: Tensor) -> Views:
    """What a network sees in pairs (B, 3, H, W) with either eye."""
    lefts, rights = torch.cat([left, right.flip(3)]), torch.cat([right, left.flip(3)])
    disparity, confidence = net(lefts, rights)
    return Views(lefts, rights, disparity, disparity.roll(len(left), 0).flip(3), confidence)


def look(net: Net, pair: Pair) -> tuple[Look, F32]:
    """What a network sees in a whole pair, padded as at run time, and its confidence (H, W)."""
    height, width = pair.left.shape[:2]
    below, beside = -height % STRIDE, -width % STRIDE
    with torch.no_grad():
        left, right = (F.pad(tensor([p]), (0, beside, 0, below), mode="replicate") for p in pair)
        views = both_ways(net, left, right)
        found = [x[0, 0, :height, :width].numpy() for x in (views.disparity, views.other, views.confidence)]
    return Look(found[0], found[1]), found[2]


def crop(rng: Random, pair: Sequence[Picture], size: tuple[int, int]) -> list[Picture]:
    """The same part, of at most `size` (height, width), of all of them."""
    height, width = pair[0].shape[:2]
    y, x = (int(rng.integers(0, max(1, whole - part + 1))) for whole, part in zip((height, width), size, strict=True))
    return [picture[y : y + size[0], x : x + size[1]] for picture in pair]


def crop_size(pairs: Sequence[Pair], pixels: int) -> tuple[int, int]:
    """(height, width), multiples of 32, of a crop that fits into all pairs and has at most about `pixels`.

    Wide rather than high, because a match may be far along the row.
    """
    height, width = (min(pair.left.shape[axis] for pair in pairs) // STRIDE * STRIDE for axis in (0, 1))
    width = min(width, max(STRIDE, int((2.0 * pixels) ** 0.5) // STRIDE * STRIDE))
    return min(height, max(STRIDE, pixels // width // STRIDE * STRIDE)), width


def generated(
    seeds: Sequence[int], size: tuple[int, int], max_disparity: int, like: Sequence[Pair], rng: Random
) -> list[Truth]:
    """Generated pairs of `size` (height, width), every second one under water, more or less in the recording's colours.

    They teach what no photometric error can: that a blank part is far if it is water, and near if it is a wall.
    """
    out = []
    for i, seed in enumerate(seeds):
        scene, effects = ("seabed", ("water", "motion", "sensor")) if i % 2 else (None, ("motion", "sensor"))
        s = sample(seed, (size[1], size[0]), max_disparity, effects=effects, scene=scene)
        left, right = dressed(s.left, s.right, like[int(rng.integers(len(like)))].left, float(rng.uniform(0.0, 1.0)))
        out.append(Truth(left, right, s.disparity, (~s.occluded).astype(np.float32)))
    return out


def dressed(left: U8, right: U8, model: U8, share: float) -> tuple[U8, U8]:
    """Left and right with the left picture's mean and spread moved to those of `model`, by `share` of the way.

    Channel by channel (Reinhard et al., "Color transfer between images", 2001), left and right by the same amount.
    """
    mean, spread = (f(left.reshape(-1, 3), axis=0, dtype=np.float32) for f in (np.mean, np.std))
    wanted, wide = (f(model.reshape(-1, 3), axis=0, dtype=np.float32) for f in (np.mean, np.std))
    gain = 1.0 + share * (wide / np.maximum(spread, 4.0) - 1.0)
    middle = mean + share * (wanted - mean)
    one, other = (np.clip((p - mean) * gain + middle, 0, 255).round().astype(np.uint8) for p in (left, right))
    return one, other
