"""`saccade engine`: adding, listing, probing, mending and removing foreign models."""

import errno
import json
import os
from pathlib import Path

import pytest
from stand_ins import matcher, written

from engines.added import rewrite
from engines.card import added_cards, load_card
from engines.engine import EngineError
from engines.open import open_engine
from saccade.cli import FAILED, OK, USAGE, main
from saccade.errors import ConfigError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The user's data folder, for these tests; what it would be is in `added_cards`."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "saccade" / "engines"


def model(tmp_path, graph=None, **changed):
    """A template card and a graph, as a user has them."""
    path = written(tmp_path / "theirs", graph or matcher(), **changed)
    return ["--card", str(path), "--onnx", str(path.parent / "stand-in.onnx"), "--quiet"]


def times(factor):
    return lambda g, found: g.mul(found, factor)


def test_the_default_folder_is_the_users(home):
    assert added_cards() == home


def test_a_right_model_is_added_listed_opened_by_name_and_removed(tmp_path, home, capsys):
    assert main(["engine", "add", *model(tmp_path), "--name", "mine"]) == OK
    out = capsys.readouterr().out
    assert "licence Apache-2.0" in out
    assert "mine passed" in out
    assert (home / "mine.verdict.json").is_file()
    assert load_card("mine").name == "mine"
    open_engine("mine").close()
    assert main(["engine", "list"]) == OK
    assert "passed the probe" in capsys.readouterr().out
    assert main(["engine", "remove", "mine"]) == OK
    assert list(home.iterdir()) == []
    with pytest.raises(ConfigError, match="no card 'mine'"):
        load_card("mine")


def test_a_wrong_model_is_refused_with_what_mends_it(tmp_path, capsys):
    assert main(["engine", "add", *model(tmp_path, matcher(finish=times(-1))), "--name", "mine"]) == FAILED
    out = capsys.readouterr().out
    assert "mine is refused" in out
    assert "sign: output is -1.00 x expected: set output.sign: negative" in out
    assert "--mend" in out
    with pytest.raises(EngineError, match="refused by the probe"):
        open_engine("mine")
    assert main(["engine", "list", "--json"]) == OK
    row = next(row for row in json.loads(capsys.readouterr().out) if row["name"] == "mine")
    assert "set output.sign: negative" in row["trouble"]


def test_what_was_suggested_can_be_written_into_the_card(tmp_path, capsys):
    assert main(["engine", "add", *model(tmp_path, matcher(finish=times(-4))), "--name", "mine"]) == FAILED
    assert main(["engine", "probe", "mine", "--mend", "--quiet"]) == OK
    assert "mended" in capsys.readouterr().out
    card = load_card("mine")
    assert (card.output.sign, card.output.scale) == ("negative", 0.25)
    open_engine("mine").close()
    assert main(["engine", "probe", "mine", "--quiet"]) == OK


def test_what_no_card_can_mend_is_not_mended(tmp_path, capsys):
    assert main(["engine", "add", *model(tmp_path, matcher(finish=times(0))), "--mend", "--name", "mine"]) == FAILED
    assert "stays out of use" in capsys.readouterr().out


def test_adding_again_takes_the_old_verdict_away(tmp_path):
    assert main(["engine", "add", *model(tmp_path), "--name", "mine"]) == OK
    assert main(["engine", "add", *model(tmp_path, matcher(finish=times(2))), "--name", "mine"]) == FAILED
    with pytest.raises(EngineError, match="refused by the probe"):
        open_engine("mine")


def test_a_model_of_one_size_has_it_written_into_its_card(tmp_path):
    assert main(["engine", "add", *model(tmp_path, matcher(shape=(96, 160))), "--name", "mine"]) == OK
    size = load_card("mine").size
    assert (size.rule, size.height, size.width) == ("resize", 96, 160)


def test_another_folder_can_be_used(tmp_path, home, capsys):
    other = tmp_path / "robot"
    assert main(["engine", "add", *model(tmp_path), "--name", "mine", "--dir", str(other)]) == OK
    open_engine(other / "mine.yaml").close()
    assert not home.exists()
    capsys.readouterr()
    assert main(["engine", "probe", "mine", "--dir", str(other), "--quiet"]) == OK
    assert f"use it by its card, e.g. engine: {other / 'mine.yaml'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "--card", "raft-sterio", "--onnx", "x.onnx"], "did you mean 'raft-stereo'"),
        (["add", "--card", "raft-stereo", "--onnx", "absent.onnx"], "cannot read absent.onnx"),
        (["add", "--card", "raft-stereo", "--onnx", "x.onnx", "--name", "sgbm"], "--name 'sgbm' cannot be"),
        (["add", "--card", "raft-stereo", "--onnx", "x.onnx", "--name", "../x"], "--name '../x' cannot be"),
        (["add", "--card", "raft-stereo", "--onnx", "x.onnx", "--name", "x.yaml"], "--name 'x.yaml' cannot be"),
        (["add", "--card", "raft-stereo", "--onnx", "x.onnx", "--name", "x-second"], "--name 'x-second' cannot be"),
        (["add", "--card", "BINARY", "--onnx", "x.onnx"], "cannot read card"),
        (["probe", "BINARY"], "is not YAML"),
        (["probe", "absent"], "no card 'absent'"),
        (["probe", "sgbm", "--mend"], "ships with Saccade"),
        (["remove", "sgbm"], "no added model 'sgbm'"),
    ],
)
def test_wrong_use_says_what_is_valid(arguments, words, capsys, tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    arguments = [str(tmp_path / "binary.yaml") if given == "BINARY" else given for given in arguments]
    assert main(["engine", *arguments]) == USAGE
    assert words in capsys.readouterr().err


def test_a_folder_that_cannot_be_is_named(tmp_path, capsys):
    assert main(["engine", "add", *model(tmp_path), "--dir", f"{__file__}/in"]) == USAGE
    assert f"cannot make the folder {__file__}/in" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["mine.yaml", "mine.verdict.json", "mine.part"])
def test_a_file_that_cannot_be_written_is_named(tmp_path, home, capsys, file):
    (home / file).mkdir(parents=True)
    assert main(["engine", "add", *model(tmp_path), "--name", "mine"]) == USAGE
    said = capsys.readouterr().err
    assert "cannot" in said
    assert str(home / file.replace(".part", ".onnx")) in said
    assert not list(home.glob(".*"))


def test_a_file_that_cannot_be_removed_is_named(tmp_path, home, capsys):
    assert main(["engine", "add", *model(tmp_path), "--name", "mine"]) == OK
    (home / "mine.onnx").unlink()
    (home / "mine.onnx").mkdir()
    assert main(["engine", "remove", "mine"]) == USAGE
    assert f"cannot remove {home / 'mine.onnx'}" in capsys.readouterr().err


def test_a_card_stays_whole_where_an_edit_of_it_cannot_be_written(tmp_path, home, monkeypatch):
    assert main(["engine", "add", *model(tmp_path, matcher(finish=times(-1))), "--name", "mine"]) == FAILED
    before, card = (home / "mine.yaml").read_text(), load_card("mine")

    def full(path, text):
        with path.open("w") as file:
            file.write(text[:9])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ConfigError, match=r"cannot write .*mine\.yaml: No space left"):
        rewrite(card, {"output": {"sign": "negative"}})
    assert (home / "mine.yaml").read_text() == before
    assert not list(home.glob(".*"))


def test_a_foreign_model_that_is_not_added_says_how(capsys):
    assert main(["engine", "probe", "raft-stereo"]) == USAGE
    assert "saccade engine add --card raft-stereo --onnx FILE" in capsys.readouterr().err


def test_what_is_no_model_is_refused_and_leaves_nothing_behind(tmp_path, home, capsys):
    file = tmp_path / "x.onnx"
    file.write_bytes(b"MZ not a model")
    assert main(["engine", "add", "--card", "raft-stereo", "--onnx", str(file)]) == USAGE
    assert "not an ONNX graph" in capsys.readouterr().err
    assert not home.exists()


def test_a_shipped_model_can_be_probed_and_gets_no_verdict(capsys):
    assert main(["engine", "probe", "sgbm", "--quiet"]) == OK
    assert "sgbm passed" in capsys.readouterr().out
    assert not load_card("sgbm").beside("sgbm.verdict.json").exists()


@pytest.mark.parametrize("wrong", [
    ["bench", "stereo-s", "--runs", "0"], ["bench", "stereo-s", "--runs", "many"],
    ["bench", "stereo-s", "--warm-ups", "-1"], ["build", "stereo-s", "--limit-minutes", "-1"],
    ["verify", "stereo-s", "--limit-minutes", "nan"], ["gc", "--keep-mb", "-5"],
])  # fmt: skip
def test_numbers_without_a_meaning_are_refused_before_anything_is_done(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["engine", *wrong])
    assert ended.value.code == USAGE
    assert "number above 0" in capsys.readouterr().err


def test_a_model_is_no_card_and_nothing_added_is_said(capsys):
    assert main(["engine", "build", "some/raft.onnx", "--runtime", "openvino"]) == USAGE
    assert "saccade engine add --card CARD --onnx some/raft.onnx" in capsys.readouterr().err
    assert main(["engine", "remove", "mine"]) == USAGE
    assert "there is none" in capsys.readouterr().err
