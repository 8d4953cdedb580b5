"""The gate itself before a bridge, and behind it a dog that gives the odometry which the gate goes by."""

from __future__ import annotations

import numpy as np
import pytest
from robot_stand_ins import T0, Dog, Ear, Part, act

from bridge_node.bridges import bridge_of
from bridge_node.params import BridgeParams
from saccade import params
from saccade.clock import MS, SEC
from saccade.node import Out
from saccade.types import ActionChunk
from saccade.wire.convert import decode_verdict, encode_chunk
from safety_node.limits import Limits
from safety_node.node import SafetyNode

LIMITS = Limits(required={"chunk": 0.3, "odom": 0.2})
BRIDGE = params.build(BridgeParams, {"robot": "unitree", "unitree": {"velocity_frame": "odom"}})


class Policy(Part):
    """Asks for 0.4 m/s and 0.3 rad/s until a time."""

    def __init__(self, until_s: float) -> None:
        super().__init__()
        self._until_ns = T0 + round(until_s * SEC)

    def step(self, now_ns: int) -> tuple[Out, ...]:
        if now_ns >= self._until_ns:
            return ()
        rows = np.tile([0.4, 0.3], (20, 1))
        chunk = ActionChunk(now_ns, now_ns, 10 * MS, ("vx", "wz"), rows, 1, 1)
        return (Out("chunk", encode_chunk(chunk)),)


def test_a_dog_does_just_what_the_gate_grants() -> None:
    dog, ear = Dog(), Ear("verdict")
    act(Policy(1.5), SafetyNode(LIMITS), bridge_of(BRIDGE), dog, ear, seconds=3.0)
    granted = [decode_verdict(sample.cdr) for sample in ear.heard]
    fastest = max(body[0] for _, body in dog.moved)
    assert fastest == pytest.approx(0.4)
    assert fastest == max(v.granted[0] for v in granted)
    stopped = next((v.stamp_ns - T0) / SEC for v in granted if v.stamp_ns > T0 + 1.5 * SEC and not v.granted.any())
    assert dog.still_from() == pytest.approx(stopped, abs=0.05)  # the gate brakes, the bridge follows to the end


def test_a_dog_whose_state_freezes_is_stopped_by_the_gate() -> None:
    class Freezing(Dog):
        def decide(self, now_ns: int) -> None:
            self.frozen = now_ns > T0 + SEC
            super().decide(now_ns)

    dog, ear = Freezing(), Ear("verdict")
    act(Policy(9.0), SafetyNode(LIMITS), bridge_of(BRIDGE), dog, ear, seconds=2.5)
    assert "odom" in decode_verdict(ear.heard[-2].cdr).reason
    assert 1.2 <= dog.still_from() <= 1.9


def test_a_gate_that_dies_leaves_a_dog_that_stands() -> None:
    class Dying(SafetyNode):
        def on_tick(self, now_ns: int) -> object:
            return super().on_tick(now_ns) if now_ns < T0 + SEC else ()

        def next_ns(self, now_ns: int) -> int:
            return super().next_ns(now_ns) if now_ns < T0 + SEC else 2**62

    dog = Dog()
    act(Policy(9.0), Dying(LIMITS), bridge_of(BRIDGE), dog, seconds=2.0)
    assert 1.15 <= dog.still_from() <= 1.25
