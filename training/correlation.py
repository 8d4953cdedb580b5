"""Correlations of whole rows of two pictures' features, and what is read out of them: volume, best match, look-ups."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

RADIUS = 4  # of a look-up, in pixels of the picture at 1/4
EMPTY = (2 * RADIUS + 2, RADIUS + 1)  # columns beside a row that it may reach


def best(scores: Tensor) -> Tensor:
    """Scores (B, D, h, w), the last channel disparity 0, to the mean disparity (B, 1, h, w) around the best one."""
    count = scores.shape[1]
    likely = F.softmax(scores.permute(0, 2, 3, 1), 3)
    steps = torch.arange(count - 1, -1, -1, dtype=scores.dtype, device=scores.device)
    winner = count - 1 - likely.argmax(3, keepdim=True).to(scores.dtype)
    likely = likely * ((steps - winner).abs() < 1.5).to(scores.dtype)
    return ((likely * steps).sum(3) / likely.sum(3)).unsqueeze(1)


def rows(left: Tensor, right: Tensor, empty: tuple[int, int], groups: int = 1) -> Tensor:
    """Correlation of every pixel with every one of its row in the right picture: (B, groups, H, W, W + sum(empty)).

    Of directions, not lengths, group by group. Before and after the right picture's columns stand `empty` ones, 0.
    """
    one, two = _directions(left, groups), F.pad(_directions(right, groups), (0, 0, *empty))
    return torch.matmul(one, two.transpose(3, 4)) * float(one.shape[4]) ** 0.5


def _directions(x: Tensor, groups: int) -> Tensor:
    """(B, C, H, W) to (B, groups, H, W, C / groups) of length 1, or less where they were shorter than 1e-3."""
    b, c, h, w = x.shape
    # A convolution adds up; ONNX Runtime's ReduceL2 is slow over an axis in the middle.
    ones = torch.ones(groups, int(c) // groups, 1, 1, dtype=x.dtype, device=x.device)
    length = F.conv2d(x * x, ones, groups=groups).clamp_min(1e-6).sqrt()
    if groups == 1:  # without a fifth axis, for which a runtime that keeps channels last would move them twice
        return (x / length).permute(0, 2, 3, 1).unsqueeze(1)
    return (x.reshape(b, groups, c // groups, h, w) / length.unsqueeze(2)).permute(0, 1, 3, 4, 2)


def band(table: Tensor, disparities: int) -> Tensor:
    """The cost volume (B, groups D, H, W) out of `rows`: entry k of pixel x is its correlation with x - (D - 1 - k).

    A row of the table is one longer than the way to the same disparity in the next row, so cutting the table anew, one
    entry longer a row, brings each disparity into a column: no loop over disparities.
    """
    b, g, h, w, n = table.shape
    skew = F.pad(table.reshape(b, g, h, w * n), (0, w)).reshape(b, g, h, w, n + 1)
    return skew[..., :disparities].permute(0, 1, 4, 2, 3).reshape(b, g * disparities, h, w)


def look_up(table: Tensor, disparity: Tensor) -> Tensor:
    """Correlations (B, 2 RADIUS + 1, H, W) at disparities -RADIUS..RADIUS around (B, 1, H, W), linear between columns.

    `table` of `rows` with the columns EMPTY, so that what is outside need not be asked for. As correlation is linear in
    the right picture's features, this is what warping them would give.
    """
    b, _, h, width, columns = table.shape
    # Whole columns are counted in integers, which no precision rounds; a fraction of one survives bfloat16 as well.
    whole = torch.ceil(disparity)
    column = torch.arange(width, device=disparity.device) - whole.to(torch.int64)
    first = column.clamp_min(-RADIUS - 2).reshape(b, h, width, 1) + (EMPTY[0] - RADIUS)
    index = first + torch.arange(2 * RADIUS + 2, device=disparity.device)
    found = torch.gather(table.reshape(b, h, width, columns), 3, index).permute(0, 3, 1, 2)
    one, two = found[:, :-1], found[:, 1:]
    return one + (two - one) * (whole - disparity)
