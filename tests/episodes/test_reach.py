"""Errands at the table in closed loop on virtual time: it takes what it is told, twice alike, or says why not."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("mink", reason="arms need mink (an extra, in requirements-dev.txt)")

from yard_scenes import Ear

from saccade.cli.episodes.episode import Episode, play
from saccade.cli.episodes.reach import Reach
from saccade.cli.episodes.variants import Variant, variant_of

NEAR = 3
"""A table whose goal is the red box."""


class Say(Reach):
    """Other words than the judge's goal would have."""

    def words(self, verdict: dict[str, Any]) -> str:
        return "take the orange box"


def episode(take: bool = False, seed: int = NEAR, variant: str = "camera", **changes: Any) -> Episode:
    return Episode(Reach(take), seed, variant_of(variant), **changes)


class Commands(Ear):
    reads = frozenset({"joint_trajectory", "verdict"})


def test_it_takes_what_it_was_told_and_nothing_else() -> None:
    outcome = play(episode(take=True))
    assert outcome["success"], outcome
    assert outcome["instruction"] == "take the red box"
    assert list(outcome["lifted"]) == outcome["held"] == ["red box"]
    assert outcome["pushed"] == outcome["hit"] == []
    assert outcome["time_s"] < 12.0
    assert 1.0 < outcome["jerk"] < 100.0
    assert outcome["waiting_ratio"] < 0.05


def test_two_runs_are_the_same_bytes_and_an_episode_ends() -> None:
    ears = [Commands(), Commands()]
    first, second = (play(episode(limit_s=2.5), [ear]) for ear in ears)
    assert first == second
    assert ears[0].digest() == ears[1].digest()
    assert not first["success"]
    assert first["time_s"] == pytest.approx(2.5, abs=0.1)
    assert (first["blame"], first["why"].split(":")[0]) == ("policy", "out of time")


def test_what_an_arm_cannot_take_is_named_and_it_stands() -> None:
    outcome = play(Episode(Say(True), NEAR, Variant("camera", "")))
    assert not outcome["success"]
    assert outcome["said"].startswith("step 1 of 1, take the orange box: no orange box is seen")
    assert outcome["blame"] == "reasoner"
    assert outcome["lifted"] == {}
    assert outcome["collisions"] == 0
    assert outcome["jerk"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_told_in_three_ways(seed: int) -> None:
    words = Reach().words({"seed": seed, "goal": "red box", "tray": "purple tray"})
    assert "red box" in words
    assert words.endswith("the purple tray")
    others = {Reach().words({"seed": s, "goal": "red box", "tray": "purple tray"}) for s in range(3)}
    assert len(others) == 3


@pytest.mark.parametrize(
    ("take", "changes", "success"),
    [
        (False, {}, True),
        (False, {"on_tray": []}, False),
        (False, {"on_tray": ["red box", "blue ball"]}, False),
        (False, {"lifted": {"red box": 5.0, "blue ball": 9.0}}, False),
        (False, {"collisions": 1, "hit": ["table"]}, False),
        (False, {"goal": "blue ball"}, False),
        (True, {}, False),
        (True, {"held": ["red box"], "on_tray": []}, True),
    ],
)
def test_what_counts_as_done(take: bool, changes: dict[str, Any], success: bool) -> None:
    verdict = {
        "seed": 1, "goal": "red box", "tray": "purple tray", "lifted": {"red box": 5.0}, "held": [],
        "on_tray": ["red box"], "pushed": [], "collisions": 0, "hit": [], **changes,
    }  # fmt: skip
    errand = Reach(take)
    assert errand.figures(verdict, True)["success"] is success
    assert errand.figures(verdict, False)["success"] is False
    assert "on the tray:" in errand.missed(verdict)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "variant"), [(4, "camera"), (5, "exact"), (6, "camera@2")])
def test_it_puts_what_it_was_told_on_the_tray(seed: int, variant: str) -> None:
    outcome = play(episode(seed=seed, variant=variant))
    assert outcome["success"], outcome


@pytest.mark.slow
def test_a_frozen_camera_keeps_it_from_saying_done_until_it_sees_again() -> None:
    outcome = play(episode(take=True, faults="freeze@3s+3s"))
    assert outcome["success"], outcome
    assert outcome["collisions"] == 0
