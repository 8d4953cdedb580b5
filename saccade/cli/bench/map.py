"""`saccade bench map`: every figure of the map in one run, part by part."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from saccade.cli.bench.arguments import SHARED
from saccade.cli.bench.sections import Section, Settings, Table
from saccade.errors import ConfigError

PART = "saccade bench map"
EXAMPLES = """examples:
  saccade bench map                                        # every part, on the recordings beside the checkout
  saccade bench map --open3d ~/o3d/bin/python              # beside Open3D, of an environment that has it
  saccade bench map --only esdf memory --json out/map.json --markdown docs/benchmarks.md
"""
_ABOUT = """## map

The map on real recordings and on a generated drive: surface, distances, clearance, memory, odometry
and pictures of it.

    saccade bench map --open3d PYTHON --json out/map.json --markdown docs/benchmarks.md"""


def parts() -> dict[str, Callable[[Settings], Section]]:
    """What can be measured, by name; imported here, because `--help` needs none of it."""
    from saccade.cli.bench.gaussians import gaussians
    from saccade.cli.bench.odometry import odometry
    from saccade.cli.bench.volume import tsdf
    from saccade.cli.bench.window import esdf, memory

    return {"tsdf": tsdf, "esdf": esdf, "memory": memory, "odometry": odometry, "gaussians": gaussians}


NAMES = ("tsdf", "esdf", "memory", "odometry", "gaussians")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade bench map`."""
    parser.add_argument("--data", type=Path, default=SHARED / "recordings", metavar="DIR", help="folder of recordings")
    parser.add_argument("--open3d", type=Path, metavar="PYTHON", help="of an environment with Open3D, to compare with")
    parser.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, metavar="PART", help=f"of {', '.join(NAMES)}"
    )
    parser.add_argument("--drive", type=float, default=200.0, metavar="M", help="length of the drive for memory")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables into their part of this page")
    parser.add_argument("--note", default="", help="circumstances to state on the page")


def run(args: argparse.Namespace) -> int:
    """Measure, print, write; exit code 0 even where something asked for is missed, which is said."""
    from rich.console import Console

    from saccade.cli import FAILED, OK

    if not 10 <= args.drive < float("inf"):
        raise ConfigError(f"--drive {args.drive:g}: expected at least 10 m")
    console = Console(width=None if sys.stdout.isatty() else 140)
    made: dict[str, Section] = {}
    for name in args.only:
        made[name] = parts()[name](Settings(args.data, args.open3d, args.drive))
        for table in made[name].tables:
            console.print(_terminal(table))
        for what in made[name].missed:
            console.print(f"asked for and not reached: {what}", style="yellow", highlight=False)
        for what in made[name].absent:
            console.print(f"not measured: {what}", highlight=False)
    try:
        _write(args, made)
    except OSError as error:
        print(f"cannot write {error.filename}: {error.strerror}", file=sys.stderr)
        return FAILED
    return OK


def _write(args: argparse.Namespace, made: dict[str, Section]) -> None:
    """Write the files that were asked for."""
    from saccade.cli.bench.stereo_report import as_json
    from saccade.cli.page import with_part

    document = document_of(made, args.note)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(as_json(document))
    if args.markdown:
        page = args.markdown.read_text() if args.markdown.is_file() else ""
        args.markdown.write_text(with_part(page, PART, "\n".join(markdown(document, made))))


def document_of(made: dict[str, Section], note: str) -> dict[str, Any]:
    """Everything that was measured, with date, machine and its load."""
    from saccade.cli.machine import machine

    return {
        "date": datetime.date.today().isoformat(), "machine": machine(), "load": os.getloadavg()[0], "note": note,
        "parts": {
            name: {"figures": part.figures, "missed": part.missed, "absent": part.absent} for name, part in made.items()
        },
    }  # fmt: skip


def markdown(document: dict[str, Any], made: dict[str, Section]) -> Iterator[str]:
    """The lines of the part of docs/benchmarks.md."""
    about = document["machine"]
    yield from (_ABOUT, "")
    load = f"load {document['load']:.1f} at the end"
    yield f"Measured {document['date']} on {about['cpu']}, {about['cores']} cores, {load}."
    yield from ("", document["note"], "") if document["note"] else ("",)
    for part in made.values():
        for table in part.tables:
            yield from (f"### {table.title}", "", table.about, "")
            yield f"| {' | '.join(table.columns)} |"
            yield f"|---|{'---:|' * (len(table.columns) - 1)}"
            yield from (f"| {' | '.join(row)} |" for row in table.rows)
            yield ""
        yield from (f"Asked for and not reached: {what}.\n" for what in part.missed)
        yield from (f"Not measured: {what}.\n" for what in part.absent)


def _terminal(table: Table) -> Any:
    from rich.table import Table as Rich

    shown = Rich(title=table.title, caption=" ".join(table.about.split()), title_justify="left", caption_justify="left")
    for n, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if n else "left")
    for row in table.rows:
        shown.add_row(*row)
    return shown
