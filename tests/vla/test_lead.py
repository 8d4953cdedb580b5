"""A plan begins where the robot will be when it comes, not where it was when the thought about it began."""

import math
from dataclasses import replace

import numpy as np
import pytest
from test_pilot import plan, senses
from test_reasoner import end, see
from test_slow import Scripted, at_s, go
from vla_world import BLUE, Box

from saccade.clock import MS, SEC
from saccade.geometry import SE3
from saccade.types import PlanKind, RobotState
from vla_node.bodies import body_of
from vla_node.course import Course
from vla_node.lead import lead
from vla_node.params import VlaParams
from vla_node.pilot import Pilot
from vla_node.planner import LEAD_S, Reasoner
from vla_node.reasoners.embedded.reasoner import EmbeddedReasoner
from vla_node.rollout import Style

WALL = Box(3.0, -1.0, 0.3, 1.0, 1.0, BLUE)
"""Before the start, which is come back to from x = 6: round its left end."""


@pytest.fixture
def pilot():
    pilot = Pilot(VlaParams())
    pilot.begin(1)
    pilot.adopt(plan())
    pilot.act(50 * MS, senses(50 * MS), False)
    return pilot


@pytest.fixture
def reasoner() -> Reasoner:
    return EmbeddedReasoner(radius_m=0.4, standoff_m=0.6)


def led(*points, yaw=0.0):
    return np.array([(x, y, 0.0, yaw) for x, y in points], np.float64)


def test_the_lead_goes_along_the_plan_as_fast_as_the_robot_can(pilot):
    lead = pilot.lead(50 * MS, senses(50 * MS), 3 * SEC)
    x, y = lead[:, 0], lead[:, 1]
    assert lead.shape == (30, 4)
    assert np.all(np.diff(x) >= 0)
    assert np.abs(y).max() < 0.05
    assert 1.0 < x[-1] < 3 * VlaParams().policy.cruise_m_s


def test_the_lead_ends_where_the_plan_ends(pilot):
    ends = replace(plan(), valid_for_ns=2 * SEC)
    whole = pilot.lead(50 * MS, senses(50 * MS), 20 * SEC)
    assert whole[-1, 0] == pytest.approx(3.0, abs=0.1)
    pilot.adopt(ends)
    assert pilot.lead(50 * MS, senses(50 * MS), 20 * SEC)[-1, 0] < 1.2, "the robot brakes before its plan expires"


def test_a_robot_that_has_no_plan_or_turns_nowhere_has_no_lead(pilot):
    assert len(Pilot(VlaParams()).lead(SEC, senses(SEC), SEC)) == 0
    blind = senses(SEC)
    pilot.act(3 * SEC, blind, False)
    assert len(pilot.lead(3 * SEC, senses(3 * SEC), SEC)) == 0, "it brakes, as its map was too old"
    pilot.begin(2)
    assert len(pilot.lead(SEC, senses(SEC), SEC)) == 0, "nothing of the epoch before is followed"


def test_a_robot_that_flies_has_a_lead_too_up_and_along_its_course():
    body, style = body_of(VlaParams(embodiment="uav")), Style(0.6, 0.8, 0.1, 0.1, 0.4, 0.4)
    state = RobotState(0, "odom", SE3.from_rpy(0, 0, 0, (0, 0, 0.5)), np.zeros(6))
    course = Course(np.array([(0.0, 0.0, 0.5), (0.0, 0.0, 1.5), (3.0, 0.0, 1.5)]))
    ahead = lead(body, state, np.zeros(4), course, style, 60.0, 20.0)
    assert ahead.shape == (200, 4)
    assert ahead[-1, :3] == pytest.approx((3.0, 0, 1.5), abs=0.15)
    assert np.linalg.norm(np.diff(ahead[:, :3], axis=0), axis=1).max() < 0.75 * LEAD_S
    cut = lead(body, state, np.zeros(4), course, style, 3.0, 20.0)
    assert 0.5 < cut[-1, 2] - cut[0, 2] + cut[-1, 0] < 2.0, "it stops where its plan ends"
    pushed = lead(body, state, np.array([0.0, 0.5, 0.0, 0.0]), course, style, 60.0, 0.2)
    assert pushed[0, 1] > 0.02, "it begins with what it was asked for"
    assert len(lead(body_of(VlaParams(embodiment="arm")), state, np.zeros(7), None, style, 9.0, 1.0)) == 0


def test_the_first_thought_knows_no_lead_and_the_next_one_goes_as_far_as_the_first_took():
    seen, _ = go(Scripted(), until_s=5.0, period_s=1.0, latency_s=0.8)
    assert not len(seen[0].lead), "the robot stands, and nobody knows how long thinking takes"
    later = seen[-1]
    assert at_s(later) > 3.0
    assert len(later.lead) == 8
    here = later.state.T_odom_from_body.t[0]
    assert later.lead[-1, 0] - here == pytest.approx(0.8 * VlaParams().policy.cruise_m_s, abs=0.15)


def test_a_robot_that_is_held_is_not_expected_to_go_on():
    seen, _ = go(Scripted(), until_s=7.0, period_s=0.5, boxes=(Box(2.0, 0.0, 0.3, 3.0, 1.0, BLUE),))
    held = [observation for observation in seen if observation.held_ns]
    assert held
    assert not any(len(observation.lead) for observation in held)


def test_a_way_begins_with_the_lead_and_goes_on_from_its_end(reasoner):
    text, straight = "come back", led(*[(6.0 - 0.1 * k, 0.0) for k in range(1, 16)], yaw=math.pi)
    free = reasoner.plan(see(1, text, x=6.0, yaw=math.pi, boxes=(WALL,))).plan
    assert free.waypoints[1, 1] > 0.5, "from here it would go round at once"
    onward = reasoner.plan(see(1.1, text, x=6.0, yaw=math.pi, boxes=(WALL,), lead=straight)).plan
    along = onward.waypoints[onward.waypoints[:, 0] > 4.55]
    assert len(along) > 3
    assert np.abs(along[:, 1]).max() < 0.05, "it will have gone straight on by then"
    assert onward.waypoints[:, 1].max() > 0.6, "and goes round the wall from there"
    assert end(onward)[0] < WALL.x - 0.3 - 0.4, "to what lies behind it"


def test_a_lead_into_what_is_not_free_is_followed_no_further_than_it_is(reasoner):
    into = led(*[(6.0 - 0.1 * k, 0.0) for k in range(1, 31)], yaw=math.pi)
    way = reasoner.plan(see(1, "come back", x=6.0, yaw=math.pi, boxes=(WALL,), lead=into)).plan.waypoints
    to_wall = np.hypot(np.maximum(np.abs(way[:, 0] - WALL.x) - 0.3, 0), np.maximum(np.abs(way[:, 1] + 1.0) - 1.0, 0))
    assert to_wall.min() > 0.35
    assert np.interp(4.0, way[::-1, 0], way[::-1, 1]) == pytest.approx(0.0, abs=0.05), "it stops before the wall only"
    assert way[:, 1].max() > 0.6


def test_whoever_looks_around_turns_on_from_where_it_will_look(reasoner):
    text = "go to the red box"
    first = end(reasoner.plan(see(1, text, boxes=())).plan)[2]
    then = end(reasoner.plan(see(1.1, text, boxes=(), lead=led((0.0, 0.0), yaw=first))).plan)[2]
    assert math.remainder(then - first, math.tau) == pytest.approx(math.radians(110), abs=0.01)


@pytest.mark.parametrize(("degrees", "headings"), [(200, (110, 200, 200)), (-300, (-110, -220, -300))])
def test_a_long_turn_goes_on_without_a_pause(reasoner, degrees, headings):
    """Each plan comes when the one before has been carried out, and was thought about when it had not begun."""
    text, yaw = f"turn {'left' if degrees > 0 else 'right'} {abs(degrees)} degrees", 0.0
    for k, heading in enumerate(headings):
        lead = led((0.0, 0.0), yaw=math.radians(headings[k - 1])) if k else led()
        plan = reasoner.plan(see(1 + k, text, yaw=yaw, boxes=(), lead=lead.reshape(-1, 4))).plan
        assert math.remainder(end(plan)[2] - math.radians(heading), math.tau) == pytest.approx(0.0, abs=0.01)
        yaw = math.radians(headings[k - 1]) if k else 0.0


def test_what_stands_at_the_stand_off_is_not_called_to_another_one(reasoner):
    """From the other side of the thing the nearest stand-off is another: only the lead says where it arrives."""
    text = "go to the red box"
    x, y, yaw = end(reasoner.plan(see(1, text)).plan)
    beside = {"x": x - 0.2, "y": y - 1.0, "yaw": 1.4, "v": 0.5}
    arrives = led(*[(x - 0.2 + 0.2 * k / 8, y - 1.0 + k / 8) for k in range(1, 9)], yaw=yaw)
    called = EmbeddedReasoner(radius_m=0.4, standoff_m=0.6).plan(see(4, text, **beside)).plan
    assert math.dist(end(called)[:2], (x, y)) > 0.2, "from there it would go to another one"
    then = reasoner.plan(see(4, text, **beside, lead=arrives)).plan
    assert end(then)[:2] == pytest.approx((x, y), abs=0.05)


THERE = {"x": 2.15, "y": 0.4}
STOPS = [(2.15, 0.4), (2.18, 0.41), *[(2.2, 0.41)] * 6]
"""The last of the way to the red box, at rest in the end."""


def test_who_will_stand_there_and_face_it_when_the_plan_comes_has_arrived(reasoner):
    text, stands = "go to the red box", led(*STOPS, yaw=0.1)
    here = see(4, text, **THERE, yaw=-0.6, v=0.3)
    assert reasoner.plan(here).plan.kind is PlanKind.WAYPOINTS, "of whom it is not known is waited for"
    assert reasoner.plan(replace(here, lead=stands)).plan.text == f"done: {text}"


def test_who_will_still_drive_or_turn_when_the_plan_comes_is_let_go_on(reasoner):
    text = "go to the red box"
    standing = see(4, text, **THERE, yaw=0.15)
    assert EmbeddedReasoner(radius_m=0.4, standoff_m=0.6).plan(standing).plan.text == f"done: {text}"
    drives = led((2.1, 0.4), (2.15, 0.4), (2.2, 0.4), yaw=0.15)
    faces_elsewhere = led(*STOPS, yaw=1.2)
    spins = led(*STOPS, yaw=0.0)
    spins[:, 3] = np.linspace(-0.7, 0.0, len(STOPS))
    stops_at_last = led(*STOPS[:4], yaw=0.15)
    for ahead in (drives, faces_elsewhere, spins, stops_at_last):
        plan = reasoner.plan(replace(standing, lead=ahead)).plan
        assert (plan.kind, "step 1 of 1" in plan.text) == (PlanKind.WAYPOINTS, True), plan.text


def test_who_will_stand_where_it_began_is_back(reasoner):
    rolling = see(9, "come back", x=0.1, yaw=0.5, v=0.4)
    assert reasoner.plan(rolling).plan.kind is PlanKind.WAYPOINTS
    stands = led((0.06, 0.0), *[(0.02, 0.0)] * 6, yaw=0.05)
    assert reasoner.plan(replace(rolling, lead=stands)).plan.text == "done: come back"


def test_who_will_stand_where_it_was_told_to_go_is_there(reasoner):
    text = "go forward 1 m"
    reasoner.plan(see(1, text, boxes=()))
    rolling = see(3, text, x=0.95, v=0.3, boxes=())
    assert reasoner.plan(rolling).plan.kind is PlanKind.WAYPOINTS
    stands = led((0.98, 0.0), *[(1.0, 0.0)] * 6)
    assert reasoner.plan(replace(rolling, lead=stands)).plan.text == f"done: {text}"
