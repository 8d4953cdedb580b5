"""What the learned policy may do, what that costs, and which of it is taken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from learned_scene import classical, map_of, seeing

from saccade.clock import SEC
from vla_node.policies.learned.card import load_card
from vla_node.policies.learned.manoeuvres import (
    PLACES,
    STEPS,
    WAYS,
    ahead,
    by_map,
    course,
    others,
    places,
    too_near,
)
from vla_node.policies.learned.policy import LearnedPolicy
from vla_node.rollout import Motion, Style, follow
from vla_node.track import Track

STYLE = Style(0.7, 1.0, 0.08, 0.06, 0.3, 0.5)
STRAIGHT = Track(np.array([[-3.0, 0.0, 0.0], [3.0, 0.0, 0.0]]))


class Says:
    """An engine whose answer is fixed."""

    def __init__(self, near: np.ndarray) -> None:
        self.near = near
        self.asked: list[Mapping[str, np.ndarray]] = []

    def infer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.asked.append(inputs)
        return {"near": self.near[None]}

    def close(self) -> None:
        pass


def policy(near: np.ndarray) -> tuple[LearnedPolicy, Says]:
    engine: Any = Says(near)
    return LearnedPolicy(load_card(), engine, classical()), engine


def plain() -> np.ndarray:
    """What a pursuit of the plan is on a floor with nobody."""
    return policy(np.zeros(WAYS))[0].act(seeing(), SEC)


def test_there_are_as_many_ways_as_the_graph_is_shown() -> None:
    own, m = classical(), Motion(0.0, 0.0, 0.0, 0.5, 0.0)
    ways = others(m, STRAIGHT, own.style, own.limits, 9.0)
    assert len(ways) == WAYS - 1
    assert {len(way) for way in ways} == {STEPS}
    ends = [way[-1] for way in ways]
    assert max(m.y for m in ends) > 0.5
    assert min(m.y for m in ends) < -0.5  # to either side
    assert any(abs(m.v) < 0.01 and abs(m.w) < 0.01 for m in ends)  # standing
    assert min(m.v for m in ends) < -0.2  # backing


def test_places_are_told_as_the_body_sees_them() -> None:
    m = Motion(1.0, 2.0, math.pi / 2, 0.0, 0.0)
    way = [Motion(1.0, 2.0 + 0.1 * (i + 1), 0.0, 0.0, 0.0) for i in range(STEPS)]
    told = ahead(m, *places([way]))
    assert told.shape == (1, PLACES, 2)
    assert told[0, 0] == pytest.approx([0.4, 0.0], abs=1e-6)
    assert told[0, -1] == pytest.approx([6.0, 0.0], abs=1e-6)
    left = [step._replace(x=0.5) for step in way]
    assert ahead(m, *places([left]))[0, 0] == pytest.approx([0.4, 0.5], abs=1e-6)


def test_backing_does_not_count_as_getting_on() -> None:
    m = Motion(0.0, 0.0, math.pi, 0.0, 0.0)  # its way lies behind it
    backs = [Motion(0.01 * i, 0.0, math.pi, -0.3, 0.0) for i in range(40)]
    assert course(m, backs, STRAIGHT, STYLE) > course(m, [m] * 40, STRAIGHT, STYLE)


def test_who_is_too_near_already_may_leave() -> None:
    away, nearer = np.array([[0.3, 0.5]]), np.array([[0.3, 0.2]])
    assert too_near(away, 0.46, 0.28)[0] == pytest.approx(0.0)
    assert too_near(nearer, 0.46, 0.28)[0] == pytest.approx(0.1)
    assert too_near(away, 0.46, 2.0)[0] == pytest.approx(0.16)


def test_the_map_counts_as_far_as_the_gate_looks() -> None:
    own, m = classical(), Motion(0.0, 0.0, 0.0, 0.6, 0.0)
    x, y = places([follow(m, STRAIGHT, own.style, own.limits, 0.05, STEPS, 9.0)])
    assert by_map(m, x, y, map_of([(1.0, 0.0, 0.2)]), 0.46)[0] > 0.0
    assert by_map(m, x, y, map_of([(2.4, 0.0, 0.2)]), 0.46)[0] == 0.0


def test_with_nobody_near_it_is_the_plain_pursuit_and_one_question() -> None:
    learned, engine = policy(np.zeros(WAYS))
    rows = learned.act(seeing(), SEC)
    assert len(engine.asked) == 2  # the first one when it was opened
    assert rows[-1] == pytest.approx([0.7, 0.0], abs=0.02)


def test_it_takes_what_comes_near_nobody() -> None:
    near = np.full(WAYS, 1.0)
    near[1] = 0.0  # 0.4 m to the left
    rows = policy(near)[0].act(seeing(), SEC)
    assert rows[:, 1].max() > 0.1
    near[9], near[1] = 0.0, 1.0  # standing
    rows = policy(near)[0].act(seeing(), SEC)
    assert abs(rows[-1, 0]) < abs(plain()[-1, 0]) / 2


def test_a_little_is_nothing() -> None:
    near = np.zeros(WAYS)
    near[0] = 0.02
    learned, engine = policy(near)
    assert np.array_equal(learned.act(seeing(), SEC), plain())
    assert len(engine.asked) == 2


def test_it_goes_around_what_the_map_shows() -> None:
    look = replace(seeing(), grid=map_of([(1.0, 0.1, 0.2)]))
    rows = policy(np.zeros(WAYS))[0].act(look, SEC)
    assert np.abs(rows - plain()).max() > 0.1
