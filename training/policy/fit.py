"""Fitting the network to what the expert knew."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.policy.net import FASTEST_M_S, INPUTS, TravelNet, around, mirrored, shown, spoiled
from vla_node.policies.learned.manoeuvres import PER_PERSON
from vla_node.policies.learned.policy import SURE_M

_SLOW = 0.3
"""Errors of a velocity, m/s, above this count by their size and no longer by its square."""
_COPIES = 2
"""So often is each example spoiled, every time anew; one more time as often in a mirror."""
_CHUNK = 256
JUDGED_EVERY = 4
"""Of so many episodes one is never trained on."""
Examples = dict[str, Tensor]
LABELS = ("who", "going")
COSTS = ("things", "people", "mapped", "course")


BATCH = 512


@dataclass(frozen=True, slots=True)
class Fit:
    """How one round is fitted: in `steps` of `batch` sectors."""

    steps: int
    batch: int = BATCH
    rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Score:
    """Regret, in metres of progress, by the expert's costs: of a driver that knows as much as is said.

    `pursuit` drives the plain pursuit whatever comes, `map` goes by the map alone, `learned` by map and network.
    `others` is the share of examples in which the expert does not take the plain pursuit.
    """

    learned: float
    map: float
    pursuit: float
    others: float
    judged: int


def gathered(files: list[Path], drawn: dict[str, np.ndarray] | None = None) -> tuple[Examples, Examples]:
    """Examples of all episodes, those to train on, with the drawn ones, and those to judge on."""
    driven: tuple[list[dict[str, np.ndarray]], list[dict[str, np.ndarray]]] = ([drawn] if drawn else [], [])
    for i, file in enumerate(sorted(files)):
        with np.load(file, allow_pickle=False) as arrays:
            if "ways" in arrays:
                driven[i % JUDGED_EVERY == JUDGED_EVERY - 1].append(dict(arrays))
    names = ((*INPUTS, *LABELS), (*INPUTS, *COSTS))
    train, judged = (
        {name: torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in wanted} if parts else {}
        for parts, wanted in zip(driven, names, strict=True)
    )
    return train, judged


@dataclass(frozen=True, slots=True, eq=False)
class Sectors:
    """Those sectors of all examples that show something: what they are judged by (m, f), and what is true of them.

    `who` (m,) 1 for people; `going` (m, 2) m/s outwards and along the circle.
    """

    around: Tensor
    who: Tensor
    going: Tensor


def sectors(net: TravelNet, examples: Examples, generator: torch.Generator) -> Sectors:
    """Of examples as they are seen, spoiled and in a mirror."""
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for copy in range(2 * _COPIES):
        for begin in range(0, len(examples["who"]), _CHUNK):
            some = {name: array[begin : begin + _CHUNK] for name, array in examples.items()}
            some = mirrored(some) if copy % 2 else some
            scan = spoiled(some["scan"], generator)
            seen = shown(scan, some["view"]) > 0
            going = torch.stack([(some["going"] * way).sum(dim=-1) for way in (net.out, net.along)], dim=-1)
            parts.append((around(scan, some["view"], some["age"])[seen], some["who"][seen], going[seen]))
    return Sectors(*(torch.cat(part) for part in zip(*parts, strict=True)))


def fit(net: TravelNet, train: Examples, how: Fit) -> float:
    """Train in place; returns the seconds it took. Same examples and seed: same weights, on one machine."""
    begun = time.monotonic()
    generator = torch.Generator().manual_seed(how.seed)
    known = sectors(net, train, generator)
    optimiser = torch.optim.AdamW(net.parameters(), how.rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, how.rate, total_steps=how.steps)
    net.train()
    for _ in range(how.steps):
        at = torch.randint(len(known.who), (how.batch,), generator=generator)
        loss = loss_of(net, Sectors(known.around[at], known.who[at], known.going[at]))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    net.eval()
    return time.monotonic() - begun


def loss_of(net: TravelNet, known: Sectors) -> Tensor:
    """How wrong it is about who is a person, and about where people go."""
    said = net.think(known.around)
    called = functional.binary_cross_entropy_with_logits(said[:, 0], known.who)
    going = FASTEST_M_S * torch.tanh(said[:, 1:])
    wrong = functional.smooth_l1_loss(going, known.going, beta=_SLOW, reduction="none").sum(dim=-1)
    return called + (wrong * known.who).sum() / known.who.sum().clamp(min=1.0)


def judge(net: TravelNet, judged: Examples) -> Score:
    """What the network's choices cost more than the expert's; NaN without examples."""
    if not judged:
        none = float("nan")
        return Score(none, none, none, none, 0)
    with torch.no_grad():
        near = torch.cat([net(*part) for part in zip(*(judged[name].split(256) for name in INPUTS), strict=True)])
    things, people, mapped, course = (judged[name] for name in COSTS)
    true = things + people + mapped + course
    best = chosen(things + people + mapped, course)
    at_best = true.gather(1, best[:, None])

    def regret(danger: Tensor) -> float:
        return float((true.gather(1, chosen(danger, course)[:, None]) - at_best).mean())

    learned = mapped + PER_PERSON * (near - SURE_M).clamp(min=0.0)
    return Score(
        regret(learned), regret(mapped), regret(torch.zeros_like(mapped)), float((best > 0).float().mean()), len(true)
    )


def chosen(danger: Tensor, course: Tensor) -> Tensor:
    """The manoeuvre (n,) that is taken by costs (n, k): the first one where that is no danger, else the cheapest."""
    return torch.where(danger[:, 0] > 0.0, (danger + course).argmin(dim=1), 0)
