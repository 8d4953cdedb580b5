"""`saccade doctor` on the cache of compiled engines: what may be used, and why the rest may not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recorded_hosts import NO_GPU

from engines.card import load_card
from engines.store.files import sha256, write_file
from engines.store.gate import gate_digest
from engines.store.machine import machine
from engines.store.manifest import Manifest, root, write_manifest
from saccade.cli.doctor import limit_checks
from saccade.cli.doctor.findings import Finding, Grade
from saccade.cli.doctor.limit_checks import limits, store

CODE, ENGINE = bytes(3 * 2**20), "graph-0.engine"
BUILD = "saccade engine build stereo-s --runtime tensorrt --precision fp16"
VERSIONS = {"tensorrt": "10.14.1", "driver": "580.95.05"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def keep(name: str, **changed: object) -> Path:
    """An engine in the cache."""
    folder, card = root() / name, load_card("stereo-s")
    known = {
        "card": "stereo-s", "key": {"runtime": "tensorrt", "versions": VERSIONS}, "status": "verified",
        "path": card.path, "machine": machine(), "gate": gate_digest(card), "precision": "fp16",
        "files": {ENGINE: sha256(CODE)},
    }  # fmt: skip
    write_manifest(folder, Manifest(**{**known, **changed}))  # type: ignore[arg-type]
    write_file(folder / ENGINE, CODE)
    return folder


def found(tmp_path: Path, now: dict[str, str] | None = None) -> list[Finding]:
    scripts = {"compiler_of": json.dumps({"tensorrt": now or VERSIONS})}
    return list(store(NO_GPU.but(scripts=scripts).host(tmp_path)))


def test_an_empty_cache_and_a_sound_one_are_fine(tmp_path: Path) -> None:
    (empty,) = found(tmp_path)
    assert (empty.grade, "empty" in empty.found) == (Grade.OK, True)
    keep("stereo-s-1")
    (sound,) = found(tmp_path)
    assert sound.grade is Grade.OK
    assert sound.found.startswith("1 verified; 3 MiB in ")


def test_what_may_not_be_used_is_told_with_its_reason(tmp_path: Path) -> None:
    keep("stereo-s-1")
    keep("stereo-s-2", status="quarantined", reason="cosine 0.71, at least 0.999 is asked for")
    (root() / "stereo-s-3").mkdir(mode=0o700)
    keep("stereo-s-4").chmod(0o777)
    summary, *rest = found(tmp_path)
    assert "1 quarantined, 2 unreadable, 1 verified" in summary.found
    assert [finding.grade for finding in rest] == [Grade.WARN] * 3
    assert "cosine 0.71" in rest[0].found
    assert rest[0].advice.startswith(f"{BUILD} --again")
    assert "stereo-s-3: a build that did not end" in rest[1].found
    assert "chmod go-w" in rest[2].found


def test_an_engine_for_other_versions_is_told_as_stale(tmp_path: Path) -> None:
    keep("stereo-s-1")
    _, stale = found(tmp_path, {**VERSIONS, "tensorrt": "10.16.1"})
    assert stale.grade is Grade.WARN
    assert "tensorrt 10.14.1 then, 10.16.1 now" in stale.found
    assert "driver" not in stale.found
    assert stale.advice == f"{BUILD}, then saccade engine gc --yes"


def test_a_verified_engine_that_a_node_would_refuse_is_told(tmp_path: Path) -> None:
    keep("stereo-s-1")
    keep("stereo-s-2", gate="another")
    (keep("stereo-s-3") / ENGINE).write_bytes(b"cut short")
    keep("stereo-s-4", card="gone", path=str(tmp_path / "gone.yaml"))
    keep("stereo-s-5", path=str(tmp_path / "moved" / "stereo-s.yaml"))  # with the installation: found by its name
    summary, *rest = found(tmp_path)
    assert "3 unusable, 2 verified" in summary.found
    reasons = "not verified as it is now", "not the one that was verified", "gone"
    for finding, words in zip(rest, reasons, strict=True):
        assert finding.grade is Grade.WARN
        assert words in finding.found
    assert rest[0].advice == rest[1].advice == BUILD


def test_little_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit_checks, "_ENGINES_FREE", 2**60)
    told = {finding.what: finding for finding in limits(NO_GPU.host(tmp_path))}
    assert told["room for engines"].grade is Grade.WARN
    assert "saccade engine gc" in told["room for engines"].advice
