"""The engine proposes, goes on where it was, survives what fails, and keeps the best."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from rollout_scene import drive

from saccade.cli.collect import add_arguments, loop, propose, run
from saccade.cli.collect.loop import Engine, Plan
from saccade.cli.collect.pictures import PictureVerifier
from saccade.cli.collect.propose import Goal, Offer
from saccade.cli.collect.rollout import Assignment, Rollout
from saccade.cli.collect.score import keep
from saccade.cli.collect.truth import TruthVerifier
from saccade.errors import ConfigError, DataError

pytest.importorskip("pyarrow", reason="datasets need pyarrow (in requirements-dev.txt)")
pytest.importorskip("av", reason="datasets need PyAV (in requirements-dev.txt)")
PLAN = Plan("yard", 5)


def parsed(*words: str) -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[Assignment]:
    """What was played: always the same drive, but for the third errand, which fails, and a world of two things."""
    asked: list[Assignment] = []

    def play(errand: Assignment, limit_s: float | None, progress: Any) -> Rollout:
        asked.append(errand)
        progress(0)
        if len(asked) == 3:
            raise DataError("the camera fell off")
        return drive()

    goals = (Goal("red box"), Goal("blue cylinder", door=True))
    monkeypatch.setattr(loop, "play", play)
    monkeypatch.setitem(propose.OFFERS, "yard", lambda seed: Offer(goals, goals[:1]))
    return asked


def engine(out: Path, plan: Plan = PLAN) -> Engine:
    return Engine(out, plan, [TruthVerifier(), PictureVerifier()])


def test_good_stages_are_saved_and_a_failed_episode_is_recorded(tmp_path: Path, played: list[Assignment]) -> None:
    made = engine(tmp_path / "out")
    made.run(4)
    assert [record.get("error") for record in made.records] == [None, None, "the camera fell off", None]
    first = made.records[0]
    assert [stage["kept"] for stage in first["stages"]] == [True, False, False]
    assert set(first["stages"][0]["opinions"]) == {"truth", "pictures"}
    summary = made.finish(None)
    assert summary["failed"] == 1
    assert summary["stages"]["search"] == {"all": 3, "kept": 3}
    assert summary["agreement"]["pictures"]["search"]["unknown"] == 3, "there were no pictures to look at"
    assert summary["dataset"] == ["00000-00-search", "00001-00-search", "00003-00-search"]
    assert (tmp_path / "out/dataset/meta/info.json").is_file()
    assert len(made.finish(1)["dataset"]) == 1


def test_it_goes_on_where_it_was_and_comes_to_the_same(tmp_path: Path, played: list[Assignment]) -> None:
    engine(tmp_path / "out").run(2)
    with (tmp_path / "out/episodes.jsonl").open("a") as file:
        file.write('{"episode": 2, "wor')  # power was lost
    again = engine(tmp_path / "out")
    assert len(again.records) == 2
    again.run(4)
    assert len(played) == 4
    played.clear()
    whole = engine(tmp_path / "whole")
    whole.run(4)
    assert (tmp_path / "out/episodes.jsonl").read_bytes() == (tmp_path / "whole/episodes.jsonl").read_bytes()


def test_what_is_to_break_is_part_of_every_errand(tmp_path: Path, played: list[Assignment]) -> None:
    engine(tmp_path / "out", Plan("yard", 5, faults="freeze@5s+2s")).run(1)
    assert played[0].faults == "freeze@5s+2s"
    assert json.loads((tmp_path / "out/collect.json").read_text())["faults"] == "freeze@5s+2s"
    with pytest.raises(ConfigError, match="unknown fault"):
        run(parsed("yard", "--out", str(tmp_path / "new"), "--fault", "fire"))
    assert not (tmp_path / "new").exists()


def test_another_collection_or_another_folder_is_not_touched(tmp_path: Path) -> None:
    engine(tmp_path / "out")
    with pytest.raises(ConfigError, match="seed is 5 there"):
        engine(tmp_path / "out", Plan("yard", 6))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="neither a new folder"):
        engine(tmp_path / "mine")
    with pytest.raises(ConfigError, match="no verifier 'model'"):
        engine(tmp_path / "other", Plan("yard", 5, by="model"))


def test_the_second_visit_goes_to_what_was_seen_and_the_third_elsewhere(played: list[Assignment]) -> None:
    first, why = propose.propose("yard", 5, [])
    assert (first.seed, first.goal, first.instruction) == (5, "red box", "go to the red box")
    assert why.startswith("a new world")
    record = {
        "seed": 5,
        "goal": "red box",
        "seen_at_start": ["blue cylinder"],
        "stages": [{"kind": "arrive", "kept": True}],
    }
    second, why = propose.propose("yard", 5, [record])
    assert (second.seed, second.goal) == (5, "blue cylinder")
    assert second.instruction.endswith(", then come back"), "returns are rarer than arrivals"
    assert why.startswith("seen from the start")
    third, _ = propose.propose("yard", 5, [record, {**record, "goal": "blue cylinder"}])
    assert third.seed == 6
    blind, _ = propose.propose("yard", 5, [{**record, "seen_at_start": ["red box"]}])
    assert blind.seed == 6, "nothing else was seen there"


def test_what_fails_or_is_rare_is_needed_more(monkeypatch: pytest.MonkeyPatch) -> None:
    goals = {0: "red box", 1: "blue cylinder", 2: "red box", 3: "red box", 4: "red box"}
    monkeypatch.setitem(propose.OFFERS, "yard", lambda s: Offer((), (Goal(goals[s], door=s == 3),)))
    good = {"seed": 99, "goal": "red box", "stages": [{"kind": "approach", "kept": True}]}
    assert propose.propose("yard", 0, [good, good])[0].seed == 3, "doors are rarer still"
    door = {**good, "stages": [{"kind": "pass", "kept": True}] * 9}
    assert propose.propose("yard", 0, [door, door])[0].seed == 1
    bad = {**door, "stages": door["stages"] + [{"kind": "approach", "kept": False}] * 60}
    assert propose.propose("yard", 0, [bad, bad])[0].seed == 3, "the red box fails"
    with pytest.raises(ConfigError, match="no errands are known"):
        propose.propose("moon", 0, [])


@pytest.mark.parametrize("world", ["yard", "hall", "table", "gates"])
def test_each_world_offers_what_can_be_named(world: str) -> None:
    offer = propose.OFFERS[world](3)
    assert offer.sure
    assert set(offer.sure) <= set(offer.goals)
    assert all(" " in goal.name for goal in offer.goals)


def test_the_best_are_kept_but_not_the_same_twice() -> None:
    twin, other = [0.0, 0.0], [3.0, 0.0]
    assert keep([(0.9, twin), (0.88, twin), (0.7, other)], 2) == [0, 2]
    assert keep([(0.9, twin), (0.88, twin), (0.1, other)], 2) == [0, 1], "coverage does not make up for everything"
    assert keep([(0.5, twin), (0.9, other)], None) == [1, 0]
    assert keep([], 3) == []


def test_the_records_are_lines_of_json(tmp_path: Path, played: list[Assignment]) -> None:
    engine(tmp_path / "out").run(1)
    (line,) = (tmp_path / "out/episodes.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert (record["episode"], record["seed"], record["done"]) == (0, 5, True)
    assert record["stages"][0]["score"].keys() == {"agreed", "done", "quality"}
