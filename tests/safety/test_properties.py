"""What holds of every verdict, whatever the numbers are."""

import dataclasses
import math

import numpy as np
from contract_base import NOW, field, holds, state
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from safety_scene import chunk_of, fresh, inputs_of

from saccade.inbox import Freshness
from saccade.types import Decision
from safety_node.gate import Gate
from safety_node.limits import Limits

LIMITS = Limits(max_accel=(0.5, 1.5), max_brake=(1.0, 3.0))
GATE = Gate(LIMITS)
MAX, ACCEL, BRAKE = (np.array(values) for values in (LIMITS.max_speed, (0.005, 0.015), (0.01, 0.03)))
any_float = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 1e-320, 1e300, math.nan, math.inf, -math.inf]))
pair = st.tuples(any_float, any_float)
request = st.tuples(st.floats(-2, 2), st.floats(-4, 4))
within = st.tuples(st.floats(-0.8, 0.8), st.floats(-1.5, 1.5))
age_ns = st.integers(-(2**40), 2**40)


@given(
    action=pair, last=pair, position=pair, yaw=any_float, twist=st.lists(any_float, min_size=6, max_size=6),
    origin=pair, resolution=any_float, cells=st.lists(any_float, min_size=4, max_size=4),
    ages=st.tuples(age_ns, age_ns),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_any_numbers_at_all(action, last, position, yaw, twist, origin, resolution, cells, ages) -> None:
    """NaN, infinities, the largest and the smallest in every place: finite, within limits, or zero."""
    odom = state()
    odom.T_odom_from_body.t[:2] = position
    odom.T_odom_from_body.R[:2, 0] = math.cos(yaw) if math.isfinite(yaw) else yaw, 0.1
    odom.twist[:] = twist
    with np.errstate(all="ignore"):
        grid = dataclasses.replace(field(lambda x, y: 3.0), origin_m=origin, resolution_m=resolution)
        grid.clearance_m[30:32, 24:26] = np.reshape(cells, (2, 2))
    inputs = inputs_of(action, NOW, last, odom, grid)
    readings = {**inputs.readings, "odom": fresh("odom", odom, NOW - ages[0], NOW)}
    readings["local_map"] = fresh("local_map", grid, NOW - ages[1], NOW)
    verdict = GATE.decide(dataclasses.replace(inputs, readings=readings), NOW)
    holds(LIMITS, np.zeros(2) if verdict.decision is Decision.STOP else inputs.last, verdict)


@given(action=request, last=within)
@settings(deadline=None)
def test_open_ground_one_ratio_and_one_direction(action, last) -> None:
    """Requested, scaled by one ratio, gives the target; granted is on the straight line from the last command to it."""
    verdict = GATE.decide(inputs_of(action, NOW, last, state(), field(lambda x, y: 9.0)), NOW)
    action, last = np.array(action), np.array(last)
    ratio = min(1.0, *(MAX / np.maximum(np.abs(action), 1e-300)))
    assert math.isclose(verdict.ratio, ratio, rel_tol=1e-9)
    way, gone = action * ratio - last, verdict.granted - last
    assert abs(way[0] * gone[1] - way[1] * gone[0]) <= 1e-12
    assert gone @ way >= -1e-12
    assert (np.abs(gone) <= np.abs(way) + 1e-12).all()
    faster = (np.abs(verdict.granted) > np.abs(last)) & (verdict.granted * last >= 0)
    assert (np.abs(gone)[faster] <= ACCEL[faster] + 1e-12).all()
    assert (np.abs(gone) <= np.maximum(ACCEL, BRAKE) + 1e-12).all()


@given(last=within)
@settings(max_examples=20, deadline=None)
def test_zero_is_reached_within_the_braking_limit(last) -> None:
    """Asked for zero from any command, the ramp arrives, and as fast as the weakest axis may brake."""
    command, ticks = np.array(last), 0
    expected = math.ceil(max(np.abs(command) / BRAKE) - 1e-9)
    while command.any():
        command = GATE.decide(inputs_of((0.0, 0.0), NOW, command, state(), field(lambda x, y: 9.0)), NOW).granted
        ticks += 1
        assert ticks <= expected + 1
    assert ticks >= expected


@given(
    action=request,
    last=within,
    pose=st.tuples(st.floats(-2, 2), st.floats(-2, 2), st.floats(-4, 4)),
    wall=st.floats(-3, 3),
)
@settings(deadline=None)
def test_near_obstacles_one_ratio(action, last, pose, wall) -> None:
    """Clearance takes nothing but one ratio from what speed and rates allow."""
    odom = state(*pose, vx=last[0], wz=last[1])
    free = GATE.decide(inputs_of(action, NOW, last, odom, field(lambda x, y: 9.0)), NOW)
    near = GATE.decide(inputs_of(action, NOW, last, odom, field(lambda x, y: np.abs(x - wall))), NOW)
    assume(free.granted.any())
    i = int(np.argmax(np.abs(free.granted)))
    ratio = near.granted[i] / free.granted[i]
    assert -1e-12 <= ratio <= 1 + 1e-12
    np.testing.assert_allclose(near.granted, free.granted * ratio, atol=1e-12)


@given(
    action=request, last=within, name=st.sampled_from(["chunk", "local_map", "odom"]),
    bad=st.sampled_from([s for s in Freshness if s is not Freshness.FRESH]), age=age_ns,
)  # fmt: skip
def test_nothing_moves_on_an_input_that_is_not_fresh(action, last, name, bad, age) -> None:
    inputs = inputs_of(action, NOW, last, state(), field(lambda x, y: 9.0))
    reading = dataclasses.replace(inputs.readings[name], state=bad, age_ns=age)
    verdict = GATE.decide(dataclasses.replace(inputs, readings={**inputs.readings, name: reading}), NOW)
    assert verdict.decision is Decision.STOP
    assert not verdict.granted.any()
    assert verdict.reason == reading.why()


@given(now=st.integers(NOW - 10**9, NOW + 10**9), dt=st.integers(-5, 10**8), rows=st.integers(0, 20))
def test_chunks_are_read_by_the_clock(now, dt, rows) -> None:
    chunk = dataclasses.replace(chunk_of((0.0, 0.0), NOW), dt_ns=dt, actions=np.zeros((rows, 2)))
    verdict = GATE.decide(inputs_of((0, 0), NOW, (0, 0), state(), field(lambda x, y: 9.0), chunk=chunk), now)
    covered = dt > 0 and NOW <= now < NOW + rows * dt
    assert (verdict.decision is Decision.PASS) == covered
