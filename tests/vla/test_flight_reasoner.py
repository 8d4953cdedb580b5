"""The reasoner of a robot that flies: gates found by colour and depth, and the waypoints through them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from saccade.clock import SEC
from saccade.geometry import R_BODY_FROM_OPTICAL, SE3, Pinhole
from saccade.types import Image, PlanKind, RobotState
from vla_node.planner import Observation
from vla_node.reasoners.embedded.flight import ALOFT_M, FlightReasoner
from vla_node.reasoners.embedded.gates import GateMemory, find_gate, joined
from vla_node.reasoners.embedded.language import Misunderstood, parse
from vla_node.reasoners.embedded.passage import BEHIND_M, COMMITTED_M, FRONT_M
from vla_node.reasoners.embedded.reasoner import EmbeddedReasoner
from vla_node.reasoners.embedded.recovery import SEARCH_STEP_RAD
from vla_node.reasoners.embedded.steps import Climb, GoTo, Pass

CAMERA = Pinhole(200.0, 200.0, 159.5, 119.5, 320, 240)
RED, BLUE = (200, 30, 30), (30, 60, 200)
BAR_M, FAR_M = 0.16, 12.0


def picture(T, *gates, solid=False, noise=0.0):
    """What a camera at `T_odom_from_cam` sees of gates (colour, centre, yaw, opening's width and height)."""
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    rays = CAMERA.unproject(np.stack([u, v], -1).astype(float), np.ones(u.shape)) @ T.R.T
    rgb, depth = np.full((*u.shape, 3), 110, np.uint8), np.full(u.shape, FAR_M, np.float32)
    for colour, centre, yaw, width, height in gates:
        normal, across = np.array([math.cos(yaw), math.sin(yaw), 0]), np.array([-math.sin(yaw), math.cos(yaw), 0])
        t = ((np.array(centre) - T.t) @ normal) / (rays @ normal)
        off = T.t + t[..., None] * rays - centre
        s, z = np.abs(off @ across), np.abs(off[..., 2])
        outer = (s < width / 2 + BAR_M) & (z < height / 2 + BAR_M) & (t > 0.1)
        on = outer & (solid | (s > width / 2) | (z > height / 2)) & (t < depth)
        rgb[on], depth[on] = colour, t[on]
    rng = np.random.default_rng(0)
    depth += (noise * depth**2 * rng.standard_normal(depth.shape)).astype(np.float32)
    return rgb, depth


def seen(at, yaw, *gates, text="fly through the red gate", seconds=1.0, epoch=1, held_ns=0, speed=0.0, **how):
    T = SE3.from_rpy(0.0, 0.0, yaw, at)
    cam = T @ SE3(R_BODY_FROM_OPTICAL, np.zeros(3))
    rgb, depth = picture(cam, *gates, **how)
    stamp = round(seconds * SEC)
    state = RobotState(stamp, "odom", T, np.array([speed, 0, 0, 0, 0, 0.0]))
    return Observation(
        stamp, epoch, text, state, SE3.identity(), Image(stamp, "left_optical", rgb), depth, CAMERA, cam, None, "",
        held_ns,
    )  # fmt: skip


GATE = (RED, (4.0, 0.5, 1.5), 0.3, 1.4, 1.3)


@pytest.mark.parametrize(("yaw", "noise"), [(0.3, 0.0), (0.9, 0.0), (-0.6, 0.0), (0.3, 0.01), (0.9, 0.01)])
def test_a_gate_is_found_where_it_is(yaw, noise):
    gate = (RED, (4.0, 0.5, 1.5), yaw, 1.4, 1.3)
    found = find_gate(seen((0, 0, 1.2), 0.1, gate, (BLUE, (5.0, -1.5, 1.0), 0.0, 1.3, 1.3), noise=noise), "red")
    assert found.centre == pytest.approx((4.0, 0.5, 1.5), abs=0.05 + 5 * noise)
    assert abs(found.normal @ (math.cos(yaw), math.sin(yaw), 0)) > math.cos(0.06 + 10 * noise)
    assert (found.width_m, found.height_m) == pytest.approx((1.4 + 2 * BAR_M, 1.3 + 2 * BAR_M), rel=0.08)
    assert found.whole


def test_what_is_no_gate_is_not_taken_for_one():
    assert find_gate(seen((0, 0, 1.2), 0.1, GATE), "blue") is None
    assert find_gate(seen((0, 0, 1.2), 0.1, GATE, solid=True), "red") is None
    assert find_gate(seen((0, 0, 1.2), 0.1, (RED, (4, 0, 1.5), 0.0, 0.2, 0.2)), "red") is None
    assert find_gate(seen((0, 0, 1.2), 0.0, (RED, (4, 0, 1.5), math.pi / 2, 1.4, 1.4)), "red") is None  # edge on
    assert find_gate(replace(seen((0, 0, 1.2), 0.1, GATE), depth_m=None), "red") is None


def test_a_gate_cut_by_the_pictures_edge_does_not_move_one_that_was_seen_whole():
    memory = GateMemory()
    memory.look(seen((0, 0, 1.2), 0.1, GATE), ["red"])
    cut = find_gate(seen((3.0, 0.2, 1.2), 0.1, GATE), "red")
    assert cut is None or not cut.whole
    memory.look(seen((3.0, 0.2, 1.2), 0.1, GATE), ["red"])
    assert memory.recall("red").centre == pytest.approx((4.0, 0.5, 1.5), abs=0.06)


def test_a_gate_that_is_seen_elsewhere_was_not_where_it_once_seemed_to_be():
    """Seen through another gate it had that one's depth: nearer, so it weighed more than all that was seen later."""
    memory = GateMemory()
    phantom = seen((0, 0, 1.4), 0.1, (RED, (2.4, 0.3, 1.45), 0.3, 0.8, 0.8))
    memory.look(phantom, ["red"])
    for k in range(3):
        memory.look(seen((-1.5 + 0.2 * k, 0, 1.4), 0.1, GATE), ["red"])
    assert memory.recall("red").centre == pytest.approx((4.0, 0.5, 1.5), abs=0.1)


def test_a_gate_is_still_known_where_no_picture_shows_its_place():
    memory = GateMemory()
    memory.look(seen((2.0, 0.0, 1.4), 0.1, GATE), ["red"])
    away = seen((1.0, 0.0, 1.4), math.pi + 0.165, (RED, (-4.0, -0.8, 1.5), 0.3, 1.4, 1.3))
    assert find_gate(away, "red") is not None
    for _ in range(6):
        memory.look(away, ["red"])
    assert memory.recall("red").centre == pytest.approx((4.0, 0.5, 1.5), abs=0.1)


def test_nearer_sightings_weigh_more():
    far, near = (find_gate(seen((x, 0, 1.4), 0.1, GATE), "red") for x in (-2.0, 1.8))
    moved = replace(far, centre=far.centre + np.array((0, 0.4, 0)))
    both = joined(moved, near)
    assert np.linalg.norm(both.centre - near.centre) < 0.06
    assert both.weight > near.weight
    elsewhere = replace(near, centre=near.centre + np.array((3.0, 0, 0)))
    assert joined(far, elsewhere) is elsewhere


def plan(reasoner, *args, **kwargs):
    return reasoner.plan(seen(*args, **kwargs)).plan


def test_it_takes_off_first_and_then_leads_through_the_opening():
    reasoner = FlightReasoner(1.0)
    up = plan(reasoner, (0, 0, 0.0), 0.0, GATE)
    assert up.kind is PlanKind.WAYPOINTS
    assert up.waypoints[-1] == pytest.approx((0, 0, ALOFT_M))
    way = plan(reasoner, (0, 0, 1.0), 0.0, GATE, seconds=3).waypoints
    ahead = np.array([math.cos(0.3), math.sin(0.3), 0])
    for point, along_m in zip(way[1:], (-FRONT_M, 0.0, BEHIND_M), strict=True):
        assert point == pytest.approx(np.array(GATE[1]) + along_m * ahead, abs=0.1)


def test_beside_the_opening_it_goes_before_it_first_and_right_before_it_through():
    reasoner = FlightReasoner(1.0)
    ahead, left = np.array([math.cos(0.3), math.sin(0.3), 0]), np.array([-math.sin(0.3), math.cos(0.3), 0])
    plan(reasoner, (0, 0, 1.0), 0.0, GATE)
    aside = np.array(GATE[1]) - 1.0 * ahead + 0.6 * left
    back = plan(reasoner, aside, 0.3, GATE, seconds=4)
    assert back.waypoints[-1] == pytest.approx(np.array(GATE[1]) - FRONT_M * ahead, abs=0.1)
    through = plan(reasoner, np.array(GATE[1]) - 0.3 * ahead, 0.3, GATE, seconds=5)
    assert through.waypoints[-1] == pytest.approx(np.array(GATE[1]) + BEHIND_M * ahead, abs=0.1)
    done = plan(reasoner, np.array(GATE[1]) + 0.9 * ahead, 0.3, seconds=6)
    assert (done.kind, done.final, done.progress) == (PlanKind.STOP, True, 1.0)


def test_a_gate_that_is_not_in_sight_is_looked_for_all_round_and_from_higher_up():
    reasoner, yaw, heights, texts = FlightReasoner(1.0), 0.0, [1.0], []
    for i in range(60):
        made = plan(reasoner, (0, 0, heights[-1]), yaw, seconds=1 + i)
        texts.append(made.text)
        if made.final:
            break
        rise = made.waypoints[-1][2] - heights[-1]
        heights.append(heights[-1] + rise)
        yaw += 0.0 if rise > 0.1 else 1.5
    assert made.kind is PlanKind.STOP
    assert "no red gate was seen, from 3 heights" in made.text
    assert heights[-1] == pytest.approx(1.0 + 2 * 0.6)


def test_one_that_sees_no_colours_or_nothing_says_so_and_hovers():
    dark = replace(seen((0, 0, 1.0), 0.0), image=None, depth_m=None, blind="depth/image_rect stale (500 ms)")
    told = FlightReasoner(1.0).plan(dark).plan
    assert (told.kind, told.final) == (PlanKind.STOP, False)
    assert "depth/image_rect stale" in told.text
    bright = seen((0, 0, 1.0), 0.0, GATE)
    grey = replace(bright, image=replace(bright.image, data=bright.image.data[..., 0]))
    assert "grey" in FlightReasoner(1.0).plan(grey).plan.text


def test_a_post_is_flown_up_to_at_its_height_and_faced():
    post = (RED, (4.0, 1.0, 1.0), 0.25, 0.3, 1.8)
    made = plan(FlightReasoner(1.0), (0, 0, 1.4), 0.2, post, solid=True, text="fly to the red post")
    left = np.hypot(*(made.waypoints[-1] - np.array((4.0, 1.0, 1.4)))[:2])
    assert left == pytest.approx(1.0, abs=0.1)
    assert made.waypoints[-1][2] == pytest.approx(1.4)
    facing = made.waypoints[-1] - made.waypoints[-2]
    assert math.atan2(facing[1], facing[0]) == pytest.approx(math.atan2(1.0, 4.0), abs=0.05)


def test_flights_are_spoken_of():
    assert parse("fly through the red gate and then fly through the violet hoop, then fly to the yellow post") == [
        Pass("red"), Pass("purple"), GoTo("yellow", "cylinder"),
    ]  # fmt: skip
    assert parse("pass through the blue gate, then climb 50 cm, then descend 1 metre, then fly back")[1:3] == [
        Climb(0.5), Climb(-1.0),
    ]  # fmt: skip
    assert isinstance(parse("fly through the gate"), Misunderstood)
    assert isinstance(parse("climb 100 metres"), Misunderstood)


def test_those_who_cannot_say_so():
    assert "does not fly" in EmbeddedReasoner(0.4, 0.6).refuses("fly through the red gate")
    assert "no hand" in EmbeddedReasoner(0.4, 0.6).refuses("take the red box")
    assert "cannot take the red box" in FlightReasoner(1.0).refuses("take the red box")
    assert FlightReasoner(1.0).refuses("fly through the red gate, then come back") == ""
    assert "not understood" in FlightReasoner(1.0).refuses("land")


AHEAD = np.array([math.cos(0.3), math.sin(0.3), 0.0])
CENTRE = np.array(GATE[1])


def led(*places, yaw=0.3):
    return np.array([(*place, yaw) for place in places], np.float64)


def through(from_m, to_m, count=20):
    """A lead along the middle of the gate."""
    return led(*[CENTRE + along_m * AHEAD for along_m in np.linspace(from_m, to_m, count)])


def test_whoever_will_have_taken_off_when_the_plan_comes_goes_on_from_up_there():
    rising = led(*[(0.0, 0.0, 0.1 * k) for k in range(11)], yaw=0.0)
    made = FlightReasoner(1.0).plan(replace(seen((0, 0, 0.1), 0.0, GATE), lead=rising)).plan
    assert made.waypoints[-1] == pytest.approx(CENTRE + BEHIND_M * AHEAD, abs=0.1)
    assert any(np.allclose(point, (0, 0, 1.0)) for point in made.waypoints), "by way of where it will be"


def test_after_the_gate_that_it_is_about_to_pass_it_goes_on_to_the_next_thing_at_once():
    reasoner, text = FlightReasoner(1.0), "fly through the red gate, then climb 1 m"
    plan(reasoner, (0, 0, 1.0), 0.0, GATE, text=text)
    before = seen(CENTRE - 0.8 * AHEAD, 0.3, GATE, text=text, seconds=4, speed=0.6)
    made = reasoner.plan(replace(before, lead=through(-0.75, 1.1))).plan
    assert made.text.startswith("step 2 of 2, climb 1 m")
    assert made.waypoints[-1] == pytest.approx(CENTRE + 1.1 * AHEAD + (0, 0, 1.0), abs=0.2)
    crossed = [float((point - CENTRE) @ AHEAD) for point in made.waypoints]
    assert crossed == sorted(crossed), "through the gate first"
    held = reasoner.plan(replace(before, stamp_ns=5 * SEC)).plan
    assert held.text.startswith("step 1 of 2"), "what did not happen is not done"


def test_the_last_gate_is_passed_when_that_is_seen():
    reasoner = FlightReasoner(1.0)
    plan(reasoner, (0, 0, 1.0), 0.0, GATE)
    before = replace(seen(CENTRE - 0.8 * AHEAD, 0.3, GATE, seconds=4), lead=through(-0.75, 1.1))
    made = reasoner.plan(before).plan
    assert (made.kind, made.final) == (PlanKind.WAYPOINTS, False)
    assert made.waypoints[-1] == pytest.approx(CENTRE + BEHIND_M * AHEAD, abs=0.1)


def test_a_way_back_does_not_begin_with_the_lead_that_it_would_double_back_on():
    """Of two places on a course that are as near to the robot, it would take the first."""
    reasoner, text = FlightReasoner(1.0), "fly back"
    out = led(*[(0.1 * k, 0.0, 1.0) for k in range(11, 21)], yaw=0.0)
    made = reasoner.plan(replace(seen((1, 0, 1.0), 0.0, text=text), lead=out)).plan
    assert made.waypoints[0] == pytest.approx((2.0, 0, 1.0))
    assert np.all(np.diff(made.waypoints[:-1, 0]) < 1e-9)
    aside = led(*[(1.0 - 0.05 * k, 0.03 * k, 1.0) for k in range(11)], yaw=2.6)
    made = reasoner.plan(replace(seen((1, 0, 1.0), 0.0, text=text, seconds=2), lead=aside)).plan
    assert made.waypoints[0] == pytest.approx((1.0, 0, 1.0)), "this one does not"


def test_it_has_arrived_when_it_will_hover_before_the_post_and_face_it():
    post, text = (RED, (4.0, 1.0, 1.0), 0.25, 0.3, 1.8), "fly to the red post"
    there, bearing = np.array((4.0, 1.0, 1.4)) - 1.05 * np.array((math.cos(0.2), math.sin(0.2), 0)), 0.2
    here = seen(there, bearing - 0.5, post, solid=True, text=text, speed=0.4)
    assert FlightReasoner(1.0).plan(here).plan.kind is PlanKind.WAYPOINTS
    hovers = led(*[there + 0.02 * AHEAD] * 3, yaw=bearing)
    assert FlightReasoner(1.0).plan(replace(here, lead=hovers)).plan.text == f"done: {text}"
    flies_on = led(there, there + 0.1 * AHEAD, there + 0.2 * AHEAD, yaw=bearing)
    assert FlightReasoner(1.0).plan(replace(here, lead=flies_on)).plan.kind is PlanKind.WAYPOINTS


def test_whoever_looks_around_turns_on_from_where_it_will_look():
    turned = led(*[(0, 0, 1.0)] * 5, yaw=1.5)
    made = FlightReasoner(1.0).plan(replace(seen((0, 0, 1.0), 0.0), lead=turned)).plan
    tip = made.waypoints[-1] - made.waypoints[-2]
    assert math.remainder(math.atan2(tip[1], tip[0]) - 1.5 - SEARCH_STEP_RAD, math.tau) == pytest.approx(0, abs=0.01)


def test_of_two_sightings_that_the_pictures_edge_cut_the_much_nearer_one_is_believed():
    """From afar half a post had the depth of what stood behind it, and was flown to through the far wall."""
    reasoner, text, edge = FlightReasoner(1.0), "fly to the red post", math.atan(160 / 200)
    post = (RED, (3.0, 0.0, 1.4), 0.0, 0.2, 1.8)
    far = seen((0, 0, 1.4), -edge, post, solid=True, text=text)
    behind = replace(far, depth_m=5 * far.depth_m)
    mistaken = reasoner.plan(behind).plan
    assert mistaken.waypoints[-1][0] > 8.0, "it is all that is known"
    near = seen((1.0, 0, 1.4), -edge, post, solid=True, text=text, seconds=4)
    assert math.dist(reasoner.plan(near).plan.waypoints[-1], (2.0, 0.0, 1.4)) < 0.3
    other = (RED, (3.0, -1.6, 1.4), -0.7, 0.2, 1.8)
    aside = seen((1.0, 0, 1.4), -math.atan2(1.6, 2.0) - edge, other, solid=True, text=text, seconds=7)
    assert math.dist(reasoner.plan(aside).plan.waypoints[-1], (2.0, 0.0, 1.4)) < 0.3, "another that is as far is not"


def test_a_way_beside_the_gate_does_not_lead_through_it():
    reasoner, text = FlightReasoner(1.0), "fly through the red gate, then climb 1 m"
    plan(reasoner, (0, 0, 1.0), 0.0, GATE, text=text)
    left = np.array([-AHEAD[1], AHEAD[0], 0.0])
    before = seen(CENTRE - 0.8 * AHEAD, 0.3, GATE, text=text, seconds=4, speed=0.6)
    beside = through(-0.75, 1.1) + np.array([*(1.1 * left), 0.0])
    made = reasoner.plan(replace(before, lead=beside)).plan
    assert made.text.startswith("step 1 of 2")
    assert made.waypoints[-1] == pytest.approx(CENTRE - FRONT_M * AHEAD, abs=0.1)


def test_a_lead_that_misses_the_middle_of_a_gate_is_followed_to_before_it_only():
    reasoner = FlightReasoner(1.0)
    plan(reasoner, (0, 0, 1.0), 0.0, GATE)
    left = np.array([-AHEAD[1], AHEAD[0], 0.0])
    off = through(-1.9, 1.1, 31) + np.array([*(0.25 * left), 0.0])
    made = reasoner.plan(replace(seen(CENTRE - 2.0 * AHEAD, 0.3, GATE, seconds=4, speed=0.6), lead=off)).plan
    along, aside = (made.waypoints - CENTRE) @ AHEAD, (made.waypoints - CENTRE) @ left
    assert np.abs(aside[along > -COMMITTED_M - 0.05]).max() < 0.1, "through the middle"
    assert aside[along < -COMMITTED_M - 0.2].max() > 0.2, "along the lead"
    assert along[-1] == pytest.approx(BEHIND_M, abs=0.1)


def test_one_that_is_between_the_posts_goes_on_to_the_next_thing_wherever_that_leads():
    reasoner, text = FlightReasoner(1.0), "fly through the red gate, then climb 1 m"
    plan(reasoner, (0, 0, 1.0), 0.0, GATE, text=text)
    left = np.array([-AHEAD[1], AHEAD[0], 0.0])
    between = seen(CENTRE + 0.3 * AHEAD, 0.3, GATE, text=text, seconds=4, speed=0.6)
    aside = led(*[CENTRE + (0.3 + 0.1 * k) * AHEAD + 0.15 * k * left for k in range(1, 11)])
    assert reasoner.plan(replace(between, lead=aside)).plan.text.startswith("step 2 of 2")


def test_what_comes_after_a_gate_begins_with_itself():
    """What the robot turned before that is not of the turn that it is told to make then."""
    reasoner, text = FlightReasoner(1.0), "fly through the red gate, then turn left 90 degrees"
    plan(reasoner, (0, 0, 1.0), 0.0, GATE, text=text)
    before = seen(CENTRE - 0.8 * AHEAD, 0.3, GATE, text=text, seconds=4, speed=0.6)
    made = reasoner.plan(replace(before, lead=through(-0.75, 1.1))).plan
    tip = made.waypoints[-1] - made.waypoints[-2]
    assert math.atan2(tip[1], tip[0]) == pytest.approx(0.3 + math.pi / 2, abs=0.02)


@pytest.mark.parametrize(("then", "why"), [("wait 3 s", "a stop is no way on"), ("fly back", "it would double back")])
def test_what_cannot_follow_a_gate_at_once_waits_until_it_is_passed(then, why):
    reasoner, text = FlightReasoner(1.0), f"fly through the red gate, then {then}"
    plan(reasoner, (0, 0, 1.0), 0.0, GATE, text=text)
    before = seen(CENTRE - 0.8 * AHEAD, 0.3, GATE, text=text, seconds=4, speed=0.6)
    made = reasoner.plan(replace(before, lead=through(-0.75, 1.1))).plan
    assert made.text.startswith("step 1 of 2"), why
    assert made.waypoints[-1] == pytest.approx(CENTRE + BEHIND_M * AHEAD, abs=0.1)


def test_behind_a_gate_it_looks_around_from_where_it_then_looks():
    reasoner, text = FlightReasoner(1.0), "fly through the red gate, then fly to the blue post"
    plan(reasoner, (0, 0, 1.0), 0.0, GATE, text=text)
    before = seen(CENTRE - 0.8 * AHEAD, 0.0, GATE, text=text, seconds=4, speed=0.6)
    made = reasoner.plan(replace(before, lead=through(-0.75, 1.1))).plan
    assert "looking for it" in made.text
    tip = made.waypoints[-1] - made.waypoints[-2]
    assert math.remainder(math.atan2(tip[1], tip[0]) - 0.3 - SEARCH_STEP_RAD, math.tau) == pytest.approx(0, abs=0.02)


def test_a_little_aside_it_lines_up_on_its_way_and_does_not_go_back_for_that():
    reasoner = FlightReasoner(1.0)
    plan(reasoner, (0, 0, 1.0), 0.0, GATE)
    left = np.array([-AHEAD[1], AHEAD[0], 0.0])
    way = plan(reasoner, CENTRE - 1.4 * AHEAD + 0.4 * left, 0.3, GATE, seconds=4).waypoints[1:]
    for point, along_m in zip(way, (-COMMITTED_M, 0.0, BEHIND_M), strict=True):
        assert point == pytest.approx(CENTRE + along_m * AHEAD, abs=0.1)
    back = plan(reasoner, CENTRE - 1.0 * AHEAD + 0.4 * left, 0.3, GATE, seconds=5).waypoints
    assert back[-1] == pytest.approx(CENTRE - FRONT_M * AHEAD, abs=0.1), "from so near that would be too steep"
    way = plan(reasoner, CENTRE - 0.3 * AHEAD + 0.4 * left, 0.3, GATE, seconds=6).waypoints[1:]
    for point, along_m in zip(way, (-0.3, 0.0, BEHIND_M), strict=True):
        assert point == pytest.approx(CENTRE + along_m * AHEAD, abs=0.1), "so near before it there is no going back"


def test_a_turn_and_the_way_home_end_as_they_will_find_the_robot():
    text = "turn left 200 degrees"
    reasoner = FlightReasoner(1.0)
    first = plan(reasoner, (0, 0, 1.0), 0.0, text=text).waypoints
    turned = led(*[(0, 0, 1.0)] * 5, yaw=math.atan2(*(first[-1] - first[-2])[1::-1]))
    rest = reasoner.plan(replace(seen((0, 0, 1.0), 0.0, text=text, seconds=2), lead=turned)).plan.waypoints
    tip = rest[-1] - rest[-2]
    assert math.remainder(math.atan2(tip[1], tip[0]) - math.radians(200), math.tau) == pytest.approx(0, abs=0.01)
    home = replace(seen((0.1, 0, 1.0), 0.6, text="fly back"), lead=led(*[(0.02, 0, 1.0)] * 3, yaw=0.05))
    assert FlightReasoner(1.0).plan(home).plan.text == "done: fly back"
    assert FlightReasoner(1.0).plan(replace(home, lead=home.lead[:0])).plan.kind is PlanKind.WAYPOINTS
