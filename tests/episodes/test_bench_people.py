"""`saccade bench nav --people N`: how crowded yards are; the world's address, the page and the journal are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from saccade.cli import OK, USAGE, main
from saccade.cli.bench import journal
from saccade.cli.episodes import episode as episodes
from saccade.cli.episodes.episode import Episode
from sim.bus import world_kind
from sim.yard.world import YardOptions


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[Episode]:
    """The episodes that were asked for, none of which is played."""
    asked: list[Episode] = []

    def play(episode: Episode) -> dict[str, Any]:
        asked.append(episode)
        return {"seed": episode.seed, "success": True, "time_s": 1.0}

    monkeypatch.setattr(episodes, "play", play)
    monkeypatch.setattr(journal, "played_by", dict)
    return asked


def bench(file: Path, *more: str) -> int:
    return main(["bench", "nav", "--jobs", "1", "--episodes", "2", "--json", str(file), *more])


def people_of(episode: Episode) -> int:
    _, options = world_kind(f"{episode.errand.world}?seed={episode.seed}{episode.variant.world}")
    assert isinstance(options, YardOptions)
    return options.people


@pytest.mark.parametrize(("asked", "there"), [((), 2), (("--people", "6"), 6), (("--people", "0"), 0)])
def test_so_many_are_in_every_variants_world(
    played: list[Episode], tmp_path: Path, asked: tuple[str, ...], there: int
) -> None:
    assert bench(tmp_path / "f.json", *asked, "--variant", "stereo", "truth@2") == OK
    assert [people_of(episode) for episode in played] == [there] * 4
    assert json.loads((tmp_path / "f.json").read_text())["settings"]["options"] == " ".join(asked)


@pytest.mark.parametrize("bad", ["-1", "13", "some", "2.5", ""])
def test_what_is_no_number_of_people_is_named(
    played: list[Episode], tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        bench(tmp_path / "f.json", f"--people={bad}")
    assert ended.value.code == USAGE
    assert f"expected 0 to 12 people, not {bad!r}" in capsys.readouterr().err
    assert played == []
