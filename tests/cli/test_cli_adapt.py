"""`saccade adapt` before anything is learned: what cannot be used is named at once."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_cli_pairs import WALL, folder

from engines.card import Card, card_names, load_card
from saccade.cli import OK, USAGE, adapt, main, pairs


def card(path: Path, confidence: str = "confidence") -> str:
    """A card as our own networks have it."""
    path.write_text(
        f"name: {path.stem}\nkind: stereo\nbackend: onnx\nsource: a test\nlicence: none\nonnx: no.onnx\n"
        f"sha256: {32 * 'ab'}\noutput:\n  confidence: '{confidence}'\n"
    )
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--card", "stereo-x"], "no card 'stereo-x'"),
        (["--card", "sgbm"], "'sgbm' is no network"),
        (["--card", "FOREIGN"], "somebody else's network"),
        (["--card", "OURS", "--minutes", "0"], "--minutes 0"),
        (["--card", "OURS", "--rank", "0"], "--rank 0"),
        (["--card", "OURS", "--minutes", "nan"], "--minutes nan"),
        (["--card", "OURS", "--seed", "-1"], "--seed -1: expected a number of 0 to"),
        (["--card", "OURS", "--seed", "4294967296"], "--seed 4294967296"),
        (["--card", "OURS", "--name", "a/b"], "--name 'a/b' cannot be"),
        (["--card", "OURS", "--name", "stereo-m"], "--name 'stereo-m' cannot be"),
        (["--card", "OURS", "--name", "ours"], "--name 'ours' is the parent's"),
        (["--card", "OURS", "--out", "FILE"], "cannot write into"),
        (["--card", "OURS", "--out", "FILE/deep/down"], "Not a directory; expected a folder for --out"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_read(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cards = {"OURS": card(tmp_path / "ours.yaml"), "FOREIGN": card(tmp_path / "foreign.yaml", confidence="")}
    (tmp_path / "file").write_text("no folder")
    given = [cards.get(argument, argument.replace("FILE", str(tmp_path / "file"))) for argument in arguments]
    assert main(["adapt", "nowhere.mcap", *given]) == USAGE
    assert told in capsys.readouterr().err


def test_a_model_of_that_name_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    ours, installed = card(tmp_path / "ours.yaml"), tmp_path / "saccade" / "engines"
    installed.mkdir(parents=True)
    (installed / "ours-dive.yaml").write_text("name: ours-dive")
    (installed / "reef-int8.onnx").write_text("a twin")
    for more, told in (
        ([], "another --name, or first: saccade engine remove ours-dive"),
        (["--name", "reef"], "reef-int8.onnx is there already"),
        (["--out", f"{installed}/../engines"], "another --name, or first: rm "),
    ):
        assert main(["adapt", "somewhere/dive.mcap", "--card", ours, *more]) == USAGE
        assert told in capsys.readouterr().err
    assert main(["adapt", "dive.mcap", "--card", ours, "--name", "new"]) == USAGE
    assert "is there already" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("recording", "told"), [(".", "'ours-my dive' cannot be"), ("a b.mcap", "'ours-a b' cannot be")]
)
def test_the_name_that_a_recording_gives_is_checked_too(
    recording: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my dive").mkdir()
    monkeypatch.chdir(tmp_path / "my dive")
    assert main(["adapt", recording, "--card", card(tmp_path / "ours.yaml")]) == USAGE
    assert told in capsys.readouterr().err


def test_a_card_in_eight_bits_is_told_before_the_recording_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="the network is read by torch")
    if "stereo-s-int8" not in card_names():
        pytest.skip("the shipped network is not here")
    (tmp_path / "dive.mcap").write_text("no recording")
    assert main(["adapt", str(tmp_path / "dive.mcap"), "--card", "stereo-s-int8", "--out", str(tmp_path)]) == USAGE
    told = capsys.readouterr().err
    assert "card 'stereo-s-int8' cannot be trained" in told
    assert "one of our own networks in fp32, such as stereo-s" in told


def without_learning(monkeypatch: pytest.MonkeyPatch, install: Callable[..., tuple[list[Card], str]]) -> None:
    """Everything but what is learned and judged."""
    learned = SimpleNamespace(Plan=dict, adapt=lambda *_: SimpleNamespace(refusal=""))
    made = {"adapt": learned, "child": SimpleNamespace(Facts=lambda *_: None, install=install)}
    made["pool"] = SimpleNamespace(Pair=lambda *_: None, coloured=lambda picture: picture)
    made["weights"] = SimpleNamespace(load=lambda path: None)
    for name, module in made.items():
        monkeypatch.setitem(sys.modules, f"training.{name}", module)
    monkeypatch.setattr(adapt, "find_spec", lambda name: object())
    monkeypatch.setattr(adapt, "_told", lambda *_: "")
    monkeypatch.setattr(pairs, "_check_geometry", lambda *_: None)


@pytest.mark.parametrize(("out", "told"), [("reef", "/reef/ours-dive.yaml in"), ("", "engine: ours-dive in")])
def test_what_is_told_to_be_used_can_be_found(
    out: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    ours = card(tmp_path / "ours.yaml")
    folder(tmp_path / "dive", [(f"{side}/{i}.png", WALL) for side in ("left", "right") for i in range(4)])

    def install(net: object, outcome: object, facts: object, pairs: object, folder: Path) -> tuple[list[Card], str]:
        return [replace(load_card(ours), path=str(folder / "ours-dive.yaml"))], ""

    without_learning(monkeypatch, install)
    assert main(["adapt", "dive", "--card", ours, *(["--out", out] if out else [])]) == OK
    (use,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("use it"))
    assert told in use
    assert not out or Path(use.split()[3]).is_absolute()


def test_a_disk_that_is_full_when_it_is_installed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "dive", [(f"{side}/{i}.png", WALL) for side in ("left", "right") for i in range(4)])

    def full(*_: object) -> tuple[list[Card], str]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    without_learning(monkeypatch, full)
    assert main(["adapt", "dive", "--card", card(tmp_path / "ours.yaml"), "--out", "reef"]) == USAGE
    assert "not installed: cannot write into reef: No space left on device" in capsys.readouterr().err


def test_without_torch_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(adapt, "find_spec", lambda name: None)
    assert main(["adapt", "nowhere.mcap", "--card", card(tmp_path / "ours.yaml")]) == USAGE
    assert "pip install 'saccade[train]'" in capsys.readouterr().err


def test_with_torch_a_recording_that_is_not_there_is_told_before_torch_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(adapt, "find_spec", lambda name: object())
    assert main(["adapt", "nowhere.mcap", "--card", card(tmp_path / "ours.yaml")]) == USAGE
    assert "nothing at nowhere.mcap" in capsys.readouterr().err
