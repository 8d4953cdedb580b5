"""The expert of the learned policy: it knows where people will be, and never drives into anything."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from saccade import params
from saccade.geometry import SE3
from saccade.robots import robot_file
from saccade.types import LocalMap
from sim.things import Thing
from sim.yard.walkers import PERSON_RADIUS_M, Walker
from training.policy.expert import Expert, Truth
from vla_node.params import VlaParams
from vla_node.policies.learned.manoeuvres import STEP_S
from vla_node.policies.learned.scan import nothing
from vla_node.rollout import Motion, Style
from vla_node.track import Track

VLA = params.load(VlaParams, robot_file("yard"), "vla_node")
STYLE = Style(0.7, 1.0, 0.08, 0.06, 0.3, 0.5)
STRAIGHT = Track(np.array([[-3.0, 0.0, 0.0], [3.0, 0.0, 0.0]]))
PERSON = Thing("person", "capsule", (PERSON_RADIUS_M, 1.7), (0, 0, 0))
REPLAN = 6


def free_map() -> LocalMap:
    return LocalMap(0, "odom", 0.1, (-8.0, -8.0), np.zeros((160, 160), np.int8), np.full((160, 160), 3.0, np.float32))


def driven(
    things: Sequence[Thing],
    walkers: Sequence[Walker],
    seconds: float,
    start: Motion | None = None,
    offset: SE3 | None = None,
) -> tuple[list[Motion], float]:
    """Where the expert drives, re-deciding every 0.3 s, and how near it came to anything (from the robot's centre)."""
    expert = Expert(Truth.of([*things, *(w.thing for w in walkers)], walkers), VLA.limits, STYLE, VLA.policy.margin_m)
    T_world_from_odom = offset or SE3.identity()
    m, near, out = start or Motion(-3.0, 0.0, 0.0, 0.0, 0.0), math.inf, []
    for i in range(round(seconds / STEP_S / REPLAN)):
        T = T_world_from_odom @ SE3.from_rpy(0.0, 0.0, m.yaw, (m.x, m.y, 0.0))
        judged = expert.judge(m, STRAIGHT, free_map(), 9.0, T, i * REPLAN * STEP_S)
        way = judged.ways[judged.best]
        for k in range(REPLAN):
            m = way[k]
            x, y, _ = T_world_from_odom.apply(np.array([m.x, m.y, 0.0])).tolist()
            elapsed_s = (i * REPLAN + k + 1) * STEP_S
            people = [math.dist((x, y), w.at(elapsed_s)[:2]) - PERSON_RADIUS_M for w in walkers]
            near = min([near, *people, *(thing.distance_m(x, y) for thing in things)])
            out.append(m)
    return out, near


def test_on_a_free_floor_it_drives_as_the_plain_pursuit_does() -> None:
    way, _ = driven([], [], 6.0)
    assert max(abs(m.y) for m in way) < 0.02
    assert way[-1].x > 0.5


@pytest.mark.parametrize("y", [-0.3, 0.05])
def test_it_drives_around_a_pillar_on_its_way(y: float) -> None:
    way, near = driven([Thing("pillar", "cylinder", (0.2, 2.0), (0, 0, 0), 0.0, y)], [], 9.0)
    assert near > VLA.limits.radius_m
    assert way[-1].x > 1.0


def test_it_stops_before_a_wall_without_a_way_around() -> None:
    way, near = driven([Thing("wall", "box", (0.2, 11.9, 2.0), (0, 0, 0), 0.0, 0.0)], [], 7.0)
    assert near > VLA.limits.radius_m
    assert abs(way[-1].v) < 0.15


@pytest.mark.parametrize("phase_s", [0.0, 1.5])
def test_it_lets_a_person_cross(phase_s: float) -> None:
    walker = Walker.on(PERSON, [(0.0, -4.0), (0.0, 4.0)], 1.0, 1.0, phase_s)
    _, near = driven([], [walker], 7.0)
    assert near > VLA.limits.radius_m


def test_it_makes_room_for_a_person_who_comes_towards_it() -> None:
    walker = Walker.on(PERSON, [(3.5, 0.0), (-5.0, 0.0)], 0.9, 1.0, 0.0)
    _, near = driven([], [walker], 8.0)
    assert near > VLA.limits.radius_m


def test_what_stands_counts_where_the_robot_really_is() -> None:
    """Odometry that has drifted does not move the pillar."""
    pillar = Thing("pillar", "cylinder", (0.2, 2.0), (0, 0, 0), 1.0, 1.0)
    offset = SE3.from_rpy(0.0, 0.0, 0.3, (1.0, 1.0, 0.0))
    _, near = driven([pillar], [], 7.0, offset=offset)
    assert near > VLA.limits.radius_m


def test_it_knows_which_sectors_show_a_person_and_where_that_one_goes() -> None:
    """The robot looks along y; the person is 2 m ahead of it and walks along x, which is to its right."""
    walker = Walker.on(PERSON, [(0.0, 0.0), (5.0, 0.0)], 0.8, 1.0, 0.0)
    truth = Truth.of([walker.thing], [walker])
    seen = nothing()
    seen[[30, 36, 40]] = (1.0, 1.75, 1.75)
    who, going = truth.who(seen, SE3.from_rpy(0.0, 0.0, math.pi / 2, (0.0, -2.0, 0.0)), 0.0)
    assert np.flatnonzero(who).tolist() == [36]
    assert going[36] == pytest.approx([0.0, -0.8], abs=1e-6)


def test_it_turns_to_a_way_behind_it() -> None:
    way, _ = driven([], [], 3.0, start=Motion(0.0, 0.0, math.pi * 0.9, 0.0, 0.0))
    assert min(m.v for m in way) > -0.05
    assert abs(way[-1].yaw) < 0.5 * math.pi
