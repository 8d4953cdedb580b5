"""`saccade demo`: an errand is done, judged, replayed to the bit and reported."""

from __future__ import annotations

import json

import pytest

from saccade.cli import FAILED, OK, USAGE, main

pytest.importorskip("mink", reason="arms need mink (an extra, in requirements-dev.txt)")


@pytest.mark.slow
def test_the_table_is_shown_stage_by_stage(tmp_path, capsys) -> None:
    assert main(["demo", "table", "--out", str(tmp_path)]) == OK
    told = " ".join(capsys.readouterr().err.split())
    assert "says: done" in told
    assert "identical: all" in told
    page, summary = (tmp_path / "report.html").read_text(), json.loads((tmp_path / "summary.json").read_text())
    assert "Stage by stage" in page
    stages = [(stage["kind"], stage["good"]) for stage in summary["stages"]]
    assert stages[-4:] == [("reach", True), ("grasp", True), ("lift", True), ("place", True)]
    assert summary["episode"]["on_tray"] == [summary["episode"]["goal"]]
    assert "positions for its joints" in page


@pytest.mark.slow
def test_an_errand_that_is_not_done_is_told(tmp_path, capsys) -> None:
    assert main(["demo", "table", "--instruction", "take the pink elephant", "--out", str(tmp_path)]) == FAILED
    told = " ".join(capsys.readouterr().err.split())
    assert "says: not done" in told
    assert "pink" in told


def test_a_world_that_is_not_shown_is_named(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as left:
        main(["demo", "moon", "--out", str(tmp_path)])
    assert left.value.code == USAGE
    assert "'yard'" in capsys.readouterr().err
