"""The report as a reader gets it: every section, nothing from outside, and words for what is missing."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import (
    MS,
    NAN,
    T0,
    arc,
    command,
    complaint,
    drive_samples,
    instruction,
    odom,
    plan,
    verdict,
    write_run,
)

from saccade.node import Sample
from saccade.report.html import write_report
from saccade.report.pictures import depth_colours, film
from saccade.report.run import kind_of, read_run
from saccade.report.summary import summarise
from saccade.report.svg import Scale, envelope, tag
from saccade.report.table import result_table
from saccade.report.words import outcome
from saccade.types import Decision, Image
from saccade.wire.convert import header_stamp_ns
from saccade.wire.diagnostics import Level
from saccade.wire.images import encode_image

SECTIONS = [
    "What it saw", "From above", "Plans", "Stops", "What the gate did", "Time by stage", "Camera to command",
    "Problems", "What ran where", "Topics recorded",
]  # fmt: skip
TIMES = {"count": 60.0, "p50_ms": 37.125, "p95_ms": 40.0, "p99_ms": 45.0, "total_ms": 2300.0}
STAGES = {"perception_node": {"engine": TIMES}}
FACTS = {"engine": "opencv", "machine": "two cores"}
Record = Callable[..., Path]


def report(recording: Path, inputs: Path | None = None, stages: dict[str, dict[str, dict[str, float]]] = STAGES) -> str:
    """The report's HTML."""
    out = recording.parent / "report.html"
    run = read_run(recording)
    write_report(run, recording, out, stages, FACTS, summarise(run), inputs)
    return out.read_text(encoding="utf-8")


class _Page(HTMLParser):
    """Checks that tags nest, and gathers attributes."""

    VOID = ("meta", "img", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.images: list[str] = []
        self.headings: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert value is not None, (tag, name)
            assert "nan" not in value.lower().split() or name == "class", (tag, name, value)
            if name in ("src", "href", "xlink:href", "action", "data", "srcset"):
                (self.images if value.startswith("data:") else self.links).append(value)
        assert tag not in ("script", "iframe", "link", "object", "embed")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h2", "summary"):
            self.headings.append(data.strip())


def test_the_report_has_every_section_and_asks_nothing_of_the_network(drive: Path) -> None:
    text = report(drive)
    page = _Page(text)
    assert page.headings == SECTIONS
    assert page.links == []
    assert not re.search(r"https?://|@import|url\(", text)
    assert len(text) < 6_000_000


def test_the_report_of_the_same_run_is_the_same(drive: Path) -> None:
    assert sha256(report(drive).encode()).digest() == sha256(report(drive).encode()).digest()


def test_the_film_shows_eight_instants_with_picture_depth_and_confidence(drive: Path) -> None:
    page = _Page(report(drive))
    jpegs = [uri for uri in page.images if uri.startswith("data:image/jpeg")]
    assert len(jpegs) == 24
    assert {_decoded(uri).shape for uri in jpegs} == {(120, 160, 3), (120, 160)}


def test_the_map_shows_path_obstacles_plans_and_goal(drive: Path) -> None:
    text = report(drive)
    assert text.count('class="way plan"') == 6
    assert text.count('class="way travelled"') == 1
    assert text.count('class="goal"') == 2
    png = _decoded(next(uri for uri in _Page(text).images if uri.startswith("data:image/png")))
    solid = np.argwhere(png[..., 3] > 200)
    assert len(solid) == 36  # the box of 0.6 m x 0.6 m in cells of 0.1 m
    # The box is to the left of the way: y grows upwards in the picture.
    run = read_run(drive)
    y_m = run.map.origin_m[1] + (png.shape[0] - solid[:, 0].mean() - 0.5) * run.map.resolution_m
    assert y_m == pytest.approx(3.4, abs=0.06)


def test_the_timeline_tells_reasons_and_numbers(drive: Path) -> None:
    text = report(drive)
    assert "stop from 4.00 s to 5.00 s: local_map stale (450 ms)" in text
    assert "limited from 2.00 s to 3.00 s" in text
    assert "asked → granted: vx 0.50 → 0.25" in text
    assert text.count('class="fill-stop faint"') == 4


def test_the_tables_carry_what_was_handed_over(drive: Path) -> None:
    text = report(drive)
    expected = ("37.125", "two cores", "the red box is 4 m ahead", "operator stop", "go to the red box")
    assert [shown for shown in expected if shown not in text] == []


def test_what_comes_from_outside_cannot_break_the_page(record: Record) -> None:
    evil = '<script>alert("x")</script> & $body'
    path = record(
        instruction(0, evil),
        odom(0, 0),
        complaint(10, Level.ERROR, evil),
        *(verdict(20 * i, Decision.STOP, evil) for i in range(5)),
    )
    text = report(path)
    _Page(text)
    assert "&lt;script&gt;" in text


MISSING = {
    "empty": ([], ["The recording is empty.", "No pictures", "No map", "No gate ran", "No plan was made"]),
    "one tick": ([verdict(0, Decision.STOP, "chunk missing")], ["The gate never let it move: chunk missing."]),
    "odometry alone": ([odom(20 * i, 0.02 * i) for i in range(50)], ["No gate ran", "No pictures"]),
    "standing": ([odom(20 * i, 0.0) for i in range(5)], ["travelled 0.00 m"]),
    "no gate": ([s for s in drive_samples(3) if s.topic not in ("verdict", "cmd_vel")], ["No gate ran"]),
    "no plan": (drive_samples(3, plans=False), ["No plan was made", "The robot was told nothing."]),
    "grey pictures": (drive_samples(2, colour=False), ["90% known"]),
    "no pictures": (drive_samples(2, pictures=False), ["No pictures"]),
    "no camera": (
        [s for s in drive_samples(2) if s.topic != "left/image_rect"],
        ["Not in the recording: camera image"],
    ),
    "very short": (drive_samples(0.1), ["The gate never let it move"]),
    "map alone": ([s for s in drive_samples(1) if s.topic == "local_map"], ["No map"]),
    "box alone": ([s for s in drive_samples(12) if s.topic == "local_map"], ["There is no odometry"]),
    "NaN poses": ([odom(0, 0), verdict(0, clearance=NAN, asked=(NAN, NAN)), verdict(50)], ["passed 100 %"]),
    "long jump": ([odom(0, 0), odom(100, 1e7, 1e7), odom(200, 1e7)], ["travelled"]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", MISSING)
def test_a_run_that_lacks_something_says_so_and_still_reads(case: str, tmp_path: Path) -> None:
    samples, said = MISSING[case]
    path = write_run(tmp_path / "run.mcap", samples)
    text = report(path, stages={})
    assert _Page(text).headings == SECTIONS
    assert [words for words in (*said, "No stage times") if words not in text] == []
    assert not re.search(r">None<|\bNone (m|s|ms|Hz)\b", text)


def test_one_bad_tick_in_a_long_run_is_seen(tmp_path: Path) -> None:
    ticks = [verdict(10 * i, Decision.STOP if i == 2500 else Decision.PASS) for i in range(5000)]
    text = report(write_run(tmp_path / "run.mcap", ticks))
    assert text.count('class="fill-stop"') == 1
    assert "<title>stop from 25.00 s" in text


def test_long_runs_stay_small(tmp_path: Path) -> None:
    kinds = [(Decision.PASS, ""), (Decision.LIMITED, "clearance 0.30 m"), (Decision.STOP, "odom stale (210 ms)")]
    samples = [verdict(10 * i, *kinds[i % 3], clearance=1.0) for i in range(9000)]
    samples += [plan(1000 * i, i, arc(i / 10), [(i, i % 7), (i, 2)]) for i in range(90)]
    text = report(write_run(tmp_path / "run.mcap", [odom(0, 0), *samples]))
    # 3000 stops of one tick each: the page lists only the longest, and says so
    assert len(text) < 1_000_000
    assert "2900 shorter stops are in summary.json" in text
    assert "50 earlier plans are in summary.json" in text


@pytest.mark.parametrize("size", [0, 6])
def test_a_picture_that_was_cut_off_in_its_header_is_a_problem_and_not_a_crash(tmp_path: Path, size: int) -> None:
    """Also in the recording that was replayed: `_nearest` reads the stamps of both."""
    samples = drive_samples(1)
    cut = [Sample(s.topic, s.stamp_ns, s.cdr[:size]) if "image_rect" in s.topic else s for s in samples]
    pictures = [s for s in samples if s.topic == "left/image_rect"]
    inputs = write_run(tmp_path / "in.mcap", [*pictures, pictures[-1]._replace(cdr=b"\0\1\0\0"), odom(0, 0)])
    text = report(write_run(tmp_path / "run.mcap", cut), inputs)
    assert re.search(r"left/image_rect: \d+ messages could not be read", text)
    assert f"{size} bytes are too few for a header" in text


def test_a_damaged_picture_is_a_problem_and_not_a_crash(tmp_path: Path) -> None:
    samples = drive_samples(1)
    damaged = [Sample(s.topic, s.stamp_ns, s.cdr[:100]) if s.topic == "depth/image_rect" else s for s in samples]
    text = report(write_run(tmp_path / "run.mcap", damaged))
    assert "not a sensor_msgs/msg/Image" in text
    assert "Not in the recording: depth" in text


def test_pictures_come_from_the_inputs_where_the_run_has_none(tmp_path: Path) -> None:
    samples = drive_samples(2)
    outputs = [s for s in samples if not s.topic.startswith("left/")]
    white = np.full((60, 80), 255, np.uint8)
    inputs = [
        Sample("left/image_rect", s.stamp_ns, encode_image(Image(s.stamp_ns, "left_optical", white)))
        for s in samples
        if s.topic == "left/image_rect"
    ]
    run_path = write_run(tmp_path / "run.mcap", outputs)
    in_path = write_run(tmp_path / "in.mcap", [*inputs, odom(0, 0)])
    strip = film(read_run(run_path), run_path, in_path)
    assert [bool(f.picture) for f in strip.frames] == [True] * 8
    assert _decoded(strip.frames[0].picture).shape[:2] == (60, 80)
    assert not any(f.picture for f in film(read_run(run_path), run_path, None).frames)
    absent = read_run(run_path)
    film(absent, run_path, tmp_path / "gone.mcap")
    assert any("gone.mcap" in problem for problem in absent.problems)


def test_the_film_takes_the_picture_of_the_same_instant(tmp_path: Path) -> None:
    """Pictures get brighter by the frame; depth is captured with every second of them."""
    levels = {T0 + i * 50 * MS: 10 * i for i in range(20)}
    samples = [
        Sample("left/image_rect", t, encode_image(Image(t, "c", np.full((8, 8), level, np.uint8))))
        for t, level in levels.items()
    ]
    depths = [s for s in drive_samples(1) if s.topic == "depth/image_rect"]
    path = write_run(tmp_path / "run.mcap", [*samples, *depths])
    strip = film(read_run(path), path, None)
    assert [f.stamp_ns for f in strip.frames] == [header_stamp_ns(s.cdr) for s in depths]
    for frame in strip.frames:
        assert abs(float(_decoded(frame.picture).mean()) - levels[frame.stamp_ns]) < 3


def test_depth_is_red_near_blue_far_and_hatched_where_unknown() -> None:
    colours = depth_colours(np.array([[1.0, 10.0, 0.2, 99.0]], np.float32), 1.0, 10.0).astype(int)
    near, far, nearer, further = colours[0]
    assert near[2] > near[0] + 60
    assert far[0] > far[2]
    assert (near == nearer).all()
    assert (far == further).all()
    unknown = depth_colours(np.full((20, 20), np.nan, np.float32), 1.0, 10.0)
    assert set(np.unique(unknown)) == {25, 70}


def test_the_outcome_reads_as_a_sentence(record: Record) -> None:
    path = record(
        instruction(0, "go to the red box"), odom(0, 0), odom(1000, 1.5), command(0, 0.5), command(400, 0.0),
        verdict(0), verdict(100, Decision.LIMITED, "rate of wz"), verdict(200, Decision.STOP, "odom stale"),
        verdict(700, Decision.LIMITED, "rate of wz"),
    )  # fmt: skip
    assert outcome(summarise(read_run(path))) == (
        "The robot was told “go to the red box”. In 1.0 s it was commanded 0.20 m and travelled 1.50 m by odometry. "
        "The gate passed 25 % of 4 ticks unchanged and limited 50 %; "
        "it stopped the robot once, for 0.50 s (odom stale)."
    )


def test_the_table_holds_the_key_figures_files_and_what_to_try(drive: Path) -> None:
    summary = {**summarise(read_run(drive)), "timing": {"wall_s": 2.0, "times_real_time": 6.0}}
    text = result_table(summary, STAGES, [Path("out/report.html"), Path("out/run.mcap")], ["one", "two", "three"])
    for shown in ("stop 22.5 % of 240 ticks; 4 stops", "p50 89.5", "engine 37.12 / 45.00", "2.0 s, 6.0 x real time"):
        assert shown in text, shown
    lines = [line.strip() for line in text.splitlines()]
    assert lines[-5:] == ["written" + lines[-5][7:], "out/run.mcap", "try next" + lines[-3][8:], "two", "three"]
    assert "try next" not in result_table(summary, {}, [])
    assert "None" not in result_table(summarise_empty(drive.parent), {}, [])


def summarise_empty(folder: Path) -> dict[str, object]:
    """Summary of a recording with nothing in it."""
    return summarise(read_run(write_run(folder / "empty.mcap", [])))


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 12))
def test_ticks_are_round_evenly_spaced_and_inside(low: float, span: float, about: int) -> None:
    scale = Scale(low, low + span, 0.0, 100.0)
    ticks = scale.ticks(about)
    assert len(ticks) <= about + 2
    assert all(-1e-6 <= scale(tick) <= 100 + 1e-6 for tick in ticks) or span < abs(low) * 1e-9
    if len(ticks) > 2 and span > abs(low) * 1e-6:
        steps = np.diff(ticks)
        assert np.allclose(steps, steps[0], rtol=1e-3)


def test_thinning_a_curve_keeps_peaks_and_gaps() -> None:
    ys = np.zeros(10_000)
    ys[1234], ys[5678], ys[8000] = 9.0, -9.0, np.nan
    xs = np.arange(10_000.0)
    thin_x, thin_y = envelope(xs, ys, 100)
    assert len(thin_x) <= 300
    assert (np.nanmax(thin_y), np.nanmin(thin_y)) == (9.0, -9.0)
    assert np.isnan(thin_y[thin_x == 8000]).tolist() == [True]
    assert (np.diff(thin_x) > 0).all()


def test_attributes_are_escaped_and_missing_ones_left_out() -> None:
    assert tag("g", "x", class_='"><b>', stroke_width=1.50, r=None) == (
        '<g class="&quot;&gt;&lt;b&gt;" stroke-width="1.5">x</g>'
    )


def test_numbers_do_not_make_kinds() -> None:
    assert kind_of("odom stale (210 ms)") == kind_of("odom stale (99.5 ms)") == "odom stale (… ms)"
    assert kind_of("odom stale") != kind_of("local_map stale")


def test_header_stamps_are_read_in_both_byte_orders() -> None:
    little, big = b"\0\1\0\0" + (7).to_bytes(4, "little") * 2, b"\0\0\0\0" + (7).to_bytes(4, "big") * 2
    assert header_stamp_ns(little) == header_stamp_ns(big) == 7_000_000_007


def _decoded(uri: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED))
