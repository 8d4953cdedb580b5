"""Errors, density, time and jitter of stereo matchers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saccade.cli.bench.arguments import SHARED, count
from saccade.errors import ConfigError

if TYPE_CHECKING:
    from engines.datasets import DataSet
    from saccade.cli.bench.methods import Method

EXAMPLES = """examples:
  saccade bench stereo                                     # every data set and method that is there
  saccade bench stereo --data ~/kitti --card stereo-s sgbm-full --limit 10 --threads 2
  saccade bench stereo --card stereo-s stereo-s@openvino:bf16    # one graph on two runtimes
  saccade bench stereo --json out/stereo.json --markdown docs/benchmarks.md --pictures out/stereo
"""
DATA = SHARED / "stereo"
_SCENES_SHOWN = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade bench stereo`."""
    from engines import datasets

    parser.description = f"{__doc__}\n\n{datasets.__doc__}"
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of data sets, or one of them")
    parser.add_argument("--card", nargs="+", action="extend", metavar="CARD",
                        help="names or paths of cards, @RUNTIME[:PRECISION] after those to be compiled, "
                             "@onnxruntime:spinning after those that have the cores to themselves "
                             "(default: all that ship and can run here)")  # fmt: skip
    parser.add_argument("--threads", type=_threads, default=(1, 2), help="numbers of threads (default 1,2)")
    parser.add_argument("--limit", type=count, metavar="N", help="only N pairs of each data set, evenly spread")
    parser.add_argument("--disparities", type=count, default=0, metavar="N",
                        help="OpenCV's range of search (default 128, or what the truth needs)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables into their part of this page")
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="write pictures of a few scenes (mind their licence)"
    )
    parser.add_argument("--note", default="", help="circumstances to state on the page")


def run(args: argparse.Namespace) -> int:
    """Measure, print, write; exit code 3 when a pair or a method on a pair failed."""
    from rich.console import Console

    from engines.datasets import LAYOUTS, find_datasets
    from engines.options import MOST_DISPARITIES
    from saccade.cli import FAILED, OK, PARTIAL
    from saccade.cli.bench.methods import methods_of
    from saccade.cli.bench.stereo_measure import largest
    from saccade.cli.bench.stereo_report import failures, terminal

    if args.disparities % 16 or args.disparities > MOST_DISPARITIES:
        raise ConfigError(
            f"--disparities {args.disparities}: OpenCV searches a multiple of 16, up to {MOST_DISPARITIES}"
        )
    root = args.data or DATA
    if args.data is None and not root.is_dir():
        raise ConfigError(f"no stereo pairs at {root}; give a folder of them with --data, laid out as in {LAYOUTS}")
    say = Console(stderr=True, soft_wrap=True).print
    sets, unknown = find_datasets(root)
    for folder in unknown:
        say(f"skipped {folder}: no layout of a stereo data set that is known")
    sets = [_spread(data, args.limit) for data in sets]
    methods, left_out = methods_of(args.card, largest(sets))
    for name, why in left_out.items():
        say(f"left out {name}: {why}")
    document = _measured(sets, methods, args) | {"left_out": left_out, "skipped": [str(folder) for folder in unknown]}
    show = Console(width=None if sys.stdout.isatty() else 160).print
    failed = False
    for name, data in document["sets"].items():
        show(*terminal(name, data))
        for what, why in failures(data):
            say(f"{name}, {what}: {why}")
            failed = True
    try:
        for path in _written(document, sets, methods, args):
            say(f"wrote {path}")
    except OSError as error:
        say(f"cannot write {error.filename}: {error.strerror}")
        return FAILED
    return PARTIAL if failed else OK


def _threads(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(count(part) for part in text.split(",")))


def _spread(data: DataSet, limit: int | None) -> DataSet:
    """At most `limit` pairs, evenly spread."""
    count = len(data.pairs)
    chosen = sorted({i * count // limit for i in range(limit)}) if limit else range(count)
    return replace(data, pairs=tuple(data.pairs[i] for i in chosen))


def _measured(sets: list[DataSet], methods: list[Method], args: argparse.Namespace) -> dict[str, Any]:
    """The document that goes to JSON, while a bar shows how far it is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from saccade.cli.bench.stereo_measure import calls, measure
    from saccade.cli.bench.stereo_report import document_of

    layout = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}")
    outcomes = []
    with Progress(*layout, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=sum(calls(data, methods, args.threads) for data in sets))
        for data in sets:
            outcomes.append(
                measure(
                    data, methods, args.threads, lambda note: bar.update(task, advance=1, description=note),
                    args.disparities,
                )
            )  # fmt: skip
    settings = {"threads": list(args.threads), "limit": args.limit, "disparities": args.disparities, "note": args.note}
    return document_of(outcomes, settings)


def _written(
    document: dict[str, Any], sets: list[DataSet], methods: list[Method], args: argparse.Namespace
) -> Iterator[Path]:
    """Write the files that were asked for."""
    from saccade.cli.bench.pictures import FREE, best_pair, draw, write_jpeg
    from saccade.cli.bench.stereo_report import PART, as_json, markdown
    from saccade.cli.page import with_part

    published = {}
    for data in sets if args.pictures or args.markdown else ():
        rivals = best_pair(document["sets"][data.name]["methods"], methods)
        for source in _spread(data, _SCENES_SHOWN).pairs if rivals else ():
            free = args.markdown is not None and source.name in FREE
            if not (args.pictures or free) or source.name in document["sets"][data.name]["broken"]:
                continue
            picture = draw(source.read(), rivals, document["sets"][data.name]["disparities"])
            name = f"stereo-{data.name}-{source.name}.jpg".replace("/", "-")
            if args.pictures:
                write_jpeg(args.pictures / name, picture)
                yield args.pictures / name
            if free:
                write_jpeg(args.markdown.parent / "pictures" / name, picture)
                published[f"pictures/{name}"] = FREE[source.name]
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(as_json(document))
        yield args.json
    if args.markdown:
        page = args.markdown.read_text() if args.markdown.is_file() else ""
        args.markdown.parent.mkdir(parents=True, exist_ok=True)
        args.markdown.write_text(with_part(page, PART, markdown(document, published)))
        yield args.markdown
