"""What each verifier says of stages that went well and of ones that did not."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rollout_scene import BOX, CAMERA, drive, film, ns, observation, plan, rollout

from saccade.cli.collect.film import Track
from saccade.cli.collect.model import ModelVerifier
from saccade.cli.collect.pictures import PictureVerifier
from saccade.cli.collect.rollout import Rollout
from saccade.cli.collect.stages import Stage, cut
from saccade.cli.collect.truth import TruthVerifier
from saccade.cli.collect.verify import Opinion, agreements
from saccade.clock import SEC
from saccade.geometry import SE3
from saccade.types import PlanKind
from sim.things import Thing
from vla_node.planner import Answer, Observation, make_plan
from vla_node.reasoners.embedded.gates import GateMemory, GateSeen

truth, eyes = TruthVerifier(), PictureVerifier()


def stage(kind: str, begin_s: float = 1.0, end_s: float = 5.0, ended: bool = True) -> Stage:
    return Stage(kind, f"{kind} the red box", "red box", "purple tray", ns(begin_s), ns(end_s), ended)


def true(made: Rollout, at_s: float, **verdict: Any) -> Rollout:
    """With another verdict of the judge from an instant on."""
    entries = made.film.truth
    entries[:] = [t._replace(verdict={**t.verdict, **verdict}) if t.stamp_ns >= ns(at_s) else t for t in entries]
    return made


def shown(range_m: float | None, at_x: float = 0.0) -> tuple[Any, Any]:
    """Picture and depth of the red box so far ahead; None: of a grey wall."""
    rgb = np.full((48, 64, 3), 128, np.uint8)
    depth_m = np.full((48, 64), 6.0, np.float32)
    if range_m is not None:
        half, up = round(CAMERA.fx * 0.2 / range_m), round(CAMERA.fy * 0.25 / range_m)
        box = np.s_[24 - up : 24 + up, 32 - half : 32 + half]
        rgb[box], depth_m[box] = (205, 38, 34), range_m
    return rgb, depth_m


def test_truth_of_a_good_drive() -> None:
    said = [truth.judge(s, drive()) for s in cut(drive())]
    assert [opinion.good for opinion in said] == [True, False, False]
    assert said[1].why == "no door was passed"
    assert not truth.judge(stage("approach", 4.6, 5.0), drive()).good, "0.2 m are no approach"


@pytest.mark.parametrize(("verdict", "why"), [
    ({"collisions": 1, "hit": ["crate 1"]}, "ran into crate 1"), ({"fallen_s": 3.0}, "it tipped over"),
])  # fmt: skip
def test_what_was_run_into_is_never_good(verdict: dict[str, Any], why: str) -> None:
    opinion = truth.judge(stage("approach"), true(drive(), 3.0, **verdict))
    assert (opinion.good, opinion.why) == (False, why)
    assert truth.judge(stage("approach"), drive()).good
    assert truth.judge(stage("approach", ended=False), drive()).why == "the errand ended in it"


def test_truth_of_a_search_looks_for_what_hides_it() -> None:
    made = drive()
    assert truth.judge(stage("search"), made).good
    wall = Thing("wall 1", "box", (0.1, 2.0, 2.4), (0, 0, 0), 3.3, 0.0)
    assert truth.judge(stage("search"), replace(made, things=(BOX, wall))).why == "wall 1 stands before it"
    post = replace(made, things=(replace(BOX, name="orange post"),))
    assert truth.judge(replace(stage("search"), thing="orange cylinder"), post).good, "it does not hide itself"
    aside = replace(made, things=(replace(BOX, x=2.5, y=3.0),))
    assert "90 degrees aside" in truth.judge(stage("search"), aside).why
    edge = replace(made, things=(replace(BOX, x=3.5, y=0.75),))
    assert truth.judge(stage("search"), edge).good, "at 37 degrees a corner of it is in view, of 28 to each side"
    narrow = replace(CAMERA, fx=4 * CAMERA.fx)
    edge.thoughts[:] = [t._replace(observation=replace(t.observation, camera=narrow)) for t in edge.thoughts]
    assert not truth.judge(stage("search"), edge).good, "not with a lens that sees 8"


def test_truth_of_arrivals_returns_and_doors() -> None:
    made = drive()
    near = replace(made, things=(replace(BOX, x=3.0),))
    moving = truth.judge(stage("arrive"), near)
    assert not moving.good
    assert "and moving" in moving.why
    last = made.film.truth[50]
    made.film.truth[48:] = [last._replace(stamp_ns=t.stamp_ns) for t in made.film.truth[48:]]
    assert truth.judge(stage("arrive"), near).good, "a short stop is one, too"
    assert not truth.judge(stage("arrive"), made).good, "1.2 m away"
    assert truth.judge(stage("return", 0.0, 1.5), made).good
    assert not truth.judge(stage("return"), made).good
    reached = true(drive(), 0.0, reached=True)
    never = truth.judge(stage("return", 0.0, 1.5), reached)
    assert (never.good, never.why) == (False, "0.75 m from the start, and never near")
    assert truth.judge(stage("return", 0.0, 1.5), true(reached, 1.0, returned=True)).good, "as the errand's judge says"
    assert not truth.judge(stage("homeward"), made).good, "it went away"
    post = replace(made, things=(replace(BOX, name="orange post", x=5.0),))
    assert truth.judge(replace(stage("approach"), thing="orange cylinder"), post).good, "a post is a cylinder"
    assert truth.judge(replace(stage("approach"), thing="orange box"), post).why == "there is no orange box"
    back = rollout(film(6.0, speed=-0.5), [])
    back.film.truth[:] = [t._replace(verdict={**t.verdict, "from_start_m": 5.0 + t.x}) for t in back.film.truth]
    assert truth.judge(stage("homeward"), back).good
    walls = tuple(
        Thing(f"wall {i}", "box", (3.0, 0.1, 2.4), (0, 0, 0), 1.6, y, math.pi / 2) for i, y in ((1, 2.4), (2, -2.2))
    )
    assert truth.judge(stage("pass"), replace(made, things=walls)).good
    aside = replace(made, things=walls)
    aside.film.truth[10:40] = [t._replace(y=3.0) for t in aside.film.truth[10:40]]
    assert not truth.judge(stage("pass", 0.8, 4.5), aside).good, "it went over the wall, not through the door"
    made = drive()
    to_and_fro = replace(made, things=walls)
    to_and_fro.film.truth[40:] = [t._replace(x=0.5) for t in to_and_fro.film.truth[40:]]
    assert not truth.judge(stage("pass"), to_and_fro).good, "it is where it was"
    beyond = tuple(replace(wall, x=2.8) for wall in walls)
    assert not truth.judge(stage("pass"), replace(made, things=beyond)).good


def test_truth_of_a_hand_is_the_judges() -> None:
    calm = {"lifted": {}, "on_tray": [], "held": []}
    made = true(true(drive(), 0.0, **calm), 4.0, lifted={"red box": 4.0})
    assert truth.judge(stage("grasp", 1.0, 3.0), made).good
    assert not truth.judge(stage("grasp", 1.0, 3.0), true(drive(), 0.0, **calm)).good
    assert truth.judge(stage("lift"), made).good
    assert not truth.judge(stage("lift", 1.0, 3.0), made).good
    assert not truth.judge(stage("place"), made).good
    assert truth.judge(stage("place"), true(made, 4.5, on_tray=["red box"])).good


def seen(end_m: float | None, x: float = 2.5) -> Rollout:
    """The box 4 m away at first, and so far away at 5 s."""
    first, last = shown(4.0), shown(end_m)
    return rollout(film(6.0), [(observation(1.0, 0.5, *first), plan("a")), (observation(5.0, x, *last), plan("b"))])


def test_eyes_see_whether_it_is_there_and_nearer() -> None:
    assert eyes.judge(stage("search"), seen(2.0)).good
    lost = eyes.judge(stage("search"), seen(None))
    assert (lost.good, lost.why) == (False, "no red box was seen, nor any colour at all")
    nearer = eyes.judge(stage("approach"), seen(2.0))
    assert nearer.good
    assert nearer.why.startswith("2.0 m nearer")
    stood = seen(4.0)
    stood.film.odom[:] = [replace(s, T_odom_from_body=stood.film.odom[0].T_odom_from_body) for s in stood.film.odom]
    assert not eyes.judge(stage("approach"), stood).good


def stopped(made: Rollout, at_s: float) -> Rollout:
    """With odometry that says that it stands from an instant on."""
    (pose,) = [s.T_odom_from_body for s in made.film.odom if s.stamp_ns == ns(at_s)]
    odom = [replace(s, T_odom_from_body=pose) if s.stamp_ns > ns(at_s) else s for s in made.film.odom]
    made.film.odom[:] = odom
    return made


def test_eyes_want_it_near_and_the_robot_at_rest() -> None:
    made = seen(0.7)
    assert "and moving" in eyes.judge(stage("arrive"), made).why
    made.thoughts[0] = made.thoughts[0]._replace(observation=observation(1.0, 0.5, *shown(2.6)))
    near = eyes.judge(stage("arrive"), stopped(made, 4.8))
    assert near.good, "a short stop is one, too"
    assert near.why == "0.80 m from its edge by odometry, to 0.12 m"
    assert not eyes.judge(stage("arrive"), stopped(seen(4.0), 4.8)).good


@pytest.mark.parametrize(("range_m", "good"), [(0.75, True), (0.95, None), (1.4, False)])
def test_what_is_nearer_to_the_bar_than_eyes_can_tell_is_not_told(range_m: float, good: bool | None) -> None:
    opinion = eyes.judge(stage("arrive"), stopped(seen(range_m), 4.8))
    assert opinion.good is good
    assert (opinion.sure < 0.69) == (good is None)


def test_eyes_trust_odometry_less_the_farther_it_went() -> None:
    made = rollout(film(6.0), [(observation(5.0), plan("a"))])
    short = eyes.judge(stage("return", 0.5, 1.8), made)
    assert (short.good, short.why) == (True, "0.90 m from the start by odometry, to 0.02 m")
    made.film.odom[:] = film(6.0, speed=20.0).odom
    made.thoughts[-1] = made.thoughts[-1]._replace(
        observation=replace(observation(5.0), start=SE3.from_rpy(0, 0, 0, (99.1, 0, 0)))
    )
    long = eyes.judge(stage("return", 0.5, 5.0), made)
    assert (long.good, long.why) == (None, "0.90 m from the start by odometry, to 2.00 m")


def test_eyes_know_doors_by_the_map_and_the_start_by_odometry() -> None:
    made = drive()
    assert eyes.judge(stage("pass", 1.0, 4.6), made).good
    assert not eyes.judge(stage("pass", 1.0, 3.0), made).good, "still in it"
    back = drive()
    back.film.odom[30:] = [
        replace(s, T_odom_from_body=back.film.odom[10].T_odom_from_body) for s in back.film.odom[30:]
    ]
    assert not eyes.judge(stage("pass", 1.0, 4.6), back).good, "it is where it was"
    made.film.beside[:] = [b._replace(wall_m=1.6) for b in made.film.beside]
    assert not eyes.judge(stage("pass", 1.0, 4.6), made).good, "between a crate and a pillar"
    assert eyes.judge(stage("return", 0.5, 1.5), made).good
    assert not eyes.judge(stage("homeward"), made).good
    made.film.odom[:] = film(6.0, speed=-0.5).odom
    made.thoughts[-1] = made.thoughts[-1]._replace(
        observation=replace(observation(5.8), start=SE3.from_rpy(0, 0, 0, (-9, 0, 0)))
    )
    assert eyes.judge(stage("homeward"), made).good
    made = drive()
    assert not eyes.judge(stage("return"), made).good


def test_what_cannot_be_told_is_not_said() -> None:
    blind = rollout(film(6.0), [(observation(1.0), plan("a"))])
    assert eyes.judge(stage("search"), blind).good is None
    assert eyes.judge(stage("other"), drive()).good is None
    assert truth.judge(stage("other"), drive()).good is None
    assert truth.judge(stage("approach", 5.99, 6.0), drive()).good is None


class Says:
    """A reasoner that remembers what it was asked."""

    def __init__(self, yes: bool | None) -> None:
        self.yes, self.asked = yes, list[Observation]()

    def plan(self, observation: Observation) -> Answer:
        self.asked.append(observation)
        final, progress = self.yes is not None, float(bool(self.yes))
        return Answer(make_plan(observation, PlanKind.STOP, "so it is", final=final, progress=progress))


@pytest.mark.parametrize("yes", [True, False, None])
def test_a_model_is_shown_the_stage_from_its_beginning_to_its_end(yes: bool | None) -> None:
    model: Any = Says(yes)
    opinion = ModelVerifier(model).judge(stage("approach"), drive())
    assert (opinion.good, opinion.why) == (yes, "so it is")
    (asked,) = model.asked
    assert asked.instruction == "approach the red box"
    stamps = [frame.image.stamp_ns / SEC for frame in asked.history] + [asked.image.stamp_ns / SEC]
    assert stamps == pytest.approx([1.0, 2.3, 3.6, 5.0])


def test_agreement_is_counted_by_kind() -> None:
    def row(kind: str, said: bool | None, was: bool) -> dict[str, Any]:
        return {"kind": kind, "opinions": {"pictures": {"good": said}, "truth": {"good": was}}}

    rows = [row("lift", True, True), row("lift", True, False), row("place", None, True), row("place", False, False)]
    found = agreements(rows, "pictures")
    assert list(found) == ["lift", "place", "all"]
    assert found["lift"].row()["precision"] == 0.5
    assert (found["all"].unknown, found["all"].row()["agree"]) == (1, 0.667)


def test_an_opinion_can_be_written_down() -> None:
    written = json.dumps(Opinion(np.bool_(True), "so", np.float64(0.5)).row())
    assert json.loads(written) == {"good": True, "why": "so", "sure": 0.5}


def test_a_track_holds_and_interpolates() -> None:
    track = Track.of([(0, np.array([0.0])), (10, np.array([1.0]))], 1)
    at = np.array([-5, 0, 5, 10, 20])
    assert track.held(at)[:, 0].tolist() == [0, 0, 0, 1, 1]
    assert track.between(at)[:, 0].tolist() == [0, 0, 0.5, 1, 1]


def flight() -> Rollout:
    """Along x, rising at first, through a gate at 2 m that the judge saw."""
    made = film(6.0)
    made.verdicts[:] = [replace(v, axes=("vx", "vy", "vz", "wz"), granted=np.zeros(4)) for v in made.verdicts]
    made.truth[:] = [
        t._replace(z=min(1.5, t.x), verdict={**t.verdict, "passed": {"red gate": 4.0} if t.x >= 2.0 else {}})
        for t in made.truth
    ]
    made.odom[:] = [
        replace(s, T_odom_from_body=SE3(s.T_odom_from_body.R, np.array([x := s.T_odom_from_body.t[0], 0, min(1.5, x)])))
        for s in made.odom
    ]
    return rollout(made, [(observation(1.0), plan("a")), (observation(5.0), plan("b"))])


def test_a_flight_is_judged_by_height_and_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    made = flight()
    assert made.film.state()[0][5:] == ("z.pos", "vy.vel", "vz.vel")
    assert made.film.action()[0] == ("vx.vel", "vy.vel", "vz.vel", "wz.vel")
    for verifier in (truth, eyes):
        assert verifier.judge(stage("climb", 0.5, 2.0), made).good
        assert not verifier.judge(stage("climb", 3.5, 5.0), made).good
    hovers = flight()
    hovers.film.truth[:] = [t._replace(x=3.5 + 0.02 * t.stamp_ns / SEC) for t in hovers.film.truth]
    assert truth.judge(stage("arrive"), hovers).good
    assert not truth.judge(stage("arrive"), replace(made, things=(replace(BOX, x=3.0),))).good, "it flies on"
    hovers.film.truth[:] = [t._replace(x=2.5, verdict={**t.verdict, "reached": True, "from_start_m": 1.4})
                            for t in hovers.film.truth]  # fmt: skip
    assert truth.judge(stage("return"), hovers).good, "the bar of errands that fly is 1.5 m"
    gate = replace(stage("gate", 3.0, 5.0), thing="red gate")
    assert truth.judge(gate, made).good
    assert not truth.judge(replace(gate, begin_ns=ns(4.5)), made).good, "it was through before"
    assert eyes.judge(gate, made).why == "no red gate was seen"
    where = GateSeen(np.array([2.0, 0.2, 1.4]), np.array([1.0, 0.0, 0.0]), 1.6, 1.4, 2.0, True, 1.0)
    monkeypatch.setattr(GateMemory, "recall", lambda self, colour: where)
    assert eyes.judge(gate, made).good
    assert eyes.judge(replace(gate, begin_ns=ns(4.5)), made).why == "it did not come to the other side"
    where = replace(where, centre=np.array([2.0, 1.2, 1.4]))
    assert not eyes.judge(gate, made).good, "it flew past it"
