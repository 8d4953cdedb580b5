"""Generated pairs as batches: crops, mirrorings, and camera differences beyond those that the data engine made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from saccade.types import U8
from training.losses import Truth
from training.pairs import SUBPIXEL, Packed

Random = np.random.Generator
DAZZLED = 0.2
"""Share of pairs that are exposed for the shade: what the sun lights is as white there, and as blank, as the sky."""


class Crops(IterableDataset[dict[str, Tensor]]):
    """Endless random crops (width, height) of the pairs in a folder, which is listed anew now and then: it may fill.

    The same seed, folder and number of workers give the same crops in the same order.
    """

    LIST_AGAIN = 512

    def __init__(self, folder: Path, size: tuple[int, int], seed: int) -> None:
        self.folder, self.size, self.seed = folder, size, seed

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        cv2.setNumThreads(1)
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            files = sorted(self.folder.glob("*.npy"))
            for k in rng.integers(0, len(files), self.LIST_AGAIN):
                yield tensors(varied(np.load(files[k], mmap_mode="r"), self.size, rng))


def tensors(pair: Packed) -> dict[str, Tensor]:
    """left, right (3, H, W) float 0..255; disparity (1, H, W) px; visible, clear (1, H, W)."""
    return {
        **{side: torch.from_numpy(np.ascontiguousarray(pair[side].transpose(2, 0, 1))).float()
           for side in ("left", "right")},
        "disparity": torch.from_numpy(pair["disparity"].astype(np.float32) / SUBPIXEL)[None],
        "visible": torch.from_numpy(~pair["occluded"])[None],
        "clear": torch.from_numpy(pair["confidence"].astype(np.float32) / 255.0)[None],
    }  # fmt: skip


def truth_of(batch: dict[str, Tensor]) -> Truth:
    """The truth of a batch of `tensors`."""
    return Truth(batch["disparity"], batch["visible"], batch["clear"])


def varied(pair: Packed, size: tuple[int, int], rng: Random) -> Packed:
    """A crop of a pair, perhaps upside down, perhaps seen from the right, through other cameras."""
    width, height = size
    y, x = (int(rng.integers(0, n - m + 1)) for n, m in zip(pair.shape, (height, width), strict=True))
    pair = pair[y : y + height, x : x + width].copy()
    if rng.random() < 0.5:
        pair = swapped(pair)
    if rng.random() < 0.3:
        pair = pair[::-1].copy()
    pair["left"], pair["right"] = through_cameras(pair["left"], pair["right"], rng)
    covered = np.zeros(pair.shape, np.bool_)
    if rng.random() < 0.25:  # something that only the right camera has before it (RAFT-Stereo's eraser)
        for _ in range(int(rng.integers(1, 3))):
            h, w = int(rng.integers(height // 16, height // 3)), int(rng.integers(width // 32, width // 5))
            y, x = int(rng.integers(0, height - h)), int(rng.integers(0, width - w))
            pair["right"][y : y + h, x : x + w] = pair["right"].reshape(-1, 3).mean(0)
            covered[y : y + h, x : x + w] = True
    column = _match_column(pair)  # beyond the crop's left edge the right camera saw what it does not show here
    hidden = (column < 0) | np.take_along_axis(covered, column.clip(0), 1)
    pair["occluded"] |= hidden
    pair["confidence"][hidden] = 0
    return pair


def swapped(pair: Packed) -> Packed:
    """The same scene in a mirror, where right is left: another pair with its truth, as exact."""
    other = pair[:, ::-1].copy()
    other["left"], other["right"] = pair["right"][:, ::-1], pair["left"][:, ::-1]
    other["disparity"], other["right_disparity"] = pair["right_disparity"][:, ::-1], pair["disparity"][:, ::-1]
    own, column = other["disparity"].astype(np.float32) / SUBPIXEL, _match_column(other)
    behind = np.take_along_axis(other["right_disparity"], column.clip(0), 1).astype(np.float32) / SUBPIXEL
    other["occluded"] = (column < 0) | (behind > own + 1.0)
    other["confidence"] = np.where(other["occluded"], 0, 255)
    return np.asarray(other)


def _match_column(pair: Packed) -> npt.NDArray[np.int64]:
    """Of each left pixel (H, W), the right picture's column that shows the same; negative where it lies outside."""
    return np.rint(np.arange(pair.shape[1]) - pair["disparity"].astype(np.float32) / SUBPIXEL).astype(np.int64)


def through_cameras(left: U8, right: U8, rng: Random) -> tuple[U8, U8]:
    """Both (H, W, 3) RGB uint8 with other colours, and a little of difference between the two."""
    if rng.random() < 0.35:
        left, right = (np.asarray(cv2.cvtColor(_grey(p), cv2.COLOR_GRAY2RGB), np.uint8) for p in (left, right))
    elif rng.random() < 0.3:
        order = rng.permutation(3)
        left, right = left[:, :, order], right[:, :, order]
    gain, gamma, lift = 2.0 ** rng.normal(0, 0.35), 2.0 ** rng.normal(0, 0.35), rng.uniform(-20, 20)
    if rng.random() < DAZZLED:
        gamma *= 2.0 ** rng.uniform(0.0, 1.0)
        gain = (max(8.0, np.quantile(left[::4, ::4], rng.uniform(0.35, 0.95))) / 255.0) ** -gamma
    differ = 1.0 if rng.random() < 0.4 else 0.1
    noise = rng.uniform(0.0, 6.0) if rng.random() < 0.4 else 0.0
    out = []
    for picture in (left, right):
        own = 2.0 ** (rng.normal(0, 0.12, 2) * differ)
        curve = 255.0 * gain * own[0] * (np.arange(256) / 255.0) ** (gamma * own[1]) + lift
        curve = curve + rng.normal(0, 4.0) * differ
        seen = cv2.LUT(np.ascontiguousarray(picture), curve.clip(0, 255).astype(np.uint8))
        if rng.random() < 0.12:
            seen = cv2.GaussianBlur(seen, (0, 0), rng.uniform(0.4, 1.3))
        if noise:
            seen = seen + rng.standard_normal(picture.shape, np.float32) * np.float32(noise)
        out.append(np.clip(seen, 0, 255).astype(np.uint8))
    return out[0], out[1]


def _grey(picture: U8) -> U8:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), np.uint8)
