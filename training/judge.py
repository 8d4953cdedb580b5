"""How good a network is on generated pairs that nothing is trained on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from training.batches import tensors
from training.net import RANGE, StereoNet
from training.pairs import file_of, fill, size_of

JUDGED_FIRST = 5_000_000
"""Seed of the first pair that is only ever judged on; training takes smaller ones."""


def judged_pairs(folder: Path, first: int, count: int) -> list[Path]:
    """Files of pairs `first`, `first` + 1 ... in a folder, which gets what it lacks, as large as those beside it."""
    for _ in fill(folder, first, count, 1, size_of(folder.parent)):
        pass
    return [file_of(folder, first + k) for k in range(count)]


def judge(net: StereoNet, files: Iterable[Path], device: torch.device | str = "cpu") -> dict[str, float]:
    """A network in evaluation on whole pairs: EPE px and bad-2 % over all pixels, bad-2 % over visible ones."""
    rows = []
    for file in files:
        pair = tensors(np.load(file))
        with torch.no_grad():
            disparity, _ = net(*(pair[side][None].to(device) for side in ("left", "right")))
        known = pair["disparity"] < RANGE - 8
        error = (disparity[0].cpu() - pair["disparity"]).abs()
        seen = known & pair["visible"]
        rows.append([float(error[known].mean()), 100 * float((error[known] > 2).float().mean()),
                     100 * float((error[seen] > 2).float().mean())])  # fmt: skip
    return dict(zip(("epe", "bad2", "bad2_visible"), np.nanmean(rows, 0).tolist(), strict=True))


def in_words(judged: dict[str, float], count: int, size: tuple[int, int]) -> str:
    """What `judge` found on so many pairs of this size, for a card."""
    return (
        f"on {count} generated pairs of {'x'.join(map(str, size))} never trained on: EPE {judged['epe']:.2f} px, "
        f"bad-2 {judged['bad2']:.1f} % ({judged['bad2_visible']:.1f} % of what both cameras see)"
    )
