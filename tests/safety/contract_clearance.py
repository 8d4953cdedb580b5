"""Contract of the gate near obstacles, and of the prediction it rests on."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from contract_base import LIMITED, NOW, PASS, ROUGH, STOP, Modules, decide, field, reference, state, travel, wall
from safety_scene import fresh

from saccade.clock import MS
from saccade.types import LocalMap
from safety_node.limits import Limits
from safety_node.motion import Motion


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
                assert (
                    ratios <= 0.2 * 0.8 / v + 1e-12
                )  # not even a stop keeps the margin: no more than the escape speed
            else:
                assert travelled[0] <= room + 1e-3, (v, room)
                assert travelled[1] >= room - 0.02, (v, room)
                assert verdict.decision is (STOP if ratios == 0 else LIMITED)
                assert math.isclose(verdict.ratio, ratios, abs_tol=1e-12)
                assert verdict.ratio * 16 % 1 == 0
                assert verdict.reason.startswith("clearance "), (v, room)
                assert "inside" not in verdict.reason
            left = max(0.375 + room - travelled[0], 0.0) - 0.25
            assert math.isclose(verdict.clearance_m, left, abs_tol=1e-3)


def check_required_clearance_is_exact(m: Modules) -> None:
    """On a map of one clearance everywhere, 0.375 m is enough and the next smaller number is not."""
    below = float(np.nextafter(np.float32(0.375), np.float32(0)))
    action = (0.0, 1.0)
    verdict = decide(m, action, action, grid=field(lambda x, y: 0.375))
    assert verdict.decision is PASS
    assert verdict.clearance_m == 0.125
    verdict = decide(m, action, action, grid=field(lambda x, y: below))
    assert verdict.decision is LIMITED
    assert "inside the margin" in verdict.reason
    np.testing.assert_allclose(verdict.granted, [0.0, 0.3])
    assert math.isclose(verdict.ratio, 0.3)
    slow = (0.16, 0.2)
    verdict = decide(m, slow, slow, grid=field(lambda x, y: below))
    assert verdict.decision is PASS
    assert verdict.granted.tolist() == list(slow)


def check_at_the_required_clearance_only_a_stop_is_left(m: Modules) -> None:
    """At rest at exactly 0.375 m, and a millimetre before it: no way on, but not inside the margin either."""
    for room in (0.0, 1e-3):
        verdict = decide(m, (0.8, 0.0), (0.8, 0.0), state(), wall(0.375 + room, stamp=NOW - 200 * MS))
        assert verdict.decision is STOP and verdict.reason == "clearance 0.12 m" if room == 0 else "clearance 0.13 m"


def check_inertia_may_bring_a_turning_robot_five_millimetres_nearer(m: Modules) -> None:
    """Along a wall inside the margin, running out while it turns towards the wall, compared with just running out."""
    limits = Limits(**ROUGH)
    grid, turn = field(lambda x, y: 0.3 - y), np.array([0.0, 0.3])

    def nearer(v: float) -> float:
        stop, full = Motion(limits).nearest(
            np.array([0 * turn, turn]), fresh("odom", state(vx=v), NOW, NOW), fresh("local_map", grid, NOW, NOW)
        )
        return stop - full

    for wanted, allowed in ((0.0045, True), (0.0049, True), (0.00515, False), (0.0095, False)):
        low, high = 0.0, 0.8
        for _ in range(30):
            v = (low + high) / 2
            low, high = (v, high) if nearer(v) < wanted else (low, v)
        verdict = decide(m, turn, turn, state(vx=v), grid, m.limits.Limits(**ROUGH))
        assert (verdict.granted[1] == 0.3) == allowed, (wanted, v, verdict.granted)


def check_leaving_a_tight_place(m: Modules) -> None:
    """Inside the margin: away and along, slowly; towards not at all; and on unknown ground only turning."""
    tight = wall(0.2)
    for action, granted in (((-0.8, 0.0), -0.16), ((-0.1, 0.0), -0.1)):
        verdict = decide(m, action, action, state(), tight)
        assert math.isclose(verdict.granted[0], granted), verdict
    verdict = decide(m, (0.4, 0.0), (0.4, 0.0), state(), tight)
    assert verdict.decision is STOP
    assert verdict.reason.startswith("clearance -0.05 m inside the margin")
    verdict = decide(m, (0.0, 1.5), (0.0, 1.5), state(), tight)
    np.testing.assert_allclose(verdict.granted, [0.0, 0.3])
    verdict = decide(m, (0.8, 0.0), (0.8, 0.0), state(yaw=math.pi / 2), tight)
    assert math.isclose(verdict.granted[0], 0.16)
    verdict = decide(m, (0.0, 0.0), (0.0, 0.0), state(), tight)
    assert verdict.decision is PASS
    assert math.isclose(verdict.clearance_m, -0.05, abs_tol=1e-6)
    unknown = field(lambda x, y: 0.0)
    assert decide(m, (-0.1, 0.0), (-0.1, 0.0), state(), unknown).decision is STOP
    assert decide(m, (1e-3, 0.2), (1e-3, 0.2), state(), unknown).decision is STOP
    verdict = decide(m, (0.0, 0.2), (0.0, 0.2), state(), unknown)
    assert verdict.decision is PASS
    assert verdict.granted.tolist() == [0.0, 0.2]
    # Backing off leads into the unknown after 0.25 m: as far as 0.125 m it is a way out.
    pocket = field(lambda x, y: np.where(x < -0.2, 0.0, np.where(x < -0.1, 0.35, 0.3)), stamp=NOW - 1600 * MS)
    assert -0.16 < decide(m, (-0.8, 0.0), (-0.8, 0.0), state(), pocket).granted[0] < -0.05
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
        ((0.8, 0.4, 1.2), (0.4, 0.3, 0.5), (0.0, 0.0, 0.0), 30, 250),
        ((0.0, 0.0, 0.0), (-0.6, 0.0, 0.0), (0.0, 0.0, 0.0), 0, 0),
        ((-0.6, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0, 0),
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
            assert near.shape == (2,)
            assert abs(near[0] - expected) < 0.001, (command, near[0], expected)


def check_translation(m: Modules) -> None:
    motion = m.motion.Motion(m.limits.Limits(**ROUGH))
    assert [motion.translates(np.array(c)) for c in ((0.0, 1.0), (1e-9, 0.0), (-1.0, 1.0), (0.0, 0.0))] == [
        False, True, True, False,
    ]  # fmt: skip
    sideways = m.motion.Motion(m.limits.Limits(axes=("vy", "wz")))
    assert sideways.translates(np.array((0.1, 0.0)))
    assert not sideways.translates(np.array((0.0, 0.1)))


def check_clearance_between_cells(m: Modules) -> None:
    grid = LocalMap(
        0, "odom", 0.5, (1.0, -2.0), np.zeros((3, 4), np.int8), np.arange(12, dtype=np.float32).reshape(3, 4)
    )

    def at(x: float, y: float) -> float:
        return clearance(grid, x, y)

    def clearance(grid: LocalMap, x: float, y: float) -> float:
        frame = np.array([*grid.origin_m, grid.resolution_m])
        return float(m.kernels.clearance_at(grid.clearance_m, frame, x, y))

    grid.clearance_m[:] += 1.0
    assert at(1.25, -1.75) == 1.0
    assert at(1.75, -1.75) == 2.0
    assert at(1.25, -1.25) == 5.0
    assert at(1.5, -1.75) == 1.5
    assert at(1.25, -1.5) == 3.0
    assert math.isclose(at(1.375, -1.625), 2.25)
    assert math.isclose(at(2.7499, -0.7501), 12.0, abs_tol=1e-2)
    for x, y in (
        (1.2499, -1.5),
        (1.5, -1.7501),
        (2.75, -1.5),
        (1.5, -0.75),
        (-9.0, 0.0),
        (1e300, 0.0),
        (1.5, math.nan),
    ):
        assert at(x, y) == 0.0, (x, y)
    grid.clearance_m[1, 1] = np.nan
    assert at(1.5, -1.5) == at(2.0, -1.0) == 0.0
    assert at(2.5, -1.5) > 0
    grid.clearance_m[:] = np.inf
    assert at(1.6, -1.6) == 1e3
    grid.clearance_m[:] = -1.0
    assert at(1.6, -1.6) == 0.0
    for shape in ((0, 0), (1, 5), (5, 1)):
        empty = LocalMap(0, "odom", 0.5, (0.0, 0.0), np.zeros(shape, np.int8), np.ones(shape, np.float32))
        assert clearance(empty, 0.3, 0.3) == 0.0
    smallest = LocalMap(0, "odom", 1.0, (0.0, 0.0), np.zeros((2, 2), np.int8), np.ones((2, 2), np.float32))
    assert (clearance(smallest, 1.0, 1.0), clearance(smallest, 9.0, 0.0)) == (1.0, 0.0)
