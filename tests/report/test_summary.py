"""The numbers of a run, worked out by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_runs import NAN, T0, arc, command, complaint, instruction, odom, plan, verdict

from saccade.errors import DataError
from saccade.geometry import SE3
from saccade.node import Sample
from saccade.report.canvas import MapCanvas
from saccade.report.run import read_run
from saccade.report.summary import summarise
from saccade.types import Decision, LocalMap
from saccade.wire.diagnostics import Level

STOP, LIMITED = Decision.STOP, Decision.LIMITED
Record = Callable[..., Path]


def test_verdicts_are_shared_out_and_reasons_counted_without_their_numbers(record: Record) -> None:
    path = record(
        verdict(0),
        verdict(10, LIMITED, "clearance 0.31 m"),
        verdict(20, LIMITED, "clearance 0.29 m"),
        verdict(30, STOP, "chunk missing"),
        verdict(40),
    )
    assert summarise(read_run(path))["verdicts"] == {
        "count": 5, "pass": 0.4, "limited": 0.4, "stop": 0.2,
        "reasons": {"clearance … m": 2, "chunk missing": 1},
    }  # fmt: skip


def test_stop_ticks_in_a_row_are_one_event_that_ends_with_the_next_verdict(record: Record) -> None:
    path = record(
        verdict(0),
        verdict(100, STOP, "odom stale (210 ms)"),
        verdict(200, STOP, "odom stale (310 ms)"),
        verdict(300, STOP, "operator stop; odom stale (410 ms)"),
        verdict(450),
        verdict(500, STOP, "operator stop"),
        verdict(520, STOP, "operator stop"),
    )
    assert summarise(read_run(path))["stops"] == [
        {"start_s": 0.1, "duration_s": 0.35, "ticks": 3, "reason": "odom stale (210 ms); operator stop"},
        {"start_s": 0.5, "duration_s": 0.02, "ticks": 2, "reason": "operator stop"},
    ]


def test_latency_is_the_tick_minus_the_capture_and_leaves_stops_out(record: Record) -> None:
    ages = [10, 20, 30, 40, 50]
    path = record(
        *(verdict(100 * i, age_ms=age) for i, age in enumerate(ages)),
        verdict(600, STOP, "local_map stale", age_ms=9000),
        verdict(700, LIMITED, age_ms=T0 / 1e6 + 700),  # no observation: its stamp is zero
    )
    assert summarise(read_run(path))["latency_ms"] == {"count": 5, "p50": 30.0, "p95": 48.0, "p99": 49.6}


def test_commanded_motion(record: Record) -> None:
    path = record(command(0, 0.0), command(100, 0.1, 0.2), command(200, 0.4), command(300, 0.4), command(1300, 0.0))
    motion = summarise(read_run(path))["commands"]
    # 0 + 0.1 * 0.1 + 0.4 * 0.1 + 0.4 * 0.5: a command holds for half a second at most
    assert motion["distance_m"] == pytest.approx(0.25)
    assert motion["max_speed_mps"] == 0.4
    assert motion["max_turn_radps"] == 0.2
    assert motion["max_accel_mps2"] == pytest.approx(3.0)
    assert motion["max_turn_accel_radps2"] == pytest.approx(2.0)
    # accelerations 1, 3, 0, -0.4 at 50, 150, 250, 800 ms
    assert motion["jerk_rms_mps3"] == pytest.approx(np.sqrt((20**2 + 30**2 + (0.4 / 0.55) ** 2) / 3), abs=1e-5)
    assert motion["count"] == 5


def test_the_step_into_a_stop_is_no_acceleration(record: Record) -> None:
    stop = verdict(20, STOP, "chunk missing", asked=(NAN, NAN), granted=(0.0, 0.0))
    path = record(command(0, 0.5), command(10, 0.5), command(20, 0.0), stop, command(30, 0.01))
    assert summarise(read_run(path))["commands"]["max_accel_mps2"] == pytest.approx(1.0)


def test_the_path_follows_odometry_and_leaves_out_jitter(record: Record) -> None:
    walk = [odom(100 * i, 0.3 * i) for i in range(5)]
    jitter = [odom(600 + i, 1.2 + (0.004 if i % 2 else 0.0)) for i in range(50)]
    assert summarise(read_run(record(*walk)))["path_m"] == pytest.approx(1.2)
    assert summarise(read_run(record(*walk, *jitter)))["path_m"] == pytest.approx(1.204)


def test_the_smallest_clearance_is_found_and_when(record: Record) -> None:
    summary = summarise(
        read_run(record(verdict(0), verdict(10, clearance=0.7), verdict(250, clearance=0.4), verdict(260)))
    )
    assert (summary["min_clearance_m"], summary["min_clearance_at_s"]) == (0.4, 0.25)


def test_plans_are_listed_once_for_each_version(record: Record) -> None:
    first, again = plan(1000, 1, arc(0), [(1, 0), (2, 0)]), plan(1500, 1, arc(0), [(1, 0), (2, 0)])
    plans = summarise(read_run(record(odom(0, 0), first, again, plan(2000, 2, arc(1), [(2, 0)], final=True))))["plans"]
    assert [p["id"] for p in plans] == [1, 2]
    assert plans[0] == {
        "id": 1, "epoch": 1, "kind": "WAYPOINTS", "observed_s": 0.6, "heard_s": 1.0, "inference_ms": 350.0,
        "valid_s": 10.0, "waypoints": 2, "confidence": 0.9, "final": False, "instruction": "go to the red box",
        "text": "the red box is 4 m ahead", "planned_m": None, "travelled_m": None, "off_m": None,
    }  # fmt: skip
    assert plans[1]["final"] is True


def test_diagnostics_that_are_not_ok_are_gathered_by_kind(record: Record) -> None:
    path = record(
        odom(0, 0),
        complaint(100, Level.OK, "fine"),
        complaint(200, Level.WARN, "3 frames dropped"),
        complaint(400, Level.WARN, "5 frames dropped"),
        complaint(500, Level.ERROR, "camera_info is absurd"),
    )
    common = {"name": "safety_node/gate"}
    assert summarise(read_run(path))["diagnostics"] == [
        {"level": "WARN", **common, "message": "3 frames dropped", "count": 2, "first_s": 0.2, "last_s": 0.4},
        {"level": "ERROR", **common, "message": "camera_info is absurd", "count": 1, "first_s": 0.5, "last_s": 0.5},
    ]


def test_topics_are_counted_with_their_rates(record: Record) -> None:
    summary = summarise(read_run(record(instruction(0, "go"), *(odom(500 + 20 * i, 0) for i in range(11)))))
    assert summary["topics"]["odom"] == {"type": "nav_msgs/msg/Odometry", "count": 11, "rate_hz": 50.0}
    assert summary["topics"]["instruction"]["rate_hz"] is None
    assert summary["duration_s"] == 0.7
    assert summary["instructions"] == [{"at_s": 0.0, "text": "go"}]


def test_the_same_recording_gives_the_same_json_without_nan(drive: Path) -> None:
    first = json.dumps(summarise(read_run(drive)), allow_nan=False)
    assert first == json.dumps(summarise(read_run(drive)), allow_nan=False)
    assert summarise(read_run(drive))["path_m"] == pytest.approx(
        summarise(read_run(drive))["commands"]["distance_m"], rel=1e-3
    )


def test_an_empty_run_has_no_numbers_but_a_summary(record: Record) -> None:
    summary = summarise(read_run(record()))
    assert summary["duration_s"] == 0.0
    assert summary["verdicts"] == {"count": 0, "pass": None, "limited": None, "stop": None, "reasons": {}}
    assert summary["latency_ms"]["p50"] is None
    assert summary["path_m"] is None
    json.dumps(summary, allow_nan=False)


def test_one_verdict_is_a_run(record: Record) -> None:
    summary = summarise(read_run(record(verdict(0, STOP, "chunk missing", asked=(NAN, NAN), granted=(0.0, 0.0)))))
    assert summary["stops"] == [{"start_s": 0.0, "duration_s": 0.0, "ticks": 1, "reason": "chunk missing"}]


def test_what_cannot_be_read_is_counted_and_the_rest_is_used(record: Record) -> None:
    good = verdict(0)
    broken = [Sample("verdict", T0 + i, bytes(good.cdr)[:40]) for i in (1, 2)]
    unknown = Sample("verdict", T0 + 3, bytes(good.cdr).replace(b"\x01\x00\x00\x00\x00\x00\x00\x00", b""))
    summary = summarise(read_run(record(good, *broken, unknown)))
    assert summary["verdicts"]["count"] == 1
    assert summary["problems"][0].startswith("verdict: 3 messages could not be read, the first because 40 bytes")


def test_a_topic_of_the_wrong_type_is_named(record: Record) -> None:
    summary = summarise(read_run(record(verdict(0), odom(0, 1), types={"odom": "geometry_msgs/msg/PoseStamped"})))
    assert summary["problems"] == ["odom was recorded as geometry_msgs/msg/PoseStamped; expected nav_msgs/msg/Odometry"]
    assert summary["path_m"] is None


def test_a_recording_that_breaks_off_is_used_as_far_as_it_goes(record: Record, tmp_path: Path) -> None:
    whole = record(*(verdict(10 * i) for i in range(2000)))
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    summary = summarise(read_run(cut))
    assert 0 < summary["verdicts"]["count"] < 2000
    assert any("breaks off" in problem for problem in summary["problems"])


def test_no_recording_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.mcap"):
        summarise(read_run(tmp_path / "nowhere.mcap"))
    text = tmp_path / "text.mcap"
    text.write_text("not a recording")
    with pytest.raises(DataError, match=r"text\.mcap"):
        summarise(read_run(text))


def _grid(origin: tuple[float, float], cells: list[list[int]], resolution: float = 0.5) -> LocalMap:
    occupancy = np.array(cells, np.int8)
    return LocalMap(0, "odom", resolution, origin, occupancy, np.zeros(occupancy.shape, np.float32))


def test_maps_are_pasted_where_they_belong_and_unknown_cells_keep_what_was_known() -> None:
    canvas = MapCanvas()
    canvas.paste(_grid((0.0, 0.0), [[1, 2], [3, 4]]))
    canvas.paste(_grid((-0.5, 0.5), [[9, -1], [7, 8]]))
    known = {(0.0, 0.0): 1, (0.5, 0.0): 2, (0.0, 0.5): 3, (0.5, 0.5): 4, (-0.5, 0.5): 9, (-0.5, 1.0): 7, (0.0, 1.0): 8}
    for (x, y), value in known.items():
        col, row = (round((c - o) / 0.5) for c, o in zip((x, y), canvas.origin_m, strict=True))
        assert canvas.cells[row, col] == value, (x, y)
    assert (canvas.cells >= 0).sum() == len(known)


def test_a_jump_of_odometry_begins_a_new_canvas_instead_of_a_huge_one() -> None:
    canvas = MapCanvas()
    canvas.paste(_grid((0.0, 0.0), [[1, 2], [3, 4]]))
    canvas.paste(_grid((1e6, 1e6), [[5, 6], [7, 8]]))
    assert canvas.cells.tolist() == [[5, 6], [7, 8]]
    assert canvas.origin_m == (1e6, 1e6)


def test_what_was_travelled_is_compared_with_the_plan_that_was_the_newest(record: Record) -> None:
    begin, then = (SE3.from_rpy(0.0, 0.0, 0.0, (x, 0.0, 0.0)) for x in (0.0, 1.0))
    ahead, aside = plan(1000, 1, begin, [(2, 0)]), plan(2000, 2, then, [(1, 3)])
    way = [odom(1000 + 100 * i, 0.1 * i, 0.3 if i == 5 else 0.0) for i in range(10)]
    on = [odom(2000 + 100 * i, 1.0, 0.1 * i) for i in range(10)]
    plans = summarise(read_run(record(odom(600, 0.0), ahead, *way, aside, *on)))["plans"]
    assert [p["planned_m"] for p in plans] == [2.0, 3.0]
    assert [p["off_m"] for p in plans] == [0.3, 0.0]
    bump_m = 2 * float(np.hypot(0.1, 0.3))
    assert plans[0]["travelled_m"] == pytest.approx(0.8 + bump_m, abs=1e-3)
    assert plans[1]["travelled_m"] == pytest.approx(0.9)
