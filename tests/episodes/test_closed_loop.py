"""Errands in the yard in closed loop on virtual time: it gets there, the same way twice, whatever breaks on the way."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from painted_once import painted_once
from yard_scenes import NEAR, At, Ear, Mortal, episode

from saccade.cli.episodes import episode as episodes
from saccade.cli.episodes.episode import play
from saccade.cli.episodes.variants import Variant, episode_nodes
from saccade.cli.fleet import map_jobs
from saccade.clock import SEC
from saccade.node import Node
from sim.things import Thing
from sim.yard import world as yard
from sim.yard.layout import YardLayout, furnish
from sim.yard.walkers import Walker


def test_it_gets_there() -> None:
    with painted_once():
        outcome = play(episode())
    assert outcome["success"], outcome
    assert outcome["said"] == "done: go to the red box"
    assert outcome["left_m"] <= 1.0
    assert outcome["collisions"] == outcome["struck"] == 0
    assert 0.7 < outcome["spl"] <= 1.0
    assert outcome["clearance_m"] > 0.1
    assert outcome["waiting_ratio"] < 0.05


def test_it_gets_there_among_people() -> None:
    busy = replace(episode().variant, world="&camera_hz=5")
    outcome = play(episode(105, variant=busy))
    assert outcome["success"], outcome
    assert outcome["collisions"] == 0
    assert outcome["spl"] > 0.6


def test_two_runs_are_the_same_bytes_and_an_episode_ends() -> None:
    ears = [Ear(), Ear()]
    with painted_once():
        first, second = (play(episode(limit_s=2.5), [ear]) for ear in ears)
    assert first == second
    assert ears[0].digest() == ears[1].digest()
    assert not first["success"]
    assert first["time_s"] == pytest.approx(2.5, abs=0.1)
    assert first["blame"] == "policy"
    assert first["why"].startswith("out of time")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [102, 125])
def test_it_gets_there_elsewhere_among_people_and_back(seed: int) -> None:
    busy = replace(episode(seed).variant, world="&camera_hz=5")
    outcome = play(episode(seed, variant=busy, back=True))
    assert outcome["success"], outcome
    assert outcome["instruction"].endswith("then come back")


@pytest.mark.slow
def test_other_processes_find_the_same() -> None:
    short = [episode(seed, limit_s=2.0) for seed in (NEAR, 102, 125)]
    assert list(map_jobs(play, short, 2)) == list(map_jobs(play, short, 1))


def test_a_frozen_camera_stops_it_until_it_sees_again() -> None:
    ear = Ear()
    outcome = play(episode(faults="freeze@4s+2s"), [ear])
    assert outcome["collisions"] == 0
    assert outcome["success"], outcome
    assert outcome["stops"] >= 1


def test_a_reasoner_that_hangs_is_waited_for_without_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = made(monkeypatch)

    def think(latency_ns: int) -> None:
        nodes[1]._slow._worker._latency_ns = latency_ns

    hang = At((4.0, lambda: think(12 * SEC)), (8.0, lambda: think(SEC // 2)))
    outcome = play(episode(limit_s=60.0), [hang])
    assert outcome["collisions"] == 0
    assert outcome["success"], outcome
    assert outcome["waiting_ratio"] > 0.2, "its plan had run out"


def test_perception_that_dies_stops_it_until_it_is_there_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def mortal(robot: str, variant: Variant) -> list[Node]:
        _, vla, gate = episode_nodes(robot, variant)
        return [Mortal(lambda: episode_nodes(robot, variant)[0], 4.0, 7.0), vla, gate]

    monkeypatch.setattr(episodes, "episode_nodes", mortal)
    outcome = play(episode(limit_s=60.0))
    assert outcome["collisions"] == 0
    assert outcome["success"], outcome
    assert outcome["stops"] >= 1


@pytest.mark.parametrize(("after_s", "before_it"), [(2.6, True), (4.6, False)])
def test_a_person_who_steps_in_is_not_run_into(
    monkeypatch: pytest.MonkeyPatch, after_s: float, before_it: bool
) -> None:
    """Who comes from beside, when it is nearly past, walks into a robot that stands for it: see docs/safety.md."""
    monkeypatch.setattr(yard, "furnish", lambda seed, people: stepping_in(furnish(seed, 0), after_s))
    outcome = play(episode(limit_s=60.0))
    assert outcome["collisions"] == 0
    assert outcome["clearance_m"] > 0.0 or not before_it
    assert outcome["success"], outcome


def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The nodes of the next episode, once they are made."""
    nodes: list[Any] = []

    def make(robot: str, variant: Variant) -> list[Node]:
        nodes[:] = episode_nodes(robot, variant)
        return nodes

    monkeypatch.setattr(episodes, "episode_nodes", make)
    return nodes


def stepping_in(layout: YardLayout, after_s: float) -> YardLayout:
    """Somebody walks into the middle of the way as the robot comes, stands there, and walks away again after 7 s.

    They begin to walk `after_s` seconds, and are there 2.6 s later.
    """
    (x0, y0), (x1, y1) = layout.way[0], layout.way[-1]
    heading = math.atan2(y1 - y0, x1 - x0)
    aside = (-math.sin(heading), math.cos(heading))
    middle = (x0 + 0.65 * (x1 - x0), y0 + 0.65 * (y1 - y0))
    outside = (middle[0] + 1.8 * aside[0], middle[1] + 1.8 * aside[1])
    body = Thing("person 1", "capsule", (0.25, 1.7), (112, 120, 132))
    walker = Walker.on(body, [middle, outside], 0.7, 7.0, 1.8 / 0.7 + 7.0 - after_s)
    return replace(layout, things=(*layout.things, walker.thing), walkers=(walker,))
