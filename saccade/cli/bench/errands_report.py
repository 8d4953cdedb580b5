"""What a bench of errands found: the document for JSON, a table, a part of a page and a drawing."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.table import Table

from saccade.cli.bench.errands import ErrandBench
from saccade.cli.episodes.blame import PARTS
from saccade.cli.episodes.variants import VARIANTS
from saccade.cli.machine import machine
from saccade.report.svg import Scale, drawing, tag, text, title

_FIGURES = {
    "SPL": "spl", "collisions %": "collisions_percent", "struck": "struck", "clearance m": "least_clearance_m",
    "time s": "time_s", "jerk": "jerk", "waiting %": "waiting_percent", "stops": "stops",
}  # fmt: skip
"""Heading -> key of a summary; those that no variant has are left out."""


def document_of(
    bench: ErrandBench, outcomes: Mapping[str, Sequence[dict[str, Any]]], settings: dict[str, Any]
) -> dict[str, Any]:
    """Everything: settings, and by variant its means and every episode; `variants` is the same on every run."""
    return {
        "bench": bench.name, "where": bench.where, "about": bench.about,
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
        "spl": _mean([row.get("spl", 0.0) for row in rows], digits=3) if any("spl" in row for row in rows) else None,
        "collisions_percent": round(100 * sum(bool(row.get("collisions")) for row in rows) / count, 1),
        "struck": sum(row.get("struck", 0) for row in rows) if any("struck" in row for row in rows) else None,
        "least_clearance_m": min(clearances, default=None),
        "median_clearance_m": _median(clearances),
        "time_s": _median([row["time_s"] for row in rows if row["success"]]),
        "jerk": _median([row.get("jerk") for row in rows]),
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
    headings, *rows = _rows(document)
    shown = Table(*headings, title=_what(document))
    for row in rows:
        shown.add_row(*row)
    return shown


def markdown(document: dict[str, Any]) -> str:
    """The part of a page."""
    headings, *rows = _rows(document)
    rows = [headings, ["---"] * len(headings), *rows]
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
            f"## {document['bench']}", "", f"    {_command(document)}", "",
            document["about"], f"{_what(document)}.", "", *lines, "",
            "Clearance is the least of any episode, from the robot's outline, negative within it; time and",
            "the commands' jerk (m/s3, of joints rad/s3) are medians; collisions: episodes with one.",
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
        spl = found["spl"]
        said = title(f"{name}: success {found['success_percent']} %" + (f", SPL {spl}" if spl is not None else ""))
        parts += [
            tag("text", text(name), x=left - 8, y=y + 16, class_="n", text_anchor="end"),
            tag("rect", said, x=left, y=y, width=x(found["success_percent"]) - left, height=20.0, class_="s"),
            tag("line", x1=x(low), x2=x(high), y1=y + 10, y2=y + 10, class_="i"),
        ]
        if spl is not None:
            parts.append(tag("circle", cx=x(100 * spl), cy=y + 10, r=4.0, class_="p"))
    legend = "bar: success; line: 95 % interval; dot, where there is one: SPL x 100"
    bottom = 44.0 + row * len(variants)
    parts.append(tag("text", text(legend), x=left, y=bottom, class_="n"))
    svg = drawing(width, bottom + 12, *parts, label=legend)
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def _command(document: dict[str, Any]) -> str:
    s = document["settings"]
    options = [
        f"--episodes {s['episodes']} --seed {s['seed']} --variant {' '.join(document['variants'])}",
        s["options"], f"--robot {s['robot']}" if s["robot"] else "", f"--fault {s['fault']}" if s["fault"] else "",
        f"--slow-latency {s['slow_latency_s']:g}" if s["slow_latency_s"] is not None else "",
    ]  # fmt: skip
    return f"saccade bench {document['bench']} " + " ".join(filter(None, options)) + " --markdown docs/benchmarks.md"


def _about(text: str) -> str:
    name, _, slow = text.partition("@")
    return VARIANTS[name].about + (f"; the reasoner takes {slow} s for each plan" if slow else "")


def _what(document: dict[str, Any]) -> str:
    s = document["settings"]
    extras = [
        f"seeds {s['seed']} to {s['seed'] + s['episodes'] - 1}", s["options"],
        f"reasoner {s['slow_latency_s']:g} s" if s["slow_latency_s"] is not None else "",
        f"robot {s['robot']}" if s["robot"] else "", f"faults {s['fault']}" if s["fault"] else "",
    ]  # fmt: skip
    return f"{s['episodes']} episodes {document['where']}, " + ", ".join(filter(None, extras))


def _rows(document: dict[str, Any]) -> list[list[str]]:
    """Headings, then a row a variant."""
    summaries = {name: variant["summary"] for name, variant in document["variants"].items()}
    figures = {
        heading: key for heading, key in _FIGURES.items() if any(s[key] is not None for s in summaries.values())
    }  # fmt: skip
    out = [["variant", "success %", "95 % interval", *figures, "failures by part"]]
    for name, s in summaries.items():
        blame = ", ".join(f"{part} {n}" for part, n in s["blame"].items()) or "none"
        low, high = s["interval_percent"]
        shown = ["-" if s[key] is None else f"{s[key]:g}" for key in figures.values()]
        out.append([name, f"{s['success_percent']:g}", f"{low:g} to {high:g}", *shown, blame])
    return out


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.median(known)), 3) if known else None


def _mean(values: Sequence[float | None], times: float = 1.0, digits: int = 2) -> float | None:
    known = [value for value in values if value is not None]
    return round(times * float(np.mean(known)), digits) if known else None
