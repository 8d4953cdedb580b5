"""Self-supervised adaptation: low-rank adapters of a frozen stereo network learn from a recording's own pairs.

After StereoAdapter (Wu et al., "StereoAdapter: Adapting stereo depth estimation to underwater scenes", 2025), for a
network of two thirds of a million weights and a few minutes of a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import cos, nan, pi
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engines.card import load_card
from engines.open import open_engine
from engines.stereo import StereoMatcher
from saccade.clock import SEC, perf_ns
from saccade.geometry import F32
from saccade.types import U8
from training import gate, lora
from training.gate import Change, Look, Split
from training.lora import Adapters
from training.net import StereoNet
from training.photometric import agreed, disagreement, mean, normalised, photometric, smoothness, visible, warp
from training.pool import Net, Pair, Picture, Truth, both_ways, crop, crop_size, generated, look, tensor

LESSONS, WATCHED, JUDGED, FORGOTTEN = 64, 4, 16, 8
"""Pairs at most: learned from, watched, judged, and generated ones that show what was forgotten."""
LOOKS = 6
"""How often the watched pairs are looked at."""
PROBES = 8
"""Batches whose gradients choose the ranks."""
RIGHT, SURE = 0.25, 0.5
"""The parent is trusted below this photometric error and above this confidence."""
MARGIN, GUESS, SLACK_KNOWN = 0.05, 0.3, 0.25
"""How much better semi-global matching must explain the pictures; how surely a guess is kept; px that make no error."""
CLASSICAL = "sgbm-full"
BASE_SEED = 20_000_000
"""Of the generated pairs: none that the parent was trained on."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each term of the loss counts; disparities in pixels."""

    photometric: float = 1.0
    consistency: float = 0.05
    smooth: float = 0.02
    known: float = 0.5
    generated: float = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how to adapt. With `steps` it stops there and repeats exactly; else after `minutes`."""

    minutes: float = 5.0
    steps: int = 0
    seed: int = 0
    share: float = 0.1
    """Parameters of the adapters, as a share of the network's."""
    max_rank: int = 8
    rate: float = 0.01
    pixels: int = 81_920
    """Of a crop."""
    batch: int = 2
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


class Lesson(NamedTuple):
    """A recorded pair, and what is already known of its disparity: `known` (H, W) px, and how surely, 0..1."""

    left: U8
    right: U8
    known: F32
    surely: F32


Tell = Callable[[str, float, float, float], None]
"""(what is being done, share of it 0..1, loss, relative change of the watched error; NaN = none yet)."""


def adapt(net: StereoNet, pairs: Sequence[Pair], plan: Plan, tell: Tell = lambda *_: None) -> Outcome:
    """Adapt `net` (frozen; changed in place when all is done) to rectified pairs in the order of time.

    KeyboardInterrupt while it learns ends the learning only.
    """
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    split = gate.hold_out(len(pairs))
    for parameter in net.eval().parameters():
        parameter.requires_grad_(False)
    lessons = study(net, [pairs[i] for i in thin(split.learn, LESSONS)], tell)
    size = crop_size(pairs, plan.pixels)
    reach = int(min(max(max(np.quantile(one.known, 0.99) for one in lessons) * 1.3, 32.0), 0.45 * size[1]))
    tell("generating pairs", 0.0, nan, nan)
    seeds = range(BASE_SEED + 1000 * plan.seed, BASE_SEED + 1000 * plan.seed + plan.generated + FORGOTTEN)
    made = generated(seeds, size, reach, [pairs[i] for i in split.learn], rng)
    course = Course(lessons, made[FORGOTTEN:], size, plan, rng)
    tell("choosing ranks", 0.0, nan, nan)
    rows = lora.choose(
        net, (partial(course.loss, net) for _ in range(PROBES)),
        int(plan.share * sum(p.numel() for p in net.parameters())), plan.max_rank, leave=("sure",),
    )  # fmt: skip
    adapters = Adapters(net, rows)
    watched = [(pairs[i], look(net, pairs[i])[0]) for i in thin(split.watch, WATCHED)]
    judged = [(pairs[i], look(net, pairs[i])[0]) for i in thin(split.judge, JUDGED)]
    before = truth_error(net, made[:FORGOTTEN])
    steps = learn(adapters, course, watched, plan, tell)
    adapters.merge()
    tell("judging", 0.0, nan, nan)
    changes = gate.judged([gate.compare(*pair, was, look(net, pair)[0]) for pair, was in judged], plan.seed)
    dry = before, truth_error(net, made[:FORGOTTEN])
    return Outcome(steps, adapters.ranks, split, changes, dry, gate.refusal(changes, dry))


def thin(indices: Sequence[int], at_most: int) -> list[int]:
    """At most so many of them, evenly spread."""
    return [indices[round(i)] for i in np.linspace(0, len(indices) - 1, min(len(indices), at_most))]


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
        self,
        lessons: Sequence[Lesson],
        made: Sequence[Truth],
        size: tuple[int, int],
        plan: Plan,
        rng: np.random.Generator,
    ) -> None:
        self._lessons, self._made, self._size, self._plan, self._rng = lessons, made, size, plan, rng

    def loss(self, net: Net) -> Tensor:
        """Of one batch of recorded pairs and one generated pair."""
        plan, weights = self._plan, self._plan.weights
        drawn = [self._crop(self._lessons) for _ in range(plan.batch)]
        left, right, known, surely = (tensor(x) for x in zip(*drawn, strict=True))
        views = both_ways(net, left, right)
        own, texture = normalised(views.left)
        error = photometric(own, warp(normalised(views.right)[0], views.disparity))
        seen = visible(views.disparity, views.other)
        weight = seen * texture
        apart = disagreement(views.disparity, views.other).abs().clamp(max=4.0)
        away = torch.log1p(((views.disparity[: plan.batch] - known).abs() - SLACK_KNOWN).clamp(min=0.0))
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


def learn(adapters: Adapters, course: Course, watched: Sequence[tuple[Pair, Look]], plan: Plan, tell: Tell) -> int:
    """Train the adapters and leave them as they were when the watched error was least; how many steps that took."""
    optimiser = torch.optim.Adam(adapters.groups(plan.rate))
    begun_ns, looks, step, best, best_step, kept, change = perf_ns(), 0, 0, 0.0, 0, adapters.state_dict(), nan
    kept = {name: x.clone() for name, x in kept.items()}
    try:
        done = 0.0
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
                    best, best_step, kept = change, step, {n: x.clone() for n, x in adapters.state_dict().items()}
            tell("learning", done, loss.item(), change)
    except KeyboardInterrupt:
        tell("stopped", 1.0, nan, best)
    adapters.load_state_dict(kept)
    return best_step


def watch(net: Net, watched: Sequence[tuple[Pair, Look]]) -> float:
    """Relative change of the photometric error over the watched pairs."""
    return gate.judged([gate.compare(*pair, was, look(net, pair)[0]) for pair, was in watched])[0].relative


def truth_error(net: Net, made: Sequence[Truth]) -> float:
    """Mean error over generated pairs, px, at 20 px at most."""
    errors = [np.abs(look(net, Pair(t.left, t.right))[0].left - t.disparity).clip(max=20.0).mean() for t in made]
    return float(np.mean(errors)) if errors else 0.0
