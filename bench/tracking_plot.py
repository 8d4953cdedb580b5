"""Four panels of lines as one SVG for the page."""

from __future__ import annotations

import math
from typing import NamedTuple

from saccade.report.svg import Scale, drawing, tag, text

_COLOURS = ("#c1270a", "#7a7a7a", "#2f6fde", "#b8860b", "#1a9850", "#0b5d2e", "#8e44ad")


class Panel(NamedTuple):
    """A title and lines by name; `log` is for values that differ by orders of magnitude."""

    title: str
    lines: dict[str, list[float]]
    log: bool


def plot(panels: list[Panel], xs: list[str]) -> str:
    """The panels, two in a row, over `xs`, whose text is the number."""
    parts = [tag("rect", width=900.0, height=600.0, fill="#ffffff")]
    for i, panel in enumerate(panels):
        parts += _panel(panel, xs, 60.0 + 440 * (i % 2), 40.0 + 275 * (i // 2))
    for i, (name, colour) in enumerate(zip(panels[0].lines, _COLOURS, strict=True)):
        parts.append(tag("rect", x=60 + 120 * i, y=578, width=14, height=4, fill=colour))
        parts.append(_words(80 + 120 * i, 584, name, "start"))
    svg = drawing(900, 600, *parts, label="tracking error and jerk of schedulers over latency")
    return svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)


def _panel(panel: Panel, xs: list[str], left: float, top: float) -> list[str]:
    x = Scale(0.0, float(xs[-1]), left, left + 370)
    known = [value for values in panel.lines.values() for value in values]
    low, high = 0.0, max(known) * 1.05
    if panel.log:
        low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    y = Scale(low, high, top + 200, top)
    parts = [_words(left, top - 10, panel.title, "start")]
    for v in y.ticks(4):
        parts.append(tag("line", x1=left, x2=left + 370, y1=y(v), y2=y(v), stroke="#dddddd"))
        parts.append(_words(left - 6, y(v) + 4, f"{10**v if panel.log else v:g}", "end"))
    parts += [_words(x(float(f)), top + 216, f, "middle") for f in xs]
    for colour, values in zip(_COLOURS, panel.lines.values(), strict=True):
        shown = [math.log10(v) for v in values] if panel.log else values
        points = " ".join(f"{x(float(f)):.1f},{y(v):.1f}" for f, v in zip(xs, shown, strict=True))
        parts.append(tag("polyline", points=points, fill="none", stroke=colour, stroke_width=2))
    return parts


def _words(x: float, y: float, words: str, anchor: str) -> str:
    return tag("text", text(words), x=x, y=y, text_anchor=anchor, font_size=12, font_family="sans-serif")
