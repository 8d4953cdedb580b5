"""The errand stage by stage: what the robot saw at the end of each, whether it was done, and as it was thought of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from saccade.clock import SEC
from saccade.report.parts import section, table
from saccade.report.pictures import Frame, film
from saccade.report.run import Run
from saccade.report.svg import tag, text
from saccade.report.words import number

_NOTE = "judged by the truth of the world; pictures at the end of each stage"
_BADGES = {True: ("done", "done"), False: ("missed", "missed"), None: ("untold", "?")}
_NEAR_NS = SEC


def errand_section(run: Run, recording: Path, inputs: Path | None, summary: dict[str, Any]) -> list[str]:
    """The section, where a summary has `stages` with task, begin_s, end_s, good and why; else none.

    Beside each stage the way that its first plan wanted, what was travelled, and how far off the plans in force the
    robot was at most.
    """
    stages = summary.get("stages")
    if not stages:
        return []
    ends = [run.start_ns + round(stage["end_s"] * SEC) for stage in stages]
    frames = film(run, recording, inputs, at_ns=ends).frames
    strip = [_figure(stage, end_ns, frames) for stage, end_ns in zip(stages, ends, strict=True)]
    heads = ("stage", "", "from", "to", "planned", "travelled", "off", "found")
    rows = [_row(i, stage, summary["plans"]) for i, stage in enumerate(stages, start=1)]
    return [section("Stage by stage", tag("div", *strip, class_="film") + table(heads, rows, "  nnnnn"), _NOTE)]


def _figure(stage: dict[str, Any], end_ns: int, frames: list[Frame]) -> str:
    near = min(frames, key=lambda frame: abs(frame.stamp_ns - end_ns), default=None)
    shown = near is not None and near.picture and abs(near.stamp_ns - end_ns) < _NEAR_NS
    picture = f'<img src="{near.picture}" alt="camera">' if near and shown else ""
    return tag("figure", picture, tag("figcaption", _badge(stage), text(f" {stage['end_s']:.1f} s: {stage['task']}")))


def _badge(stage: dict[str, Any]) -> str:
    class_, word = _BADGES[stage["good"]]
    return tag("span", text(word), class_=f"badge {class_}")


def _row(number_: int, stage: dict[str, Any], plans: list[dict[str, Any]]) -> list[str]:
    during = [
        plan for plan in plans
        if stage["begin_s"] <= plan["heard_s"] < stage["end_s"] and plan["off_m"] is not None
    ]  # fmt: skip
    planned_m = during[0]["planned_m"] if during else None
    travelled_m = sum(plan["travelled_m"] for plan in during) if during else None
    off_m = max((plan["off_m"] for plan in during), default=None)
    return [
        text(f"{number_}. {stage['task']}"), _badge(stage), text(f"{stage['begin_s']:.1f} s"),
        text(f"{stage['end_s']:.1f} s"), text(number(planned_m, "m", 2)), text(number(travelled_m, "m", 2)),
        text(number(off_m, "m", 2)), text(stage["why"]),
    ]  # fmt: skip
