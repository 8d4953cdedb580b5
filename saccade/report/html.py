"""The report of a run: one HTML file that needs nothing else, neither scripts nor a network."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from saccade.clock import SEC
from saccade.report.birdseye import birdseye
from saccade.report.errand import errand_section
from saccade.report.parts import folded, key, none, section, table
from saccade.report.pictures import Film, film
from saccade.report.plots import histogram, timeline
from saccade.report.run import Run
from saccade.report.scene import Scene, scene
from saccade.report.summary import latencies_ms
from saccade.report.svg import tag, text
from saccade.report.words import number, outcome, share

Stages = dict[str, dict[str, dict[str, float]]]
_PLANS_SHOWN, _STOPS_SHOWN = 40, 100
"""At most so many are listed: the newest plans, the longest stops."""


def write_report(
    run: Run,
    recording: Path,
    out: Path,
    stages: Stages,
    facts: dict[str, str],
    summary: dict[str, Any],
    inputs: Path | None = None,
) -> None:
    """Write the report of a run, read from `recording` (run.mcap), to the file `out`.

    `stages` is node -> stage -> {count, p50_ms, p95_ms, p99_ms, total_ms}; `facts` says what ran where; `summary` is
    that of `summarise`. `inputs` is the recording that was replayed, for the camera's pictures where the run has none.
    DataError when the recording cannot be read; what it lacks is said in its section.
    """
    strip = film(run, recording, inputs)
    body = [
        _head(summary),
        *errand_section(run, recording, inputs, summary),
        section("What it saw", _film(run, strip)),
        tag(
            "div",
            section("From above", _map(run)),
            tag("div", section("Plans", _plans(summary)), section("Stops", _stops(summary))),
            class_="pair",
        ),
        *_scene(scene(run, recording)),
        section("What the gate did", _timeline(run, summary)),
        tag(
            "div",
            section("Time by stage", _stages(stages), "wall-clock time inside the nodes on this machine"),
            section("Camera to command", _latency(run, summary), "on the bus' clock, ticks that were not stops"),
            class_="pair",
        ),
        tag(
            "div",
            section("Problems", _problems(run, summary)),
            section("What ran where", _facts(facts, summary)),
            class_="pair",
        ),
        folded("Topics recorded", _topics(summary)),
        tag("footer", text(f"Saccade · {summary['recording']}")),
    ]
    page = Template(files(__package__).joinpath("template.html").read_text(encoding="utf-8"))
    out.write_text(page.substitute(title=text(f"Saccade: {summary['recording']}"), body="\n".join(body)), "utf-8")


def _head(summary: dict[str, Any]) -> str:
    verdicts, latency, waited = summary["verdicts"], summary["latency_ms"], summary["continuity"]
    pauses = "–" if waited["pauses"] is None else str(waited["pauses"])
    tiles = [
        (number(summary["duration_s"], "s"), "recorded", ""),
        (number(summary["path_m"], "m", 2), "travelled", ""),
        (number(summary["commands"]["distance_m"], "m", 2), "commanded", ""),
        (number(summary["commands"]["max_speed_mps"], "m/s", 2), "highest speed", ""),
        (share(verdicts["pass"]), "passed", "pass"),
        (share(verdicts["limited"]), "limited", "limited"),
        (share(verdicts["stop"]), "stopped", "stop"),
        (number(latency["p50"], "ms"), "latency, median", ""),
        (number(summary["min_clearance_m"], "m", 2), "smallest clearance", ""),
        (share(waited["waiting_ratio"]), "waited for actions", ""),
        (number(waited["visible_gap_s"], "s", 2), "longest wait", ""),
        (pauses, "pauses > 0.5 s", ""),
    ]
    drawn = (tag("div", tag("b", text(value)), tag("span", text(name)), class_=f"tile {c}") for value, name, c in tiles)
    heading = tag("h1", tag("b", "Saccade"), text(f" · {summary['recording']}"))
    return heading + tag("p", text(outcome(summary)), class_="lead") + tag("div", *drawn, class_="tiles")


def _film(run: Run, strip: Film) -> str:
    if not strip.frames:
        return none("No pictures: the recording has neither camera images nor depth images.")
    figures = []
    for frame in strip.frames:
        names = (("camera", frame.picture), ("depth", frame.depth), ("confidence", frame.confidence))
        pictures = (f'<img src="{uri}" alt="{name}">' for name, uri in names if uri)
        caption = f"{(frame.stamp_ns - run.start_ns) / SEC:.2f} s"
        caption += f", {frame.known:.0%} known" if frame.known is not None else ""
        figures.append(tag("figure", *pictures, tag("figcaption", text(caption))))
    missing = [
        name
        for name, has in (
            ("camera image", any(f.picture for f in strip.frames)),
            ("depth", any(f.depth for f in strip.frames)),
            ("confidence", any(f.confidence for f in strip.frames)),
        )
        if not has
    ]
    ramp = "linear-gradient(90deg,#c1270a,#f36315,#edd03a,#a4fc3c,#1bcfd4,#4777ef,#36215f)"
    legend = f'{strip.near_m:.1f} m<span class="ramp" style="background:{ramp}"></span>{strip.far_m:.1f} m'
    legend += '<span class="hatch"></span>no depth. White is sure, black is not.'
    legend += text(f" Not in the recording: {', '.join(missing)}.") if missing else ""
    return tag("div", *figures, class_="film") + tag("p", legend, class_="key")


def _map(run: Run) -> str:
    drawn = birdseye(run)
    if not drawn:
        return none("No map: the recording has neither odometry, plans nor obstacles.")
    legend = key(
        ("bg-travelled thin", "travelled"), ("bg-plan thin", "plan, the paler the older; rings: last goal"),
        ("bg-pass", "passed"), ("bg-limited", "limited"), ("bg-stop", "stopped"),
    )  # fmt: skip
    frame = run.poses[0].frame_id if run.poses else run.map.frame_id
    note = "" if run.poses else " There is no odometry in the recording."
    return drawn + legend + tag("p", text(f"Frame {frame}; x to the right, y up.{note}"), class_="key")


def _scene(shown: Scene) -> list[str]:
    """The section of the map in three dimensions, where there is one."""
    if not (shown.above or shown.around):
        return []
    parts = []
    if shown.above:
        above = f'<img src="{shown.above}" alt="the map from above" style="max-width:480px;width:100%">'
        parts += [above, key(("bg-travelled thin", "the way it came"), ("bg-plan thin", "its plan"))]
    turned = (f"{360 * n // len(shown.around)}°" for n in range(len(shown.around)))
    figures = [
        tag("figure", f'<img src="{uri}" alt="the map from around">', tag("figcaption", text(angle)))
        for uri, angle in zip(shown.around, turned, strict=True)
    ]
    parts += [tag("div", *figures, class_="film")] if figures else []
    return [section("The map", "".join(parts), "as it was sent last; above, x is to the right and y up")]


def _plans(summary: dict[str, Any]) -> str:
    plans = summary["plans"]
    if not plans:
        return none("No plan was made: there is no message on plan.")
    rows = [
        [
            text(f"#{p['id']}"), text(number(p["observed_s"], "s", 2)), text(number(p["inference_ms"], "ms", 0)),
            text(number(p["off_m"], "m", 2)),
            text(f"{p['kind'].lower().replace('_', ' ')}{', final' if p['final'] else ''}: {p['text']}"),
        ]
        for p in plans[-_PLANS_SHOWN:]
    ]  # fmt: skip
    left = len(plans) - len(rows)
    more = none(f"{left} earlier plans are in summary.json.") if left else ""
    off_m = [p["off_m"] for p in plans if p["off_m"] is not None]
    told = f"While a plan was the newest the robot was at most {max(off_m):.2f} m off its way." if off_m else ""
    heads = ("plan", "image at", "thought", "off", "says")
    return table(heads, rows, "nnnn") + more + (none(told) if told else "")


def _timeline(run: Run, summary: dict[str, Any]) -> str:
    if not run.verdicts:
        return none("No gate ran: there is no message on verdict.")
    legend = key(
        ("bg-pass", "passed"), ("bg-limited", "limited"), ("bg-stop", "stopped"), ("bg-travelled thin", "granted"),
        ("bg-asked thin", "asked (dashed)"), ("bg-plan", "plan in force"),
    )  # fmt: skip
    reasons = [[text(reason), text(count)] for reason, count in summary["verdicts"]["reasons"].items()]
    why = table(("reasons given, by kind", "ticks"), reasons[:12], " n") if reasons else ""
    return timeline(run, summary["stops"]) + legend + tag("div", why, class_="below")


def _stages(stages: Stages) -> str:
    rows = []
    slowest = max((s["p99_ms"] for node in stages.values() for s in node.values()), default=0.0) or 1.0
    for node, by_stage in stages.items():
        for i, (stage, s) in enumerate(by_stage.items()):
            width = f"width:{100 * s['p50_ms'] / slowest:.1f}%"
            figures = [f"{s[name]:.3f}" for name in ("p50_ms", "p95_ms", "p99_ms")]
            bar = tag("div", tag("div", style=width), class_="bar-cell")
            name = tag("b", text(node)) if i == 0 else ""
            total = f"{s['total_ms'] / 1e3:.2f}"
            rows.append([name, text(stage), text(int(s["count"])), *map(text, figures), text(total), bar])
    if not rows:
        return none("No stage times were handed to the report.")
    return table(("node", "stage", "count", "p50 ms", "p95 ms", "p99 ms", "total s", ""), rows, "  nnnnn")


def _latency(run: Run, summary: dict[str, Any]) -> str:
    ms = latencies_ms(run)
    if not ms.size:
        return none("Nothing to measure: no tick let a command through.")
    return histogram(ms, summary["latency_ms"])


def _stops(summary: dict[str, Any]) -> str:
    if not summary["stops"]:
        return none("The gate never stopped the robot." if summary["verdicts"]["count"] else "No gate ran.")
    longest = sorted(summary["stops"], key=lambda s: -s["duration_s"])[:_STOPS_SHOWN]
    rows = [
        [text(f"{s['start_s']:.2f} s"), text(f"{s['duration_s']:.2f} s"), text(s["ticks"]), text(s["reason"])]
        for s in sorted(longest, key=lambda s: s["start_s"])
    ]
    left = len(summary["stops"]) - len(longest)
    more = none(f"{left} shorter stops are in summary.json.") if left else ""
    return table(("begin", "lasted", "ticks", "reason"), rows, "nnn") + more


def _facts(facts: dict[str, str], summary: dict[str, Any]) -> str:
    rows = [[text(name), text(value)] for name, value in facts.items()]
    rows += [[text(name), text(value)] for name, value in summary.get("episode", {}).items()]
    return table(("", ""), rows) if rows else none("Nothing was handed to the report.")


def _problems(run: Run, summary: dict[str, Any]) -> str:
    level: Callable[[str], str] = lambda name: tag("span", text(name), class_=f"badge {name}")  # noqa: E731
    rows = [
        [level(d["level"]), text(d["name"]), text(d["count"]), _span(d["first_s"], d["last_s"]), text(d["message"])]
        for d in summary["diagnostics"]
    ]
    lost = dict.fromkeys([*summary["problems"], *run.problems])
    rows += [[level("WARN"), "recording", "", "", text(problem)] for problem in lost]
    if not rows:
        return none("None: no diagnostics above OK, and everything in the recording could be read.")
    return table(("level", "who", "times", "when", "what"), rows, "  n")


def _span(first_s: float, last_s: float) -> str:
    return text(f"{first_s:.2f} s" if first_s == last_s else f"{first_s:.2f} to {last_s:.2f} s")


def _topics(summary: dict[str, Any]) -> str:
    rows = [
        [text(name), text(row["type"]), text(row["count"]), text(number(row["rate_hz"], "Hz", 1))]
        for name, row in summary["topics"].items()
    ]
    return table(("topic", "type", "messages", "rate"), rows, "  nn") if rows else none("None.")
