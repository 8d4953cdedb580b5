"""What an adapter learns from a recording: what is known beforehand, and the loss of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engines.card import load_card
from engines.open import open_engine
from engines.stereo import StereoMatcher
from saccade.geometry import F32
from saccade.types import U8
from training.net import StereoNet
from training.photometric import agreed, disagreement, mean, normalised, photometric, smoothness, visible, warp
from training.pool import Net, Pair, Picture, Truth, both_ways, crop, look, tensor

RIGHT, SURE = 0.25, 0.5
"""The parent is trusted below this photometric error and above this confidence."""
MARGIN, GUESS, SLACK_KNOWN = 0.05, 0.3, 0.25
"""How much better semi-global matching must explain the pictures; how surely a guess is kept; px that make no error."""
CLASSICAL = "sgbm-full"


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each term of the loss counts; disparities in pixels."""

    photometric: float = 2.0
    consistency: float = 0.05
    smooth: float = 0.02
    known: float = 0.5
    generated: float = 0.2


class Lesson(NamedTuple):
    """A recorded pair, and what is already known of its disparity: `known` (H, W) px, and how surely, 0..1."""

    left: U8
    right: U8
    known: F32
    surely: F32


Tell = Callable[[str, float, float, float], None]
"""(what is being done, share of it 0..1, loss, relative change of the watched error; NaN = none yet)."""


def study(net: StereoNet, pairs: Sequence[Pair], tell: Tell) -> list[Lesson]:
    """A lesson of each pair."""
    lessons = []
    with open_engine(load_card(CLASSICAL, disparities=8 * net.disparities)) as engine:
        classical = StereoMatcher(engine, load_card(CLASSICAL))
        for n, pair in enumerate(pairs):
            tell("looking", n / len(pairs), nan, nan)
            lessons.append(lesson(net, pair, classical))
    return lessons


def lesson(net: Net, pair: Pair, classical: StereoMatcher) -> Lesson:
    """What is known of a pair before anything is learned.

    The parent's disparity where both eyes agree, it is sure, and the pictures do not speak against it; elsewhere that
    of semi-global matching (which passes left-right and uniqueness tests) where it explains the pictures clearly better
    (as in Tonioni et al., "Unsupervised domain adaptation for depth prediction from images", PAMI 2020). Where there is
    no texture no picture tells anything, and the parent's guess is kept, less surely.
    """
    seen, sure = look(net, pair)
    other = classical(*pair).disparity
    found = np.nan_to_num(other)
    with torch.no_grad():
        left, texture = normalised(tensor([pair.left]))
        right = normalised(tensor([pair.right]))[0]
        mine, others = (mean(photometric(left, warp(right, tensor([d]))), 7) for d in (seen.left, found))
        trusted = (mine < RIGHT) * agreed(tensor([seen.left]), tensor([seen.right])) * (tensor([sure]) > SURE)
        better = (others < mine - MARGIN) * (texture > 0.5) * tensor([np.isfinite(other)]) * ~trusted.bool()
        surely = torch.where(better.bool(), 1.0, torch.maximum(trusted, GUESS * (1.0 - texture)))
        known = torch.where(better.bool(), tensor([found]), tensor([seen.left]))
    return Lesson(*pair, *(x[0, 0].numpy().astype(np.float32) for x in (known, surely)))


class Course:
    """Draws batches and tells their loss."""

    def __init__(
        self, lessons: Sequence[Lesson], made: Sequence[Truth], size: tuple[int, int], weights: Weights, batch: int,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self._lessons, self._made, self._size, self._rng = lessons, made, size, rng
        self._weights, self._batch = weights, batch

    def loss(self, net: Net) -> Tensor:
        """Of one batch of recorded pairs and one generated pair."""
        weights = self._weights
        drawn = [self._crop(self._lessons) for _ in range(self._batch)]
        left, right, known, surely = (tensor(x) for x in zip(*drawn, strict=True))
        views = both_ways(net, left, right)
        own, texture = normalised(views.left)
        error = photometric(own, warp(normalised(views.right)[0], views.disparity))
        seen = visible(views.disparity, views.other)
        weight = seen * texture
        apart = disagreement(views.disparity, views.other).abs().clamp(max=4.0)
        away = torch.log1p(((views.disparity[: self._batch] - known).abs() - SLACK_KNOWN).clamp(min=0.0))
        loss = (
            weights.photometric * (error * weight).sum() / weight.sum().clamp(min=1.0)
            + weights.consistency * (apart * seen).sum() / seen.sum().clamp(min=1.0)
            + weights.smooth * smoothness(views.disparity, views.left)
            + weights.known * (away * surely).mean()
        )
        return loss + weights.generated * self._truth(net) if self._made else loss

    def _truth(self, net: Net) -> Tensor:
        left, right, truth, seen = (tensor([x]) for x in self._crop(self._made))
        disparity, confidence = net(left, right)
        error = (disparity - truth).abs()
        right_there = (error.detach() < 1.0) * seen
        return torch.log1p(error).mean() + 0.5 * F.binary_cross_entropy(confidence, right_there)

    def _crop(self, among: Sequence[Lesson] | Sequence[Truth]) -> list[Picture]:
        one = crop(self._rng, among[int(self._rng.integers(len(among)))], self._size)
        return [x[::-1] for x in one] if self._rng.random() < 0.5 else one
