import math
from dataclasses import replace

import numpy as np
import pytest
from vla_world import BLUE, CAMERA, RED, T_BODY_FROM_CAM, Box, chart, clearance, render

from saccade.clock import SEC
from saccade.geometry import SE3
from saccade.types import Image, LocalMap, PlanKind, RobotState
from vla_node.planner import Observation, Reasoner
from vla_node.reasoners.embedded.reasoner import EmbeddedReasoner

BOX = Box(3.0, 0.5, 0.2, 0.2, 0.5, RED)


def see(t_s, instruction, x=0.0, y=0.0, yaw=0.0, boxes=(BOX,), epoch=1, v=0.0, **changes):
    pose = SE3.from_rpy(0, 0, yaw, (x, y, 0.0))
    T_odom_from_cam = pose @ T_BODY_FROM_CAM
    rgb, depth_m = render(T_odom_from_cam, boxes)
    stamp = round(t_s * SEC)
    state = RobotState(stamp, "odom", pose, np.array([v, 0, 0, 0, 0, 0]))
    observation = Observation(
        stamp, epoch, instruction, state, SE3.identity(), Image(stamp, "left_optical", rgb), depth_m, CAMERA,
        T_odom_from_cam, chart(stamp, x, y, boxes), "", 0,
    )  # fmt: skip
    return replace(observation, **changes)


@pytest.fixture
def reasoner() -> Reasoner:
    return EmbeddedReasoner(radius_m=0.4, standoff_m=0.6, patience_s=5.0)


def end(plan):
    """Last point and heading of a plan's waypoints."""
    (x0, y0, _), (x1, y1, _) = plan.waypoints[-2:]
    return x1, y1, math.atan2(y1 - y0, x1 - x0)


def test_an_object_in_sight_is_driven_up_to_and_faced(reasoner):
    plan = reasoner.plan(see(1, "go to the red box")).plan
    assert plan.kind is PlanKind.WAYPOINTS
    assert plan.final
    x, y, yaw = end(plan)
    assert 0.5 <= math.hypot(3.0 - 0.2 - x, 0.5 - y) <= 1.0
    assert yaw == pytest.approx(math.atan2(0.5 - y, 3.0 - x), abs=0.1)
    assert plan.obs_stamp_ns == SEC
    assert plan.frame_id == "odom"


def test_steps_follow_one_another_and_the_end_is_said(reasoner):
    text = "go to the red box, then come back"
    assert not reasoner.plan(see(1, text)).plan.final
    passing = reasoner.plan(see(4, text, x=2.15, y=0.4, yaw=0.15, v=0.5)).plan
    assert "step 1 of 2" in passing.text, "it must stand before it says that it is there"
    back = reasoner.plan(see(5, text, x=2.15, y=0.4, yaw=0.15)).plan
    assert back.final
    assert end(back) == pytest.approx((0.02, 0.0, 0.0), abs=1e-6)
    moving = reasoner.plan(see(9, text, x=0.1, v=0.4)).plan
    assert moving.kind is PlanKind.WAYPOINTS, "it must stand before it says that it has arrived"
    done = reasoner.plan(see(10, text)).plan
    assert done.kind is PlanKind.STOP
    assert done.final
    assert done.text == f"done: {text}"


def test_a_body_that_still_turns_where_it_should_stand_is_let_come_to_rest(reasoner):
    text, there = "go to the red box", see(4, "go to the red box", x=2.15, y=0.4, yaw=0.15)
    swinging = replace(there.state, twist=np.array([0, 0, 0, 0, 0, 0.6]))
    resting = reasoner.plan(replace(there, state=swinging)).plan
    assert (resting.kind, resting.final) == (PlanKind.STOP, False)
    assert "coming to rest" in resting.text
    settling = replace(there.state, twist=np.array([0, 0, 0, 0, 0, -0.2]))
    assert reasoner.plan(replace(there, state=settling)).plan.text == f"done: {text}", "it will face it all the same"


def test_what_is_not_in_sight_is_looked_for_by_turning_twice_around(reasoner):
    text = "go to the red box"
    for k in range(14):
        plan = reasoner.plan(see(k, text, yaw=0.9 * k, boxes=())).plan
        assert plan.kind is PlanKind.WAYPOINTS
        assert np.ptp(plan.waypoints[:, :2], axis=0).max() <= 0.021, "in place"
        assert 0.5 < math.remainder(end(plan)[2] - 0.9 * k, math.tau) < math.pi - 0.5, "always to the left"
    plan = reasoner.plan(see(15, text, yaw=12.6, boxes=())).plan
    assert plan.kind is PlanKind.STOP
    assert plan.final
    assert "not found after 2 full turns" in plan.text


def test_what_was_seen_is_remembered(reasoner):
    text = "go to the red box"
    seen = reasoner.plan(see(1, text)).plan
    away = reasoner.plan(see(2, text, yaw=3.0)).plan
    assert end(away)[:2] == pytest.approx(end(seen)[:2], abs=0.15)


def test_a_range_that_was_wrong_from_afar_is_corrected_nearby(reasoner):
    far, near = Box(5.0, 0.5, 0.2, 0.2, 0.5, RED), "go to the red box"
    observation = see(1, near, boxes=(far,))
    depth_m = observation.depth_m * np.float32(0.78)
    reasoner.plan(replace(observation, depth_m=depth_m))
    plan = reasoner.plan(see(5, near, x=3.0, y=0.3, boxes=(far,))).plan
    x, y, _ = end(plan)
    assert math.hypot(5.0 - x, 0.5 - y) == pytest.approx(0.8, abs=0.2)


def test_a_place_seen_from_nearby_counts_even_if_it_looks_less_like_a_box_there(reasoner):
    said, box = "go to the red box", Box(5.0, 0.5, 0.2, 0.2, 0.5, RED)
    far = see(1, said, boxes=(box,))
    reasoner.plan(replace(far, depth_m=far.depth_m * np.float32(0.78)))
    near = see(5, said, x=3.0, boxes=(box,))
    x, y, _ = end(reasoner.plan(replace(near, image=replace(near.image, data=cornered(near.image.data)))).plan)
    assert math.hypot(5.0 - x, 0.5 - y) == pytest.approx(0.8, abs=0.2)


def cornered(rgb):
    """The picture with the corners of a red thing cut off, as those of a cube that is seen on its edge."""
    rgb = rgb.copy()
    rows, cols = np.nonzero((rgb[..., 0] > 100) & (rgb[..., 1] < 90))
    off = np.hypot(rows - rows.mean(), cols - cols.mean()) > 1.08 * 0.5 * (np.ptp(rows) + 1)
    rgb[rows[off], cols[off]] = 60
    return rgb


def test_a_way_that_is_closed_is_waited_for_before_a_long_detour(reasoner):
    text, wall = "come back", (Box(2.0, 2.0, 0.1, 1.5, 1.0, BLUE), Box(2.0, -2.0, 0.1, 1.5, 1.0, BLUE))
    person, x = Box(2.0, 0.0, 0.25, 0.5, 1.7, BLUE), 3.6
    straight = reasoner.plan(see(1, text, x=x, yaw=math.pi, boxes=wall)).plan
    assert len(straight.waypoints) == 3
    for t in (2, 4, 6):
        waiting = reasoner.plan(see(t, text, x=x, yaw=2.0, boxes=(*wall, person))).plan
        assert "waiting" in waiting.text
        assert np.array_equal(waiting.waypoints, straight.waypoints), "the fast half sees first when it opens"
    assert "waiting" not in reasoner.plan(see(7, text, x=x, yaw=math.pi, boxes=wall)).plan.text
    reasoner.plan(see(8, text, x=x, yaw=math.pi, boxes=(*wall, person)))
    hasty = EmbeddedReasoner(radius_m=0.4, standoff_m=0.6)
    hasty.plan(see(1, text, x=x, yaw=math.pi, boxes=wall))
    for around in (
        reasoner.plan(see(13.1, text, x=x, yaw=math.pi, boxes=(*wall, person))).plan,
        hasty.plan(see(2, text, x=x, yaw=math.pi, boxes=(*wall, person))).plan,
    ):
        assert "waiting" not in around.text
        assert np.abs(around.waypoints[:, 1]).max() > 3.0, "past the end of the wall"


def test_of_two_alike_the_nearest_is_taken_and_it_says_so(reasoner):
    boxes = (BOX, Box(2.0, -0.6, 0.15, 0.15, 0.4, RED))
    plan = reasoner.plan(see(1, "go to the red box", boxes=boxes)).plan
    assert "among 2" in plan.text
    assert end(plan)[1] < 0.2
    person = Box(1.2, -0.36, 0.15, 0.25, 1.7, BLUE)
    kept = reasoner.plan(see(2, "go to the red box", y=0.5, boxes=(*boxes, person))).plan
    assert np.hypot(end(kept)[0] - 2.0, end(kept)[1] + 0.6) < 1.0, "the choice stands when it is out of sight"
    other = reasoner.plan(see(3, "go to the red box", boxes=(BOX,))).plan
    assert np.hypot(end(other)[0] - 3.0, end(other)[1] - 0.5) < 1.0, "and not when it is seen to be gone"


def test_a_sliver_beside_what_hides_the_rest_moves_nothing(reasoner):
    seen = reasoner.plan(see(1, "go to the red box")).plan
    hiding = (BOX, Box(1.6, 0.0, 0.1, 0.265, 1.7, BLUE))
    now = see(2, "go to the red box", boxes=hiding)
    near = np.where(now.image.data[..., 0] > 150, np.float32(1.8), now.depth_m)  # as stereo smears it
    sliver = replace(now, depth_m=near, grid=see(2, "", boxes=(BOX,)).grid)
    assert 40 < (near == np.float32(1.8)).sum() < 0.5 * (see(1, "").image.data[..., 0] > 150).sum()
    assert end(reasoner.plan(sliver).plan)[:2] == pytest.approx(end(seen)[:2], abs=0.1)


def test_of_two_ways_as_good_the_one_that_is_followed_is_kept(reasoner):
    def over(t_s, y):
        return see(t_s, "go to the red box", boxes=(BOX, Box(1.5, 0.4 + y, 0.1, 0.9, 1.0, BLUE)))

    text = "go to the red box"
    first = reasoner.plan(replace(see(0, text), grid=over(0, 0.1).grid)).plan
    side = np.sign(first.waypoints[1, 1] - 0.4)
    again = reasoner.plan(replace(see(1, text), grid=over(1, 0.1 * side).grid)).plan
    assert np.sign(again.waypoints[1, 1] - 0.4) == side, "now the other way is a little shorter"
    far = reasoner.plan(replace(see(9, text), grid=over(9, 0.8 * side).grid)).plan
    late = reasoner.plan(replace(see(15, text), grid=over(15, 0.8 * side).grid)).plan
    assert "waiting" in far.text or np.sign(far.waypoints[1, 1] - 0.4) == -side
    assert np.sign(late.waypoints[1, 1] - 0.4) == -side, "and now by far"


def test_what_was_cut_by_the_pictures_edge_is_let_go_when_it_is_seen_to_be_something_else(reasoner):
    text, box = "go to the red ball", Box(3.0, 0.5, 0.2, 0.2, 0.5, RED)
    for t in (1, 3):  # looking there once more makes it no ball either
        cut = reasoner.plan(see(t, text, yaw=0.85, boxes=(box,))).plan
        assert ("to go" in cut.text) == (t == 1), cut.text
        whole = reasoner.plan(see(t + 1, text, yaw=0.2, boxes=(box,))).plan
        assert "looking for it" in whole.text


def test_what_is_seen_whole_is_preferred_to_what_the_pictures_edge_cut(reasoner):
    """Where the edge cuts a thing, what is left of it may have the depth of the wall behind."""
    text, box = "go to the red box", Box(3.0, 0.5, 0.2, 0.2, 0.5, RED)
    cut = see(1, text, yaw=0.85, boxes=(box,))
    reasoner.plan(replace(cut, depth_m=cut.depth_m * np.float32(2.6)))
    plan = reasoner.plan(see(2, text, yaw=0.2, boxes=(box,))).plan
    x, y, _ = end(plan)
    assert math.hypot(3.0 - x, 0.5 - y) == pytest.approx(0.8, abs=0.2)


def test_a_box_is_no_ball(reasoner):
    plan = reasoner.plan(see(1, "go to the red ball")).plan
    assert "looking for it" in plan.text


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"image": None, "depth_m": None, "camera": None, "blind": "tf missing"}, "tf missing"), ({"grid": None}, "map")],
)
def test_missing_senses_stop_with_the_reason_and_may_come_back(reasoner, changes, word):
    plan = reasoner.plan(see(1, "go to the red box", **changes)).plan
    assert plan.kind is PlanKind.STOP
    assert not plan.final
    assert word in plan.text
    assert reasoner.plan(see(2, "go to the red box")).plan.kind is PlanKind.WAYPOINTS


def test_grey_pictures_cannot_show_colours(reasoner):
    grey = Image(0, "left_optical", np.full((120, 160), 90, np.uint8))
    plan = reasoner.plan(see(1, "go to the red box", image=grey)).plan
    assert plan.kind is PlanKind.STOP
    assert plan.final
    assert "grey" in plan.text


def test_where_the_way_stays_closed_it_looks_around(reasoner):
    text, ring = "go forward 3 m", [Box(x, y, 0.9, 0.1, 1.0, BLUE) for x, y in ((0.0, 0.8), (0.0, -0.8))]
    ring += [Box(x, 0.0, 0.1, 0.9, 1.0, BLUE) for x in (0.8, -0.8)]
    for t in (1, 3, 4.9):
        assert "the way is blocked" in reasoner.plan(see(t, text, boxes=ring)).plan.text
    assert "looking for a way" in reasoner.plan(see(5.1, text, boxes=ring)).plan.text
    assert end(reasoner.plan(see(6, text, boxes=())).plan)[0] > 2.9, "the way is open again"


def test_no_way_is_said(reasoner):
    fence = [Box(1.5, 0, 0.1, 4.1, 0.1, BLUE)]
    plan = reasoner.plan(see(1, "go forward 3 m", boxes=fence)).plan
    assert plan.kind is PlanKind.STOP
    assert "no path" in plan.text


def test_a_straight_drive_is_no_long_way_round(reasoner):
    fence = [Box(1.5, 0, 0.1, 2.5, 0.1, BLUE)]
    assert reasoner.plan(see(1, "go forward 3 m", boxes=fence)).plan.kind is PlanKind.STOP
    assert reasoner.plan(see(1, "go to the red box", boxes=[*fence, BOX], epoch=2)).plan.kind is PlanKind.WAYPOINTS


def test_turns_are_counted_beyond_half_a_turn(reasoner):
    text = "turn right 270 degrees"
    for k, yaw in enumerate((0.0, -1.5, -3.0, -4.5)):
        plan = reasoner.plan(see(k, text, yaw=yaw)).plan
        assert plan.kind is PlanKind.WAYPOINTS
        assert math.remainder(end(plan)[2] - yaw, math.tau) < 0, "always to the right"
    assert reasoner.plan(see(5, text, yaw=-1.5 * math.pi)).plan.text.startswith("done")


def test_waiting_lasts_as_long_as_it_was_told(reasoner):
    first = reasoner.plan(see(10, "wait two seconds")).plan
    assert first.kind is PlanKind.STOP
    assert not first.final
    assert first.valid_for_ns == 2 * SEC
    assert reasoner.plan(see(11.9, "wait two seconds")).plan.valid_for_ns == pytest.approx(0.1 * SEC)
    assert reasoner.plan(see(12, "wait two seconds")).plan.final


def test_backing_up_needs_floor_that_is_known_to_be_free(reasoner):
    plan = reasoner.plan(see(1, "back up 50 cm")).plan
    assert plan.kind is PlanKind.VELOCITY
    np.testing.assert_array_equal(plan.values, [-0.2, 0, 0])
    assert plan.valid_for_ns == 2.5 * SEC
    assert reasoner.plan(see(4, "back up 50 cm", x=-0.49)).plan.final
    blocked = reasoner.plan(see(1, "back up 50 cm", boxes=[Box(-0.9, 0, 0.2, 0.5, 1, BLUE)], epoch=2)).plan
    assert blocked.kind is PlanKind.STOP
    unknown = LocalMap(0, "odom", 0.1, (-4, -4), np.full((80, 80), -1, np.int8), np.zeros((80, 80), np.float32))
    assert reasoner.plan(see(1, "back up 50 cm", grid=unknown, epoch=3)).plan.kind is PlanKind.STOP


def test_exploring_goes_where_it_is_free(reasoner):
    plan = reasoner.plan(see(1, "explore", boxes=())).plan
    assert end(plan)[:2] == pytest.approx((3.2, 0.0), abs=0.2)
    aside = reasoner.plan(see(2, "explore", boxes=[Box(1.2, -1.0, 0.1, 1.4, 1, BLUE)])).plan
    assert end(aside)[1] > 0.5
    cage = [Box(0.8, 0, 0.1, 4, 1, BLUE), Box(0, 0.8, 4, 0.1, 1, BLUE), Box(0, -0.8, 4, 0.1, 1, BLUE)]
    assert reasoner.plan(see(3, "explore", boxes=cage)).plan.kind is PlanKind.STOP


WALL = (205, 200, 190)
CORRIDOR = (Box(4.0, 1.1, 4.5, 0.1, 2.6, WALL), Box(4.0, -1.1, 4.5, 0.1, 2.6, WALL), Box(7.1, 0, 0.1, 1.0, 2.6, WALL))
DOOR = Box(6.98, 0, 0.02, 0.45, 2.0, BLUE)
BEFORE_THE_DOOR = "follow the corridor and stop before the door"


def test_a_corridor_is_followed_until_the_door_is_seen_and_remembered(reasoner):
    boxes = (*CORRIDOR, DOOR)
    blind_to_it = reasoner.plan(see(1, BEFORE_THE_DOOR, boxes=boxes)).plan
    assert "no door was seen yet" in blind_to_it.text
    assert end(blind_to_it)[0] == pytest.approx(3.2, abs=0.2)
    seen = reasoner.plan(see(2, BEFORE_THE_DOOR, x=3.2, boxes=boxes)).plan
    assert end(seen) == pytest.approx((6.4, 0.0, 0.0), abs=0.15)
    assert "a flat panel 0.88 m wide and 2.01 m high" in seen.text
    assert "seen from 3.7 m" in seen.text
    near = reasoner.plan(see(3, BEFORE_THE_DOOR, x=5.6, boxes=boxes)).plan
    assert end(near) == pytest.approx((6.4, 0.0, 0.0), abs=0.15)
    assert reasoner.plan(see(4, BEFORE_THE_DOOR, x=6.3, v=0.3, boxes=boxes)).plan.kind is PlanKind.WAYPOINTS
    assert reasoner.plan(see(5, BEFORE_THE_DOOR, x=6.3, boxes=boxes)).plan.text.startswith("done")


def test_the_next_step_begins_before_the_landmark_and_looks_for_one_of_its_own(reasoner):
    text, boxes = f"{BEFORE_THE_DOOR}, turn around, {BEFORE_THE_DOOR}", (*CORRIDOR, DOOR)
    reasoner.plan(see(1, text, x=3.0, boxes=boxes))
    assert "step 2 of 3" in reasoner.plan(see(2, text, x=6.3, boxes=boxes)).plan.text
    reasoner.plan(see(3, text, x=6.3, yaw=1.6, boxes=boxes))
    back = reasoner.plan(see(4, text, x=6.3, yaw=math.pi, boxes=boxes)).plan
    assert "step 3 of 3" in back.text
    assert "no door was seen yet" in back.text


def test_of_landmarks_on_the_way_the_nearest_counts_even_if_it_is_seen_last(reasoner):
    side = Box(5.0, 0.99, 0.45, 0.01, 2.0, RED)
    reasoner.plan(see(1, BEFORE_THE_DOOR, x=1.4, boxes=(*CORRIDOR, DOOR)))
    both = (*CORRIDOR, DOOR, side)
    plan = reasoner.plan(see(2, BEFORE_THE_DOOR, x=1.5, boxes=both)).plan
    assert end(plan)[:2] == pytest.approx((5.0, 0.4), abs=0.3)
    kept = reasoner.plan(see(3, BEFORE_THE_DOOR, x=4.0, boxes=both)).plan
    assert end(kept)[:2] == pytest.approx(end(plan)[:2], abs=0.3), "the farther one does not take its place"


def test_until_it_is_seen_ends_where_it_is_seen(reasoner):
    text = "explore until you see the red box"
    stopping = reasoner.plan(see(1, text, v=0.5)).plan
    assert stopping.kind is PlanKind.STOP
    assert not stopping.final
    assert "seen" in stopping.text
    assert reasoner.plan(see(2, text, x=0.2)).plan.text.startswith("done")


def test_a_way_that_ends_without_the_landmark_is_said(reasoner):
    at_the_end = {"x": 6.4, "boxes": CORRIDOR}
    for t_s, final in ((1, False), (5, False), (6.1, True)):
        plan = reasoner.plan(see(t_s, BEFORE_THE_DOOR, **at_the_end)).plan
        assert plan.kind is PlanKind.STOP
        assert plan.final == final, "whoever stands in the way may go"
        assert "the door was not seen on the way" in plan.text


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"image": None, "depth_m": None, "camera": None, "blind": "tf missing"}, "tf missing"),
        ({"depth_m": None}, "told by depth"),
        ({"image": Image(0, "left_optical", np.full((120, 160), 90, np.uint8))}, "grey"),
        ({"grid": None}, "map"),
    ],
)
def test_it_does_not_drive_on_where_it_cannot_look(reasoner, changes, word):
    plan = reasoner.plan(see(1, BEFORE_THE_DOOR, boxes=CORRIDOR, **changes)).plan
    assert plan.kind is PlanKind.STOP
    assert word in plan.text


def test_held_on_the_open_way_it_looks_around_but_does_not_turn_back(reasoner):
    grid = dark_strip()
    for k in range(7):
        plan = reasoner.plan(see(1 + k, "explore", x=0.6, yaw=k, grid=grid, held_ns=4 * SEC)).plan
        assert "looking for a way" in plan.text
        assert np.ptp(plan.waypoints[:, :2], axis=0).max() <= 0.021, "in place, although the way back is free"
    assert end(reasoner.plan(see(9, "explore", x=0.6, boxes=())).plan)[0] > 3.0


def test_a_new_epoch_begins_the_instruction_anew(reasoner):
    assert reasoner.plan(see(1, "wait 1 s")).plan.kind is PlanKind.STOP
    assert reasoner.plan(see(3, "wait 1 s")).plan.final
    assert not reasoner.plan(see(4, "wait 1 s", epoch=2)).plan.final


def test_what_is_not_understood_is_a_stop(reasoner):
    plan = reasoner.plan(see(1, "fetch me a coffee")).plan
    assert plan.kind is PlanKind.STOP
    assert plan.final
    assert plan.text == reasoner.refuses("fetch me a coffee") != ""
    assert reasoner.refuses("stop") == ""


def test_held_by_the_gate_just_before_the_object_it_has_arrived(reasoner):
    near = {"x": 1.95, "y": 0.35, "yaw": 0.14}
    assert not reasoner.plan(see(1, "go to the red box", **near)).plan.text.startswith("done")
    assert reasoner.plan(see(3, "go to the red box", held_ns=2 * SEC, **near)).plan.text.startswith("done")


def dark_strip():
    """A map with an unseen strip from wall to wall between the robot and what is 3 m ahead."""
    light = chart(0, 0, 0, [])
    occupancy = light.occupancy.copy()
    occupancy[:, 100:110] = -1
    return replace(light, occupancy=occupancy, clearance_m=clearance(occupancy, light.resolution_m))


def test_held_where_the_way_is_not_known_to_be_free_it_looks_around_and_steps_back(reasoner):
    text, grid, x = "go forward 3 m", dark_strip(), 0.6
    assert end(reasoner.plan(see(1, text, grid=grid)).plan)[0] > 2.9
    turning = reasoner.plan(see(3, text, x=x, grid=grid, held_ns=4 * SEC)).plan
    assert "looking for a way" in turning.text
    for k in range(1, 7):
        turning = reasoner.plan(see(3 + k, text, x=x, yaw=k, grid=grid)).plan
        assert np.ptp(turning.waypoints[:, :2], axis=0).max() <= 0.021, "in place, although no longer held"
    back = reasoner.plan(see(10, text, x=x, yaw=6.4, grid=grid)).plan
    assert end(back)[0] == pytest.approx(-0.0, abs=0.1)
    again = reasoner.plan(see(12, text, grid=grid)).plan
    assert end(again)[0] > 2.9


def test_a_way_that_shows_while_looking_is_taken(reasoner):
    text = "go forward 3 m"
    reasoner.plan(see(1, text, grid=dark_strip(), held_ns=2 * SEC))
    assert end(reasoner.plan(see(2, text, boxes=())).plan)[0] > 2.9


def test_who_is_held_for_a_moment_looks_nowhere_else(reasoner):
    """Whoever stands there may go, and looking all around takes longer than to wait for that."""
    text, grid = "go forward 3 m", dark_strip()
    first = reasoner.plan(see(1, text, grid=grid)).plan
    held = reasoner.plan(see(3, text, x=0.6, grid=grid, held_ns=2 * SEC)).plan
    assert "looking" not in held.text
    assert end(held)[:2] == pytest.approx(end(first)[:2], abs=0.1)


def test_held_again_and_again_it_gives_up(reasoner):
    text, grid = "go forward 3 m", dark_strip()
    reasoner.plan(see(0, text, grid=grid))
    yaw, plan = 0.0, None
    for k in range(40):
        plan = reasoner.plan(see(k, text, yaw=yaw, grid=grid, held_ns=4 * SEC)).plan
        if plan.kind is PlanKind.STOP:
            break
        yaw += 1.0
    assert plan.final
    assert "known to be free" in plan.text
    assert 18 <= k <= 30, "three turns"
