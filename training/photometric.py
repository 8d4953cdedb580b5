"""What a disparity is worth where there is no truth: the right picture, moved by it, must look like the left one.

0.85 SSIM + 0.15 L1, left-right consistency and edge-aware smoothness after Godard, Mac Aodha and Brostow,
"Unsupervised monocular depth estimation with left-right consistency", CVPR 2017. The pictures are compared after local
contrast normalisation (ActiveStereoNet, Zhang et al., ECCV 2018), which takes away what water and cameras do to one
eye only: veil, cast, exposure, vignetting.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 15
"""Edge of the window of the normalisation, pixels."""
QUIET, NOISE = 0.1, 1.5
"""The quietest tenth of a picture shows its noise; contrast below 1.5 times that is none."""
LEAST_NOISE, MOST_NOISE = 1.0, 4.0
"""Grey values of 255, where nothing, or everything, is quiet."""
SLACK_PX, SLACK = 1.0, 0.03
"""Left and right may disagree by SLACK_PX pixels, or by this share of the disparity."""


def mean(x: Tensor, window: int) -> Tensor:
    """Box filter of (B, C, H, W), the border's pixels repeated."""
    half = window // 2
    padded = F.pad(x, (half, half, half, half), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(padded, (1, window), 1), (window, 1), 1)


def normalised(picture: Tensor) -> tuple[Tensor, Tensor]:
    """RGB 0..255 (B, 3, H, W) less its surroundings in units of their contrast, and how much of that is no noise, 0..1.

    The share (B, 1, H, W) is Wiener's: variance less the noise's, of the variance.
    """
    middle = mean(picture, WINDOW)
    variance = (mean(picture**2, WINDOW) - middle**2).clamp(min=0.0)
    grey = variance.mean(1, keepdim=True)
    quiet = torch.quantile(grey.flatten(1), QUIET, dim=1).view(-1, 1, 1, 1).sqrt()
    noise = (NOISE * quiet).clamp(LEAST_NOISE, MOST_NOISE)
    texture = (grey - noise**2).clamp(min=0.0) / grey.clamp(min=LEAST_NOISE**2)
    return ((picture - middle) / (variance.sqrt() + noise)).clamp(-3.0, 3.0), texture


def warp(picture: Tensor, disparity: Tensor) -> Tensor:
    """The right picture (B, C, H, W) where the left one sees it, at x - disparity (B, 1, H, W); linear in between."""
    batch, _, height, width = picture.shape
    x = torch.arange(width, dtype=picture.dtype, device=picture.device) - disparity[:, 0]
    y = torch.arange(height, dtype=picture.dtype, device=picture.device).view(1, -1, 1).expand(batch, -1, width)
    grid = torch.stack([2.0 * x / (width - 1) - 1.0, 2.0 * y / (height - 1) - 1.0], -1)
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=True)


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural dissimilarity (1 - SSIM) / 2 (Wang et al. 2004) in 3x3 windows, (B, C, H, W), of normalised pictures.

    The constants are those of the paper for pictures whose values span about 6.
    """
    c1, c2 = (0.01 * 6.0) ** 2, (0.03 * 6.0) ** 2
    mean_a, mean_b = mean(a, 3), mean(b, 3)
    var_a, var_b = mean(a * a, 3) - mean_a**2, mean(b * b, 3) - mean_b**2
    cov = mean(a * b, 3) - mean_a * mean_b
    alike = ((2 * mean_a * mean_b + c1) * (2 * cov + c2)) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    return ((1.0 - alike) / 2.0).clamp(0.0, 1.0)


def photometric(left: Tensor, moved: Tensor) -> Tensor:
    """Error (B, 1, H, W), 0 = alike, of two normalised pictures: 0.85 SSIM + 0.15 L1."""
    return (0.85 * ssim(left, moved) + 0.15 * (left - moved).abs() / 2.0).mean(1, keepdim=True)


def disagreement(disparity: Tensor, other: Tensor) -> Tensor:
    """The right picture's disparity at the match less the left one's, pixels (B, 1, H, W)."""
    return warp(other, disparity) - disparity


def visible(disparity: Tensor, other: Tensor) -> Tensor:
    """Where the match lies inside the right picture and nothing nearer stands before it there, (B, 1, H, W), 0 or 1.

    A match that the right picture knows to be further away is a mistake, not an occlusion, and stays in.
    """
    with torch.no_grad():
        inside = torch.arange(disparity.shape[3], dtype=disparity.dtype, device=disparity.device) >= disparity
        hidden = disagreement(disparity, other) > SLACK_PX + SLACK * disparity
        return (inside & ~hidden).to(disparity.dtype)


def agreed(disparity: Tensor, other: Tensor) -> Tensor:
    """Where the left-right check holds, (B, 1, H, W), 0 or 1."""
    with torch.no_grad():
        alike = disagreement(disparity, other).abs() < SLACK_PX + SLACK * disparity
        return visible(disparity, other) * alike


def smoothness(disparity: Tensor, picture: Tensor) -> Tensor:
    """Mean change of the disparity between neighbours, in pixels, less where the picture (0..255) has an edge."""
    total = disparity.new_zeros(())
    for axis in (2, 3):
        step = disparity.diff(dim=axis).abs()
        edge = picture.diff(dim=axis).abs().mean(1, keepdim=True)
        total = total + (step.clamp(max=4.0) * torch.exp(-edge / 10.0)).mean()
    return total
