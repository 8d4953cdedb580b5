"""Self-supervised adaptation: low-rank adapters of a frozen stereo network learn from a recording's own pairs.

After StereoAdapter (Wu et al., "StereoAdapter: Adapting stereo depth estimation to underwater scenes", 2025), for a
network of two thirds of a million weights and a few minutes of a CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from math import ceil, cos, nan, pi

import numpy as np
import torch
from torch import Tensor

from saccade.clock import SEC, perf_ns
from saccade.errors import ConfigError, DataError
from training import gate, lora
from training.course import Course, Tell, Weights, study
from training.gate import Change, Look, Split
from training.lora import Adapters
from training.net import StereoNet
from training.pool import Net, Pair, Truth, crop_size, generated, look

LESSONS, WATCHED, JUDGED, FORGOTTEN = 64, 4, 16, 8
"""Pairs at most: learned from, watched, judged, and generated ones that show what was forgotten."""
LOOKS = 6
"""How often the watched pairs are looked at."""
PROBES = 8
"""Batches whose gradients choose the ranks."""
LEFT_ALONE = ("sure",)
"""Beginnings of the names of layers that are not adapted."""
BASE_SEED = 20_000_000
"""Of the generated pairs: none that the parent was trained on."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how to adapt. With `steps` it stops there and repeats exactly; else after `minutes`."""

    minutes: float = 5.0
    steps: int = 0
    seed: int = 0
    share: float = 0.1
    """Parameters of the adapters, as a share of the network's."""
    max_rank: int = 8
    rate: float = 0.0005
    """Three and ten times as much made a trial dive worse (docs/decisions.md, 134)."""
    pixels: int = 49_152
    """Of a crop."""
    batch: int = 1
    generated: int = 24
    weights: Weights = field(default_factory=Weights)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of it: the network is better than it was if `refusal` is empty."""

    steps: int
    ranks: dict[str, int]
    split: Split
    changes: list[Change]
    dry: tuple[float, float]
    refusal: str


def adapt(net: StereoNet, pairs: Sequence[Pair], plan: Plan, tell: Tell = lambda *_: None) -> Outcome:
    """Adapt `net` (frozen; changed in place when all is done) to rectified pairs in the order of time.

    KeyboardInterrupt while it learns ends the learning only. ConfigError where no adapter fits the budget; DataError
    where left and right do not match at all, or no adapter promises to help.
    """
    budget = _budget(net, plan.share)
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    split = gate.hold_out(len(pairs))
    for parameter in net.eval().parameters():
        parameter.requires_grad_(False)
    judged = [(pairs[i], look(net, pairs[i])[0]) for i in thin(split.judge, JUDGED)]
    if fault := gate.mismatch([gate.compare(*pair, was, was) for pair, was in judged]):
        raise DataError(fault)
    lessons = study(net, [pairs[i] for i in thin(split.learn, LESSONS)], tell)
    size = crop_size(pairs, plan.pixels)
    reach = int(min(max(max(np.quantile(one.known, 0.99) for one in lessons) * 1.3, 32.0), 0.45 * size[1]))
    tell("generating pairs", 0.0, nan, nan)
    seeds = range(BASE_SEED + 1000 * plan.seed, BASE_SEED + 1000 * plan.seed + plan.generated + FORGOTTEN)
    made = generated(seeds, size, reach, [pairs[i] for i in split.learn], rng)
    course = Course(lessons, made[FORGOTTEN:], size, plan.weights, plan.batch, rng)
    tell("choosing ranks", 0.0, nan, nan)
    rows = lora.choose(
        net, (partial(course.loss, net) for _ in range(PROBES)),
        budget, plan.max_rank, LEFT_ALONE,
    )  # fmt: skip
    if not rows:
        raise DataError(
            f"no adapter of at most {budget} parameters promises to help: the gradients of {PROBES} batches agree on "
            "none; expected a larger --budget, more pairs from other places, or another --seed"
        )
    adapters = Adapters(net, rows)
    watched = [(pairs[i], look(net, pairs[i])[0]) for i in thin(split.watch, WATCHED)]
    before = truth_error(net, made[:FORGOTTEN])
    steps = learn(adapters, course, watched, plan, tell)
    adapters.merge()
    tell("judging", 0.0, nan, nan)
    changes = gate.judged([gate.compare(*pair, was, look(net, pair)[0]) for pair, was in judged], plan.seed)
    dry = before, truth_error(net, made[:FORGOTTEN])
    refusal = gate.refusal(changes, dry) if steps else "it was not better at any look at the watched pairs"
    return Outcome(steps, adapters.ranks, split, changes, dry, refusal)


def _budget(net: StereoNet, share: float) -> int:
    """Parameters that the adapters may have; ConfigError where the smallest of them has more."""
    total = sum(p.numel() for p in net.parameters())
    if (budget := int(share * total)) < (least := lora.least(net, LEFT_ALONE)):
        raise ConfigError(
            f"--budget {100 * share:g} is {budget} of the network's {total} parameters, and its smallest adapter has "
            f"{least}; expected at least {ceil(10_000 * least / total) / 100:g}, better 10"
        )
    return budget


def thin(indices: Sequence[int], at_most: int) -> list[int]:
    """At most so many of them, evenly spread."""
    return [indices[round(i)] for i in np.linspace(0, len(indices) - 1, min(len(indices), at_most))]


def learn(adapters: Adapters, course: Course, watched: Sequence[tuple[Pair, Look]], plan: Plan, tell: Tell) -> int:
    """Train the adapters and leave them as they were when the watched error was least; how many steps that took."""
    optimiser = torch.optim.Adam(adapters.groups(plan.rate))
    begun_ns, looks, step, done, change = perf_ns(), 0, 0, 0.0, nan
    best, best_step, kept = 0.0, 0, snapshot(adapters)
    try:
        while done < 1.0:
            for group in optimiser.param_groups:
                group["lr"] = group["most"] * min(1.0, (step + 1) / 10) * 0.5 * (1.0 + cos(pi * done))
            loss = course.loss(adapters)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(adapters.parameters(), 1.0)
            optimiser.step()
            step += 1
            done = step / plan.steps if plan.steps else min(1.0, (perf_ns() - begun_ns) / (60 * SEC * plan.minutes))
            if done >= (looks + 1) / LOOKS:
                looks += 1
                change = watch(adapters, watched)
                if change < best:
                    best, best_step, kept = change, step, snapshot(adapters)
            tell("learning", done, loss.item(), change)
    except KeyboardInterrupt:
        tell("stopped", 1.0, nan, best)
    adapters.load_state_dict(kept)
    return best_step


def snapshot(adapters: Adapters) -> dict[str, Tensor]:
    """A copy of the adapters' parameters."""
    return {name: x.clone() for name, x in adapters.state_dict().items()}


def watch(net: Net, watched: Sequence[tuple[Pair, Look]]) -> float:
    """Relative change of the photometric error over the watched pairs."""
    return gate.judged([gate.compare(*pair, was, look(net, pair)[0]) for pair, was in watched])[0].relative


def truth_error(net: Net, made: Sequence[Truth]) -> float:
    """Mean error over generated pairs, px, at 20 px at most."""
    errors = [np.abs(look(net, Pair(t.left, t.right))[0].left - t.disparity).clip(max=20.0).mean() for t in made]
    return float(np.mean(errors)) if errors else 0.0
