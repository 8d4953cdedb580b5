"""NaN, gaps, duplicates, reordering, junk and clock steps: the command stays finite, within limits, zero when stale."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from contract_base import field, holds, open_field, state
from contract_node import plan

from saccade.clock import MS, SEC
from saccade.node import Sample
from saccade.types import ActionChunk, Decision
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
