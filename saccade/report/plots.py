"""Plots over time and of latency, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from saccade.clock import SEC
from saccade.geometry import F64
from saccade.report.run import Run
from saccade.report.svg import Scale, drawing, line, tag, text, title
from saccade.types import Decision, Verdict

_WIDTH, _LEFT, _RIGHT = 1200.0, 112.0, 1190.0
_BINS = 600
"""Columns in which verdicts are drawn; each shows the worst verdict that fell into it."""
_HOVERS = 240
_HEIGHTS = {Decision.PASS: 0.34, Decision.LIMITED: 0.67, Decision.STOP: 1.0}


def timeline(run: Run, stops: list[dict[str, Any]]) -> str:
    """Plans, verdicts, speeds asked and granted, and clearance over one time axis."""
    duration_s = max((run.end_ns - run.start_ns) / SEC, 1e-3)
    x = Scale(0.0, duration_s, _LEFT, _RIGHT)
    t_s = np.array([(v.stamp_ns - run.start_ns) / SEC for v in run.verdicts])
    parts, top = [], 8.0
    if run.plans:
        parts += [_label(top, 22, "plan"), *_plan_band(run, x, top, 20)]
        top += 34
    parts += [_label(top, 46, "verdict"), *_verdict_band(run.verdicts, t_s, x, top, 46)]
    top += 60
    rows: list[tuple[str, str, Callable[[Verdict], float], Callable[[Verdict], float] | None, float]] = [
        ("speed", "m/s", lambda v: _axis(v.granted, v, "vx"), lambda v: _axis(v.requested, v, "vx"), 110),
        ("turn rate", "rad/s", lambda v: _axis(v.granted, v, "wz"), lambda v: _axis(v.requested, v, "wz"), 80),
        ("clearance", "m", lambda v: v.clearance_m, None, 80),
    ]
    first = top
    for name, unit, main, asked, height in rows:
        ys = np.array([main(v) for v in run.verdicts])
        requested = np.array([asked(v) for v in run.verdicts]) if asked else np.full(len(ys), np.nan)
        if np.isfinite(ys).any():
            parts += _row(x, top, height, f"{name}\n{unit}", t_s, ys, requested)
            top += height + 16
    wide = (stop for stop in stops if x(stop["duration_s"]) - x(0.0) >= 0.5)
    shades = [_shade(x, stop, first, top - 16 - first) for stop in wide]
    axis = [_time_tick(x, tick, first, top - 12) for tick in x.ticks(12)]
    hovers = _hovers(run.verdicts, t_s, x, first, top - 16 - first)
    return drawing(_WIDTH, top + 16, *shades, *axis, *parts, *hovers, label="timeline of verdicts")


def histogram(ms: F64, percentiles: dict[str, Any]) -> str:
    """Camera-to-command latency, (n,) milliseconds, with its percentiles."""
    width, height, base = 560.0, 240.0, 206.0
    low, high = float(ms.min()), float(ms.max())
    if high - low < 1.0:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(ms, bins=32, range=(low, high))
    x, y = Scale(low, high, 40.0, width - 12), Scale(0.0, float(counts.max()), base, 50.0)
    bars = [
        tag(
            "rect", title(f"{a:.1f} to {b:.1f} ms: {count} of {len(ms)} ticks"),
            x=x(a) + 0.5, y=y(count), width=max(x(b) - x(a) - 1, 0.5), height=base - y(count), class_="bar",
        )
        for count, (a, b) in zip(counts, pairwise(edges), strict=True)
    ]  # fmt: skip
    axis = [tag("line", x1=40, x2=width - 12, y1=base, y2=base, class_="axis")]
    axis += [_text(x(tick), base + 16, f"{tick:g}", "middle") for tick in x.ticks(7)]
    axis += [_text(width - 12, base + 31, "ms", "end")]
    marks = []
    for i, name in enumerate(("p50", "p95", "p99")):
        at = x(percentiles[name])
        marks += [
            tag("line", x1=at, x2=at, y1=42.0 - 13 * i, y2=base, class_="mark"),
            _text(at, 38 - 13 * i, f"{name} {percentiles[name]:.1f}", "end" if at > width / 2 else "start"),
        ]
    return drawing(width, height, *bars, *axis, *marks, label="camera-to-command latency")


def _axis(values: F64, verdict: Verdict, axis: str) -> float:
    return float(values[verdict.axes.index(axis)]) if axis in verdict.axes else math.nan


def _text(x: float, y: float, value: str, anchor: str = "start", class_: str = "tick") -> str:
    return tag("text", text(value), x=x, y=y, text_anchor=anchor, class_=class_)


def _label(top: float, height: float, name: str) -> str:
    lines = name.split("\n")
    y = top + height / 2 + 4 - 7 * (len(lines) - 1)
    return "".join(_text(8, y + 14 * i, part, class_="tick" if i else "label") for i, part in enumerate(lines))


def _plan_band(run: Run, x: Scale, top: float, height: float) -> list[str]:
    out, ends = [], [heard for heard, _ in run.plans[1:]] + [run.end_ns]
    for (heard_ns, plan), next_ns in zip(run.plans, ends, strict=True):
        begin, end = ((min(ns, run.end_ns) - run.start_ns) / SEC for ns in (heard_ns, next_ns))
        hover = f"plan {plan.id} (epoch {plan.epoch}), {plan.kind.name}, heard at {begin:.2f} s: {plan.text}"
        kind = "stop" if plan.kind.name == "STOP" else "plan"
        band = {"x": x(begin), "y": top, "width": max(x(end) - x(begin) - 1.5, 1.0), "height": height, "rx": 3}
        out.append(tag("rect", title(hover), **band, class_=f"fill-{kind} soft"))
        if x(end) - x(begin) > 26:
            out.append(_text(x(begin) + 5, top + height - 6, f"#{plan.id}"))
    return out


def _verdict_band(verdicts: list[Verdict], t_s: F64, x: Scale, top: float, height: float) -> list[str]:
    """Bands of equal verdict and reason; the worse the verdict, the higher the band."""
    out = []
    for begin, end, verdict in _bands(verdicts, t_s, x):
        tall = height * _HEIGHTS[verdict.decision]
        kind = verdict.decision.name.lower()
        hover = f"{kind} from {begin:.2f} s to {end:.2f} s{': ' + verdict.reason if verdict.reason else ''}"
        at = {"x": x(begin), "width": max(x(end) - x(begin), 1.5), "y": top + height - tall, "height": tall}
        out.append(tag("rect", title(hover), **at, class_=f"fill-{kind}"))
    return out


def _bands(verdicts: list[Verdict], t_s: F64, x: Scale) -> list[tuple[float, float, Verdict]]:
    """(begin, end, first verdict) of each stretch; ticks are first gathered in columns by their worst."""
    width_s = (x.high - x.low) / _BINS
    worst: dict[int, tuple[float, Verdict]] = {}
    for t, verdict in zip(t_s, verdicts, strict=True):
        column = int(t / width_s) if len(verdicts) > _BINS else len(worst)
        if column not in worst or verdict.decision > worst[column][1].decision:
            worst[column] = (float(t), verdict)
    out: list[tuple[float, float, Verdict]] = []
    for begin, verdict in worst.values():
        if out:
            out[-1] = (out[-1][0], begin, out[-1][2])
        if not out or out[-1][2].decision != verdict.decision:
            out.append((begin, begin, verdict))
    if out and len(t_s) > 1:
        out[-1] = (out[-1][0], float(t_s[-1]), out[-1][2])
    return out


def _row(x: Scale, top: float, height: float, name: str, t_s: F64, ys: F64, asked: F64) -> list[str]:
    known = np.concatenate([ys[np.isfinite(ys)], asked[np.isfinite(asked)], [0.0]])
    low, high = float(known.min()), float(known.max())
    pad = 0.08 * (high - low) or 0.5
    y = Scale(low - pad * (low < 0), high + pad, top + height, top)
    grid = []
    for tick in y.ticks(3):
        grid.append(tag("line", x1=_LEFT, x2=_RIGHT, y1=y(tick), y2=y(tick), class_="axis" if tick == 0 else "grid"))
        grid.append(_text(_LEFT - 6, y(tick) + 4, f"{tick:g}", "end"))
    return [_label(top, height, name), *grid, line(x, y, t_s, asked, "asked"), line(x, y, t_s, ys, "granted")]


def _shade(x: Scale, stop: dict[str, Any], top: float, height: float) -> str:
    begin = x(stop["start_s"])
    width = max(x(stop["start_s"] + stop["duration_s"]) - begin, 1.0)
    return tag("rect", x=begin, width=width, y=top, height=max(height, 0.0), class_="fill-stop faint")


def _time_tick(x: Scale, tick: float, top: float, bottom: float) -> str:
    upright = tag("line", x1=x(tick), x2=x(tick), y1=top, y2=bottom - 4, class_="grid")
    anchor = "end" if x(tick) > _RIGHT - 12 else "middle"
    return upright + _text(x(tick), bottom + 12, f"{tick:g} s", anchor)


def _hovers(verdicts: list[Verdict], t_s: F64, x: Scale, top: float, height: float) -> list[str]:
    """Invisible columns that tell the numbers at their time."""
    out = []
    for i in np.unique(np.linspace(0, len(verdicts) - 1, min(len(verdicts), _HOVERS)).astype(int)):
        v, width = verdicts[i], (_RIGHT - _LEFT) / min(len(verdicts), _HOVERS)
        values = zip(v.axes, v.requested, v.granted, strict=True)
        pairs = ", ".join(f"{axis} {asked:.2f} → {granted:.2f}" for axis, asked, granted in values)
        hover = f"{t_s[i]:.2f} s, {v.decision.name.lower()} {v.reason}\nasked → granted: {pairs}"
        hover += f"\nclearance {v.clearance_m:.2f} m, plan {v.plan_id}"
        at = {"x": x(t_s[i]) - width / 2, "y": top, "width": width, "height": max(height, 0.0)}
        out.append(tag("rect", title(hover), **at, class_="hover"))
    return out
