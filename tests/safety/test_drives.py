"""Gate, base and obstacles in a loop: whatever is asked for, the footprint keeps its margin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from safety_scene import Base, Loop, World

from saccade.clock import MS
from safety_node.limits import Limits

RADIUS, NEED = Limits().radius_m, Limits().radius_m + Limits().margin_m


def scene(rng: np.random.Generator) -> Loop:
    """Up to a dozen discs around a robot that starts clear of them, with an actuator of any permitted delay."""
    discs: list[tuple[float, float, float]] = []
    while len(discs) < rng.integers(1, 13):
        x, y, r = *rng.uniform(-2.5, 2.5, 2), rng.uniform(0.02, 0.5)
        if math.hypot(x, y) - r > 0.45:
            discs.append((x, y, r))
    delay = int(rng.choice([0, 40, 90])) * MS
    return Loop(World(np.array(discs)), base=Base(delay_ns=delay), map_latency_ns=int(rng.choice([20, 150, 250])) * MS)


def chase(loop: Loop) -> np.ndarray:
    """The worst commander: straight at the nearest obstacle, as fast as it goes."""
    (x, y, yaw), discs = loop.base.pose, loop.world.discs
    i = int(np.argmin(np.hypot(discs[:, 0] - x, discs[:, 1] - y) - discs[:, 2]))
    bearing = math.remainder(math.atan2(discs[i, 1] - y, discs[i, 0] - x) - yaw, math.tau)
    return np.array([0.8 * math.cos(bearing), 2 * bearing])


def drive(seed: int, ticks: int = 500) -> Loop:
    rng = np.random.default_rng(seed)
    loop = scene(rng)
    action = np.zeros(2)
    for k in range(ticks):
        if k % 40 == 0:
            action = rng.uniform([-0.4, -2.0], [1.2, 2.0])
        loop.tick(chase(loop) if (seed + k // 150) % 2 else action)
    return loop


@pytest.mark.parametrize("seed", range(6))
def test_the_footprint_keeps_its_margin(seed: int) -> None:
    assert drive(seed).nearest_m > NEED - 0.005


@pytest.mark.slow
def test_the_footprint_keeps_its_margin_in_many_scenes() -> None:
    nearest = {seed: drive(seed, 800).nearest_m for seed in range(100, 160)}
    assert {seed: m for seed, m in nearest.items() if m <= NEED - 0.005} == {}
    assert min(nearest.values()) < NEED + 0.01  # they were driven against obstacles, not around them


@pytest.mark.parametrize("ahead", [0.75, 1.0, 2.0])
def test_an_obstacle_that_appears_is_not_touched(ahead: float) -> None:
    """At full speed something stands in the way, as far ahead as stopping takes: seen a map later, reached never."""
    loop = Loop(World(np.zeros((0, 3))))
    for _ in range(150):
        loop.tick((0.8, 0.0))
    assert loop.base.twist[0] == pytest.approx(0.8)
    # Seen up to 100 ms after it appears, 150 ms late, obeyed 80 ms late, then 0.4 m of braking, footprint included.
    reach = RADIUS + 0.8 * (0.1 + 0.15 + 0.01 + 0.08) + 0.8**2 / 2 / 0.8
    loop.world = World(np.array([[loop.base.pose[0] + reach + ahead - 0.7 + 0.3, 0.0, 0.3]]))
    for _ in range(700):
        loop.tick((0.8, 0.0))
    assert loop.nearest_m > RADIUS
    assert abs(loop.base.twist[0]) < 0.01


def test_a_robot_in_a_corner_gets_out() -> None:
    """Inside the margin of two obstacles: on is refused, turning and backing off are granted."""
    loop = Loop(World(np.array([[0.55, 0.0, 0.25], [0.3, 0.45, 0.2]])))
    assert float(loop.world.distance(0.0, 0.0)) < NEED
    for _ in range(100):
        loop.tick((0.5, 0.0))
    assert abs(loop.base.pose[0]) < 1e-3
    for _ in range(500):
        loop.tick((0.0, 0.8))
    assert loop.base.pose[2] > 1.0
    assert np.hypot(*loop.base.pose[:2]) < 1e-3
    for _ in range(300):
        turn = math.remainder(math.pi + 0.6 - loop.base.pose[2], math.tau)
        loop.tick((0.5 if abs(turn) < 0.1 else 0.0, turn))
    for _ in range(300):
        loop.tick((0.5, 0.0))
    assert float(loop.world.distance(*loop.base.pose[:2])) > NEED
    assert loop.nearest_m > RADIUS


def test_the_gate_does_not_hinder_on_open_ground() -> None:
    loop = Loop(World(np.array([[5.0, 5.0, 0.2]])))
    for _ in range(300):
        loop.tick((0.8, 0.3))
    assert all(verdict.reason == "" for verdict in loop.verdicts[150:])
