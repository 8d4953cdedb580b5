"""Contract of joints: positions follow what is granted, a stop holds them, and what is lost or out of range stops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from contract_base import LIMITED, NOW, PASS, STOP, Modules
from contract_limits import refused

from saccade.clock import MS, SEC
from saccade.node import Sample
from saccade.types import ActionChunk
from saccade.wire.commands import decode_joint_trajectory, decode_twist, encode_joint_state
from saccade.wire.convert import decode_verdict, encode_bool, encode_chunk

JOINTS = ("shoulder", "elbow", "wrist")
ARM: dict[str, Any] = {
    "axes": JOINTS, "max_speed": (0.5, 0.5, 1.0), "max_accel": (1.0, 1.0, 2.0), "max_brake": (2.0, 2.0, 4.0),
    "required": {"chunk": 0.3, "joint_states": 0.1}, "command": "joint_trajectory",
    "position_min": (-2.0, -1.0, -3.0), "position_max": (2.0, 1.5, 3.0), "max_lag": (0.125, 0.2, 0.4),
}  # fmt: skip
HOME = np.array([0.5, -0.25, 1.0])


class Arm:
    """A SafetyNode for three joints, fed by hand; the joints are where they were last sent unless told otherwise."""

    def __init__(self, m: Modules, home: Any = HOME, **changes: Any) -> None:
        self.node = m.node.SafetyNode(m.limits.Limits(**{**ARM, **changes}))
        self.now, self.at, self.sent, self.epoch = NOW, np.array(home), None, 1

    def states(self, at: Any = None, age: int = 0, joints: tuple[str, ...] = JOINTS) -> None:
        cdr = encode_joint_state(self.now - age, joints, self.at if at is None else np.array(at))
        assert list(self.node.on_sample(Sample("joint_states", self.now, cdr), self.now)) == []

    def ask(self, *speeds: float) -> None:
        chunk = ActionChunk(self.now, self.now, 100 * MS, JOINTS, np.tile(speeds, (10, 1)), 7, self.epoch)
        list(self.node.on_sample(Sample("chunk", self.now, encode_chunk(chunk)), self.now))

    def tick(self) -> Any:
        outs = list(self.node.on_tick(self.now))
        self.now += 10 * MS
        return self._said(outs)

    def _said(self, outs: list[Any]) -> Any:
        self.topics = [out.topic for out in outs]
        if "joint_trajectory" in self.topics:
            joints, self.sent, reach_ns = decode_joint_trajectory(outs[0].cdr)
            assert (joints, reach_ns) == (JOINTS, 10 * MS)
        return decode_verdict(outs[self.topics.index("verdict")].cdr)

    def step(self, *speeds: float) -> Any:
        """Fresh inputs, one tick, and an arm that does what it is told."""
        self.states()
        self.ask(*speeds)
        verdict = self.tick()
        if self.sent is not None:
            self.at = self.sent
        return verdict

    def close(self) -> Any:
        return self._said(list(self.node.close()))


def check_joints_nothing_is_sent_before_they_said_where_they_are(m: Modules) -> None:
    arm = Arm(m)
    arm.ask(0.01, 0.0, 0.0)
    assert arm.tick().reason == "joint_states missing"
    assert "joint_trajectory" not in arm.topics
    assert arm.close().reason == "shut down"
    assert arm.sent is None
    arm.states(age=100 * MS + 11 * MS)
    arm.tick()
    assert arm.sent is None  # an old word is none


def check_joints_follow_what_is_granted(m: Modules) -> None:
    arm = Arm(m)
    assert arm.node.writes == {"joint_trajectory", "verdict", "diagnostics"}
    assert "joint_states" in arm.node.reads
    expected, speed = HOME.copy(), 0.0
    for _ in range(80):
        verdict = arm.step(0.5, -0.25, 0.1)
        speed = min(speed + 0.01, 0.5)  # the shoulder's rate binds, and all go the same share of the way
        np.testing.assert_allclose(verdict.granted, speed * np.array([1.0, -0.5, 0.2]), atol=1e-12)
        expected += verdict.granted * 0.01
        np.testing.assert_allclose(arm.sent, expected, atol=1e-12)
    assert verdict.decision is PASS
    verdict = arm.step(1.0, -0.51, 0.2)  # twice too fast: one ratio for all
    assert (verdict.reason, verdict.ratio) == ("speed of shoulder", 0.5)
    np.testing.assert_allclose(verdict.granted, [0.5, -0.255, 0.1], atol=1e-12)


def check_joints_a_stop_holds_the_last_goal(m: Modules) -> None:
    arm = Arm(m)
    for _ in range(30):
        arm.step(0.3, 0.0, 0.0)
    goal = arm.sent.copy()
    arm.states(at=goal - [0.02, 0.0, 0.0])  # the arm lags behind a little, as arms do
    arm.ask(0.3, 0.0, 0.0)
    list(arm.node.on_sample(Sample("operator_stop", arm.now, encode_bool(True)), arm.now))
    for _ in range(8):
        verdict = arm.tick()
        assert (verdict.reason, verdict.granted.tolist()) == ("operator stop", [0.0, 0.0, 0.0])
        assert arm.sent.tolist() == goal.tolist()
    arm.close()
    assert arm.sent.tolist() == goal.tolist()


def check_joints_stale_states_stop(m: Modules) -> None:
    arm = Arm(m)
    for _ in range(30):
        arm.step(0.3, 0.0, 0.0)
    heard = arm.now - 10 * MS
    while arm.now <= heard + 100 * MS:
        arm.ask(0.3, 0.0, 0.0)
        assert arm.tick().decision is PASS
    goal = arm.sent.copy()
    arm.ask(0.3, 0.0, 0.0)
    assert arm.tick().reason == "joint_states stale (110 ms)"
    assert "joint_trajectory" in arm.topics
    assert arm.sent.tolist() == goal.tolist()
    arm.states(at=goal)
    verdict = arm.tick()
    np.testing.assert_allclose(verdict.granted, [0.01, 0.0, 0.0])  # it begins from standstill


def check_joints_unusable_states_refresh_nothing(m: Modules) -> None:
    for at, joints, says in (
        ([0.0, 0.0], JOINTS[:2], "lacks wrist; it has shoulder, elbow"),
        ([0.0, 0.0, math.nan], JOINTS, "expected finite"),
        ([], (), "it has no joints"),
        ([0.0], JOINTS, "3 names and 1 positions"),
    ):
        arm = Arm(m)
        arm.states(at=at, joints=joints)
        arm.ask(0.1, 0.0, 0.0)
        assert arm.tick().reason == "joint_states missing"
        assert says in arm.node._ignored["joint_states"]
    arm = Arm(m)
    arm.states(at=[9.0, *HOME[::-1]], joints=("gripper", *JOINTS[::-1]))  # any order, others passed over
    arm.ask(0.0, 0.0, 0.0)
    arm.tick()
    assert arm.sent.tolist() == HOME.tolist()


def check_joints_that_do_not_follow_stop_until_the_next_epoch(m: Modules) -> None:
    for offset, lost in (
        ([0.125, 0, 0], ""),
        ([0.125 + 1e-9, 0, 0], "shoulder"),
        ([0.0, -0.2 - 1e-9, 0.3], "elbow"),
    ):
        arm = Arm(m)
        arm.step(0.0, 0.0, 0.0)
        there = HOME + offset
        arm.states(at=there)
        arm.ask(0.01, 0.0, 0.0)
        verdict = arm.tick()
        if not lost:
            assert verdict.decision is PASS
            continue
        assert (verdict.decision, verdict.ratio, verdict.granted.any()) == (STOP, 0.0, np.False_)
        assert verdict.reason.startswith(f"{lost} is 0.")
        np.testing.assert_allclose(arm.sent, there)  # held where it is, not pulled back
        arm.at = there
        assert arm.step(0.01, 0.0, 0.0).decision is STOP
        arm.epoch = 2
        assert arm.step(0.01, 0.0, 0.0).decision is PASS
        arm.states(at=there + 1.0)
        assert "give the instruction again" in arm.tick().reason  # and once more, in this epoch
        arm.epoch = 3
    arm = Arm(m)
    arm.epoch = 0
    arm.step(0.0, 0.0, 0.0)
    arm.now += 400 * MS
    assert arm.tick().reason == "chunk stale (410 ms); joint_states stale (410 ms)"  # silence is not yet lost
    arm.states(at=HOME + 1.0)
    verdict = arm.tick()
    assert verdict.reason.startswith("shoulder is 1.000 from where it was sent, more than 0.125")
    assert verdict.reason.endswith("again; chunk stale (420 ms)")


def check_joints_keep_their_range(m: Modules) -> None:
    """At the edge to the last bit; outside of it, only the way back is open; the others stop with it."""
    for side, home in ((1.0, [0.0, 1.5 - 2e-4, 0.0]), (-1.0, [0.0, -1.0 + 2e-4, 0.0])):
        arm = Arm(m, home)
        verdict = arm.step(0.01, side * 0.02, 0.0)
        assert verdict.decision is LIMITED or verdict.decision is PASS
        while verdict.decision is not STOP:
            verdict = arm.step(0.01, side * 0.02, 0.0)
        assert verdict.reason == "elbow would leave its range of -1 to 1.5"
        assert (verdict.ratio, verdict.granted.any()) == (0.0, np.False_)
        assert -1.0 <= arm.sent[1] <= 1.5
        assert abs(arm.sent[1]) >= abs(home[1]) + 1e-4
        assert arm.step(0.01, -side * 0.01, 0.0).granted.any()
    for side, out in ((1.0, 1.7), (-1.0, -1.2)):
        arm = Arm(m, [0.0, out, 0.0])
        assert arm.step(0.0, side * 0.01, 0.0).decision is STOP
        assert arm.step(0.01, 0.0, 0.0).decision is PASS
        assert arm.step(0.01, -side * 0.01, 0.0).decision is PASS
    arm = Arm(m, [0.0, 1.0, 0.0], max_speed=(0.5, 0.5, 1.0), position_max=(2.0, 1.0 + 0.01 * 0.01, 3.0))
    assert arm.step(0.0, 0.01, 0.0).decision is PASS  # just to the edge
    assert arm.step(0.0, 0.01, 0.0).decision is STOP
    arm = Arm(m, [0.0, -0.5, 0.0], position_min=(-2.0, -0.5 - 0.01 * 0.01, -3.0))
    assert arm.step(0.0, -0.01, 0.0).decision is PASS
    assert arm.step(0.0, -0.01, 0.0).decision is STOP


def check_limits_of_joints(m: Modules) -> None:
    limits = m.limits.Limits(**ARM)
    assert limits.joints
    assert not m.limits.Limits().joints
    base = {key: ARM[key] for key in ("axes", "max_speed", "max_accel", "max_brake")}
    refused(m, "shoulder", **base)
    for key in ("position_min", "position_max", "max_lag"):
        refused(m, key, **{**ARM, key: ARM[key][:2]})
        refused(m, key, **{key: (1.0, 1.0)})
        refused(m, key, command="twist", **{key: (1.0, 1.0)})
    for bad in (0.0, -1.0, math.nan, math.inf):
        refused(m, "max_lag of wrist", **{**ARM, "max_lag": (0.1, 0.1, bad)})
    for low in (2.0, 2.1, math.nan, math.inf):
        refused(m, "position_min of shoulder", **{**ARM, "position_min": (low, -1.0, -3.0)})
    refused(m, "position_max", **{**ARM, "position_max": (math.nan, 1.0, 3.0)})
    turning = {**ARM, "position_min": (-math.inf,) * 3, "position_max": (math.inf,) * 3}
    m.limits.Limits(**turning)
    refused(m, "joint_states", **{**ARM, "required": {"chunk": 0.3}})
    refused(m, "joint_states", required={"chunk": 0.3, "joint_states": 0.1})
    refused(m, "local_map", **{**ARM, "required": {**ARM["required"], "odom": 0.2, "local_map": 0.4}})
    m.limits.Limits(**{**ARM, "required": {**ARM["required"], "odom": 0.2}})


def check_command_as_twist(m: Modules) -> None:
    node = m.node.SafetyNode(m.limits.Limits(command="twist", required={"chunk": 0.3}))
    assert node.writes == {"cmd_vel_unstamped", "verdict", "diagnostics"}
    chunk = ActionChunk(NOW, NOW, 100 * MS, ("vx", "wz"), np.array([[0.004, -0.006]]), 7, 1)
    list(node.on_sample(Sample("chunk", NOW, encode_chunk(chunk)), NOW))
    out, verdict, _ = node.on_tick(NOW)
    assert (out.topic, verdict.topic) == ("cmd_vel_unstamped", "verdict")
    assert decode_twist(out.cdr, NOW).values.tolist() == [0.004, 0.0, 0.0, 0.0, 0.0, -0.006]
    assert not decode_twist(next(iter(node.on_tick(NOW + SEC))).cdr, NOW).values.any()
    assert m.limits.Limits().command == "twist_stamped"
    assert m.node.SafetyNode(m.limits.Limits()).writes == {"cmd_vel", "verdict", "diagnostics"}
