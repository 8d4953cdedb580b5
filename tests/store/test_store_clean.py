"""`saccade engine gc`: what it takes, and what it leaves alone."""

import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from compiled_cards import card_at
from own_compiler import builds, use
from stand_ins import approved
from store_driver import build, started, until

from engines.card import load_card
from engines.engine import EngineError
from engines.open import open_engine
from engines.store.advice import unusable
from engines.store.build import ensure, job
from engines.store.clean import remove, size_of, waste
from engines.store.manifest import MANIFEST, Manifest, entries, read_manifest, write_manifest
from saccade.cli import OK, main


def clean(*args):
    return main(["engine", "gc", *args])


def test_a_manifest_with_a_figure_beyond_all_bounds_can_be_read(cache):
    manifest = Manifest("m", {"runtime": "openvino"}, "quarantined", figures={"disparity max error": math.inf})
    write_manifest(cache / "m-0123", manifest)
    assert read_manifest(cache / "m-0123") == manifest


def test_cleaning_tells_and_removes_only_when_asked(verified, capsys):
    _, folder = verified
    use("OtherVersion")
    assert clean() == OK
    out = capsys.readouterr().out
    assert "would remove" in out
    assert "built for own 1.0" in out
    assert folder.exists()
    assert clean("--yes") == OK
    assert "freed" in capsys.readouterr().out
    assert not folder.exists()


def test_cleaning_keeps_what_is_of_use_and_takes_quarantine_and_halves(verified, capsys):
    _, folder = verified
    half = folder.with_name("half-0123")
    half.mkdir(mode=0o700)
    (half / ".graph-0.engine.part-1").write_bytes(bytes(2_000_000))
    bad = folder.with_name("bad-0123")
    shutil.copytree(folder, bad)
    document = json.loads((bad / MANIFEST).read_text()) | {"status": "quarantined", "reason": "NaN"}
    (bad / MANIFEST).write_text(json.dumps(document))
    assert clean("--yes") == OK
    out = capsys.readouterr().out
    assert "half built" in out
    assert "2.0 MB freed" in out
    assert "in quarantine: NaN" in out
    assert [entry.folder for entry in entries()] == [folder]


@pytest.mark.slow
def test_cleaning_takes_models_that_are_gone(tmp_path, cache, capsys):
    card = card_at(tmp_path / "gone")
    ensure(job(card))
    assert clean() == OK
    assert "0.0 MB can be freed" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "gone")
    assert clean() == OK
    assert "its model is gone" in capsys.readouterr().out


@pytest.mark.usefixtures("cache", "no_child")
def test_a_model_whose_card_has_its_hash_in_capitals_is_not_gone(tmp_path):
    card = card_at(tmp_path / "card")
    path = Path(card.path)
    path.write_text(path.read_text().replace(card.sha256, card.sha256.upper()))
    approved(path)
    ensure(job(load_card(path)))
    assert waste(None) == []


def test_cleaning_down_to_a_size_takes_what_was_used_longest_ago(verified, capsys):
    _, folder = verified
    other = folder.with_name("other-0123")
    shutil.copytree(folder, other)
    os.utime(other / MANIFEST, (1, 1))
    megabytes = sum(f.stat().st_size for f in folder.iterdir()) / 1e6
    assert clean("--keep-mb", f"{1.5 * megabytes}", "--yes") == OK
    assert "used longest ago" in capsys.readouterr().out
    assert [entry.folder for entry in entries()] == [folder]
    assert read_manifest(folder).status == "verified"


@pytest.mark.slow
def test_cleaning_leaves_alone_what_is_being_built(waiting, capsys):
    card, go = waiting
    process = started(build("Waits", card))
    until(lambda: builds() == 1)
    assert clean("--yes") == OK
    assert "being built, kept" in capsys.readouterr().out
    go.touch()
    assert process.wait(60) == OK


def test_what_was_finished_since_it_was_judged_stays(verified):
    card, folder = verified
    whole = read_manifest(folder)
    write_manifest(folder, replace(whole, status="quarantined", reason="NaN"))
    (one,) = waste(None)
    write_manifest(folder, whole)
    assert not remove(one)
    open_engine(card).close()


@pytest.mark.usefixtures("cache", "no_child")
def test_a_card_that_was_given_by_a_relative_path_is_found_from_anywhere(tmp_path, monkeypatch):
    path = Path(card_at(tmp_path / "card").path)
    monkeypatch.chdir(path.parent)
    ensure(job(load_card(path.name)))
    monkeypatch.chdir("/")
    (entry,) = entries()
    assert not unusable(entry)
    assert not [one for one in waste(None) if one.path == entry.folder]


@pytest.mark.parametrize("down_to", [(), ("--keep-mb", "0.001")])
def test_what_is_not_to_be_trusted_is_left_to_its_user(verified, tmp_path, capsys, down_to):
    _, folder = verified
    folder.chmod(0o770)
    folder.with_name("link-0123").symlink_to(tmp_path)
    assert clean("--yes", *down_to) == OK
    assert capsys.readouterr().out == "0.0 MB freed\n"
    assert folder.with_name("link-0123").is_symlink()
    assert (folder / "graph-0.engine").exists()


def test_what_others_remove_meanwhile_is_nobodys_trouble(verified, monkeypatch):
    _, folder = verified
    judged = entries()
    half = folder.with_name("half-0123")
    half.mkdir(mode=0o700)
    (half / ".graph-0.engine.part-1").symlink_to("nowhere")
    before, lstat = waste(None), os.lstat

    def replaced(path):  # as a build puts its file in place
        Path(path).unlink(missing_ok=True)
        return lstat(path)

    with monkeypatch.context() as patched:
        patched.setattr("engines.store.clean.os.lstat", replaced)
        assert size_of(half) == 0
    for one in (half, folder):
        shutil.rmtree(one)
    assert [remove(one) for one in before] == [True]
    monkeypatch.setattr("engines.store.clean.entries", lambda: judged)
    assert waste(1) == []


def test_what_cannot_be_removed_is_named(verified, monkeypatch):
    _, folder = verified
    use("OtherVersion")

    def refused(path):
        raise OSError("Cannot call rmtree on a symbolic link")

    monkeypatch.setattr("engines.store.clean.shutil.rmtree", refused)
    one = waste(None)[0]
    with pytest.raises(EngineError, match=f"cannot remove {folder}: Cannot call rmtree"):
        remove(one)


def test_as_json_an_engine_has_its_key_also_where_its_card_is_listed_nowhere(verified, capsys):
    _, folder = verified
    assert main(["engine", "list", "--json"]) == OK
    (row,) = [row for row in json.loads(capsys.readouterr().out) if row["engines"]]
    (engine,) = row["engines"]
    assert (row["name"], engine["folder"]) == ("stand-in", str(folder))
    assert {"models", "plans", "versions"} <= set(engine["key"])
