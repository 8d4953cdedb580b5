"""NaN, gaps, duplicates, reordering, junk and clock steps: the command stays finite, within limits, zero when stale."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from contract_base import field, holds, open_field, state
from contract_flight import QUAD, box
from contract_flight import state as flying
from contract_node import plan

from saccade.clock import MS, SEC
from saccade.node import Sample
from saccade.types import ActionChunk, Decision
from saccade.wire.clearance import encode_clearance
from saccade.wire.convert import decode_verdict, encode_bool, encode_chunk, encode_map, encode_odom
from safety_node.limits import TICK_NS, Limits
from safety_node.node import SafetyNode

STALE = {"chunk": 300 * MS, "local_map": 400 * MS, "odom": 200 * MS}


class Fuzz:
    """Sends what a broken robot may send, and remembers what could be trusted of it."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.node = SafetyNode(Limits())
        self.now = 1000 * SEC
        self.good: dict[str, list[int]] = {name: [] for name in STALE}
        self.sent: list[Sample] = []

    def number(self) -> float:
        odd = [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-310, 0.0, -0.0]
        return float(self.rng.choice(odd)) if self.rng.random() < 0.01 else float(self.rng.normal())

    def message(self, name: str, stamp: int) -> bytes | memoryview:
        rng = self.rng
        if name == "chunk":
            actions = np.array([[self.number() * 0.5, self.number()] for _ in range(5)])
            axes = ("vx", "wz") if rng.random() < 0.9 else ("vx", "vy")
            t0 = max(0, stamp + int(rng.integers(-50, 50)) * MS)
            return encode_chunk(ActionChunk(stamp, t0, 100 * MS, axes, actions, 1, int(rng.integers(3, 5))))
        if name == "odom":
            odom = state(vx=self.number(), wz=self.number(), stamp=stamp, x=self.number())
            return encode_odom(odom)
        clear = rng.uniform(0.0, 2.0)
        grid = field(lambda x, y: clear, n=31, m=31) if rng.random() < 0.9 else open_field(n=31, m=31)
        return encode_map(dataclasses.replace(grid, stamp_ns=stamp))

    def step(self) -> None:
        rng = self.rng
        self.now += TICK_NS
        if rng.random() < 0.01:
            self.now = max(
                SEC, self.now + int(rng.choice([-3600 * SEC, -2 * SEC, -300 * MS, 300 * MS, 2 * SEC, 3600 * SEC]))
            )
        for name in STALE:
            if rng.random() < 0.4:
                stamp = max(0, self.now - int(rng.choice([0, 10, 50, 150, 600, -50, -500])) * MS)
                cdr = self.message(name, stamp)
                if rng.random() < 0.05:
                    cdr = bytes(cdr)[: int(rng.integers(0, len(cdr)))]
                elif rng.random() < 0.05:
                    cdr = rng.bytes(int(rng.integers(0, 200)))
                else:
                    self.good[name].append(stamp)
                self.hear(Sample(name, self.now, cdr))
        if self.sent and rng.random() < 0.2:  # once more, or late
            self.hear(self.sent[int(rng.integers(max(0, len(self.sent) - 20), len(self.sent)))])
        if rng.random() < 0.02:
            self.hear(Sample("operator_stop", self.now, encode_bool(bool(rng.random() < 0.3))))
        if rng.random() < 0.02:
            self.hear(Sample("plan", self.now, plan(int(rng.integers(2, 5)))))

    def hear(self, sample: Sample) -> None:
        self.sent.append(sample)
        assert list(self.node.on_sample(sample, self.now)) == []

    def could_be_fresh(self) -> bool:
        return all(any(-100 * MS <= self.now - s <= STALE[name] for s in self.good[name]) for name in STALE)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(4))
def test_fuzz(seed: int) -> None:
    fuzz, last, moved = Fuzz(seed), np.zeros(2), 0
    for _ in range(1500):
        fuzz.step()
        verdict = decode_verdict(list(fuzz.node.on_tick(fuzz.now))[1].cdr)
        holds(Limits(), last, verdict)
        if not fuzz.could_be_fresh():
            assert verdict.decision is Decision.STOP
        last = verdict.granted
        moved += bool(last.any())
    assert moved > 20  # the fuzz gets through often enough to mean something


_BROKEN: list[dict[str, object]] = [
    {"unit_m": np.nan}, {"unit_m": np.inf}, {"resolution_m": -0.1}, {"origin_m": (0.0, np.nan, 0.0)},
    {"memory_s": np.inf},
]  # fmt: skip
_USELESS: list[dict[str, object]] = [
    {"frame_id": "map"}, {"memory_s": 31.0}, {"origin_m": (50.0, 0.0, 0.0)},
    {"clearance": np.zeros((0, 4, 4), np.uint8)}, {"clearance": np.zeros((25, 25, 25), np.uint8)},
]  # fmt: skip
"""Fields that can be decoded, and on which nothing may move but a turn on the spot, where nothing is free."""


_ODD = (np.nan, np.inf, -np.inf, 1e300, -1e300, 0.0, -0.0)


def number(rng: np.random.Generator) -> float:
    return float(rng.choice(_ODD)) if rng.random() < 0.01 else float(rng.normal())


def space_message(rng: np.random.Generator, name: str, stamp: int, now: int) -> tuple[bytes | memoryview, bool]:
    """A message for a gate that requires clearance, and whether it can be read."""
    if name == "chunk":
        actions = np.array([[number(rng) for _ in QUAD["axes"]]] * 5)
        return encode_chunk(ActionChunk(stamp, now, 100 * MS, QUAD["axes"], actions, 1, 1)), True
    if name == "odom":
        at, twist = rng.normal(scale=0.3, size=3), [number(rng) for _ in range(6)]
        return encode_odom(flying(at, (0.1, 0.2, rng.normal()), twist, stamp=stamp)), True
    clear = float(rng.uniform(0.0, 2.0))
    field, kind = box(lambda x, y, z: clear, shape=(25, 25, 25), stamp_ns=stamp), rng.random()
    if kind < 0.3:
        broken = kind < 0.2
        changes = (_BROKEN if broken else _USELESS)[int(rng.integers(5))]
        return encode_clearance(dataclasses.replace(field, **changes)), not broken
    cdr = bytes(encode_clearance(field))
    return (cdr, True) if kind < 0.9 else (cdr[: int(rng.integers(0, len(cdr)))], False)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(2))
def test_fuzz_in_three_dimensions(seed: int) -> None:
    """Fields that are broken, of another frame or place, old or too forgetful; chunks and odometry with odd numbers."""
    rng, limits = np.random.default_rng(seed), Limits(**QUAD)
    node, last, moved = SafetyNode(limits), np.zeros(4), 0
    good = dict.fromkeys(QUAD["required"], -SEC)
    for tick in range(500):
        now = 1000 * SEC + tick * TICK_NS
        stamp = now - int(rng.choice([0, 0, 0, 10, 10, 50, 50, 300, 600, -50, -500])) * MS
        name = str(rng.choice(list(good)))
        cdr, legible = space_message(rng, name, stamp, now)
        if rng.random() < 0.03:
            cdr, legible = rng.bytes(int(rng.integers(0, 200))), False
        if legible:
            good[name] = max(good[name], stamp)
        assert list(node.on_sample(Sample(name, now, cdr), now)) == []
        verdict = decode_verdict(list(node.on_tick(now))[1].cdr)
        holds(limits, last, verdict)
        last = verdict.granted
        moved += bool(last.any())
        assert not last.any() or all(now - good[name] <= stale for name, stale in limits.stale_ns().items()), tick
    assert moved > 20
