"""The arm of config/limits/arm.yaml on a bus: a lagging arm, a commander that asks for too much, silence."""

from __future__ import annotations

import numpy as np
import pytest

from saccade import params
from saccade.clock import MS, SEC, TickGrid, seconds
from saccade.node import Out, run
from saccade.paths import share
from saccade.stages import Stages
from saccade.types import ActionChunk
from saccade.wire.commands import decode_joint_trajectory, encode_joint_state
from saccade.wire.convert import decode_verdict, encode_chunk
from saccade.wire.virtual import LocalBus
from safety_node.limits import Limits
from safety_node.node import SafetyNode

LIMITS = params.load(Limits, share("config") / "limits" / "arm.yaml", "safety_node")
START = 100 * SEC
TICK_S = 0.01


class Arm:
    """Goes a fifth of the way to its goal in 5 ms, its shoulder until `stuck_s`; tells where it is unless `silent`."""

    name, writes = "arm", frozenset({"joint_states", "chunk"})
    reads = frozenset({"joint_trajectory", "verdict"})

    def __init__(self, speeds, silent=(0.0, 0.0), stuck_s=np.inf, home=(0.3, -0.2, 0.0)):
        self.stages, self._grid = Stages(), TickGrid(5 * MS)
        self._speeds, self._silent, self._stuck_s = speeds, silent, stuck_s
        self.at, self.goal = np.array(home), np.array(home)
        self.goals, self.verdicts = [], []

    def next_ns(self, now_ns):
        return self._grid.next_ns or self._grid.start(now_ns)

    def on_sample(self, sample, now_ns):
        t = seconds(now_ns - START)
        if sample.topic == "joint_trajectory":
            joints, self.goal, reach_ns = decode_joint_trajectory(sample.cdr)
            assert (joints, reach_ns) == (LIMITS.axes, 10 * MS)
            self.goals.append((t, self.goal))
        else:
            self.verdicts.append((t, decode_verdict(sample.cdr)))
        return ()

    def on_tick(self, now_ns):
        self._grid.advance(now_ns)
        t = seconds(now_ns - START)
        self.at = self.at + 0.2 * (self.goal - self.at) * [t < self._stuck_s, 1, 1]
        actions = np.tile(self._speeds(t), (20, 1))
        chunk = ActionChunk(now_ns, now_ns, 10 * MS, LIMITS.axes, actions, 1, 1)
        yield Out("chunk", encode_chunk(chunk))
        if not self._silent[0] <= t < self._silent[1]:
            yield Out("joint_states", encode_joint_state(now_ns, LIMITS.axes, self.at))

    def close(self):
        return ()


def drive(arm, until_s=3.0):
    bus = LocalBus(start_ns=START)
    run([arm, SafetyNode(LIMITS)], bus, lambda: bus.now_ns() > START + until_s * SEC)
    t, goals = zip(*arm.goals, strict=True)
    return np.array(t), np.array(goals)


@pytest.mark.parametrize("ask", [(0.4, -0.3, 0.8), (5.0, -4.0, 20.0), (0.0, 9.0, 0.0)])
def test_positions_move_within_the_limits_of_speed_and_rate(ask):
    arm = Arm(lambda t: np.array(ask) * (1 if t % 1.0 < 0.5 else -1))
    _, goals = drive(arm)
    speed = np.diff(goals, axis=0) / TICK_S
    assert np.abs(speed).max() > 0.2
    assert (np.abs(speed) <= np.array(LIMITS.max_speed) + 1e-9).all()
    faster = np.maximum(np.diff(np.abs(speed), axis=0), 0) / TICK_S
    assert (faster <= np.array(LIMITS.max_accel) + 1e-6).all()
    assert (goals >= LIMITS.position_min).all()
    assert (goals <= LIMITS.position_max).all()
    assert np.abs(arm.at - arm.goal).max() < 0.05


def test_silent_joints_are_held_and_move_on_afterwards():
    arm = Arm(lambda t: np.array([0.3, 0.0, 0.0]), silent=(1.0, 2.0))
    t, goals = drive(arm)
    held = (t > 1.0 + LIMITS.required["joint_states"] + 0.02) & (t < 2.0)
    assert held.sum() > 80  # it goes on sending
    assert (goals[held] == goals[held][0]).all()
    assert goals[-1, 0] > goals[held][0, 0] + 0.2
    reasons = {v.reason.split(" (")[0] for at, v in arm.verdicts if 1.2 < at < 2.0}
    assert reasons == {"joint_states stale"}


def test_an_arm_that_is_held_back_is_not_pushed_on():
    arm = Arm(lambda t: np.array([0.3, 0.0, 0.0]), stuck_s=1.0)
    t, goals = drive(arm)
    pushed = np.abs(goals[t > 1.0] - arm.at).max()
    assert 0.9 * LIMITS.max_lag[0] < pushed < LIMITS.max_lag[0] + 0.3 * TICK_S
    assert "shoulder is 0.1" in arm.verdicts[-1][1].reason
    assert (goals[t > 2.0] == arm.at).all()
