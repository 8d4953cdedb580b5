"""A rollout is cut by its plans, its map and its gripper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rollout_scene import beside, done, drive, film, ns, observation, plan, rollout

from saccade.cli.collect.rollout import Rollout, overheard_nodes
from saccade.cli.collect.stages import cut
from saccade.types import Plan, PlanKind
from vla_node.embodiments.arm import ArmParams


def times(made: Rollout) -> list[tuple[str, float, float]]:
    return [(s.kind, round(s.begin_ns / 1e9, 2), round(s.end_ns / 1e9, 2)) for s in cut(made)]


def test_an_errand_becomes_search_approach_door_approach_and_arrival() -> None:
    assert times(drive()) == [
        ("search", 0.2, 1.0), ("pass", 1.0, 4.6), ("arrive", 4.6, 5.8),
    ], "the 0.2 m after the door are the beginning of the arrival"  # fmt: skip
    stages = cut(drive())
    assert [s.task for s in stages] == [
        "look for the red box", "go through the door", "stop at the red box",
    ]  # fmt: skip
    assert all(stage.ended for stage in stages)


def test_what_an_errand_breaks_off_in_has_not_ended() -> None:
    made = rollout(film(3.0), [(observation(0.5), plan("step 1 of 2, go to the red box"))])
    (stage,) = cut(made)
    assert (stage.kind, stage.ended) == ("approach", False)


def test_the_way_back_is_one_stage() -> None:
    words = "go to the red box, then come back"
    thoughts = [
        (observation(0.5), plan("step 1 of 2, go to the red box", way_m=0.5)),
        (observation(1.5), plan("step 2 of 2, come back: 2.0 m to go")),
        (observation(2.5), plan("step 2 of 2, come back: held", PlanKind.STOP)),
        (observation(3.5), done()),
    ]
    assert times(rollout(film(4.0), thoughts, words)) == [("arrive", 0.5, 1.5), ("return", 1.5, 3.5)]


def test_an_arrival_lasts_until_the_plan_after_it_comes() -> None:
    """It is judged for then, and a robot may still come to rest meanwhile; a search ends with what was seen."""

    def late(made: Plan, after_s: float) -> Plan:
        return replace(made, inference_ns=ns(after_s))

    thoughts = [
        (observation(0.5), plan("step 1 of 2, go to the red box: looking for it")),
        (observation(1.0), late(plan("step 1 of 2, go to the red box", way_m=0.5), 0.4)),
        (observation(1.5), late(plan("step 2 of 2, come back: 2.0 m to go"), 0.4)),
        (observation(3.5), late(done(), 0.3)),
    ]
    made = rollout(film(4.0), thoughts, "go to the red box, then come back")
    assert times(made) == [("search", 0.5, 1.0), ("arrive", 1.0, 1.9), ("return", 1.9, 3.8)]
    thoughts[-1] = (observation(3.9), late(done(), 0.3))
    made = rollout(film(4.0), thoughts, "go to the red box, then come back")
    assert times(made)[-1] == ("return", 1.9, 4.0), "no later than the film"


def test_what_is_overheard_is_known_to_come_when_thinking_has_taken_its_time() -> None:
    _, reasoner, _ = overheard_nodes("gates")
    seen = replace(observation(0.5), instruction="climb 1 m", epoch=1)
    told = reasoner.plan(seen).plan
    (thought,) = reasoner.thoughts
    assert thought.plan.text == told.text
    assert thought.plan.inference_ns == ns(0.4), "as the robot's file says"


def test_before_a_door_it_is_only_on_its_way_back() -> None:
    words = "go to the red box, then come back"
    shot = drive().film
    thoughts = [(observation(0.2), plan("step 2 of 2, come back")), (observation(5.8), done())]
    shot.odom[:] = film(6.0, speed=1.0).odom
    assert times(rollout(shot, thoughts, words)) == [("homeward", 0.2, 1.0), ("pass", 1.0, 4.6), ("return", 4.6, 5.8)]


def test_a_narrow_place_in_open_ground_is_no_door() -> None:
    made = drive()
    made.film.beside[:] = [b._replace(wall_m=1.6) if b.door else b for b in made.film.beside]
    assert times(made) == [("search", 0.2, 1.0), ("approach", 1.0, 5.0), ("arrive", 5.0, 5.8)]


def test_views_of_one_door_are_one_passing_and_of_another_another() -> None:
    made = drive()
    lost = [i for i, b in enumerate(made.film.beside) if b.door][2:5]
    for i in lost:
        made.film.beside[i] = beside(i / 10, np.inf, np.inf)
    assert times(made)[1] == ("pass", 1.0, 4.6)
    made.film.odom[:] = film(6.0, speed=4.0).odom
    assert [kind for kind, *_ in times(made)].count("pass") == 2, "it went 1.6 m between the two views"


def test_who_waits_under_way_has_not_arrived() -> None:
    words = "step 1 of 1, go to the red box: 9.0 m to go"
    thoughts = [
        (observation(0.5), plan(words)),
        (observation(1.5), plan(f"{words}; waiting, as the other way is long", way_m=0.02)),
        (observation(2.5), plan(words)),
        (observation(4.5), plan(words, way_m=1.0)),
        (observation(5.0), plan(f"{words}: held", PlanKind.STOP)),
        (observation(5.5), done()),
    ]
    assert times(rollout(film(6.0), thoughts)) == [("approach", 0.5, 4.5), ("arrive", 4.5, 5.5)]


def test_it_has_not_arrived_before_it_is_through_the_door() -> None:
    made = drive()
    made.thoughts[2] = made.thoughts[2]._replace(plan=plan("step 1 of 1, go to the red box", way_m=1.0))
    made.thoughts[1] = made.thoughts[1]._replace(plan=plan("step 1 of 1, go to the red box", way_m=1.1))
    assert times(made) == [("search", 0.2, 1.0), ("pass", 1.0, 4.6), ("arrive", 4.6, 5.8)]


@pytest.mark.parametrize(("speed", "kinds"), [(0.1, ["pass", "return"]), (0.5, ["homeward", "pass", "return"])])
def test_a_turn_towards_the_door_is_the_beginning_of_going_through(speed: float, kinds: list[str]) -> None:
    shot = drive().film
    shot.odom[:] = film(6.0, speed=speed).odom
    shot.beside[:] = [beside(i / 10, 0.8, 0.9, 3.0 if 35 <= i <= 41 else 0.0) for i in range(61)]
    thoughts = [(observation(0.2), plan("step 2 of 2, come back")), (observation(5.8), done())]
    assert [kind for kind, *_ in times(rollout(shot, thoughts, "go to the red box, then come back"))] == kinds


def test_nothing_planned_is_no_stage() -> None:
    assert cut(rollout(film(2.0), [])) == []


def hand(closing_s: float | None = 2.0) -> Rollout:
    """The gripper is told to close, takes half a second, and holds something 3 cm wide until 4 s."""
    shot = film(6.0)
    arm = ArmParams()
    for i in range(61):
        at = i / 10
        closed = 0.0 if closing_s is None else 0.04 * np.clip((at - closing_s) / 0.5, 0.0, 0.6)
        told = 0.04 if closing_s is not None and at >= closing_s else 0.0
        shot.felt.append((ns(at), np.array([0.0] * 6 + [closed])))
        shot.sent.append((ns(at), np.array([0.0] * 6 + [told])))
    thoughts = [
        (observation(0.5), plan("step 1 of 2, take the red box, try 1 of 3")),
        (observation(4.0), plan("step 2 of 2, put it on the purple tray, try 1 of 3")),
        (observation(5.5), done()),
    ]
    return rollout(shot, thoughts, "put the red box on the purple tray", arm=arm)


def test_a_hand_reaches_grasps_lifts_and_places() -> None:
    stages = cut(hand())
    assert [stage.kind for stage in stages] == ["reach", "grasp", "lift", "place"]
    assert stages[0].end_ns == ns(2.0)
    assert ns(2.3) <= stages[1].end_ns <= ns(2.7)
    assert (stages[3].thing, stages[3].place) == ("red box", "purple tray")
    assert stages[3].task == "put the red box on the purple tray"


def test_a_hand_that_never_closes_only_reached() -> None:
    kinds = [stage.kind for stage in cut(hand(None))]
    assert kinds == ["reach", "place"]


@pytest.mark.parametrize("attempt", [1, 2])
def test_another_try_is_another_reach(attempt: int) -> None:
    thoughts = [
        (observation(0.5), plan("step 1 of 1, take the red box, try 1 of 3")),
        (observation(1.5), plan("step 1 of 1, take the red box: it was not lifted; once more", PlanKind.STOP)),
        (observation(2.5), plan(f"step 1 of 1, take the red box, try {attempt} of 3")),
    ]
    made = rollout(hand(None).film, thoughts, "take the red box", arm=ArmParams())
    assert len(cut(made)) == attempt


def test_a_flight_takes_off_searches_and_goes_through_gates() -> None:
    step = "step 1 of 2, fly through the red gate"
    thoughts = [
        (observation(0.5), plan(f"{step}: taking off, 1.0 m to climb")),
        (observation(1.5), plan(f"{step}: looking for it, turned 0 degrees so far")),
        (observation(2.5), plan(f"{step}: 2.0 m before it, 0.1 m aside")),
        (observation(4.5), replace(plan("step 2 of 2, go to the orange post: 3.0 m to go"), inference_ns=ns(0.4))),
    ]
    made = rollout(film(6.0), thoughts, "fly through the red gate, then go to the orange post")
    assert [(s.kind, s.thing) for s in cut(made)] == [
        ("climb", "red gate"), ("search", "red gate"), ("gate", "red gate"), ("approach", "orange cylinder"),
    ]  # fmt: skip
    gate = cut(made)[2]
    assert gate.task == "fly through the red gate"
    assert gate.end_ns == ns(4.9), "the plan that goes on from behind it was made before it"
