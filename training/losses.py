"""What the network is told: which coarse disparity is right, how far each finer one is off, where it may be sure."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.net import RANGE, Steps

CLASS = 4.0  # weights of the terms, the final disparity's own is 1: cross-entropy at 1/8,
COARSE = 0.3  # each disparity at 1/4, in pixels of the full picture
SURE = 0.3  # and cross-entropy of the confidence
HIDDEN = 1.0  # weight of a pixel that the right camera does not see: guessed from around it, as people do
RIGHT_PX = 1.0  # an error up to this is a right answer


@dataclass(frozen=True, slots=True)
class Truth:
    """disparity (B, 1, H, W) px, visible (B, 1, H, W) bool, clear (B, 1, H, W) 0..1 (see `training.sample`)."""

    disparity: Tensor
    visible: Tensor
    clear: Tensor


def loss_of(steps: Steps, truth: Truth) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss and its terms; pixels whose disparity is beyond the network's range do not count."""
    d, known = truth.disparity, truth.disparity < RANGE - 8
    weight = known * torch.where(truth.visible, 1.0, HIDDEN)
    error = (steps.disparity - d).abs()
    sure = known & truth.visible & (error.detach() <= RIGHT_PX)
    d4, weight4 = d[:, :, 2::4, 2::4] / 4.0, weight[:, :, 2::4, 2::4]
    terms = {
        "class": CLASS * class_loss(steps.scores, d, weight),
        "coarse": sum((COARSE * _mean(_robust(4.0 * (x - d4)), weight4) for x in steps.coarse), torch.zeros(())),
        "final": _mean(_robust(steps.disparity - d), weight),
        "sure": SURE * _mean(F.binary_cross_entropy_with_logits(steps.sure, sure.float(), reduction="none"),
                             known.float()),
    }  # fmt: skip
    return sum(terms.values(), torch.zeros(())), terms


def class_loss(scores: Tensor, disparity: Tensor, weight: Tensor) -> Tensor:
    """Cross-entropy of the scores at 1/8 with the share of each cell's pixels that lie at each disparity.

    A pixel between two classes is shared by both, linearly; at an edge a cell has two peaks, and either is better than
    what lies between.
    """
    count = scores.shape[1]
    steps = torch.arange(count - 1, -1, -1, device=scores.device, dtype=scores.dtype).view(1, -1, 1, 1)
    fine, fine_weight = disparity[:, :, 1::2, 1::2] / 8.0, weight[:, :, 1::2, 1::2]
    share = F.avg_pool2d(F.relu(1.0 - (steps - fine).abs()) * fine_weight, 4)
    return -(share * F.log_softmax(scores, 1)).sum(1).mean() / fine_weight.mean().clamp_min(1e-3)


def _robust(error: Tensor) -> Tensor:
    """Of an error in pixels; what is far off hardly pulls: half of a crop may have no match, and cannot be right."""
    return 4.0 * torch.log1p(F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=0.25))


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1.0)
