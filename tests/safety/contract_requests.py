"""Contract of the gate: what becomes of a request on free ground, and what stops the robot whatever is requested."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from contract_base import LIMITED, NOW, PASS, ROUGH, STOP, Modules, decide, open_field, state
from safety_scene import chunk_of, fresh, inputs_of

from saccade.clock import MS
from saccade.inbox import Freshness, Reading
from saccade.types import ActionChunk


def check_what_is_within_limits_passes_unchanged(m: Modules) -> None:
    grid = open_field(stamp=NOW - 90 * MS)
    for action in ((0.5, 0.3), (-0.5, -0.3), (0.0, 0.0), (0.3, 0.0), (0.0, -1.0)):
        verdict = decide(m, action, action, grid=grid)
        assert verdict.decision is PASS
        assert verdict.ratio == 1.0
        assert verdict.granted.tolist() == list(action)
        assert verdict.requested.tolist() == list(action)
        assert verdict.clearance_m == 3.0 - 0.25
        assert (verdict.stamp_ns, verdict.obs_stamp_ns, verdict.plan_id, verdict.epoch) == (NOW, NOW - 90 * MS, 7, 1)


def check_speed_limits(m: Modules) -> None:
    for i, axis in enumerate(("vx", "wz")):
        for sign in (1.0, -1.0):
            top = np.array([0.8, 1.5])[i] * sign
            for factor, limited in ((1 - 1e-9, False), (1.0, False), (1 + 1e-9, True), (2.0, True), (1e300, True)):
                action = np.array([0.2, 0.2])
                action[i] = top * factor
                ratio = 1.0 / factor if limited else 1.0
                verdict = decide(m, action, action * ratio)
                assert verdict.decision is (LIMITED if limited else PASS)
                assert verdict.reason == (f"speed of {axis}" if limited else "")
                assert math.isclose(verdict.ratio, ratio, rel_tol=1e-12)
                np.testing.assert_allclose(verdict.granted, action * ratio, rtol=1e-12)


def check_rates_from_the_last_command(m: Modules) -> None:
    limits = m.limits.Limits(**ROUGH)
    for i, axis in enumerate(limits.axes):
        speed_up, slow_down = limits.max_accel[i] * 0.01, limits.max_brake[i] * 0.01
        cases = [  # from, to, allowed change
            (0.0, 0.5, speed_up), (0.3, 0.5, speed_up), (0.3, 0.0, slow_down), (0.3, 0.1, slow_down),
            (0.3, -0.5, slow_down), (speed_up / 2, -0.5, speed_up / 2 + speed_up), (slow_down, -0.5, slow_down),
        ]  # fmt: skip
        for sign in (1.0, -1.0):
            for start, end, change in cases:
                last, action = np.zeros(2), np.zeros(2)
                last[i], action[i] = start * sign, end * sign
                verdict = decide(m, action, last)
                assert (verdict.decision, verdict.reason) == (LIMITED, f"rate of {axis}"), (start, end)
                assert verdict.ratio == 1.0
                expected = last[i] + math.copysign(change, action[i] - last[i])
                assert math.isclose(verdict.granted[i], expected, abs_tol=1e-12), (start, end, verdict.granted)
                assert verdict.granted[1 - i] == 0.0
                for epsilon, decision in ((-1e-9, PASS), (1e-9, LIMITED)):
                    action[i] = expected + epsilon * np.sign(expected - last[i])
                    verdict = decide(m, action, last)
                    assert verdict.decision is decision, (start, end, epsilon)


def check_a_weak_brake_does_not_weaken_the_start(m: Modules) -> None:
    limits = m.limits.Limits(**{**ROUGH, "max_brake": (0.25, 0.75)})
    verdict = decide(m, (0.5, 0.0), (0.0, 0.0), limits=limits)
    assert math.isclose(verdict.granted[0], 0.005)
    verdict = decide(m, (-0.5, 0.0), (0.001, 0.0), limits=limits)
    assert math.isclose(verdict.granted[0], -0.0015)


def check_rates_hold_one_direction(m: Modules) -> None:
    """All axes go the same share of the way, so that an arc stays that arc."""
    last, action = np.array([0.2, -0.1]), np.array([0.6, 0.7])
    verdict = decide(m, action, last)
    np.testing.assert_allclose((verdict.granted - last) / (action - last), [0.0125, 0.0125])
    assert verdict.reason == "rate of vx"
    last, action = np.array([0.2, -1.0]), np.array([0.21, 1.0])
    verdict = decide(m, action, last)
    np.testing.assert_allclose((verdict.granted - last) / (action - last), [0.015, 0.015])
    assert verdict.reason == "rate of wz"


def check_speed_and_rate_together(m: Modules) -> None:
    verdict = decide(m, (1.6, 0.4), (0.0, 0.0))
    assert verdict.decision is LIMITED
    assert verdict.reason == "speed of vx; rate of vx"
    assert verdict.ratio == 0.5
    np.testing.assert_allclose(verdict.granted, [0.005, 0.00125])


def stopped(verdict: Any, *words: str) -> None:
    assert verdict.decision is STOP, verdict
    assert math.isnan(verdict.clearance_m)
    for word in words:
        assert word in verdict.reason, f"{verdict.reason!r} lacks {word!r}"


def check_not_finite_stops(m: Modules) -> None:
    ok = np.array([0.1, 0.1])
    for bad in (math.nan, math.inf, -math.inf):
        for i in range(2):
            action = ok.copy()
            action[i] = bad
            verdict = decide(m, action, ok)
            stopped(verdict, "chunk not finite")
            assert math.isnan(verdict.requested[i])
            assert verdict.requested[1 - i] == 0.1
        chunk = chunk_of(ok, NOW)
        chunk.actions[9, 1] = bad  # a number not yet due condemns the whole answer
        stopped(decide(m, ok, ok, chunk=chunk), "chunk not finite")
        for i in range(6):
            odom = state()
            odom.twist[i] = bad
            stopped(decide(m, ok, ok, odom), "odom not finite")
        for i in range(3):
            odom = state()
            odom.T_odom_from_body.t[i] = bad
            stopped(decide(m, ok, ok, odom), "odom not finite")
        odom = state()
        odom.T_odom_from_body.R[1, 0] = bad
        stopped(decide(m, ok, ok, odom), "odom not finite")
        for change in ({"origin_m": (bad, 0.0)}, {"origin_m": (0.0, bad)}, {"resolution_m": bad}):
            stopped(decide(m, ok, ok, grid=dataclasses.replace(open_field(), **change)), "local_map not finite")
        stopped(decide(m, ok, np.array([bad, 0.0])), "last command")
        stopped(decide(m, ok, np.array([0.0, bad])), "last command")
    odom, action = state(vx=math.nan), np.array([math.inf, 0.0])
    stopped(decide(m, action, ok, odom), "chunk, odom not finite")


def readings(**changes: Freshness) -> dict[str, Reading]:
    base = inputs_of((0.1, 0.1), NOW, (0.1, 0.1), state(), open_field()).readings
    return {
        name: dataclasses.replace(
            r, state=changes.get(name, Freshness.FRESH), age_ns=345 * MS if name in changes else 0
        )
        for name, r in base.items()
    }


def check_inputs_that_are_not_fresh_stop(m: Modules) -> None:
    ok = (0.1, 0.1)
    for name in ("chunk", "local_map", "odom"):
        for bad in (Freshness.STALE, Freshness.FROZEN, Freshness.FUTURE, Freshness.MISSING):
            changed = readings(**{name: bad})
            verdict = decide(m, ok, ok, readings=changed)
            stopped(verdict, changed[name].why(), name, bad.value)
            assert verdict.reason == changed[name].why()
    both = readings(chunk=Freshness.STALE, odom=Freshness.MISSING)
    assert decide(m, ok, ok, readings=both).reason == "chunk stale (345 ms); odom missing"
    missing = {name: Reading(name, None, 0, 0, Freshness.MISSING) for name in both}
    verdict = decide(m, ok, ok, readings=missing, chunk=None)
    stopped(verdict, "chunk missing", "local_map missing", "odom missing")
    assert np.isnan(verdict.requested).all()
    assert (verdict.obs_stamp_ns, verdict.plan_id, verdict.epoch) == (0, 0, 0)
    assert decide(m, ok, ok, readings=readings()).decision is PASS


def check_only_what_is_required_is_looked_at(m: Modules) -> None:
    limits = m.limits.Limits(required={"chunk": 0.3}, **ROUGH)
    chunk = chunk_of((0.1, 0.1), NOW)
    only = {"chunk": fresh("chunk", chunk, chunk.obs_stamp_ns, NOW)}
    verdict = decide(m, (0.1, 0.1), (0.1, 0.1), limits=limits, readings=only)
    assert verdict.decision is PASS
    assert math.isnan(verdict.clearance_m)
    assert verdict.ratio == 1.0
    assert verdict.obs_stamp_ns == chunk.obs_stamp_ns
    lost = readings(local_map=Freshness.MISSING, odom=Freshness.MISSING)
    assert decide(m, (0.1, 0.1), (0.1, 0.1), state(vx=math.nan), limits=limits, readings=lost).decision is PASS
    with_odom = m.limits.Limits(required={"chunk": 0.3, "odom": 0.2}, **ROUGH)
    other = state(frame="map")
    assert decide(m, (0.1, 0.1), (0.1, 0.1), other, limits=with_odom).decision is PASS


def check_operator_fault_and_frames(m: Modules) -> None:
    ok = (0.1, 0.1)
    assert decide(m, ok, ok, operator_stop=True).reason == "operator stop"
    verdict = decide(m, ok, ok, fault="clock stepped")
    stopped(verdict)
    assert verdict.reason == "clock stepped"
    assert verdict.requested.tolist() == [0.1, 0.1]
    assert (
        decide(m, ok, ok, fault="clock", readings=readings(odom=Freshness.STALE)).reason == "clock; odom stale (345 ms)"
    )
    stopped(decide(m, ok, ok, state(frame="map")), "odom in frame 'map' but local_map in 'odom'")


def check_the_order_of_refusals(m: Modules) -> None:
    """Of several reasons the first in the documented order is named."""
    stale = readings(odom=Freshness.STALE)
    broken = {**stale, "odom": dataclasses.replace(stale["odom"], value=state(vx=math.nan))}
    ok, fast = (0.1, 0.1), (9.0, 9.0)
    assert decide(m, ok, fast, readings=broken, operator_stop=True, epoch=5).reason == "odom not finite"
    assert decide(m, ok, fast, readings=stale, operator_stop=True, epoch=5).reason == "odom stale (345 ms)"
    assert decide(m, ok, fast, operator_stop=True, epoch=5).reason == "operator stop"
    assert decide(m, ok, fast, epoch=5).reason == "last command [9.0, 9.0] not within limits"
    assert decide(m, ok, ok, epoch=5).reason == "chunk of epoch 1, but 5 has begun"


def check_the_last_command_within_limits(m: Modules) -> None:
    top = np.array([0.8, 1.5])
    for i in range(2):
        for sign in (1.0, -1.0):
            last = np.zeros(2)
            for factor, decision in ((1.0, PASS), (1 + 1e-9, LIMITED), (1 + 2e-9, STOP), (2.0, STOP)):
                last[i] = top[i] * factor * sign
                assert decide(m, last, last).decision is decision, (i, sign, factor)


def check_epochs(m: Modules) -> None:
    ok = (0.1, 0.1)
    stopped(decide(m, ok, ok, epoch=2), "epoch 1", "2 has begun")
    assert decide(m, ok, ok, epoch=2).requested.tolist() == [0.1, 0.1]
    assert decide(m, ok, ok, epoch=1).decision is PASS
    assert decide(m, ok, ok, epoch=0).decision is PASS


def check_chunks_of_other_robots(m: Modules) -> None:
    ok = (0.1, 0.1)
    for axes in (("wz", "vx"), ("vx", "vy"), ("vx",), ("vx", "wz", "vz")):
        verdict = decide(m, ok, ok, chunk=chunk_of([0.1] * len(axes), NOW, axes=axes))
        stopped(verdict, str(axes), "('vx', 'wz')")
        assert np.isnan(verdict.requested).all()
        assert verdict.requested.shape == (2,)
    odd = ActionChunk(NOW, NOW, MS, ("vx", "wz"), np.zeros((4, 3)), 1, 1)
    stopped(decide(m, ok, ok, chunk=odd), "(3,)")
    verdict = decide(m, ok, ok, chunk=None)
    stopped(verdict)
    assert verdict.reason == "chunk missing"
    assert verdict.plan_id == 0
    assert verdict.epoch == 0


def check_chunk_covers_now(m: Modules) -> None:
    ok = (0.1, 0.1)
    for shift, decision in ((-1, PASS), (0, PASS), (1, STOP), (-500 * MS + 1, PASS), (-500 * MS, STOP)):
        chunk = dataclasses.replace(chunk_of(ok, NOW), t0_ns=NOW + shift)
        assert decide(m, ok, ok, chunk=chunk).decision is decision, shift
    stopped(decide(m, ok, ok, chunk=dataclasses.replace(chunk_of(ok, NOW), t0_ns=NOW + 20 * MS)), "+20 to +520 ms")
    late = decide(m, ok, ok, chunk=dataclasses.replace(chunk_of(ok, NOW), t0_ns=NOW - 540 * MS))
    stopped(late, "-540 to -40 ms")
    assert np.isnan(late.requested).all()
