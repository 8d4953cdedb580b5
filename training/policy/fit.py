"""Fitting the network to what the expert would have done."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.policy.net import INPUTS, TravelNet, mirrored, spoiled

SCALE = (0.3, 0.5)
"""Errors of this size, m/s and rad/s, weigh alike; above, they count by their size and no longer by its square."""
_RARE = 4.0
"""Most of the time the expert does what a plain pursuit does; where it does not, an example weighs more."""
JUDGED_EVERY = 8
"""Of so many episodes one is never trained on."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How one round is fitted."""

    steps: int
    batch: int = 64
    rate: float = 2e-3
    seed: int = 0


def gathered(files: list[Path]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Examples of all episodes, those to train on and those to judge on."""
    parts: tuple[list[dict[str, np.ndarray]], list[dict[str, np.ndarray]]] = ([], [])
    for i, file in enumerate(sorted(files)):
        with np.load(file, allow_pickle=False) as arrays:
            if "rows" in arrays:
                parts[i % JUDGED_EVERY == JUDGED_EVERY - 1].append(dict(arrays))
    train, judged = (
        {name: torch.from_numpy(np.concatenate([p[name] for p in part])) for name in (*INPUTS, "rows")} if part else {}
        for part in parts
    )
    return train, judged


def weights_of(examples: dict[str, Tensor]) -> Tensor:
    """How much each example counts, (n,)."""
    otherwise = ((examples["rows"] - examples["nominal"]).abs() / torch.tensor(SCALE)).mean(dim=(1, 2))
    return 1.0 + _RARE * otherwise.clamp(max=1.0)


def loss_of(rows: Tensor, examples: dict[str, Tensor]) -> Tensor:
    """Weighted Huber loss of rows (n, k, 2)."""
    error = (rows - examples["rows"]) / torch.tensor(SCALE)
    huber = torch.where(error.abs() < 1.0, 0.5 * error**2, error.abs() - 0.5).mean(dim=(1, 2))
    weights = weights_of(examples)
    return (weights * huber).sum() / weights.sum()


def fit(net: TravelNet, train: dict[str, Tensor], how: Fit, deadline_s: float = float("inf")) -> float:
    """Train in place; returns the seconds it took. Same examples and seed: same weights, on one machine."""
    begun = time.monotonic()
    generator = torch.Generator().manual_seed(how.seed)
    optimiser = torch.optim.AdamW(net.parameters(), how.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, how.rate, total_steps=how.steps)
    net.train()
    for _ in range(how.steps):
        at = torch.randint(len(train["rows"]), (how.batch,), generator=generator)
        batch = {name: train[name][at] for name in (*INPUTS, "rows")}
        if torch.rand((), generator=generator) < 0.5:
            batch = mirrored(batch)
        batch["scan"] = spoiled(batch["scan"], generator)
        loss = loss_of(net(*(batch[name] for name in INPUTS)), batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if time.monotonic() - begun > deadline_s:
            break
    net.eval()
    return time.monotonic() - begun


def judge(net: TravelNet, judged: dict[str, Tensor]) -> tuple[float, float]:
    """(loss of the network, loss of a plain pursuit) on examples; NaN without any."""
    if not judged:
        return float("nan"), float("nan")
    with torch.no_grad():
        rows = net(*(judged[name] for name in INPUTS))
        return float(loss_of(rows, judged)), float(loss_of(judged["nominal"], judged))
