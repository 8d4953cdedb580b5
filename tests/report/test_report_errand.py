"""The errand in the report: its stages in order, judged, each with a picture of its end and beside its plans."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from made_runs import drive_samples, odom, write_run

from saccade.report.errand import errand_section
from saccade.report.run import read_run
from saccade.report.summary import summarise


def stage(task: str, begin_s: float, end_s: float, good: bool | None, why: str = "") -> dict[str, Any]:
    return {"kind": "x", "task": task, "begin_s": begin_s, "end_s": end_s, "good": good, "why": why, "sure": 1.0}


def section(recording: Path, *stages: dict[str, Any]) -> str:
    run = read_run(recording)
    return "".join(errand_section(run, recording, None, {**summarise(run), "stages": list(stages)}))


def test_each_stage_has_its_verdict_its_picture_and_its_plans(drive: Path) -> None:
    run = read_run(drive)
    plan = next(plan for plan in summarise(run)["plans"] if plan["off_m"] is not None)
    middle_s = plan["heard_s"] + 0.01
    shown = section(
        drive, stage("look for <it>", 0.0, middle_s, True, "it can be seen"),
        stage("stop at it", middle_s, 6.0, False, "2.10 m from its edge"), stage("sing", 6.0, 6.1, None),
    )  # fmt: skip
    rows = re.findall(r"<tr>(.*?)</tr>", shown.split("<tbody>")[1])
    assert ["look for &lt;it&gt;" in rows[0], "stop at it" in rows[1], "sing" in rows[2]] == [True] * 3
    assert "badge done" in rows[0]
    assert "badge missed" in rows[1]
    assert "2.10 m from its edge" in rows[1]
    assert f"{plan['planned_m']:.2f} m" in rows[0]
    assert shown.count("<figure>") == 3
    assert len(set(re.findall(r'<img src="([^"]{200})', shown))) >= 1
    assert shown.count("data:image/jpeg") == 3


def test_without_stages_or_pictures_it_says_no_more_than_there_is(drive: Path, tmp_path: Path) -> None:
    run = read_run(drive)
    assert errand_section(run, drive, None, summarise(run)) == []
    bare = write_run(tmp_path / "bare.mcap", [odom(0, 0.0), odom(1000, 0.5)])
    shown = section(bare, stage("come back", 0.0, 1.0, True))
    assert "<img" not in shown
    assert "come back" in shown


def test_a_picture_of_another_time_is_not_shown(tmp_path: Path) -> None:
    """The end of a stage long after the last picture."""
    recording = write_run(tmp_path / "run.mcap", [*drive_samples(), odom(60_000, 1.0)])
    assert "<img" not in section(recording, stage("wait", 0.0, 60.0, True))
