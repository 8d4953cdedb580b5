"""The network: what the camera sees and saw, and manoeuvres in; how much too near to people each would come, out.

It says of a sector of a scan whether a person is seen there and how fast which way, by what is beside it and by what an
older scan shows there; what follows from that for the manoeuvres is geometry. Speeds are said outwards and along the
circle: the same scene, turned, is given the same answer. It takes SI and gives SI.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vla_node.policies.learned.manoeuvres import EVERY, PLACES, STEP_S
from vla_node.policies.learned.scan import ANGLES, FAR_M

INPUTS, OUTPUT = ("scan", "view", "age", "ways"), "near"
FASTEST_M_S = 1.6
"""Of people."""
PERSON_RADIUS_M = 0.25
LEAST = 0.5
"""Whoever is less likely to be a person is taken for a thing: those are the map's."""
_REACH, _APART_M = 8, 0.8
"""A range is compared with so many to either side, in its own scan and in the older one, up to this difference."""
_WIDTH = 64
_MOST = 32
"""So many sectors, those that show people most surely, are followed."""


class Said(NamedTuple):
    """What is said of the sectors of SCANS - 1 scans, (n, s, b): is there a person, and where is it going?

    `logit` of a person; `going` m/s and `middle` m (n, s, b, 2), in the body's frame; `shown` 1 where there is
    something that no newer scan could show, else 0; `age` of the scan in s.
    """

    logit: Tensor
    going: Tensor
    middle: Tensor
    shown: Tensor
    age: Tensor


class TravelNet(nn.Module):
    """scan (n, SCANS, b) m, view (n, SCANS, b), age (n, SCANS) s, ways (n, k, PLACES, 2) m to near (n, k) m.

    `need_m` is how far from a person's outline the robot's centre is to stay.
    """

    def __init__(self, need_m: float) -> None:
        super().__init__()
        self._need_m = need_m
        self.think = nn.Sequential(
            nn.Linear(3 * (2 * _REACH + 1) + 2, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU(),
            nn.Linear(_WIDTH, 3),
        )  # fmt: skip
        angles = torch.tensor(ANGLES, dtype=torch.float32)
        self.register_buffer("out", torch.stack([angles.cos(), angles.sin()], dim=-1))
        self.register_buffer("along", torch.stack([-angles.sin(), angles.cos()], dim=-1))
        self.register_buffer("after_s", STEP_S * EVERY * torch.arange(1.0, PLACES + 1.0))

    def said(self, scan: Tensor, view: Tensor, age: Tensor) -> Said:
        """Of each scan but the oldest, by what it and the one before it show."""
        logit, outward, sideward = self.think(around(scan, view, age)).unbind(-1)
        going = torch.tanh(outward)[..., None] * self.out + torch.tanh(sideward)[..., None] * self.along
        middle = (scan[:, :-1] + PERSON_RADIUS_M)[..., None] * self.out
        return Said(logit, FASTEST_M_S * going, middle, shown(scan, view), age[:, :-1, None].expand_as(logit))

    def forward(self, scan: Tensor, view: Tensor, age: Tensor, ways: Tensor) -> Tensor:
        """See the class."""
        return nearness(self.said(scan, view, age), ways, self.after_s, self._need_m)


def around(scan: Tensor, view: Tensor, age: Tensor) -> Tensor:
    """What each sector of each scan but the oldest is judged by, (n, SCANS - 1, b, f)."""
    now, before, looked = scan[:, :-1], scan[:, 1:], view[:, 1:]
    offsets = [-i for i in range(-_REACH, _REACH + 1)]
    told = [
        ((torch.roll(one, i, dims=-1) - now) / _APART_M).clamp(-1.0, 1.0) for one in (now, before) for i in offsets
    ]  # fmt: skip
    told += [torch.roll(looked, i, dims=-1) for i in offsets]
    between = (age[:, 1:] - age[:, :-1])[..., None].expand_as(now)
    return torch.stack([*told, now / FAR_M, between], dim=-1)


def shown(scan: Tensor, view: Tensor) -> Tensor:
    """1 where a scan but the oldest shows something, and no newer one looked, else 0, (n, SCANS - 1, b)."""
    hidden, out = torch.ones_like(scan[:, 0]), []
    for i in range(scan.shape[1] - 1):
        out.append(hidden * (scan[:, i] < FAR_M))
        hidden = hidden * (1.0 - view[:, i])
    return torch.stack(out, dim=1)


def nearness(said: Said, ways: Tensor, after_s: Tensor, need_m: float) -> Tensor:
    """By how many metres each way (n, k) comes nearer than `need_m` to a person; `after_s` (PLACES,)."""
    likely = torch.sigmoid(said.logit)
    sure, which = (torch.where(likely < LEAST, 0.0, likely) * said.shown).flatten(1).topk(_MOST, dim=1)
    both = which[..., None].expand(-1, -1, 2)
    middle, going = said.middle.flatten(1, 2).gather(1, both), said.going.flatten(1, 2).gather(1, both)
    since_s = after_s[:, None] + said.age.flatten(1).gather(1, which)[:, None]  # (n, PLACES, most)
    at = middle[:, None] + going[:, None] * since_s[..., None]
    apart = (ways[:, :, :, None] - at[:, None]).square().sum(dim=-1).sqrt() - PERSON_RADIUS_M
    return ((need_m - apart).clamp(min=0.0) * sure[:, None, None]).amax(dim=(-2, -1))


def mirrored(examples: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same in a mirror: left is right."""
    over = torch.tensor([1.0, -1.0])
    turned = {
        "scan": lambda a: a.flip(-1), "view": lambda a: a.flip(-1), "ways": lambda a: a * over,
        "who": lambda a: a.flip(-1), "going": lambda a: a.flip(-2) * over,
    }  # fmt: skip
    return {name: turned[name](array) if name in turned else array for name, array in examples.items()}


def spoiled(scan: Tensor, generator: torch.Generator) -> Tensor:
    """Scans as stereo gives them: sectors are missing and ranges are wrong by a share that grows."""
    noise = 1.0 + 0.012 * scan * torch.randn(scan.shape, generator=generator)
    missing = torch.rand(scan.shape, generator=generator) < 0.06
    return torch.where((scan < FAR_M) & ~missing, (scan * noise).clamp(0.0, FAR_M), torch.full_like(scan, FAR_M))
