"""The course of a training: a table, and a drawing of it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from saccade.report.svg import Scale, drawing, line, tag, text

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 900.0, 200.0, 60.0, 20.0, 30.0


def curves(log: list[dict[str, float]], out: Path) -> None:
    """Write `log.csv` and `curves.svg` into a folder; each quantity of the log over minutes, on an axis of its own."""
    with (out / "log.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(log[0]))
        writer.writeheader()
        writer.writerows(log)
    names = [name for name in log[0] if name not in ("step", "minutes")]
    x = Scale(0.0, max(row["minutes"] for row in log), _LEFT, _WIDTH - 10.0)
    panels = [_panel(log, name, x, k * _HEIGHT) for k, name in enumerate(names)]
    style = tag("style", ".course { stroke: #1769aa; stroke-width: 2; fill: none } text { font-family: sans-serif }")
    picture = drawing(_WIDTH, _HEIGHT * len(names), style, *panels, label="loss and accuracy over minutes of training")
    (out / "curves.svg").write_text(picture.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1))


def _panel(log: list[dict[str, float]], name: str, x: Scale, top: float) -> str:
    values = [row[name] for row in log]
    y = Scale(0.0, max(*values, 1e-9), top + _HEIGHT - _BOTTOM, top + _TOP)
    grid = "".join(
        tag("line", x1=_LEFT, x2=_WIDTH - 10.0, y1=y(v), y2=y(v), stroke="#ddd")
        + tag("text", text(f"{v:g}"), x=_LEFT - 6, y=y(v) + 4, text_anchor="end", font_size=11)
        for v in y.ticks(4)
    )
    minutes = "".join(
        tag("text", text(f"{v:g}"), x=x(v), y=top + _HEIGHT - 12, text_anchor="middle", font_size=11)
        for v in x.ticks(8)
    )
    minutes_of = np.array([row["minutes"] for row in log])
    course = line(x, y, minutes_of, np.array(values), class_="course")
    return grid + minutes + tag("text", text(name), x=_LEFT, y=top + 14, font_size=13, font_weight="bold") + course
