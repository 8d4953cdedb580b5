"""What `saccade bench stereo` found, as numbers for JSON and as tables for people."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from saccade.cli.bench.stereo_measure import NOISE_GREY, Outcome, Record
from saccade.cli.machine import machine

PART = "saccade bench stereo"
_ABOUT = f"""## stereo

Stereo matching against true disparity on real pairs: every OpenCV matcher and every network that ships with Saccade.

    saccade bench stereo --data DIR --json out/stereo.json --markdown docs/benchmarks.md --pictures out/stereo

`DIR` holds data sets as they are published (KITTI, Middlebury, ETH3D); `saccade bench stereo --help` says more.
The pairs were used neither to train a network nor to choose a setting; where networks err on KITTI's and Middlebury's
was looked at by kind, and led to what they learn from (docs/decisions.md, 137 and 148). OpenCV's settings were chosen
on generated pairs; its pictures are widened at the left, so that it matches the first columns too; it searches 128
disparities, or more where the truth of a data set needs it.

- *dense*: holes are filled from the background side (the lesser of the nearest disparities in the row, as KITTI's
  development kit does), so that every method answers everywhere. *given*: only what the method itself gives; the
  *density* is its share. *seen*: pixels that both cameras see. *all*: all pixels of known truth. *surer half*: the
  half of what is given that has the higher confidence.
- EPE is the mean error, bad-n the share of pixels that are off by more than n px; both are averaged over pairs, each
  counting alike.
- ms: one pair, from pictures to disparity and confidence, conversions included; percentiles over the pairs. The
  methods take turns on each pair; a call is timed after another like it, as in a stream of pictures. *x 3WAY*: the
  median ratio to a bare call of OpenCV's SGBM_3WAY on the same pair and threads, timed alike.
- jitter: what changes when the same scene is shown with another draw of noise (sigma {NOISE_GREY:g} grey values):
  median and 95th percentile of the difference."""


class Column(NamedTuple):
    """A heading, and where in a method's summary its value is."""

    heading: str
    path: tuple[str, ...]
    digits: int


def document_of(outcomes: Sequence[Outcome], settings: dict[str, Any]) -> dict[str, Any]:
    """Everything that was measured: date, machine, settings, and by data set the methods' means and every pair."""
    return {
        "date": datetime.date.today().isoformat(), "machine": machine(), "settings": settings,
        "sets": {
            outcome.name: {
                "disparities": outcome.disparities, "methods": summarised(outcome), "broken": outcome.broken,
                "pairs": {pair: {"shape": outcome.shapes[pair], "methods": r} for pair, r in outcome.records.items()},
            }
            for outcome in outcomes
        },
    }  # fmt: skip


def failures(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Which pairs of a data set could not be read and which methods failed on which pair, and why."""
    yield from data["broken"].items()
    for name, figures in data["methods"].items():
        yield from ((f"{pair}, {name}", why) for pair, why in figures["failed"].items())


def summarised(outcome: Outcome) -> dict[str, Record]:
    """By method: means over the pairs of each error and of jitter, percentiles of times, and what failed."""
    methods: dict[str, Record] = {}
    for name in dict.fromkeys(name for records in outcome.records.values() for name in records):
        records = {pair: methods_[name] for pair, methods_ in outcome.records.items()}
        well = [record for record in records.values() if "error" not in record]
        methods[name] = {"pairs": len(well), "failed": {p: r["error"] for p, r in records.items() if "error" in r}}
        if well:
            methods[name] |= _over_pairs(well)
    return methods


def _over_pairs(records: Sequence[Record]) -> Record:
    kinds = dict.fromkeys(kind for record in records for kind in record["scores"])
    ms = {n: [record["ms"][n] for record in records] for n in records[0]["ms"]}
    return {
        "scores": {kind: _means([r["scores"][kind] for r in records if kind in r["scores"]]) for kind in kinds},
        "ms": {n: dict(zip(("p50", "p95"), np.percentile(v, [50, 95]).tolist(), strict=True)) for n, v in ms.items()},
        "to_bare_3way": {n: float(np.median([record["to_bare_3way"][n] for record in records])) for n in ms},
        "trust": _means([record["trust"] for record in records]),
        "jitter": _means([record["jitter"] for record in records]),
    }


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of each figure over the pairs that have it; NaN where none has."""
    values = {key: [row[key] for row in rows if np.isfinite(row[key])] for key in rows[0]}
    return {key: float(np.mean(found)) if found else float("nan") for key, found in values.items()}


def as_json(document: dict[str, Any]) -> str:
    """The document as JSON, with null for what is not a number."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return None if isinstance(value, float) and not np.isfinite(value) else value

    return json.dumps(plain(document), indent=1, allow_nan=False) + "\n"


def columns(summary: dict[str, Record]) -> tuple[list[Column], list[Column]]:
    """The columns of accuracy and of speed that a data set's figures fill."""
    figures = [s for s in summary.values() if "scores" in s]
    seen = any("dense_seen" in s["scores"] for s in figures)
    apart = any(s["scores"]["dense_all"] != s["scores"].get("dense_seen") for s in figures)
    accuracy = []
    for where in (["seen"] if seen else []) + (["all"] if apart else []):
        bads = (2, 3) if seen and where == "all" else (1, 2, 3, 4)
        accuracy += [Column(f"dense, {where}: EPE px", ("scores", f"dense_{where}", "epe"), 2)]
        accuracy += [Column(f"bad-{n} %", ("scores", f"dense_{where}", f"bad{n}"), 1) for n in bads]
    given = "given_seen" if seen else "given_all"
    accuracy += [
        Column("given: density %", ("scores", given, "density"), 1),
        Column("EPE px", ("scores", given, "epe"), 2),
    ]
    accuracy += [Column(f"bad-{n} %", ("scores", given, f"bad{n}"), 1) for n in (2, 3)]
    accuracy += [Column("surer half: EPE px", ("trust", "sure_epe"), 2)]
    speed = []
    for n in figures[0]["ms"] if figures else ():
        speed += [
            Column(f"{n} thread{'s'[: n != '1']}: p50 ms", ("ms", n, "p50"), 1),
            Column("p95 ms", ("ms", n, "p95"), 1),
        ]
        speed += [Column("x 3WAY", ("to_bare_3way", n), 2)]
    speed += [Column("jitter: median px", ("jitter", "median"), 3), Column("p95 px", ("jitter", "p95"), 2)]
    return accuracy, speed


def rows(summary: dict[str, Record], wanted: Sequence[Column]) -> Iterator[list[str]]:
    """A row a method: its name and its figures, a dash for what is not known."""
    for name, figures in summary.items():
        yield [name, *(_told(figures, column) for column in wanted)]


def _told(figures: Record, column: Column) -> str:
    value: Any = figures
    for key in column.path:
        value = value.get(key) if isinstance(value, dict) else None
    return "–" if value is None or not np.isfinite(value) else f"{value:.{column.digits}f}"


def terminal(name: str, document: dict[str, Any]) -> list[Table]:
    """The two tables of a data set for a terminal."""
    tables = []
    for title, wanted in zip((heading(name, document), ""), columns(document["methods"]), strict=True):
        table = Table("method", title=title, title_justify="left")
        for column in wanted:
            table.add_column(column.heading, justify="right")
        for row in rows(document["methods"], wanted):
            table.add_row(*row)
        tables.append(table)
    return tables


def heading(name: str, document: dict[str, Any]) -> str:
    """A data set in a line."""
    pairs = len(document["pairs"])
    broken = f", {len(document['broken'])} that could not be read" if document["broken"] else ""
    return f"{name}: {pairs} pair{'s'[: pairs != 1]}{broken}, OpenCV searches {document['disparities']} disparities"


def markdown(document: dict[str, Any], pictures: Mapping[str, str]) -> str:
    """The part of docs/benchmarks.md: how it was measured, two tables a data set, pictures and whose they are."""
    about = document["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in about["libraries"].items())
    lines = [_ABOUT, "", f"Measured {document['date']} on {about['cpu']}, {about['cores']} cores; {libraries}.", ""]
    if document["settings"]["note"]:
        lines += [document["settings"]["note"], ""]
    for name, data in document["sets"].items():
        lines += [f"### {heading(name, data)}", ""]
        for wanted in columns(data["methods"]):
            lines += [f"| method | {' | '.join(c.heading for c in wanted)} |", f"|---|{'---:|' * len(wanted)}"]
            lines += [f"| {' | '.join(row)} |" for row in rows(data["methods"], wanted)] + [""]
    for picture, owner in pictures.items():
        lines += [f"![Left picture, truth, disparities and their errors]({picture})", "", f"({owner})", ""]
    return "\n".join(lines)
