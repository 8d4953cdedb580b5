"""LiveVLN's figures, of runs whose waits are known."""

from pathlib import Path

import numpy as np
import pytest
from made_runs import MS, NAN, SEC, T0, verdict, write_run

from saccade.geometry import SE3
from saccade.node import Sample
from saccade.report.run import read_run
from saccade.report.summary import summarise
from saccade.types import ActionChunk, Decision, Plan, PlanKind
from saccade.wire.convert import encode_chunk, encode_plan

EMPTY = np.empty((0, 3))


def plan(at_s, id_=1, epoch=1, kind=PlanKind.WAYPOINTS, *, valid_s=100.0, final=False):
    at = T0 + round(at_s * SEC)
    value = Plan(
        id_, epoch, "", kind, at, SE3.identity(), 0, round(valid_s * SEC), "odom", EMPTY, np.empty(0), 1.0, final, ""
    )
    return Sample("plan", at, encode_plan(value))


def chunk(at_s, rows, epoch=1):
    at = T0 + round(at_s * SEC)
    value = ActionChunk(at, at, 50 * MS, ("vx", "wz"), np.tile([0.5, 0.0], (rows, 1)), 1, epoch)
    return Sample("chunk", at, encode_chunk(value))


def ticks(from_s, to_s, moving, asked=True):
    """Verdicts every 10 ms; not `moving`: a stop, of a request or (not `asked`) of nothing."""
    times = np.arange(round(from_s * 100), round(to_s * 100)) * 10
    if moving:
        return [verdict(int(ms)) for ms in times]
    wish = (0.5, 0.0) if asked else (NAN, NAN)
    return [verdict(int(ms), Decision.STOP, "stop", asked=wish, granted=(0.0, 0.0)) for ms in times]


def figures(tmp_path: Path, *samples):
    flat = [s for part in samples for s in (part if isinstance(part, list) else [part])]
    return summarise(read_run(write_run(tmp_path / "run.mcap", flat)))["continuity"]


def test_waits_are_added_up_and_the_longest_is_told(tmp_path):
    got = figures(
        tmp_path, plan(0), chunk(0, 20), ticks(0, 1, True), ticks(1, 1.4, False), chunk(1.4, 52),
        ticks(1.4, 4, True), ticks(4, 5, False), chunk(5, 100), ticks(5, 10.01, True),
    )  # fmt: skip
    assert got == {
        "mission_s": 10.0, "waiting_s": 1.4, "waiting_ratio": 0.14, "visible_gap_s": 1.0, "pauses": 1,
    }  # fmt: skip


def test_the_first_thinking_and_the_time_after_the_end_are_no_part_of_the_mission(tmp_path):
    got = figures(
        tmp_path, ticks(0, 3, False, False), plan(3), chunk(3, 40), ticks(3, 5, True),
        plan(5, 2, kind=PlanKind.STOP, final=True), ticks(5, 9, False, False),
    )  # fmt: skip
    assert got == {"mission_s": 2.0, "waiting_s": 0.0, "waiting_ratio": 0.0, "visible_gap_s": 0.0, "pauses": 0}


def test_a_new_epoch_ends_the_mission_until_its_first_plan(tmp_path):
    got = figures(
        tmp_path, plan(0), chunk(0, 20), ticks(0, 1, True), chunk(1, 20, epoch=2), ticks(1, 3, False),
        plan(3, 2, epoch=2), chunk(3, 20, epoch=2), ticks(3, 4.01, True),
    )  # fmt: skip
    assert (got["mission_s"], got["waiting_s"]) == (2.0, 0.0)


@pytest.mark.parametrize("why", ["the gate stops a request", "the plan says stop"])
def test_standing_for_a_reason_is_not_waiting(tmp_path, why):
    kind = PlanKind.STOP if why == "the plan says stop" else PlanKind.WAYPOINTS
    covered = chunk(0, 80) if kind is PlanKind.WAYPOINTS else []
    got = figures(tmp_path, plan(0, kind=kind), covered, ticks(0, 4, False))
    assert got["mission_s"] > 3.9
    assert got["waiting_s"] == 0.0


def test_a_robot_whose_plan_has_expired_waits_though_it_is_told_to_brake(tmp_path):
    got = figures(tmp_path, plan(0, valid_s=2.0), chunk(0, 80), ticks(0, 2, True), ticks(2, 3.01, False))
    assert (got["waiting_s"], got["pauses"]) == (1.0, 1)


def test_an_action_of_an_older_epoch_is_none(tmp_path):
    got = figures(tmp_path, chunk(0, 100, epoch=1), plan(0, 2, epoch=2), ticks(0, 1.01, False))
    assert got["waiting_s"] == 1.0


def test_a_recording_that_has_a_hole_does_not_count_it(tmp_path):
    got = figures(tmp_path, plan(0), ticks(0, 1, False), ticks(9, 10.01, False))
    assert got["waiting_s"] == pytest.approx(2.09, abs=0.011)


def test_without_a_plan_there_is_no_figure(tmp_path):
    got = figures(tmp_path, ticks(0, 1, False))
    assert got == {"mission_s": 0.0, "waiting_s": 0.0, "waiting_ratio": None, "visible_gap_s": None, "pauses": None}
