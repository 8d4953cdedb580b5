"""Contract of the gate in three dimensions: the field, the prediction in it, and what is granted near obstacles."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from contract_base import LIMITED, NOW, PASS, STOP, Modules, holds, travel
from contract_limits import refused
from contract_node import Rig
from safety_scene import chunk_of, fresh
from scipy.spatial.transform import Rotation

from saccade.clearance import ClearanceField
from saccade.clock import MS
from saccade.geometry import SE3
from saccade.types import RobotState
from saccade.wire.clearance import encode_clearance

AXES = ("vx", "vy", "vz", "wz")
REQUIRED = {"chunk": 0.3, "clearance": 0.4, "odom": 0.2}
QUAD = {
    "axes": AXES, "max_speed": (1.0, 0.9, 0.8, 1.5), "max_accel": (9.0, 9.0, 9.0, 9.0),
    "max_brake": (1.0, 1.25, 1.5, 3.0), "radius_m": 0.25, "margin_m": 0.125, "required": REQUIRED,
}  # fmt: skip
"""Limits whose brakes all differ, with a required clearance, 0.375 m, that floats hold exactly."""
Clearance = Callable[[Any, Any, Any], Any]


def state(at: Any = (0.0, 0.0, 0.0), rpy: Any = (0.0, 0.0, 0.0), twist: Any = (0.0,) * 6, **kw: Any) -> RobotState:
    return RobotState(kw.get("stamp", NOW), kw.get("frame", "odom"), SE3.from_rpy(*rpy, at), np.array(twist, float))


def box(clearance: Clearance = lambda x, y, z: 2.0, shape: Any = (45, 41, 37), **kw: Any) -> Any:
    """A field of cells of 1/8 m and units of 1/64 m (exact in floats) with its middle cell's centre at the origin."""
    X, Y, Z = np.meshgrid(*[(np.arange(n) - n // 2) / 8 for n in shape], indexing="ij")
    cells = np.clip(np.floor((clearance(X, Y, Z) + 0 * X) * 64), 0, 255).astype(np.uint8)
    low = tuple(-(n // 2) / 8 - 1 / 16 for n in shape)
    fields = {"stamp_ns": NOW, "frame_id": "odom", "memory_s": 30.0, **kw}
    return ClearanceField(resolution_m=1 / 8, origin_m=low, unit_m=1 / 64, clearance=cells, **fields)


def decide(m: Modules, action: Any, odom: Any = None, field: Any = None, last: Any = None, **limits: Any) -> Any:
    """One decision of a new gate on fresh inputs; the last command was the same action unless told."""
    made = m.limits.Limits(**{**QUAD, **limits})
    odom, field, last = odom or state(), field or box(), np.array(action if last is None else last, float)
    chunk = chunk_of(action, NOW, axes=made.axes)
    readings = {
        name: fresh(name, value, stamp, NOW)
        for name, value, stamp in (
            ("chunk", chunk, chunk.obs_stamp_ns), ("odom", odom, odom.stamp_ns), ("clearance", field, field.stamp_ns),
        )
    }  # fmt: skip
    verdict = m.gate.Gate(made).decide(m.gate.Inputs(readings, chunk, 1, False, last, ""), NOW)
    holds(made, last, verdict)
    return verdict


def check_limits_that_require_clearance(m: Modules) -> None:
    limits = m.limits.Limits(**QUAD)
    assert (limits.around, limits.height_m, limits.memory_s) == ("clearance", 0.0, 30.0)
    assert (m.limits.Limits().around, m.limits.Limits(required={"chunk": 0.3}).around) == ("local_map", "")
    assert m.limits.Limits(required={"chunk": 0.3}).height_m == 0.0
    six = dict.fromkeys(("max_speed", "max_accel", "max_brake"), (1.0,) * 6)
    m.limits.Limits(axes=m.limits.AXES, required=REQUIRED, **six)
    refused(m, "odom", **{**QUAD, "required": {"chunk": 0.3, "clearance": 0.4}})
    refused(m, "clearance", **{**QUAD, "required": {**REQUIRED, "local_map": 0.4}})
    refused(m, "local_map", required={**REQUIRED, "local_map": 0.4})
    for name in ("clearance", "local_map"):
        joints = {"axes": ("elbow",), "command": "joint_trajectory", "position_min": (-1.0,), "position_max": (1.0,)}
        one = dict.fromkeys(("max_speed", "max_accel", "max_brake", "max_lag"), (1.0,))
        refused(m, "elbow", required={"chunk": 0.3, "joint_states": 0.1, "odom": 0.2, name: 0.4}, **joints, **one)
    for bad in (-1e-9, math.nan, math.inf):
        refused(m, "height_m", **{**QUAD, "height_m": bad})
    refused(m, "height_m", height_m=0.1)
    m.limits.Limits(**QUAD, height_m=5e-324)
    for bad in (0.0, -1.0, math.nan, math.inf):
        refused(m, "memory_s", **{**QUAD, "memory_s": bad})
    m.limits.Limits(**QUAD, memory_s=5e-324)


def check_clearance_between_cells_of_a_field(m: Modules) -> None:
    cells = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4) + 1
    made = ClearanceField(0, "odom", 0.25, (-1.0, 2.0, 0.5), 30.0, 0.5, cells)
    assert made.scale.tolist() == [-1.0, 2.0, 0.5, 0.25, 0.5]

    def at(*point: float) -> float:
        one = float(m.kernels.clearance_in(made.clearance, made.scale, *point))
        if made.unit_m > 0 and made.clearance.size:
            assert math.isclose(made.clearance_at(np.array([point]))[0], one, rel_tol=1e-12)
        return one

    for i, j, k in ((0, 0, 0), (0, 1, 2), (0, 0, 1)):
        assert at(-0.875 + i / 4, 2.125 + j / 4, 0.625 + k / 4) == (12 * i + 4 * j + k + 1) / 2
    for x, y, z in ((0.25, 0.5, 0.75), (0.5, 0.25, 1.25), (0.75, 1.75, 2.5)):
        assert math.isclose(at(-0.875 + x / 4, 2.125 + y / 4, 0.625 + z / 4), (12 * x + 4 * y + z + 1) / 2)
    low, high = (-0.875, 2.125, 0.625), (-0.625, 2.625, 1.375)
    for axis in range(3):
        point = [-0.75, 2.25, 0.75]
        for edge, way, inside in ((low, -1e-9, True), (high, 0.0, False)):
            point[axis] = edge[axis]
            assert (at(*point) > 0.0) == inside
            point[axis] += way
            assert at(*point) == 0.0
        for bad in (math.nan, math.inf, -math.inf, 1e300):
            point[axis] = bad
            assert at(*point) == 0.0
    for unit in (math.nan, -1.0):
        made = dataclasses.replace(made, unit_m=unit)
        assert at(-0.75, 2.25, 0.75) == 0.0
    for shape in ((1, 5, 5), (5, 1, 5), (5, 5, 1), (0, 0, 0)):
        made = dataclasses.replace(made, unit_m=1.0, clearance=np.ones(shape, np.uint8))
        assert at(-0.875, 2.125, 0.625) == 0.0
    made = dataclasses.replace(made, clearance=np.full((2, 2, 2), 200, np.uint8))
    assert at(-0.75, 2.25, 0.75) == 200.0
    assert made.clearance_at(np.zeros((0, 3))).shape == (0,)


def check_turning(m: Modules) -> None:
    for by in ((0.7, -1.1, 0.4), (0.0, 0.0, 2.5), (-0.3, 0.0, 0.0), (0.0, 1e-3, 0.0), (0.0, 0.0, 0.0)):
        before = Rotation.from_rotvec((0.3, 0.9, -0.5))
        R = before.as_matrix()
        m.kernels._turn(R, np.array(by))
        np.testing.assert_allclose(R, (before * Rotation.from_rotvec(by)).as_matrix(), atol=1e-12)


@functools.cache
def course(command: Any, twist: Any, rpy: Any, lag: float, hold: float, brake: Any, level: bool) -> np.ndarray:
    """Positions every millisecond of the documented model for all six axes: small steps, no formulas."""
    body = Rotation.from_euler("xyz", rpy)
    axes = Rotation.from_euler("z", rpy[2]) if level else body
    turn = (axes.inv() * body).as_matrix()
    seen = [*(turn @ twist[:3]), *(turn @ twist[3:])]
    if level:  # an axis that the limits do not name is taken for still
        seen[3] = seen[4] = 0.0
    v, at, out, dt, t = list(seen), np.zeros(3), [], 1e-3, 0.0
    while t < hold or any(v):
        for i in range(6):
            if t >= hold:
                target, rate = 0.0, brake[i]
            elif abs(command[i]) >= abs(seen[i]) and command[i] * seen[i] >= 0:
                target, rate = command[i], math.inf
            else:
                target, rate = (command[i], brake[i]) if t >= lag else (v[i], 0.0)
            change = min(abs(target - v[i]), rate * dt)
            v[i] += math.copysign(change, target - v[i])
        half = Rotation.from_rotvec(np.array(v[3:]) * dt / 2)
        axes = axes * half
        at = at + axes.apply(v[:3]) * dt
        axes, t = axes * half, t + dt
        out.append(at)
    return np.array(out)


_SIX = (0.7, 1.3, 0.9, 2.1, 1.7, 2.4)
_LEVEL = [  # command, twist, roll pitch yaw, odometry's age, field's age
    ((0.6, 0.0, 0.3, 0.0, 0.0, 0.8), (0.0,) * 6, (0.0, 0.0, 0.7), 20, 150),
    ((0.2, 0.1, -0.2, 0.0, 0.0, -0.5), (0.6, -0.2, 0.4, 0.0, 0.0, 0.9), (0.2, -0.3, -2.0), 0, 300),
    ((-0.5, 0.3, 0.0, 0.0, 0.0, 0.0), (0.5, 0.4, -0.5, 0.3, -0.2, -0.8), (-0.25, 0.2, 1.4), 60, 0),
    ((0.0,) * 6, (-0.6, 0.5, 0.4, 0.0, 0.0, 1.5), (0.1, 0.3, 0.0), -30, -40),
    ((0.0,) * 6, (-0.6, 0.0, 0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0, 0),
    ((-0.6, 0.0, 0.0, 0.0, 0.0, 0.0), (0.0,) * 6, (0.0, 0.0, 0.0), 0, 0),
]
_BODY = [
    ((0.5, 0.2, -0.3, 0.6, -0.8, 0.7), (0.0,) * 6, (0.4, -0.5, 0.3), 10, 100),
    ((0.1, -0.3, 0.2, -0.9, 0.2, 0.1), (0.5, 0.3, 0.4, 0.8, -0.6, 0.9), (-0.6, 0.3, -2.5), 30, 200),
]


def check_prediction_in_three_dimensions(m: Modules) -> None:
    """Least clearance in fields that rise evenly, whose value tells where the path went, against the reference."""
    for cases, axes in ((_LEVEL, AXES), (_BODY, m.limits.AXES)):
        chosen = [m.limits.AXES.index(axis) for axis in axes]
        ones = dict.fromkeys(("max_speed", "max_accel"), (2.0,) * len(axes))
        brake = tuple(_SIX[i] for i in chosen)
        flight = m.flight.Flight(m.limits.Limits(axes=axes, max_brake=brake, required=REQUIRED, **ones))
        for command, twist, rpy, odom_age, age in cases:
            lag = 0.1 + max(0, odom_age) / 1e3
            only = tuple(value if i in chosen else 0.0 for i, value in enumerate(command))
            if axes == AXES:
                path = course(only, twist, rpy, lag, lag + 0.01 + max(0, age) / 1e3, _SIX, True)
            else:
                path = course(only, twist, rpy, lag, lag + 0.01 + max(0, age) / 1e3, _SIX, False)
            odom = state((0.02, -0.03, 0.01), rpy, twist, stamp=NOW - odom_age * MS)
            for slope in ((3, 2, -1), (-2, 1, 3), (-1, -3, -2)):
                field = box(
                    lambda x, y, z, s=slope: 2.0 + (s[0] * x + s[1] * y + s[2] * z) / 8, stamp_ns=NOW - age * MS
                )
                expected = (2.0 + (np.array(odom.T_odom_from_body.t) + path) @ slope / 8).min()
                near = flight.nearest(
                    np.array(command)[chosen][None].repeat(2, 0), fresh("odom", odom, odom.stamp_ns, NOW),
                    fresh("clearance", field, field.stamp_ns, NOW),
                )  # fmt: skip
                assert near.shape == (2,)
                assert near[0] == near[1]
                assert abs(near[0] - expected) < 0.001, (command, slope, near[0], expected)


def along(axis: int, sign: float) -> Clearance:
    """A wall across one of the axes, 0.875 m from the origin: clearance falls by a metre a metre."""
    return lambda *xyz: 0.875 - sign * xyz[axis]


def check_every_direction_ends_before_a_wall(m: Modules) -> None:
    """What is granted keeps the required clearance, and a sixteenth more would not; up and down as ahead and aside."""
    for axis in range(3):
        for sign in (1.0, -1.0):
            v, brake = QUAD["max_speed"][axis], QUAD["max_brake"][axis]
            for odom_age, age in ((0, 0), (40, 200)):
                hold = 0.11 + (odom_age + age) / 1e3
                action, twist = np.zeros(4), np.zeros(6)
                action[axis] = twist[axis] = sign * v
                start = np.zeros(3)
                for room in np.linspace(0.05, v * hold + v * v / 2 / brake + 0.1, 4):
                    start[axis] = sign * (0.5 - room)
                    odom = state(start, twist=twist, stamp=NOW - odom_age * MS)
                    verdict = decide(m, action, odom, box(along(axis, sign), stamp_ns=NOW - age * MS))
                    ratio = verdict.granted[axis] / (sign * v)
                    went, further = (
                        travel(v, v * r, 0.1 + odom_age / 1e3, hold, brake) for r in (ratio, ratio + 1 / 16)
                    )
                    assert verdict.granted.tolist() == (action * ratio).tolist()
                    if room < travel(v, 0.0, 0.1 + odom_age / 1e3, hold, brake) - 2e-3:
                        assert verdict.decision is STOP
                        assert "inside the margin" in verdict.reason
                        continue
                    assert went <= room + 2e-3, (axis, sign, room)
                    assert verdict.decision is PASS or further >= room - 0.02, (axis, sign, room)
                    assert math.isclose(verdict.clearance_m, 0.125 + room - went, abs_tol=2e-3)
                    assert verdict.obs_stamp_ns == NOW - age * MS


def check_nothing_is_changed_in_the_open(m: Modules) -> None:
    for action in ((0.5, 0.2, 0.3, 0.4), (-0.5, -0.2, -0.3, -0.4), (0.0, 0.0, 0.8, 0.0), (0.0,) * 4):
        verdict = decide(m, action, state((0.1, 0.2, 0.3)))
        assert (verdict.decision, verdict.granted.tolist(), verdict.clearance_m) == (PASS, list(action), 1.75)


def check_what_the_field_tells_too_near(m: Modules) -> None:
    """Exactly the required clearance is enough; inside it slowly away, and on unknown ground no way at all."""
    for clearance, decision in ((0.375, PASS), (0.375 - 1 / 64, LIMITED)):
        assert decide(m, (0.0, 0.0, 0.0, 1.0), field=box(lambda x, y, z, c=clearance: c)).decision is decision
    floor = box(lambda x, y, z: z + 0.25)
    verdict = decide(m, (0.0, 0.0, 0.8, 0.0), field=floor, last=(0.0,) * 4)
    np.testing.assert_allclose(verdict.granted, (0.0, 0.0, 0.09, 0.0))
    verdict = decide(m, (0.0, 0.0, 0.8, 0.0), field=floor)
    np.testing.assert_allclose(verdict.granted, (0.0, 0.0, 0.16, 0.0))
    assert decide(m, (0.0, 0.0, -0.1, 0.0), field=floor).decision is STOP
    assert decide(m, (0.1, 0.0, 0.0, 0.0), field=floor).decision is PASS
    unknown = box(lambda x, y, z: 0.0)
    for axis in range(3):
        action = np.zeros(4)
        action[axis] = 0.1
        verdict = decide(m, action, field=unknown)
        assert verdict.decision is STOP
        assert verdict.reason == "clearance -0.25 m inside the margin"
    verdict = decide(m, (0.0, 0.0, 0.0, 0.3), field=unknown)
    assert verdict.decision is PASS
    assert verdict.granted.tolist() == [0.0, 0.0, 0.0, 0.3]


def check_what_turns_and_what_translates(m: Modules) -> None:
    flight = m.flight.Flight(m.limits.Limits(**QUAD))
    for i, moves in enumerate((True, True, True, False)):
        assert flight.translates(-1e-9 * np.eye(4)[i]) == moves
    six = dict.fromkeys(("max_speed", "max_accel", "max_brake"), (1.0,) * 6)
    body = m.flight.Flight(m.limits.Limits(axes=m.limits.AXES, required=REQUIRED, **six))
    assert [body.translates(row) for row in np.eye(6)] == [True] * 3 + [False] * 3
    for one in ("wx", "wy"):  # told to roll or to pitch, its axes are its body's
        axes = ("vx", one)
        two = dict.fromkeys(("max_speed", "max_accel", "max_brake"), (1.0,) * 2)
        tilted = m.flight.Flight(m.limits.Limits(axes=axes, required=REQUIRED, **two))
        wall = box(lambda x, y, z: 2.0 - z / 2)
        odom, around = fresh("odom", state(rpy=(0.0, -math.pi / 2, 0.0)), NOW, NOW), fresh("clearance", wall, NOW, NOW)
        assert tilted.nearest(np.array([[0.5, 0.0]]), odom, around)[0] < 1.95


def check_a_tall_robot_keeps_clear_over_all_its_height(m: Modules) -> None:
    still = (0.0, 0.0, 0.0, 0.1)
    for sign in (1, -1):
        field = box(lambda x, y, z, s=sign: 1.375 + s * z)
        for height, decision in ((0.0, PASS), (1.0, PASS), (1.0 + 1 / 64, LIMITED)):
            verdict = decide(m, still, field=field, height_m=height, last=still, max_speed=(1.0, 0.9, 0.8, 0.2))
            assert verdict.decision is decision, (sign, height)
            assert math.isclose(verdict.clearance_m, 1.125 - height)
    here = box(
        lambda x, y, z: np.where((np.abs(x - 1) < 0.2) & (np.abs(y + 0.5) < 0.2) & (np.abs(z) < 0.01), 0.25, 2.0)
    )
    assert decide(m, still, state((1.0, -0.5, 0.25)), here, height_m=0.5).clearance_m == 0.0
    # A shelf as thin as a cell, anywhere along the robot.
    for level in (-4, -3, 0, 2, 4):
        shelf = box(lambda x, y, z, at=level / 8: np.where(np.abs(z - at) < 0.01, 0.25, 2.0))
        near = decide(m, still, field=shelf, height_m=0.5).clearance_m
        assert near == 0.0, level
    assert (
        decide(m, still, field=box(lambda x, y, z: np.where(np.abs(z) > 0.6, 0.25, 2.0)), height_m=0.4).decision is PASS
    )


def check_fields_that_say_nothing_here(m: Modules) -> None:
    """Another frame, a longer memory, or a box without the robot: a stop that says so."""
    still = (0.0, 0.0, 0.0, 0.1)
    verdict = decide(m, still, field=box(frame_id="map"))
    assert (verdict.decision, verdict.reason) == (STOP, "odom in frame 'odom' but clearance in 'map'")
    assert decide(m, still, field=box(memory_s=30.0), memory_s=30.0).decision is PASS
    verdict = decide(m, still, field=box(memory_s=30.5), memory_s=30.0)
    assert (verdict.decision, verdict.reason) == (STOP, "clearance remembers 30.5 s, more than 30")
    assert decide(m, still, field=box(memory_s=math.nan)).reason == "clearance remembers nan s, more than 30"
    outer = np.array((22, 20, 18)) / 8  # the outermost cells' centres
    for axis in range(3):
        for sign in (1, -1):
            at = np.zeros(3)
            at[axis] = sign * outer[axis]
            verdict = decide(m, still, state(at * (1 - 1e-9)))
            assert (verdict.decision, verdict.reason) == (PASS, "")
            verdict = decide(m, still, state(at * (1 + 1e-9)))
            assert ("does not hold" in decide(m, still, state(at)).reason) == (sign == 1)
            words = ", ".join(f"{x:.2f}" for x in at)
            assert (verdict.decision, verdict.reason) == (STOP, f"clearance does not hold the robot at {words}")
    for sign in (1, -1):
        tall = {"height_m": 0.25, "radius_m": 0.1, "margin_m": 0.1}
        assert decide(m, still, state((0, 0, sign * (2.0 - 1e-9))), **tall).decision is PASS
        assert "does not hold" in decide(m, still, state((0, 0, sign * (2.0 + 1e-9))), **tall).reason
        assert decide(m, still, state((2.6, 2.4, 0)), **tall).decision is PASS
    empty = dataclasses.replace(box(), clearance=np.zeros((0, 0, 0), np.uint8))
    assert "does not hold" in decide(m, still, field=empty).reason
    for broken in (
        dataclasses.replace(box(), origin_m=(0.0, math.nan, 0.0)), dataclasses.replace(box(), unit_m=math.inf),
        dataclasses.replace(box(), resolution_m=math.nan),
    ):  # fmt: skip
        assert decide(m, still, field=broken).reason == "clearance not finite"
    assert decide(m, still, state((0, 0, math.inf))).reason == "odom not finite"
    assert decide(m, still, state(twist=(0, 0, math.nan, 0, 0, 0))).reason == "odom not finite"


def check_node_takes_clearance(m: Modules) -> None:
    """Fresh, stale to the nanosecond, frozen, malformed: as for any other input."""
    made = {**QUAD, "axes": ("vx", "wz"), "max_speed": (0.8, 1.5), "max_accel": (0.8, 2.5), "max_brake": (0.8, 2.5)}
    rig = Rig(m, **made)
    assert rig.node.reads == {"chunk", "clearance", "local_map", "odom", "operator_stop", "plan"}
    rig.odom(NOW)
    rig.chunk(NOW)
    assert rig.tick(NOW).reason == "clearance missing"
    field = box(shape=(17, 17, 17), stamp_ns=NOW)
    rig.hear("clearance", encode_clearance(field), NOW)
    verdict = rig.tick(NOW)
    assert (verdict.decision, verdict.obs_stamp_ns, verdict.clearance_m) == (LIMITED, NOW, 1.75)
    for age, words in ((400 * MS, "rate of vx"), (400 * MS + 1, "clearance frozen (400 ms)")):
        rig = Rig(m, **made)
        rig.odom(NOW)
        rig.chunk(NOW)
        rig.hear("clearance", encode_clearance(dataclasses.replace(field, stamp_ns=NOW - age)), NOW)
        assert rig.tick(NOW).reason == words
    rig.odom(NOW + 390 * MS)
    rig.chunk(NOW + 390 * MS)
    rig.hear("clearance", bytes(encode_clearance(field))[:-1], NOW + 390 * MS)
    assert rig.tick(NOW + 390 * MS).reason == "clearance frozen (790 ms)"
    assert "ClearanceField" in rig.node._ignored["clearance"]
    rig.odom(NOW + 401 * MS)
    rig.chunk(NOW + 401 * MS)
    assert rig.tick(NOW + 401 * MS).reason == "clearance stale (801 ms)"
