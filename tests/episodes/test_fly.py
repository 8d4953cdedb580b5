"""Flights through gates in closed loop on virtual time: it gets through, twice alike, and what counts as done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from painted_once import painted_once
from yard_scenes import Ear

from saccade.cli.episodes.episode import Episode, play
from saccade.cli.episodes.fly import Fly
from saccade.cli.episodes.variants import variant_of

SEED = 1


def episode(seed: int = SEED, gates: int = 1, hz: int = 10, **changes: Any) -> Episode:
    """An errand through so many gates, with true depth to be cheap."""
    variant = replace(variant_of("truth"), world=f"&eyes=rgbd&gates={gates}&camera_hz={hz}")
    return replace(Episode(Fly(), seed, variant), **changes)


def test_two_flights_are_the_same_bytes_and_an_episode_ends() -> None:
    ears = [Ear(), Ear()]
    with painted_once():
        first, second = (play(episode(hz=5, limit_s=1.5), [ear]) for ear in ears)
    assert first == second
    assert ears[0].digest() == ears[1].digest()
    assert first["plans"] >= 1
    assert (first["success"], first["collisions"]) == (False, 0)
    assert first["why"].startswith("out of time")


@pytest.mark.parametrize(("seed", "gates"), [(1, 1), (3, 1), (2, 2)])
def test_it_flies_through_and_to_the_post(seed: int, gates: int) -> None:
    outcome = play(episode(seed, gates))
    assert outcome["success"], outcome
    assert list(outcome["passed"]) == outcome["order"]
    assert len(outcome["order"]) == gates
    assert outcome["clearance_m"] > 0.1
    assert outcome["waiting_ratio"] < 0.1


VERDICT = {
    "goal": "orange post", "order": ["red gate", "blue gate"], "passed": {"red gate": 9.0, "blue gate": 15.0},
    "astray": [], "left_m": 1.0, "from_start_m": 9.0, "travelled_m": 14.0, "shortest_m": 12.0, "clearance_m": 0.3,
    "collisions": 0, "hit": [], "struck": 0, "fallen_s": None, "stuck_s": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said_done", "success"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"passed": {"red gate": 9.0}}, True, False),
        ({"left_m": 1.6}, True, False),
        ({"collisions": 1, "hit": ["red gate left"]}, True, False),
        ({"fallen_s": 8.0}, True, False),
    ],
)
def test_what_counts_as_done(changes: dict[str, Any], said_done: bool, success: bool) -> None:
    figures = Fly().figures({**VERDICT, **changes}, said_done)
    assert figures["success"] is success
    assert figures["spl"] == (pytest.approx(12 / 14, abs=1e-4) if success else 0)


def test_back_is_told_and_judged_over_the_start() -> None:
    assert (
        Fly().words(VERDICT) == "fly through the red gate, then fly through the blue gate, then go to the orange post"
    )
    assert Fly(True).words(VERDICT).endswith("blue gate, then come back")
    assert not Fly(True).figures(VERDICT, True)["success"]
    home = Fly(True).figures({**VERDICT, "left_m": 8.0, "from_start_m": 0.3}, True)
    assert home["success"]
    assert "spl" not in home
    assert Fly(True).limit_s(VERDICT) > Fly().limit_s(VERDICT) == pytest.approx(112.0)
    assert Fly().missed({**VERDICT, "passed": {}}).startswith("0 of 2 gates passed")
