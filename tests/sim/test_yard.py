"""The yard: placed by seed, walked through by people who stop for nobody, and a dog that obeys, slips and falls."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from saccade.clock import SEC
from saccade.geometry import SE3
from saccade.node import BusEnd
from saccade.wire.convert import decode_odom
from saccade.wire.images import decode_depth, decode_image
from saccade.wire.virtual import VirtualBus
from sim.bus import open_world
from sim.cameras import Rig
from sim.scene import Place
from sim.things import Thing
from sim.ways import Floor, length_m
from sim.yard.dog import Dog
from sim.yard.gait import BOB_M, Gait
from sim.yard.judge import Judge
from sim.yard.layout import REACH_M, ROBOT_RADIUS_M, YARD_M, YardLayout, furnish
from sim.yard.nature import draw
from sim.yard.rigs import FLANKS, HEADS, MOUNTING
from sim.yard.walkers import Walker

NATURE = replace(draw(0), friction=0.6, slip=0.0, gait_s=0.1)


@pytest.fixture(scope="module")
def layout() -> YardLayout:
    return furnish(3)


def bare(*things: Thing, walkers: tuple[Walker, ...] = ()) -> YardLayout:
    goal = Thing("red box", "box", (0.4, 0.4, 0.4), (200, 0, 0), 6.0, 4.0)
    everything = (goal, *things, *(walker.thing for walker in walkers))
    return YardLayout(0, SE3.identity(), everything, walkers, goal, ((0.0, 0.0), (5.0, 4.0)))


def drive(dog: Dog, seconds: float, *command: float) -> SE3:
    before = dog.pose()
    for _ in range(round(seconds * 100)):
        dog.tick(np.array(command))
    return before.inverse() @ dog.pose()


def test_a_yard_is_its_seed(layout: YardLayout) -> None:
    again = furnish(3)
    assert again.things == layout.things
    assert again.walkers == layout.walkers
    assert draw(3) == draw(3) != draw(4)
    assert furnish(3, 0).walkers == ()


def test_the_goal_is_in_sight_and_can_be_reached(layout: YardLayout) -> None:
    start, goal = (float(layout.start.t[0]), float(layout.start.t[1])), layout.goal
    standing = layout.things[: -len(layout.walkers)]
    floor = Floor(YARD_M, standing)
    assert Floor(YARD_M, [thing for thing in standing if thing is not goal]).sees(start, (goal.x, goal.y))
    assert math.dist(layout.way[-1], (goal.x, goal.y)) - goal.radius_m <= REACH_M + 0.05
    assert layout.shortest_m >= math.dist(start, layout.way[-1]) - 1e-6
    for (x0, y0), (x1, y1) in zip(layout.way, layout.way[1:], strict=False):
        for t in np.linspace(0, 1, 20):
            row, col = floor.cell(x0 + t * (x1 - x0), y0 + t * (y1 - y0))
            assert floor.room_m[row, col] > ROBOT_RADIUS_M - 0.06
    assert any(thing.name.startswith("wall") for thing in standing)


def test_the_shortest_way_goes_round_a_wall_through_its_door() -> None:
    walls = [Thing(f"wall {i}", "box", (4.0, 0.2, 2.0), (0, 0, 0), 0.0, y, math.pi / 2) for i, y in ((1, -4), (2, 4))]
    way = Floor(YARD_M, walls).way((-3.0, 3.0), (3.0, 3.0), 0.0, 0.3)
    corner = 2.0 - 0.3  # the door is from y = -2 to 2
    exact = 2 * math.hypot(3.0, 3.0 - corner)
    assert way is not None
    assert exact - 0.05 < length_m(way) < exact + 0.25
    assert Floor(YARD_M, [Thing("wall", "box", (12.0, 0.2, 2.0), (0, 0, 0), yaw=math.pi / 2)]).way(
        (-3.0, 0.0), (3.0, 0.0), 0.0, 0.3
    ) is None  # fmt: skip


def test_people_walk_to_and_fro_at_their_pace() -> None:
    body = Thing("person 1", "capsule", (0.25, 1.7), (0, 0, 0))
    walker = Walker.on(body, [(0.0, 0.0), (3.0, 0.0), (3.0, 1.0)], 1.0, 2.0, 0.0)
    assert walker.at(1.5)[:2] == pytest.approx((1.5, 0.0))
    assert walker.at(3.5) == pytest.approx((3.0, 0.5, math.pi / 2))
    assert walker.at(5.0)[:2] == pytest.approx((3.0, 1.0))  # rests
    assert walker.at(7.0)[:2] == pytest.approx((3.0, 0.0))  # and comes back
    assert walker.at(7.5).yaw == pytest.approx(-math.pi, abs=1e-6) or walker.at(7.5).yaw == pytest.approx(math.pi)
    assert walker.at(12.0 + 1.5) == walker.at(1.5)


@pytest.mark.parametrize(
    ("rig", "across"), [(HEADS["wide"], (1, 0, 0)), (FLANKS[0], (0, 1, 0)), (FLANKS[1], (0, -1, 0))]
)
def test_each_rig_looks_its_way_with_its_right_camera_to_the_right(rig: Rig, across: tuple[int, int, int]) -> None:
    left, right = (rig.T_base_from[rig.frame(side)] for side in ("left", "right"))
    assert left.R[:, 2] == pytest.approx(np.array(across), abs=1e-12)
    assert (left.inverse() @ right).t == pytest.approx(np.array([rig.baseline_m, 0.0, 0.0]), abs=1e-12)
    assert -rig.model("right").P[0, 3] / rig.camera.fx == pytest.approx(rig.baseline_m)
    assert (left.t + right.t)[2] / 2 > 0.3
    assert MOUNTING.keys() >= rig.T_base_from.keys()
    assert rig.model("left").frame_id in MOUNTING


def test_the_flanks_capture_with_the_head_and_before_it() -> None:
    """So that the map that is sent with the head's picture holds what they saw at the same moment."""
    bus = VirtualBus(open_world("yard?seed=3&seconds=1"))
    seen: list[tuple[int, str]] = []
    try:
        while True:
            sample = bus.recv(bus.now_ns() + SEC)
            if sample is not None and sample.topic.endswith("image_rect"):
                seen.append((sample.stamp_ns, sample.topic))
    except BusEnd:
        pass
    order = ("side_right/left", "side_right/right", "side_left/left", "side_left/right", "left", "right")
    first = [name for stamp, name in seen if stamp == seen[0][0]]
    assert first == [f"{name}/image_rect" for name in order]
    assert len({stamp for stamp, _ in seen}) * len(order) == len(seen)


def test_without_flanks_there_is_the_head_alone() -> None:
    names = {name for stream in open_world("yard?seed=3&flanks=0").simulation.streams() for name in stream.topics}
    assert "left/image_rect" in names
    assert not any(name.startswith("side_") for name in names)


def test_the_dog_obeys_a_stride_late_in_all_directions() -> None:
    dog = Dog(bare(), NATURE)
    assert drive(dog, 0.09, 0.5, 0.0, 0.0).t[0] == pytest.approx(0.0, abs=1e-3)
    drive(dog, 1.0, 0.5, 0.0, 0.0)
    assert drive(dog, 2.0, 0.5, 0.0, 0.0).t[0] == pytest.approx(1.0, rel=0.03)
    drive(dog, 1.0, 0.0, 0.3, 0.0)
    assert drive(dog, 2.0, 0.0, 0.3, 0.0).t[1] == pytest.approx(0.6, rel=0.05)
    drive(dog, 1.0, 0.0, 0.0, 0.8)
    assert drive(dog, 2.0, 0.0, 0.0, 0.8).yaw == pytest.approx(1.6, rel=0.05)
    drive(dog, 1.0, math.nan, 0.0, 0.0)
    assert np.abs(dog.velocity()).max() < 0.02
    assert dog.hits == []
    assert not dog.fallen


def test_what_slips_is_felt_as_walked() -> None:
    slippery = Dog(bare(), replace(NATURE, slip=0.1))
    drive(slippery, 2.0, 1.0, 0.0, 0.0)
    assert slippery.velocity()[0] == pytest.approx(0.9, rel=0.02)
    assert slippery.steps()[0] == pytest.approx(1.0, rel=0.02)


def test_the_dog_runs_into_a_wall_and_that_is_its_doing() -> None:
    dog = Dog(bare(Thing("crate 1", "box", (0.6, 0.6, 0.6), (0, 0, 0), 1.5, 0.0)), NATURE)
    drive(dog, 4.0, 0.8, 0.0, 0.0)
    name, speed, pushed = dog.hits[0]
    assert (name, pushed) == ("crate 1", False)
    assert speed > 0.4
    assert dog.pose().t[0] < 1.2


def test_leaning_on_a_wall_is_one_hit_though_it_lifts_the_feet() -> None:
    """Where it pushes, two feet leave the ground and come back; the wall is touched all the time."""
    dog = Dog(bare(Thing("crate 1", "box", (0.6, 3.0, 1.2), (0, 0, 0), 1.2, 0.0)), NATURE)
    raised = 0
    for i in range(600):
        dog.tick(np.array((1.2, 0.0, 0.5 * math.sin(i / 40))))
        raised += bool(dog.hits) and dog._data.ncon <= 4
    assert raised > 50
    assert len(dog.hits) == 1


def test_a_dog_that_is_told_to_go_and_does_not_get_anywhere_is_stuck() -> None:
    layout = bare(Thing("crate 1", "box", (0.6, 0.6, 0.6), (0, 0, 0), 1.0, 0.0))
    dog, judge = Dog(layout, NATURE), Judge(layout)
    for i in range(600):
        dog.tick(np.array((0.5, 0.0, 0.0)))
        judge.see(dog.pose(), (), dog.fallen, 0.5, i * SEC // 100)
    assert 4.0 < judge.verdict(dog.hits)["stuck_s"] < 5.9


def walking_into(dog_y: float, speed: float) -> tuple[Dog, Judge]:
    body = Thing("person 1", "capsule", (0.25, 1.7), (0, 0, 0))
    walker = Walker.on(body, [(0.0, 3.0 + dog_y), (0.0, -3.0 + dog_y)], speed, 0.0, 0.0)
    layout = bare(walkers=(walker,))
    dog, judge = Dog(layout, NATURE), Judge(layout)
    for i in range(600):
        places = (walker.at(i / 100),)
        dog.place(places)
        dog.tick(np.zeros(3))
        judge.see(dog.pose(), places, dog.fallen, 0.0, i * SEC // 100)
    return dog, judge


def test_a_person_who_walks_into_a_standing_dog_is_no_collision_of_the_dogs() -> None:
    dog, judge = walking_into(0.0, 1.0)
    verdict = judge.verdict(dog.hits)
    assert dog.hits[0][0] == "person 1"
    assert (verdict["collisions"], verdict["struck"] > 0) == (0, True)
    assert verdict["clearance_m"] < 0


@pytest.mark.parametrize(("x", "begin_y", "own"), [(1.0, 2.75, False), (2.0, 0.3, True)])
def test_whose_doing_it_is_is_told_by_where_the_person_is_from_a_dog_that_walks(
    x: float, begin_y: float, own: bool
) -> None:
    body = Thing("person 1", "capsule", (0.25, 1.7), (0, 0, 0))
    walker = Walker.on(body, [(x, begin_y), (x, begin_y - 3.0)], 1.2 if not own else 1e-3, 0.0, 0.0)
    layout = bare(walkers=(walker,))
    dog, judge = Dog(layout, NATURE), Judge(layout)
    while not dog.hits:
        dog.place((walker.at(dog._steps / 500),))
        dog.tick(np.array((0.7, 0.0, 0.0)))
    verdict = judge.verdict(dog.hits)
    assert (verdict["collisions"], verdict["struck"]) == ((1, 0) if own else (0, 1))
    assert (dog.hits[0].towards_m_s > 0.5) == own
    assert (dog.hits[0].towards_m_s < -0.2) == (not own)


def test_what_a_person_pushes_the_dog_against_is_not_its_collision() -> None:
    body = Thing("person 1", "capsule", (0.25, 1.7), (0, 0, 0))
    walker = Walker.on(body, [(0.0, 2.0), (0.0, -0.2)], 1.0, 0.6, 0.0)
    crate = Thing("crate 1", "box", (0.6, 0.6, 0.6), (0, 0, 0), 0.0, -0.9)
    layout = replace(bare(walkers=(walker,)), things=(crate, walker.thing))
    dog, judge = Dog(layout, NATURE), Judge(layout)

    def go(seconds: float, vy: float, people: bool) -> dict[str, Any]:
        for _ in range(round(100 * seconds)):
            places = (walker.at(len(seen) / 100 if people else 0.0),)
            dog.place(places)
            dog.tick(np.array((0.0, vy, 0.0)))
            judge.see(dog.pose(), places, dog.fallen, 0.0, 0)
            seen.append(places)
        return judge.verdict(dog.hits)

    seen: list[tuple[Place, ...]] = []
    pushed = go(5.3, 0.0, people=True)
    assert {hit.name for hit in dog.hits} == {"person 1", "crate 1"}
    assert (pushed["collisions"], pushed["struck"], pushed["pushed"]) == (0, 1, 1)
    again = go(2.0, -0.2, people=False)  # it leans on what it was pushed against: still the same
    assert (again["collisions"], again["hit"]) == (0, [])
    go(2.0, 0.3, people=False)
    own = go(4.0, -0.4, people=False)
    assert own["hit"] == ["crate 1"]


def test_a_dog_that_is_thrown_over_lies_and_pushes_no_more() -> None:
    layout = bare()
    dog, judge = Dog(layout, NATURE), Judge(layout)
    dog._data.qvel[3] = 12.0  # a kick about its length
    drive(dog, 1.5, 0.5, 0.0, 0.0)
    assert dog.fallen
    judge.see(dog.pose(), (), dog.fallen, 0.5, SEC)
    assert judge.verdict([])["fallen_s"] == 1.0
    assert not dog._data.xfrc_applied.any()


def test_the_trunk_bobs_while_it_walks_only() -> None:
    gait = Gait(0.0)
    for _ in range(50):
        gait.advance(0.0, 0.0, 0.01)
    assert np.allclose(gait.trunk.t, 0)
    heights = []
    for _ in range(200):
        gait.advance(0.7, 0.0, 0.01)
        heights.append(float(gait.trunk.t[2]))
    assert 0.8 * BOB_M < max(heights[100:]) <= BOB_M
    assert abs(gait.inertial[1]).max() > 0.05


def play(address: str, seconds: float) -> tuple[str, dict[str, bytes]]:
    world = open_world(f"{address}&seconds={seconds}")
    bus, sha, last = VirtualBus(world), hashlib.sha256(), {}
    while True:
        try:
            sample = bus.recv(world.start_ns + 100 * SEC)
        except BusEnd:
            bus.close()
            return sha.hexdigest(), last
        assert sample is not None
        sha.update(f"{sample.topic} {sample.stamp_ns}".encode() + bytes(sample.cdr))
        last[sample.topic] = bytes(sample.cdr)


def test_two_yards_of_a_seed_say_the_same_bytes_and_true_depth_is_shown_on_request() -> None:
    first, last = play("yard?seed=3", 0.3)
    assert play("yard?seed=3", 0.3)[0] == first
    truth, seen = play("yard?seed=3&eyes=rgbd", 0.3)
    assert truth != first
    left, color = (decode_image(n, c[n]).data for n, c in (("left/image_rect", last), ("rgbd/color/image_rect", seen)))
    assert np.array_equal(left, color)
    _, _, depth = decode_depth("rgbd/depth/image_rect", seen["rgbd/depth/image_rect"])
    assert depth.shape == left.shape[:2]
    assert 0.4 < depth.min() < depth.max() < 20.0
    state, child = decode_odom(last["odom"])
    assert (state.frame_id, child) == ("odom", "base_link")
    assert abs(state.twist[0]) < 0.06
