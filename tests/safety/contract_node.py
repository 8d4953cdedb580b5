"""Contract of the node: freshness to the nanosecond, epochs, the operator's stop, clock steps, last words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from contract_base import LIMITED, NOW, PASS, STOP, Modules, open_field, state

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.node import Sample
from saccade.types import ActionChunk, Plan, PlanKind
from saccade.wire import convert
from saccade.wire.convert import (
    decode_command,
    decode_verdict,
    encode_bool,
    encode_chunk,
    encode_map,
    encode_odom,
    encode_plan,
)


def plan(epoch: int) -> Any:
    return encode_plan(
        Plan(
            1, epoch, "", PlanKind.STOP, NOW, SE3.identity(), 0, 0, "odom", np.zeros((0, 3)), np.zeros(0), 1.0, True, ""
        )
    )


class Rig:
    """A SafetyNode fed by hand: no bus, any instant."""

    def __init__(self, m: Modules, **limits: Any) -> None:
        self.node = m.node.SafetyNode(m.limits.Limits(**limits))
        self.epoch = 1

    def hear(self, topic: str, cdr: Any, now: int) -> None:
        assert list(self.node.on_sample(Sample(topic, now, cdr), now)) == []

    def chunk(self, now: int, stamp: int | None = None, action: Any = (0.1, 0.0), epoch: int = 1) -> None:
        actions = np.tile(np.asarray(action, np.float64), (200, 1))
        stamp = now if stamp is None else stamp
        self.hear("chunk", encode_chunk(ActionChunk(stamp, stamp, 50 * MS, ("vx", "wz"), actions, 7, epoch)), now)

    def map(self, now: int, stamp: int | None = None) -> None:
        self.hear("local_map", encode_map(open_field(stamp=now if stamp is None else stamp, n=21, m=21)), now)

    def odom(self, now: int, stamp: int | None = None) -> None:
        self.hear("odom", encode_odom(state(stamp=now if stamp is None else stamp)), now)

    def stop(self, now: int, value: bool) -> None:
        self.hear("operator_stop", encode_bool(value), now)

    def all(self, now: int, **chunk: Any) -> None:
        self.map(now)
        self.odom(now)
        self.chunk(now, **chunk)

    def tick(self, now: int) -> Any:
        outs = list(self.node.on_tick(now))
        assert [out.topic for out in outs][:2] == ["cmd_vel", "verdict"]
        command, verdict = decode_command(outs[0].cdr), decode_verdict(outs[1].cdr)
        assert command.stamp_ns == verdict.stamp_ns == now
        assert command.values[[0, 5]].tolist() == verdict.granted.tolist()
        self.outs = outs
        return verdict

    def diagnosis(self) -> Any:
        (status,) = convert.decode("diagnostics", self.outs[2].cdr).status
        return status, {kv.key: kv.value for kv in status.values}


def check_node_stale_to_the_nanosecond(m: Modules) -> None:
    stale = {"chunk": 300 * MS, "local_map": 400 * MS, "odom": 200 * MS}
    for name, limit in stale.items():
        for age, decision in ((limit, LIMITED), (limit + 1, STOP)):
            rig = Rig(m)
            feed = {"chunk": rig.chunk, "local_map": rig.map, "odom": rig.odom}
            for other in feed:
                feed[other](NOW, NOW - (age if other == name else 0))
            verdict = rig.tick(NOW)
            assert verdict.decision is decision, (name, age, verdict.reason)
            if decision is STOP:
                assert verdict.reason == f"{name} frozen ({limit / MS:.0f} ms)"  # heard now, though old
    rig = Rig(m, required={"chunk": 0.3, "operator_stop": 0.5})
    rig.chunk(NOW)
    assert rig.tick(NOW).reason == "operator_stop missing"
    rig.stop(NOW, False)
    assert rig.tick(NOW).decision is LIMITED
    rig.chunk(NOW + 500 * MS)
    assert rig.tick(NOW + 500 * MS).decision is LIMITED
    assert "operator_stop" in rig.tick(NOW + 500 * MS + 1).reason


def check_node_ramps_from_the_last_command(m: Modules) -> None:
    rig = Rig(m)
    rig.all(NOW, action=(0.02, 0.0))
    granted = [rig.tick(NOW + k * 10 * MS) for k in range(4)]
    np.testing.assert_allclose([v.granted[0] for v in granted], [0.008, 0.016, 0.02, 0.02])
    assert [v.decision for v in granted] == [LIMITED, LIMITED, PASS, PASS]
    assert (granted[0].plan_id, granted[0].epoch, granted[0].obs_stamp_ns) == (7, 1, NOW)
    rig.stop(NOW + 40 * MS, True)
    assert rig.tick(NOW + 40 * MS).granted.tolist() == [0.0, 0.0]
    rig.stop(NOW + 40 * MS, False)  # two words in one instant: the later holds
    np.testing.assert_allclose(rig.tick(NOW + 50 * MS).granted, [0.008, 0.0])


def check_node_operator_stop_is_latched(m: Modules) -> None:
    rig = Rig(m)
    rig.stop(NOW, True)
    for k in range(5):
        rig.all(NOW + k * SEC // 2)
        assert rig.tick(NOW + k * SEC // 2).reason == "operator stop"
    rig.all(NOW - 60 * SEC)  # nor does a step of the clock lift it
    rig.tick(NOW - 60 * SEC)
    rig.all(NOW - 60 * SEC + 1)
    assert rig.tick(NOW - 60 * SEC + 1).reason == "operator stop"
    rig.stop(NOW - 60 * SEC + 2, False)
    assert rig.tick(NOW - 60 * SEC + 2).decision is LIMITED
    rig.hear("operator_stop", b"\x00\x01", NOW - 60 * SEC + 3)
    assert rig.tick(NOW - 60 * SEC + 3).reason == "operator stop"


def check_node_follows_the_newest_epoch(m: Modules) -> None:
    rig = Rig(m)
    rig.all(NOW, epoch=2, action=(0.008, 0.0))
    rig.chunk(NOW + MS, epoch=1, action=(-0.5, 0.0))
    assert (rig.tick(NOW + MS).granted.tolist(), rig.node._chunk.epoch) == ([0.008, 0.0], 2)
    rig.hear("plan", plan(epoch=3), NOW + 2 * MS)
    assert rig.tick(NOW + 2 * MS).reason == "chunk of epoch 2, but 3 has begun"
    rig.hear("plan", plan(epoch=1), NOW + 3 * MS)
    rig.chunk(NOW + 3 * MS, epoch=2)
    assert rig.tick(NOW + 3 * MS).reason == "chunk of epoch 2, but 3 has begun"
    rig.chunk(NOW + 3 * MS + 1, epoch=3)
    assert rig.tick(NOW + 4 * MS).decision is LIMITED
    # A restarted vla_node begins at 0; it is heard once the old epoch has been silent for as long as a plan lives.
    heard = NOW + 3 * MS + 1
    for k in range(1, 26):
        rig.tick(heard + k * 400 * MS)
    for now, decision in ((heard + 10 * SEC, STOP), (heard + 10 * SEC + 1, LIMITED)):
        rig.all(now, epoch=0)
        assert rig.tick(now).decision is decision, decision


def check_node_begins_at_epoch_zero(m: Modules) -> None:
    rig = Rig(m)
    rig.all(5 * MS, epoch=0)
    assert rig.tick(5 * MS).decision is LIMITED


def check_node_second_thoughts_on_one_picture(m: Modules) -> None:
    rig = Rig(m)
    rig.all(NOW, action=(0.002, 0.0))
    rig.chunk(NOW + 50 * MS, stamp=NOW, action=(0.003, 0.0))
    assert rig.tick(NOW + 50 * MS).granted[0] == 0.003
    rig.chunk(NOW + 51 * MS, stamp=NOW - 1, action=(0.004, 0.0))
    assert rig.tick(NOW + 51 * MS).granted[0] == 0.003
    rig.chunk(NOW + 52 * MS, stamp=NOW - SEC - 1, action=(0.004, 0.0))  # its clock went back: forget, wait for the next
    assert rig.tick(NOW + 52 * MS).reason == "chunk missing"


def check_node_clock_steps(m: Modules) -> None:
    for step, decision in ((500 * MS, LIMITED), (500 * MS + 1, STOP), (0, LIMITED), (-1, STOP), (-3600 * SEC, STOP)):
        rig = Rig(m)
        rig.all(NOW)
        rig.tick(NOW)
        rig.all(NOW + step)
        if -SEC < step <= 0:  # older than what is known, so not taken: what was known is from the future now
            assert rig.node._inbox.get("odom", NOW).fresh
        verdict = rig.tick(NOW + step)
        assert verdict.decision is decision, (step, verdict.reason)
        if decision is STOP:
            assert verdict.reason.startswith(f"clock stepped {step / SEC:+.3f} s; chunk missing; local_map missing")
            assert rig.tick(NOW + step + 10 * MS).reason == "chunk missing; local_map missing; odom missing"
            rig.all(NOW + step + 20 * MS)
            assert rig.tick(NOW + step + 20 * MS).decision is LIMITED


def check_node_epoch_after_a_clock_step(m: Modules) -> None:
    rig = Rig(m)
    rig.all(NOW, epoch=4)
    rig.tick(NOW)
    rig.tick(NOW + 60 * SEC)
    rig.all(NOW + 60 * SEC, epoch=3)
    assert "4 has begun" in rig.node._ignored["chunk"]


def check_node_grid(m: Modules) -> None:
    rig = Rig(m)
    assert rig.node.next_ns(NOW) == rig.node.next_ns(NOW + 9 * MS) == NOW + 10 * MS
    assert rig.node.next_ns(NOW + 500 * MS) == NOW + 10 * MS  # late: due, not moved
    rig.tick(NOW + 500 * MS)
    assert rig.node.next_ns(NOW + 500 * MS) == NOW + 510 * MS
    assert rig.node.next_ns(NOW + 499 * MS) == NOW + 500 * MS  # the clock went back: the grid follows
    assert rig.node.next_ns(NOW - 3600 * SEC) == NOW - 3600 * SEC + 10 * MS


def check_node_malformed_messages(m: Modules) -> None:
    rig = Rig(m)
    rig.all(NOW)
    for name in ("chunk", "local_map", "odom", "plan"):
        rig.hear(name, b"\x00\x01\x00\x00junk", NOW + 250 * MS)
    verdict = rig.tick(NOW + 250 * MS)
    assert verdict.reason == "odom stale (250 ms)"
    status, values = rig.diagnosis()
    assert status.message == verdict.reason
    assert status.level == 3
    assert {f"{name} ignored" for name in ("chunk", "local_map", "odom", "plan")} <= set(values)
    assert "LocalMap" in values["local_map ignored"]


def check_node_diagnostics(m: Modules) -> None:
    rig = Rig(m)
    rig.tick(NOW)
    assert rig.diagnosis()[0].message == "chunk missing; local_map missing; odom missing"
    assert rig.diagnosis()[0].level == 3
    rig.tick(NOW + 10 * MS)
    assert len(rig.outs) == 2
    rig.all(NOW + 20 * MS)
    rig.odom(NOW + 20 * MS, NOW + 5 * MS)  # older than the newest
    rig.map(NOW + 20 * MS)
    rig.tick(NOW + 20 * MS)
    status, values = rig.diagnosis()
    assert (status.name, status.message, status.level) == ("safety_node/gate", "rate of vx", 0)
    assert values == {
        "age ms": "0", "expected Hz": "100", "chunk age ms": "0", "local_map age ms": "0", "odom age ms": "0",
        "dropped": "0", "local_map duplicate stamp": "1", "odom older than the newest": "1",
    }  # fmt: skip
    sent = []
    for k in range(3, 250):
        rig.all(NOW + k * 10 * MS, action=(0.001, 0.0))
        rig.tick(NOW + k * 10 * MS)
        sent += [k] * (len(rig.outs) - 2)
        assert len(rig.outs) == 2 or rig.diagnosis()[0].message == "passing"
    assert sent == [102, 202]
    rig.stop(NOW + 2500 * MS, True)
    rig.odom(NOW + 2500 * MS, NOW + 2497 * MS)
    rig.tick(NOW + 2500 * MS)
    status, values = rig.diagnosis()
    assert (status.message, status.level) == ("operator stop", 1)
    assert (values["rate Hz"], values["odom age ms"], values["dropped"]) == ("100.0", "3", "0")
    rig.tick(NOW + 2500 * MS - 1)  # time stands no longer where the last one was said
    assert len(rig.outs) == 3


def check_node_says_that_it_ticks_too_slowly(m: Modules) -> None:
    rig = Rig(m)
    for k in range(40):
        now = NOW + k * 30 * MS
        rig.node.next_ns(now - 10 * MS)
        rig.all(now, action=(0.001, 0.0))
        rig.tick(now)
        if len(rig.outs) == 3:
            status, values = rig.diagnosis()
    assert (status.level, status.message) == (1, "verdict comes at 33.3 Hz; expected 100 Hz")
    assert int(values["dropped"]) > 50
    assert "gate p99 ms" not in values
    rig.node.stages.live = True
    rig.stop(now + 10 * MS, True)
    rig.tick(now + 10 * MS)
    status, values = rig.diagnosis()
    assert {f"{stage} p{p} ms" for stage in ("gate", "encode") for p in (50, 95, 99)} <= set(values)


def check_node_diagnostics_keep_no_command_waiting(m: Modules) -> None:
    rig, asked = Rig(m), []
    diagnostics = rig.node._diagnostics
    rig.node._diagnostics = lambda verdict: asked.append(verdict) or diagnostics(verdict)
    outs = iter(rig.node.on_tick(NOW))
    assert [next(outs).topic, next(outs).topic] == ["cmd_vel", "verdict"]
    assert not asked
    assert next(outs).topic == "diagnostics"
    assert len(asked) == 1


def check_node_last_words(m: Modules) -> None:
    rig = Rig(m)
    _, verdict = rig.node.close()
    assert (decode_verdict(verdict.cdr).reason, decode_verdict(verdict.cdr).stamp_ns) == ("shut down", 0)
    rig = Rig(m)
    rig.all(NOW)
    rig.tick(NOW)
    command, verdict, diagnostics = rig.node.close()
    assert (command.topic, verdict.topic, diagnostics.topic) == ("cmd_vel", "verdict", "diagnostics")
    last = decode_verdict(verdict.cdr)
    assert (last.reason, last.decision, last.stamp_ns, last.ratio) == ("shut down", STOP, NOW, 0.0)
    assert last.granted.tolist() == [0.0, 0.0]
    assert np.isnan(last.requested).all()
    assert math.isnan(last.clearance_m)
    assert (last.obs_stamp_ns, last.plan_id, last.epoch) == (0, 0, 0)
    assert not decode_command(command.cdr).values.any()


def check_node_names_and_stages(m: Modules) -> None:
    rig = Rig(m)
    assert rig.node.name == "safety_node"
    assert rig.node.reads == {"chunk", "local_map", "odom", "operator_stop", "plan"}
    assert rig.node.writes == {"cmd_vel", "verdict", "diagnostics"}
    for k in range(3):
        rig.tick(NOW + k * 10 * MS)
        assert [stage for stage, _, _ in rig.node.stages.frame] == ["gate", "encode"]
