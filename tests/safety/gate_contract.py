"""What the gate must do, as functions of the modules under test: run on the real ones by test_gate_contract.py and on
every mutant by mutation.py. Deterministic, and fast, because it runs hundreds of times."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from safety_scene import chunk_of, fresh, inputs_of

from saccade.clock import MS, SEC
from saccade.errors import DataError
from saccade.geometry import SE3
from saccade.inbox import Freshness, Reading
from saccade.types import ActionChunk, Decision, LocalMap, RobotState

Modules = SimpleNamespace
NOW = 1_000 * SEC
PASS, LIMITED, STOP = Decision.PASS, Decision.LIMITED, Decision.STOP
ROUGH = {"max_speed": (0.8, 1.5), "max_accel": (0.5, 1.5), "max_brake": (1.0, 3.0), "margin_m": 0.125}
"""Limits whose numbers all differ, with a required clearance, 0.375 m, that floats hold exactly."""


def state(x: float = 0.0, y: float = 0.0, yaw: float = 0.0, vx: float = 0.0, wz: float = 0.0, vy: float = 0.0, **kw: Any):
    twist = np.array([vx, vy, 0.0, 0.0, 0.0, wz])
    return RobotState(kw.get("stamp", NOW), kw.get("frame", "odom"), SE3.from_rpy(0, 0, yaw, (x, y, 0.0)), twist)


def field(clearance: Callable[[Any, Any], Any], stamp: int = NOW, frame: str = "odom", n: int = 81, m: int = 61):
    """A map of n x m cells of 0.1 m whose clearance is a function of x and y; cell centres on whole decimetres."""
    xs, ys = (np.arange(m) - m // 2) * 0.1, (np.arange(n) - n // 2) * 0.1
    X, Y = np.meshgrid(xs, ys)
    clear = (clearance(X, Y) + 0 * X).astype(np.float32)
    origin = (-(m // 2) * 0.1 - 0.05, -(n // 2) * 0.1 - 0.05)
    return LocalMap(stamp, frame, 0.1, origin, np.zeros(clear.shape, np.int8), clear)


def open_field(**kw: Any) -> LocalMap:
    return field(lambda x, y: 3.0, **kw)


def decide(m: Modules, action: Any, last: Any, odom: Any = None, grid: Any = None, limits: Any = None, **changes: Any):
    """One decision of a new gate on fresh inputs, with what every verdict must hold checked on the way."""
    limits = limits or m.limits.Limits(**ROUGH)
    gate = m.gate.Gate(limits)
    inputs = inputs_of(action, NOW, last, odom or state(), grid or open_field(), **changes)
    verdict = gate.decide(inputs, NOW)
    holds(limits, inputs.last, verdict)
    return verdict


def holds(limits: Any, last: Any, verdict: Any) -> None:
    """What is true of every verdict whatever the inputs were."""
    granted, top = verdict.granted, np.array(limits.max_speed)
    assert granted.shape == (len(limits.axes),) and np.isfinite(granted).all()
    assert (np.abs(granted) <= top + 1e-12).all()
    assert not np.signbit(granted[granted == 0]).any()
    assert 0.0 <= verdict.ratio <= 1.0
    assert verdict.axes == limits.axes
    assert (verdict.reason == "") == (verdict.decision is PASS)
    if verdict.decision is STOP:
        assert not granted.any() and verdict.ratio == 0.0
    else:
        grown = np.maximum(np.abs(last), 0.0) + np.array(limits.max_accel) * 0.01
        assert (np.abs(granted) <= grown + 1e-12).all()


# --- limits ---------------------------------------------------------------------------------------------------------


def check_limits_defaults(m: Modules) -> None:
    limits = m.limits.Limits()
    assert limits.axes == ("vx", "wz") and limits.max_speed == (0.8, 1.5)
    assert limits.max_accel == limits.max_brake == (0.8, 2.5)
    assert (limits.radius_m, limits.margin_m, limits.reaction_s, limits.escape_fraction) == (0.25, 0.10, 0.10, 0.2)
    assert limits.required == {"chunk": 0.3, "local_map": 0.4, "odom": 0.2}
    assert limits.stale_ns() == {"chunk": 300 * MS, "local_map": 400 * MS, "odom": 200 * MS}
    assert m.limits.TICK_NS == 10 * MS
    assert list(m.limits.AXES) == ["vx", "vy", "vz", "wx", "wy", "wz"]


def refused(m: Modules, key: str, **fields: Any) -> None:
    try:
        m.limits.Limits(**fields)
    except ValueError as error:
        assert key in str(error), f"{error} does not name {key}"
    else:
        raise AssertionError(f"{fields} was accepted")


def check_limits_refuse_what_is_not_a_limit(m: Modules) -> None:
    tiny, huge = 5e-324, 1.7e308
    for bad in (0.0, -1.0, -tiny, math.nan, math.inf, -math.inf):
        for key in ("max_speed", "max_accel", "max_brake"):
            refused(m, f"{key} of vx", **{key: (bad, 1.0)})
            refused(m, f"{key} of wz", **{key: (1.0, bad)})
        for key in ("radius_m", "margin_m", "reaction_s", "escape_fraction"):
            refused(m, key, **{key: bad})
        for name in ("chunk", "local_map", "odom"):
            refused(m, f"required.{name}", required={"chunk": 0.3, "local_map": 0.4, "odom": 0.2, name: bad})
    m.limits.Limits(max_speed=(tiny, huge), max_accel=(huge, tiny), max_brake=(tiny, tiny), radius_m=tiny, margin_m=huge)
    refused(m, "reaction_s", reaction_s=math.nextafter(0.01, 0.0))
    m.limits.Limits(reaction_s=0.01)
    refused(m, "escape_fraction", escape_fraction=math.nextafter(1.0, 2.0))
    m.limits.Limits(escape_fraction=1.0)
    m.limits.Limits(escape_fraction=tiny)
    refused(m, "required.chunk", required={"chunk": math.nextafter(2.0, 3.0)})
    m.limits.Limits(required={"chunk": 2.0})
    m.limits.Limits(required={"chunk": tiny})


def check_limits_agree_with_each_other(m: Modules) -> None:
    for key in ("max_speed", "max_accel", "max_brake"):
        refused(m, key, **{key: (1.0,)})
        refused(m, key, **{key: (1.0, 1.0, 1.0)})
    three = {key: (1.0, 1.0, 1.0) for key in ("max_speed", "max_accel", "max_brake")}
    refused(m, "axes", axes=(), max_speed=(), max_accel=(), max_brake=())
    refused(m, "axes", axes=("vx", "vx"))
    refused(m, "vx", axes=("vz", "vX"))
    refused(m, "chunk", required={"odom": 0.2})
    refused(m, "odom", required={"chunk": 0.3, "local_map": 0.4})
    refused(m, "operator_stop", required={"chunk": 0.3, "operator_halt": 0.4})
    refused(m, "plan", required={"chunk": 0.3, "plan": 0.4})
    refused(m, "vz", axes=("vx", "vz", "wz"), **three)
    m.limits.Limits(axes=("vx", "vz", "wz"), required={"chunk": 0.3, "odom": 0.2}, **three)
    m.limits.Limits(axes=("vx", "vy", "wz"), **three)
    m.limits.Limits(axes=("vx",), max_speed=(1.0,), max_accel=(1.0,), max_brake=(1.0,))
    m.limits.Limits(required={"chunk": 0.3, "local_map": 0.4, "odom": 0.2, "operator_stop": 0.5})


# --- the gate: requests ---------------------------------------------------------------------------------------------


def check_what_is_within_limits_passes_unchanged(m: Modules) -> None:
    grid = open_field(stamp=NOW - 90 * MS)
    for action in ((0.5, 0.3), (-0.5, -0.3), (0.0, 0.0), (0.3, 0.0), (0.0, -1.0)):
        verdict = decide(m, action, action, grid=grid)
        assert verdict.decision is PASS and verdict.ratio == 1.0
        assert verdict.granted.tolist() == list(action) and verdict.requested.tolist() == list(action)
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
                assert verdict.decision is LIMITED and verdict.reason == f"rate of {axis}", (start, end)
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
    assert verdict.decision is LIMITED and verdict.reason == "speed of vx; rate of vx" and verdict.ratio == 0.5
    np.testing.assert_allclose(verdict.granted, [0.005, 0.00125])


# --- the gate: refusals ---------------------------------------------------------------------------------------------


def stopped(verdict: Any, *words: str) -> None:
    assert verdict.decision is STOP and not verdict.granted.any() and math.isnan(verdict.clearance_m), verdict
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
            assert math.isnan(verdict.requested[i]) and verdict.requested[1 - i] == 0.1
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
        name: dataclasses.replace(r, state=changes.get(name, Freshness.FRESH), age_ns=345 * MS if name in changes else 0)
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
    assert np.isnan(verdict.requested).all() and (verdict.obs_stamp_ns, verdict.plan_id, verdict.epoch) == (0, 0, 0)
    assert decide(m, ok, ok, readings=readings()).decision is PASS


def check_only_what_is_required_is_looked_at(m: Modules) -> None:
    limits = m.limits.Limits(required={"chunk": 0.3}, **ROUGH)
    chunk = chunk_of((0.1, 0.1), NOW)
    only = {"chunk": fresh("chunk", chunk, chunk.obs_stamp_ns, NOW)}
    verdict = decide(m, (0.1, 0.1), (0.1, 0.1), limits=limits, readings=only)
    assert verdict.decision is PASS and math.isnan(verdict.clearance_m) and verdict.ratio == 1.0
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
    assert verdict.reason == "clock stepped" and verdict.requested.tolist() == [0.1, 0.1]
    assert decide(m, ok, ok, fault="clock", readings=readings(odom=Freshness.STALE)).reason == "clock; odom stale (345 ms)"
    stopped(decide(m, ok, ok, state(frame="map")), "'map'", "'odom'")


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
            for factor, decision in ((1.0, PASS), (1 + 5e-10, LIMITED), (1 + 2e-9, STOP), (2.0, STOP)):
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
        assert np.isnan(verdict.requested).all() and verdict.requested.shape == (2,)
    odd = ActionChunk(NOW, NOW, MS, ("vx", "wz"), np.zeros((4, 3)), 1, 1)
    stopped(decide(m, ok, ok, chunk=odd), "(3,)")
    verdict = decide(m, ok, ok, chunk=None)
    stopped(verdict, "chunk missing")
    assert verdict.plan_id == 0 and verdict.epoch == 0


def check_chunk_covers_now(m: Modules) -> None:
    ok = (0.1, 0.1)
    for shift, decision in ((-1, PASS), (0, PASS), (1, STOP), (-500 * MS + 1, PASS), (-500 * MS, STOP)):
        chunk = dataclasses.replace(chunk_of(ok, NOW), t0_ns=NOW + shift)
        assert decide(m, ok, ok, chunk=chunk).decision is decision, shift
    stopped(decide(m, ok, ok, chunk=dataclasses.replace(chunk_of(ok, NOW), t0_ns=NOW + 20 * MS)), "+20 to +520 ms")
    late = decide(m, ok, ok, chunk=dataclasses.replace(chunk_of(ok, NOW), t0_ns=NOW - 540 * MS))
    stopped(late, "-540 to -40 ms")
    assert np.isnan(late.requested).all()


# --- the gate: clearance --------------------------------------------------------------------------------------------


def wall(at_x: float, **kw: Any) -> LocalMap:
    """A wall across the way: clearance falls by a metre a metre, as float32 and bilinear interpolation hold it."""
    return field(lambda x, y: np.maximum(at_x - x, 0.0), **kw)


def check_clearance_scales_to_the_last_safe_ratio(m: Modules) -> None:
    """Straight at a wall: what is granted keeps the required clearance, and a sixteenth more would not."""
    limits = m.limits.Limits(**ROUGH)
    for v, odom_age, map_age in ((0.8, 0, 0), (0.5, 40, 200), (0.3, 15, 90)):
        odom = state(vx=v, stamp=NOW - odom_age * MS)
        hold = 0.11 + (odom_age + map_age) / 1e3
        for room in np.linspace(-0.05, v * hold + v * v / 2 + 0.1, 12):
            grid = wall(0.375 + room, stamp=NOW - map_age * MS)
            verdict = decide(m, (v, 0.0), (v, 0.0), odom, grid, limits)
            ratios = verdict.granted[0] / v
            travelled = [travel(v, v * r, 0.1 + odom_age / 1e3, hold, 1.0) for r in (ratios, ratios + 1 / 16)]
            if verdict.decision is PASS:
                assert travelled[0] <= room + 1e-3
            elif room < travel(v, 0.0, 0.1 + odom_age / 1e3, hold, 1.0) - 1e-3:
                assert ratios <= 0.2 * 0.8 / v + 1e-12  # not even a stop keeps the margin: no more than the escape speed
            else:
                assert travelled[0] <= room + 1e-3, (v, room)
                assert travelled[1] >= room - 0.02, (v, room)
                assert verdict.decision is (STOP if ratios == 0 else LIMITED)
                assert math.isclose(verdict.ratio, ratios, abs_tol=1e-12)
                assert verdict.reason.startswith("clearance "), (v,room)
                assert "inside" not in verdict.reason
            assert math.isclose(verdict.clearance_m, 0.375 + room - 0.25 - travelled[0], abs_tol=3e-3) or room < 0.1


def travel(start: float, command: float, lag: float, hold: float, brake: float) -> float:
    """Metres to standstill on a straight line, by small steps: the model in words of the documentation."""
    dt, t, v, x = 1e-4, 0.0, start, 0.0
    while t < hold or v > 0:
        if t >= hold:
            v = max(0.0, v - brake * dt)
        elif command >= v:
            v = command
        elif t >= lag:
            v = max(command, v - brake * dt)
        x, t = x + v * dt, t + dt
    return x


def check_required_clearance_is_exact(m: Modules) -> None:
    """On a map of one clearance everywhere, 0.375 m is enough and the next smaller number is not."""
    below = float(np.nextafter(np.float32(0.375), np.float32(0)))
    action = (0.0, 1.0)
    verdict = decide(m, action, action, grid=field(lambda x, y: 0.375))
    assert verdict.decision is PASS and verdict.clearance_m == 0.125
    verdict = decide(m, action, action, grid=field(lambda x, y: below))
    assert verdict.decision is LIMITED and "inside the margin" in verdict.reason
    np.testing.assert_allclose(verdict.granted, [0.0, 0.3])
    assert math.isclose(verdict.ratio, 0.3)
    slow = (0.16, 0.2)
    verdict = decide(m, slow, slow, grid=field(lambda x, y: below))
    assert verdict.decision is PASS and verdict.granted.tolist() == list(slow)


def check_leaving_a_tight_place(m: Modules) -> None:
    """Inside the margin: away and along, slowly; towards not at all; and on unknown ground only turning."""
    tight = wall(0.2)
    for action, granted in (((-0.8, 0.0), -0.16), ((-0.1, 0.0), -0.1)):
        verdict = decide(m, action, action, state(), tight)
        assert math.isclose(verdict.granted[0], granted), verdict
    verdict = decide(m, (0.4, 0.0), (0.4, 0.0), state(), tight)
    assert verdict.decision is STOP and verdict.reason.startswith("clearance -0.05 m inside the margin")
    verdict = decide(m, (0.0, 1.5), (0.0, 1.5), state(), tight)
    np.testing.assert_allclose(verdict.granted, [0.0, 0.3])
    verdict = decide(m, (0.8, 0.0), (0.8, 0.0), state(yaw=math.pi / 2), tight)
    assert math.isclose(verdict.granted[0], 0.16)
    verdict = decide(m, (0.0, 0.0), (0.0, 0.0), state(), tight)
    assert verdict.decision is PASS and math.isclose(verdict.clearance_m, -0.05, abs_tol=1e-6)
    unknown = field(lambda x, y: 0.0)
    assert decide(m, (-0.1, 0.0), (-0.1, 0.0), state(), unknown).decision is STOP
    assert decide(m, (1e-3, 0.2), (1e-3, 0.2), state(), unknown).decision is STOP
    verdict = decide(m, (0.0, 0.2), (0.0, 0.2), state(), unknown)
    assert verdict.decision is PASS and verdict.granted.tolist() == [0.0, 0.2]
    barely = field(lambda x, y: 1e-6)
    assert decide(m, (0.1, 0.0), (0.1, 0.0), state(), barely).decision is PASS


def check_a_stop_that_comes_too_late_is_still_a_stop(m: Modules) -> None:
    """A robot that runs into the margin may turn or back off meanwhile, but not go on, however slowly."""
    for v in (0.8, 0.16, 0.02):
        odom, grid = state(vx=v), wall(0.375 + v * 0.1 + v * v / 2 - 1e-3)
        for action in ((v, 0.0), (v / 100, 0.0), (v, 1.0)):
            assert decide(m, action, action, odom, grid).decision is STOP, (v, action)
        assert decide(m, (0.0, 0.3), (0.0, 0.3), odom, grid).granted.tolist() == [0.0, 0.3]
        assert decide(m, (-0.1, 0.0), (-0.1, 0.0), odom, grid).granted.tolist() == [-0.1, 0.0]


# --- motion ---------------------------------------------------------------------------------------------------------


def reference(command: Any, twist: Any, pose: Any, lag: float, hold: float, brake: Any) -> list[tuple[float, float]]:
    """Positions every 0.2 ms of the documented model for vx, vy, wz: small steps, no formulas."""
    dt, t = 2e-4, 0.0
    v, (x, y, yaw), out = list(twist), pose, []
    while t < hold or any(v):
        for i in range(3):
            if t >= hold:
                target, rate = 0.0, brake[i]
            elif abs(command[i]) >= abs(v[i]) and command[i] * v[i] >= 0 and abs(command[i]) >= abs(twist[i]):
                target, rate = command[i], math.inf
            else:
                target, rate = (command[i], brake[i]) if t >= lag else (v[i], 0.0)
            change = min(abs(target - v[i]), rate * dt)
            v[i] += math.copysign(change, target - v[i])
        yaw += v[2] * dt / 2
        x += (v[0] * math.cos(yaw) - v[1] * math.sin(yaw)) * dt
        y += (v[0] * math.sin(yaw) + v[1] * math.cos(yaw)) * dt
        yaw, t = yaw + v[2] * dt / 2, t + dt
        out.append((x, y))
    return out


def check_predicted_motion(m: Modules) -> None:
    """Least clearance on two tilted planes, whose value tells where the path went, against the reference."""
    limits = m.limits.Limits(
        axes=("vx", "vy", "wz"), max_speed=(1.0, 1.0, 2.0), max_accel=(1.0, 1.0, 2.0), max_brake=(0.7, 1.3, 2.1)
    )
    motion = m.motion.Motion(limits)
    planes = [field(lambda x, y, a=a, b=b: 3.0 + a * x + b * y) for a, b in ((0.7, 0.2), (-0.5, 0.6), (-0.4, -0.7))]
    cases = [  # command, twist, pose, odometry's age, map's age
        ((0.6, 0.0, 0.8), (0.0, 0.0, 0.0), (0.1, -0.2, 0.7), 20, 150),
        ((0.2, 0.1, -0.5), (0.7, -0.2, 0.9), (0.3, 0.1, -2.0), 0, 300),
        ((-0.5, 0.3, 0.0), (0.6, 0.4, -1.0), (-0.4, 0.2, 1.4), 60, 0),
        ((0.0, 0.0, 0.0), (-0.6, 0.5, 1.5), (0.0, 0.0, 0.0), 10, 100),
        ((0.4, -0.5, 1.5), (0.4, -0.5, 1.5), (0.2, 0.3, 3.0), -30, -40),
    ]
    for command, twist, pose, odom_age, map_age in cases:
        odom = state(*pose, twist[0], twist[2], twist[1], stamp=NOW - odom_age * MS)
        lag = 0.1 + max(0, odom_age) / 1e3
        path = np.array(reference(command, twist, pose, lag, lag + 0.01 + max(0, map_age) / 1e3, limits.max_brake))
        for plane, (a, b) in zip(planes, ((0.7, 0.2), (-0.5, 0.6), (-0.4, -0.7)), strict=True):
            expected = (3.0 + a * path[:, 0] + b * path[:, 1]).min()
            grid = dataclasses.replace(plane, stamp_ns=NOW - map_age * MS)
            near = motion.nearest(
                np.array([command, (0.0, 0.0, 0.0)]), fresh("odom", odom, odom.stamp_ns, NOW),
                fresh("local_map", grid, grid.stamp_ns, NOW),
            )  # fmt: skip
            assert near.shape == (2,) and abs(near[0] - expected) < 0.012, (command, near[0], expected)


def check_translation(m: Modules) -> None:
    motion = m.motion.Motion(m.limits.Limits(**ROUGH))
    assert [motion.translates(np.array(c)) for c in ((0.0, 1.0), (1e-9, 0.0), (-1.0, 1.0), (0.0, 0.0))] == [
        False, True, True, False,
    ]  # fmt: skip


def check_clearance_between_cells(m: Modules) -> None:
    grid = LocalMap(0, "odom", 0.5, (1.0, -2.0), np.zeros((3, 4), np.int8), np.arange(12, dtype=np.float32).reshape(3, 4))

    def at(x: float, y: float) -> float:
        return float(m.motion.clearance_at(grid, np.array([[x + 1j * y]]))[0, 0])

    grid.clearance_m[:] += 1.0
    assert at(1.25, -1.75) == 1.0 and at(1.75, -1.75) == 2.0 and at(1.25, -1.25) == 5.0
    assert at(1.5, -1.75) == 1.5 and at(1.25, -1.5) == 3.0 and math.isclose(at(1.375, -1.625), 2.25)
    assert math.isclose(at(2.7499, -0.7501), 12.0, abs_tol=1e-2)
    for x, y in ((1.2499, -1.5), (1.5, -1.7501), (2.75, -1.5), (1.5, -0.75), (-9.0, 0.0), (1e300, 0.0), (1.5, math.nan)):
        assert at(x, y) == 0.0, (x, y)
    grid.clearance_m[1, 1] = np.nan
    assert at(1.5, -1.5) == at(2.0, -1.0) == 0.0 and at(2.5, -1.5) > 0
    grid.clearance_m[:] = np.inf
    assert at(1.6, -1.6) == 1e3
    grid.clearance_m[:] = -1.0
    assert at(1.6, -1.6) == 0.0
    for shape in ((0, 0), (1, 5), (5, 1)):
        empty = LocalMap(0, "odom", 0.5, (0.0, 0.0), np.zeros(shape, np.int8), np.ones(shape, np.float32))
        assert m.motion.clearance_at(empty, np.array([[0.3 + 0.3j]])).tolist() == [[0.0]]
    smallest = LocalMap(0, "odom", 1.0, (0.0, 0.0), np.zeros((2, 2), np.int8), np.ones((2, 2), np.float32))
    assert m.motion.clearance_at(smallest, np.array([[1.0 + 1.0j]])).tolist() == [[1.0]]
