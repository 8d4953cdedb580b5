"""The flying ground: placed by seed, a quadrotor that obeys velocities in wind, and a judge of gates flown through."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from saccade.clock import SEC
from saccade.errors import ConfigError
from saccade.geometry import SE3, Pinhole
from saccade.node import BusEnd
from saccade.types import Command
from saccade.wire.convert import decode_odom, encode_command
from saccade.wire.images import decode_depth
from saccade.wire.virtual import VirtualBus
from sim.bus import open_world
from sim.gates.judge import Judge
from sim.gates.layout import BAR_M, GROUND_M, STANDING_M, Gate, Layout, furnish
from sim.gates.nature import draw
from sim.gates.odometer import Odometer
from sim.gates.quad import RADIUS_M, Quad
from sim.gates.wind import Wind
from sim.scene import Scene
from sim.soft import SoftRenderer
from sim.things import Thing

CALM = replace(draw(0), wind=(0.0, 0.0), gust=0.0, load=1.0, motor_s=0.04)
GATE = Gate("red gate", (200, 30, 30), np.array([3.0, 0.0, 1.5]), 0.0, 1.4, 1.2)
POST = Thing("orange post", "cylinder", (0.2, 2.2), (236, 122, 20), 6.0, 0.0)


def bare(*things: Thing) -> Layout:
    start = SE3.from_rpy(0.0, 0.0, 0.0, (0.0, 0.0, STANDING_M))
    return Layout(0, start, (GATE,), (GATE,), POST, (*GATE.things(), POST, *things))


def quad(nature=CALM, layout: Layout | None = None) -> Quad:
    return Quad(layout or bare(), nature, np.random.default_rng(1))


def fly(body: Quad, seconds: float, *command: float) -> SE3:
    before = body.pose()
    for _ in range(round(seconds * 100)):
        body.tick(np.array(command))
    return before.inverse() @ body.pose()


def aloft(nature=CALM, layout: Layout | None = None) -> Quad:
    body = quad(nature, layout)
    fly(body, 2.5, 0, 0, 0.5, 0)
    fly(body, 1.0, 0, 0, 0, 0)
    return body


def test_a_ground_is_its_seed_and_its_errand_stands_in_the_open() -> None:
    for seed in range(8):
        layout, again = furnish(seed), furnish(seed)
        assert layout.things == again.things
        assert 2 <= len(layout.order) <= 3
        assert set(layout.order) <= set(layout.gates)
        assert len({gate.name for gate in layout.gates}) == len(layout.gates)
        assert len(layout.things) <= 45  # what a picture's chart numbers have room for
        for gate in layout.order:
            gaps = [t.gap_m(gate.centre) for t in layout.things]
            assert min(gaps) >= min(gate.width_m, gate.height_m) / 2 - 1e-6
            assert gate.centre[2] - gate.height_m / 2 > 0.45
        assert min(t.gap_m(layout.start.t) for t in layout.things) > 1.0
        assert layout.shortest_m > 3.0 * (len(layout.order) + 1)
    assert len(furnish(3, gates=1).order) == 1
    assert draw(3) == draw(3) != draw(4)


def test_a_gap_in_space_is_measured_to_what_hangs() -> None:
    ball = Thing("crown", "sphere", (0.5,), (0, 0, 0), 1.0, 2.0, 0.0, 3.0)
    assert ball.gap_m(np.array([1.0, 2.0, 2.0])) == pytest.approx(1.0)
    bar = Thing("bar", "box", (0.2, 2.0, 0.1), (0, 0, 0), 0.0, 0.0, math.pi / 2, 2.0)
    assert bar.gap_m(np.array([0.5, 0.0, 2.0])) == pytest.approx(0.0)
    assert bar.gap_m(np.array([0.0, 0.1 + 0.3, 1.6])) == pytest.approx(0.5)
    man = Thing("man", "capsule", (0.25, 1.7), (0, 0, 0))
    assert man.gap_m(np.array([0.0, 0.0, 2.7])) == pytest.approx(1.0)
    assert man.gap_m(np.array([1.25, 0.0, 0.8])) == pytest.approx(1.0)


def test_what_hangs_is_drawn_where_it_hangs() -> None:
    from sim.gates.decor import GroundDecor

    things = (Thing("crown", "sphere", (0.5,), (0, 0, 0), 2.0, 0.0, 0.0, 1.5), *GATE.things())
    scene = Scene(1, GROUND_M, things, GroundDecor(CALM, (GATE,)))
    renderer = SoftRenderer(scene, Pinhole(40.0, 40.0, 32.0, 32.0, 65, 65))
    ahead = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    _, depth_m = renderer.render(SE3(ahead, np.array([0.0, 0.0, 2.0])))
    assert depth_m[32, 32] == pytest.approx(1.5, abs=0.02)  # the crown's middle
    _, below_m = renderer.render(SE3(ahead, np.array([0.0, 0.0, 1.0])))
    assert below_m[32, 32] > 9.0  # under the crown and through the gate's opening
    at_sill = round(32 - (1.5 - 0.6 - BAR_M / 2 - 1.0) * 40 / (3.0 - BAR_M / 2))
    assert below_m[at_sill, 32] == pytest.approx(3.0 - BAR_M / 2, abs=0.02)


def test_it_stands_until_it_is_told_to_rise_and_then_obeys_in_all_directions() -> None:
    body = quad()
    assert np.abs(fly(body, 1.0, 0.4, 0, 0, 0).t).max() < 1e-3
    assert not body.flies
    fly(body, 2.0, 0, 0, 0.5, 0)
    assert 0.6 < body.pose().t[2] - STANDING_M < 1.0
    fly(body, 1.5, 0, 0, 0, 0)
    assert np.linalg.norm(body.motion()[0]) < 0.03
    fly(body, 1.5, 0.6, 0, 0, 0)
    assert fly(body, 1.0, 0.6, 0, 0, 0).t == pytest.approx((0.6, 0, 0), abs=0.05)
    fly(body, 1.5, 0, -0.4, 0, 0)
    assert fly(body, 1.0, 0, -0.4, 0, 0).t[1] == pytest.approx(-0.4, abs=0.05)
    fly(body, 0.5, 0, 0, 0, 0.8)
    assert fly(body, 1.0, 0, 0, 0, 0.8).yaw == pytest.approx(0.8, abs=0.05)
    fly(body, 1.5, math.nan, 0, 0, 0)
    assert np.linalg.norm(body.motion()[0]) < 0.05
    assert (body.hits, body.lost) == ([], False)


def test_it_leans_to_move_and_against_the_wind() -> None:
    body = aloft()
    before = body.pose()
    fly(body, 0.3, 1.0, 0, 0, 0)
    assert math.asin((before.inverse() @ body.pose()).R[0, 2]) > math.radians(3)  # nose down
    windy = aloft(replace(CALM, wind=(0.0, 3.0), load=1.05))
    drift = fly(windy, 2.0, 0, 0, 0, 0)
    assert windy.pose().R[1, 2] < -math.sin(math.radians(3))  # into the wind
    assert np.abs(drift.t).max() < 0.3
    assert np.linalg.norm(windy.motion()[0]) < 0.1


def test_gusts_keep_their_strength_and_do_not_jump() -> None:
    wind = Wind((1.0, 0.0), 0.4, np.random.default_rng(3))
    blown = np.array([wind.blow(0.01) for _ in range(20_000)])
    assert blown.mean(axis=0) == pytest.approx((1.0, 0.0, 0.0), abs=0.12)
    assert blown.std(axis=0) == pytest.approx((0.4, 0.4, 0.2), rel=0.25)
    assert np.abs(np.diff(blown, axis=0)).max() < 0.3


def test_it_flies_into_a_gates_frame_and_that_is_a_collision() -> None:
    layout = bare()
    body, judge = aloft(CALM, layout), Judge(layout)
    for i in range(500):
        body.tick(np.array((0.8, 0.2, 0.0, 0.0)))
        judge.see(body.pose(), body.lost, 0.8, i * SEC // 100)
    verdict = judge.verdict(body.hits)
    assert body.hits[0].startswith("red gate")
    assert verdict["collisions"] == len(body.hits)
    assert verdict["clearance_m"] < 0.0
    assert verdict["passed"] == {}


def test_a_hard_knock_or_a_tumble_ends_the_flight() -> None:
    knocked, tumbled = aloft(), aloft()
    knocked._data.qvel[2] = -6.0
    tumbled._data.qvel[3] = 30.0
    for body in (knocked, tumbled):
        fly(body, 1.0, 0, 0, 0, 0)
        assert body.lost
        fly(body, 1.0, 0, 0, 0.5, 0)
        assert body.pose().t[2] < 0.5
        assert body.hits[0] == "ground"


def path(judge: Judge, *points: tuple[float, float, float], began_s: float = 0.0) -> dict:
    at_s = began_s
    for a, b in pairwise(points):
        for share in np.linspace(0, 1, 40):
            here = np.array(a) + share * (np.array(b) - np.array(a))
            judge.see(SE3(np.eye(3), here), False, 0.0, round(at_s * SEC))
            at_s += 0.01
    return judge.verdict([])


def test_the_judge_knows_a_passage_from_a_flight_beside() -> None:
    beside = path(Judge(bare()), (0, 0, 1.5), (2, 1, 1.5), (4, 1, 1.5))
    assert (beside["passed"], beside["reached"]) == ({}, False)
    above = path(Judge(bare()), (0, 0, 1.5), (2, 0, 2.5), (6, 0, 2.5))
    assert (above["passed"], above["reached"], above["left_m"]) == ({}, False, 0.0)
    judge = Judge(bare())
    there = path(judge, (0, 0, 1.5), (5.0, 0, 1.5))
    assert there["passed"]["red gate"] == pytest.approx(0.23, abs=0.02)
    assert there["reached"]
    assert there["left_m"] == pytest.approx(0.8, abs=1e-3)
    assert there["travelled_m"] > there["shortest_m"] - 1.5
    assert there["clearance_m"] == pytest.approx(0.6 - RADIUS_M, abs=0.05)
    back = path(judge, (5.0, 0, 1.5), (0.2, 0, 1.5), began_s=1.0)
    assert back["returned"]
    assert back["from_start_m"] == pytest.approx(0.2)


def test_gates_count_in_their_order_only() -> None:
    blue = replace(GATE, name="blue gate", centre=np.array([-3.0, 0.0, 1.5]))
    layout = replace(bare(), gates=(GATE, blue), order=(GATE, blue))
    wrong = path(Judge(layout), (0, 0, 1.5), (-5, 0, 1.5), (5, 0, 1.5))
    assert (list(wrong["passed"]), wrong["astray"]) == (["red gate"], ["blue gate", "blue gate"])
    right = path(Judge(layout), (0, 0, 1.5), (5, 0, 1.5), (-5, 0, 1.5))
    assert list(right["passed"]) == ["red gate", "blue gate"]


def test_odometry_begins_at_the_origin_and_drifts() -> None:
    start = SE3.from_rpy(0.0, 0.0, 0.7, (1.0, 2.0, STANDING_M))
    odometer = Odometer(replace(CALM, drift=0.02, gyro_bias=0.0, climb_bias=0.0), np.random.default_rng(0), start)
    first = odometer.state(0, start).T_odom_from_body
    assert np.abs(first.t).max() < 1e-9
    assert first.yaw == pytest.approx(0.0, abs=0.01)
    for _ in range(500):
        odometer.update(start.R @ np.array([1.0, 0.0, 0.2]), np.zeros(3), 0.01)
    state = odometer.state(5 * SEC, start)
    assert state.T_odom_from_body.t == pytest.approx((5.1, 0.0, 1.02), abs=0.02)
    assert state.twist[:3] == pytest.approx((1.02, 0.0, 0.204), abs=0.06)


def play(address: str, rise: bool = False) -> tuple[str, dict[str, bytes]]:
    world = open_world(address)
    bus, sha, last = VirtualBus(world), hashlib.sha256(), {}
    if rise:
        bus.send("cmd_vel", encode_command(Command(bus.now_ns(), ("vx", "vz"), np.array([0.3, 0.5]))))
    while True:
        try:
            sample = bus.recv(world.start_ns + 100 * SEC)
        except BusEnd:
            bus.close()
            return sha.hexdigest(), last
        assert sample is not None
        if sample.topic != "cmd_vel":
            sha.update(f"{sample.topic} {sample.stamp_ns}".encode() + bytes(sample.cdr))
            last[sample.topic] = bytes(sample.cdr)


@pytest.mark.usefixtures("painted")
def test_two_flights_of_a_seed_say_the_same_bytes() -> None:
    address = "gates?seed=3&seconds=0.9&camera_hz=2&eyes=rgbd"
    first, last = play(address, rise=True)
    assert play(address, rise=True)[0] == first
    assert play(address)[0] != first
    _, _, depth = decode_depth("rgbd/depth/image_rect", last["rgbd/depth/image_rect"])
    assert 0.1 < depth.min() < depth.max() < 25.0
    state, child = decode_odom(last["odom"])
    assert (state.frame_id, child) == ("odom", "base_link")
    assert state.T_odom_from_body.t[2] > 0.01


@pytest.mark.parametrize(("options", "named"), [("gate=2", "gates"), ("gates=9", "0, 1, 2, 3"), ("eyes=blue", "rgbd")])
def test_options_that_are_not_known_name_what_is(options: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        open_world(f"gates?{options}")
