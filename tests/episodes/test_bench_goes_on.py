"""A bench that was ended goes on from its journal, finds the same bytes, and takes nothing that is not its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from saccade.cli import INTERRUPTED, OK, USAGE, main
from saccade.cli.bench import errands, journal
from saccade.cli.bench.journal import Journal, hash_of, key_of, played_by
from saccade.cli.bench.tally import Tally
from saccade.cli.episodes import episode as episodes
from saccade.cli.episodes.episode import Episode
from saccade.cli.episodes.errand import Errand
from saccade.cli.episodes.fly import Fly
from saccade.cli.episodes.variants import variant_of
from saccade.errors import ConfigError
from saccade.robots import robot_file


class Player:
    """Plays at no cost, until it is interrupted before a number of episodes are over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.played: list[tuple[int, str]] = []
        self.errands: list[Errand] = []
        self.ends_after = 1000
        monkeypatch.setattr(episodes, "play", self)
        monkeypatch.setattr(journal, "played_by", lambda: {"runtime": "a", "libraries": {"numpy": "2"}})

    def __call__(self, episode: Episode) -> dict[str, Any]:
        if len(self.played) == self.ends_after:
            raise KeyboardInterrupt
        self.played.append((episode.seed, episode.variant.name))
        self.errands.append(episode.errand)
        won = episode.seed % 3 > 0
        why = {} if won else {"blame": "gate", "why": 'held by "nothing"'}
        passed = (f"{episode.seed}", 0.1 + episode.seed)
        return {"seed": episode.seed, "success": won, "time_s": 1 / 3, "clearance_m": 0.1, "passed": passed, **why}


@pytest.fixture
def player(monkeypatch: pytest.MonkeyPatch) -> Player:
    return Player(monkeypatch)


def bench(file: Path, *more: str, episodes: int = 3) -> int:
    asked = ["bench", "fly", "--jobs", "1", "--variant", "stereo", "truth@2", "--json", str(file)]
    return main([*asked, "--episodes", str(episodes), *more])


@pytest.mark.parametrize("ends_after", [0, 1, 4])
def test_it_goes_on_where_it_was_ended_and_finds_the_same_bytes(
    player: Player, tmp_path: Path, ends_after: int
) -> None:
    whole, ended = tmp_path / "whole.json", tmp_path / "deep" / "ended.json"
    part = ended.with_name("ended.json.part")
    assert bench(whole) == OK
    all_of_them, player.played = player.played, []
    player.ends_after = ends_after
    assert bench(ended) == INTERRUPTED
    assert len(part.read_text().splitlines()) == 1 + ends_after, "what is over is on the disk"
    assert not ended.exists()
    player.ends_after = 1000
    assert bench(ended) == OK
    assert player.played == all_of_them, "none is played twice, and none is left out"
    assert ended.read_bytes() == whole.read_bytes()
    assert list(tmp_path.rglob("*.part")) == []


@pytest.mark.parametrize("option", ["--plot", "--markdown"])
def test_a_file_that_cannot_be_written_is_named_and_nothing_is_played_again_for_it(
    player: Player, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    (tmp_path / "there").mkdir()
    file = tmp_path / "f.json"
    assert bench(file, option, str(tmp_path / "there")) == USAGE
    assert f"cannot write {tmp_path / 'there'}: Is a directory" in capsys.readouterr().err
    assert bench(file, option, str(tmp_path / "elsewhere")) == OK
    assert len(player.played) == 6


def test_what_it_was_writing_when_it_was_killed_is_played_again(player: Player, tmp_path: Path) -> None:
    file, part = tmp_path / "f.json", tmp_path / "f.json.part"
    player.ends_after = 4
    bench(file)
    part.write_bytes(part.read_bytes()[:-7])
    player.ends_after = 1000
    assert bench(file) == OK
    assert player.played[3] == player.played[4]
    assert len(player.played) == 7


def test_in_whatever_order_they_end(player: Player, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def backwards(function: Any, jobs: Sequence[Any], *_: Any) -> Iterator[tuple[int, Any]]:
        for index in reversed(range(len(jobs))):
            yield index, function(jobs[index])

    bench(tmp_path / "there.json")
    monkeypatch.setattr(errands, "as_they_end", backwards)
    bench(tmp_path / "back.json")
    assert player.played[:6] == player.played[:5:-1]
    assert (tmp_path / "there.json").read_bytes() == (tmp_path / "back.json").read_bytes()


def test_more_may_be_asked_for_but_nothing_that_is_there_is_left_out(
    player: Player, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "f.json"
    player.ends_after = 5
    bench(file)
    player.ends_after = 1000
    for other in (("--seed", "10001"), ("--fault", "freeze@5s+2s"), ("--back",), ("--slow-latency", "1")):
        assert bench(file, *other) == USAGE
        assert "that were not asked for" in capsys.readouterr().err
    assert len(player.played) == 5
    assert bench(file, episodes=4) == OK
    assert len(player.played) == 8


def test_a_journal_of_another_runtime_is_refused(
    player: Player, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    player.ends_after = 1
    bench(tmp_path / "f.json")
    monkeypatch.setattr(journal, "played_by", lambda: {"runtime": "b", "libraries": {"numpy": "2"}})
    assert bench(tmp_path / "f.json") == USAGE
    assert "f.json.part was begun with another runtime: " in capsys.readouterr().err
    assert len(player.played) == 1


def test_another_robots_file_plays_and_belongs_to_the_journal(
    player: Player, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    robot = tmp_path / "mine.yaml"
    robot.write_text(robot_file("gates").read_text())
    monkeypatch.chdir(tmp_path)
    assert bench(tmp_path / "whole.json", "--robot", "mine.yaml") == OK
    assert {errand.robot for errand in player.errands} == {str(robot)}
    assert json.loads((tmp_path / "whole.json").read_text())["settings"]["robot"] == "mine.yaml"
    player.ends_after = len(player.played) + 1
    bench(tmp_path / "f.json", "--robot", "mine.yaml")
    robot.write_text(robot.read_text() + "\n")
    assert bench(tmp_path / "f.json", "--robot", "mine.yaml") == USAGE
    assert "f.json.part was begun with another robot: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--robot", "gatse"], "did you mean 'gates'"), (["--robot", "none.yaml"], "no robot file none.yaml"),
        (["--robot", "mine.yaml", "--ray", "10.0.0.5:6379"], "workers do not have"),
    ],
)  # fmt: skip
def test_a_robot_that_there_is_not_is_told(
    player: Player, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    more: list[str], says: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("")
    assert bench(tmp_path / "f.json", *more) == USAGE
    assert says in capsys.readouterr().err
    assert player.played == []


@pytest.mark.parametrize(
    "text", ["[1]\n", "{}\nnot JSON\n", '{}\n{"episode": 1}\n', '{}\n{"episode": 1, "outcome": 2}\n']
)
def test_what_is_no_journal_is_refused(
    player: Player, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "f.json.part").write_text(text)
    assert bench(tmp_path / "f.json") == USAGE
    assert "is not a journal of a bench" in capsys.readouterr().err
    assert (tmp_path / "f.json.part").read_text() == text


def test_two_benches_do_not_write_one_journal(player: Player, tmp_path: Path) -> None:
    with Journal(tmp_path / "part", "fly", []), pytest.raises(ConfigError, match="another bench writes"):
        Journal(tmp_path / "part", "fly", [])
    with Journal(tmp_path / "part", "fly", []), pytest.raises(ConfigError, match="cannot write"):
        Journal(tmp_path / "part" / "part", "fly", [])


def test_without_a_file_nothing_is_kept(player: Player, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["bench", "fly", "--jobs", "1", "--episodes", "2"]) == OK
    assert list(tmp_path.iterdir()) == []


def test_all_that_defines_an_episode_is_in_its_key() -> None:
    def of(back: bool = False, seed: int = 1, variant: str = "stereo", **changes: Any) -> str:
        return key_of(Episode(Fly(back), seed, variant_of(variant), **changes))

    keys = {
        of(), of(True), of(seed=2), of(variant="stereo@1"), of(variant="hold"), of(faults="freeze@1s+1s"),
        of(limit_s=3.0),
    }  # fmt: skip
    assert len(keys) == 7
    assert of() == of()
    assert json.loads(of())["variant"]["name"] == "stereo"


def test_a_changed_file_is_another_runtime(tmp_path: Path) -> None:
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "a.yaml").write_text("gain: 1")
    (tmp_path / "__pycache__").mkdir()
    before = hash_of(tmp_path)
    (tmp_path / "__pycache__" / "a.pyc").write_text("compiled")
    assert hash_of(tmp_path) == before
    (tmp_path / "cards" / "a.yaml").write_text("gain: 2")
    assert hash_of(tmp_path) != before


def test_what_plays_is_known() -> None:
    by = played_by()
    assert len(by["runtime"]) == 64
    assert {"numpy", "mujoco"} <= set(by["libraries"])


def test_the_running_line_counts_by_variant() -> None:
    with Tally(["stereo", "truth"], 4, shown=False) as tally:
        tally("stereo", True)
        tally("stereo", False)
        assert tally.text == "stereo 1 of 2, truth 0 of 0"
