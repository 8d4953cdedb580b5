"""What `saccade bench nav` found: the document for JSON, a table, a part of a page and a drawing."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from saccade.cli.bench import nav
from saccade.cli.episodes.blame import PARTS
from saccade.cli.episodes.variants import VARIANTS
from saccade.cli.machine import machine
from saccade.report.svg import Scale, drawing, tag, text, title

PART = "saccade bench nav"
_HEADINGS = (
    "variant", "success %", "95 % interval", "SPL", "collisions %", "struck", "clearance m", "time s", "jerk m/s3",
    "waiting %", "stops", "failures by part",
)  # fmt: skip


def document_of(outcomes: Mapping[str, Sequence[dict[str, Any]]], settings: dict[str, Any]) -> dict[str, Any]:
    """Everything: settings, and by variant its means and every episode; `variants` is the same on every run."""
    return {
        "date": datetime.date.today().isoformat(), "machine": machine(), "settings": settings,
        "variants": {name: {"summary": summary(rows), "episodes": list(rows)} for name, rows in outcomes.items()},
    }  # fmt: skip


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over episodes; success in percent with Wilson's interval (1927), the least clearance and its median."""
    count, wins = len(rows), sum(row["success"] for row in rows)
    low, high = wilson(wins, count)
    clearances = [row["clearance_m"] for row in rows if "clearance_m" in row]
    return {
        "episodes": count,
        "success_percent": round(100 * wins / count, 1),
        "interval_percent": [round(100 * low, 1), round(100 * high, 1)],
        "spl": round(float(np.mean([row["spl"] for row in rows])), 3),
        "collisions_percent": round(100 * sum(bool(row.get("collisions")) for row in rows) / count, 1),
        "struck": sum(row.get("struck", 0) for row in rows),
        "least_clearance_m": min(clearances, default=None),
        "median_clearance_m": _median(clearances),
        "time_s": _median([row["time_s"] for row in rows if row["success"]]),
        "jerk_mps3": _median([row.get("jerk_mps3") for row in rows]),
        "waiting_percent": _mean([row.get("waiting_ratio") for row in rows], 100.0),
        "stops": _mean([row.get("stops") for row in rows]),
        "blame": {part: found for part in PARTS if (found := sum(row.get("blame") == part for row in rows))},
    }


def wilson(wins: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The interval that a share of successes lies in with 95 % confidence (Wilson 1927)."""
    share, squared = wins / count, z * z / count
    middle = (share + squared / 2) / (1 + squared)
    half = z * math.sqrt(share * (1 - share) / count + squared / (4 * count)) / (1 + squared)
    return max(0.0, middle - half), min(1.0, middle + half)


def table(document: dict[str, Any]) -> Table:
    """For the terminal."""
    shown = Table(*_HEADINGS, title=_what(document))
    for row in _rows(document):
        shown.add_row(*row)
    return shown


def markdown(document: dict[str, Any]) -> str:
    """The part of a page."""
    rows = [_HEADINGS, ["---"] * len(_HEADINGS), *_rows(document)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    failures = [
        f"- {name}, seed {row['seed']}: {row['blame']}: {row['why']}"
        for name, variant in document["variants"].items() for row in variant["episodes"] if not row["success"]
    ]  # fmt: skip
    about = [f"- *{name}*: {_about(name)}" for name in document["variants"]]
    where = document["machine"]
    note = document["settings"]["note"]
    return "\n".join(
        [
            "## nav", "", f"    {_command(document)}", "",
            str(nav.__doc__), f"{_what(document)}.", "", *lines, "",
            "Clearance is the least of any episode, from the robot's disc, negative within it; time, jerk: medians.",
            "Failures are attributed by the rules in `saccade/cli/episodes/blame.py`.", "", *about, "",
            *(["Failures:", "", *failures, ""] if failures else []),
            f"{document['date']}, {where['cpu']}, {where['cores']} cores{'; ' + note if note else ''}.",
        ]
    )  # fmt: skip


def drawn(document: dict[str, Any]) -> str:
    """Success of each variant as a bar, with its interval and its SPL (SVG)."""
    variants = document["variants"]
    width, row, left = 640.0, 34.0, 130.0
    x = Scale(0.0, 100.0, left, width - 60.0)
    parts = [tag("style", ".n{font:13px sans-serif}.s{fill:#4a7fb5}.i{stroke:#222;stroke-width:1.5}.p{fill:#d08a2a}")]
    for tick in x.ticks():
        parts.append(tag("line", x1=x(tick), x2=x(tick), y1=20.0, y2=24.0 + row * len(variants), stroke="#ddd"))
        parts.append(tag("text", text(f"{tick:g} %"), x=x(tick), y=14.0, class_="n", text_anchor="middle"))
    for i, (name, variant) in enumerate(variants.items()):
        found, y = variant["summary"], 28.0 + i * row
        low, high = found["interval_percent"]
        said = title(f"{name}: success {found['success_percent']} %, SPL {found['spl']}")
        parts += [
            tag("text", text(name), x=left - 8, y=y + 16, class_="n", text_anchor="end"),
            tag("rect", said, x=left, y=y, width=x(found["success_percent"]) - left, height=20.0, class_="s"),
            tag("line", x1=x(low), x2=x(high), y1=y + 10, y2=y + 10, class_="i"),
            tag("circle", cx=x(100 * found["spl"]), cy=y + 10, r=4.0, class_="p"),
        ]
    legend = "bar: success; line: 95 % interval; dot: SPL x 100"
    bottom = 44.0 + row * len(variants)
    parts.append(tag("text", text(legend), x=left, y=bottom, class_="n"))
    svg = drawing(width, bottom + 12, *parts, label=legend)
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def _command(document: dict[str, Any]) -> str:
    s = document["settings"]
    options = [
        f"--episodes {s['episodes']} --seed {s['seed']} --variant {' '.join(document['variants'])}",
        "--back" if s["back"] else "", f"--fault {s['fault']}" if s["fault"] else "",
        f"--slow-latency {s['slow_latency_s']:g}" if s["slow_latency_s"] is not None else "",
    ]  # fmt: skip
    return "saccade bench nav " + " ".join(filter(None, options)) + " --markdown docs/benchmarks.md"


def _about(text: str) -> str:
    name, _, slow = text.partition("@")
    return VARIANTS[name].about + (f"; the reasoner takes {slow} s for each plan" if slow else "")


def _what(document: dict[str, Any]) -> str:
    s = document["settings"]
    extras = [
        "there and back" if s["back"] else "there", f"seeds {s['seed']} to {s['seed'] + s['episodes'] - 1}",
        f"reasoner {s['slow_latency_s']:g} s" if s["slow_latency_s"] is not None else "",
        f"faults {s['fault']}" if s["fault"] else "",
    ]  # fmt: skip
    return f"{s['episodes']} episodes in the yard, " + ", ".join(filter(None, extras))


def _rows(document: dict[str, Any]) -> list[list[str]]:
    out = []
    for name, variant in document["variants"].items():
        s = variant["summary"]
        blame = ", ".join(f"{part} {n}" for part, n in s["blame"].items()) or "none"
        low, high = s["interval_percent"]
        values = (
            s["spl"], s["collisions_percent"], s["struck"], s["least_clearance_m"], s["time_s"], s["jerk_mps3"],
            s["waiting_percent"], s["stops"],
        )  # fmt: skip
        shown = ["-" if value is None else f"{value:g}" for value in values]
        out.append([name, f"{s['success_percent']:g}", f"{low:g} to {high:g}", *shown, blame])
    return out


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.median(known)), 3) if known else None


def _mean(values: Sequence[float | None], times: float = 1.0) -> float | None:
    known = [value for value in values if value is not None]
    return round(times * float(np.mean(known)), 2) if known else None
