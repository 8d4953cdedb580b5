"""Models: which there are, adding foreign ones, and the probe that each has to pass before it may be used."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from engines.added import add, listed, remove, rewrite, templates
from engines.card import Card, added_cards, load_card
from engines.probe import Report
from engines.prove import prove
from engines.verdict import needs_verdict
from saccade.cli import FAILED, OK
from saccade.errors import ConfigError

EXAMPLES = """examples:
  saccade engine list                                          # what there is, and what the probe said of it
  saccade engine add --card raft-stereo --onnx raft.onnx       # a model you have exported (docs/models.md says how)
  saccade engine add --card fast-foundation-stereo --onnx feature_runner.onnx post_runner.onnx
  saccade engine add --card my-card.yaml --onnx my.onnx --name mine
  saccade engine probe raft-stereo                             # show it the probe's pairs again
  saccade engine probe raft-stereo --mend                      # and write what it suggests into the card
  saccade engine remove raft-stereo
"""
_PICTURES = 12
"""Pictures that a model is shown in which nothing is wrong."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade engine` and of what it can do."""
    parser.set_defaults(act=None)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (act, help_, arguments) in _ACTIONS.items():
        action = actions.add_parser(name, help=help_, description=help_)
        arguments(action)
        action.set_defaults(act=act)


def run(args: argparse.Namespace) -> int:
    """Run one action of `saccade engine`."""
    return int(args.act(args))


def _list(args: argparse.Namespace) -> int:
    rows = listed(args.dir)
    if args.json:
        keys = ("name", "path", "trouble")
        print(json.dumps([{key: str(getattr(row, key)) for key in keys} for row in rows], indent=1))
        return OK
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("name", "kind", "licence", "may be used"):
        shown.add_column(column)
    for row in rows:
        kind, licence = (row.card.kind, row.card.licence) if row.card else ("", "")
        passed = "yes" if row.verdict is None else "yes: passed the probe"
        shown.add_row(row.name, kind, licence, f"[red]no:[/red] {row.trouble}" if row.trouble else passed)
    console = Console()
    console.print(shown)
    console.print(f"[dim]to add: {', '.join(templates())} (saccade engine add --card NAME --onnx FILE)[/dim]")
    return OK


def _add(args: argparse.Namespace) -> int:
    card = add(args.card, args.onnx, args.name, args.dir)
    print(f"{card.name}: licence {card.licence}\n  {card.path}")
    return _probed(card, args.mend, args.quiet)


def _probe(args: argparse.Namespace) -> int:
    path = args.dir / f"{args.model}.yaml"
    return _probed(load_card(path if path.is_file() else args.model), args.mend, args.quiet)


def _remove(args: argparse.Namespace) -> int:
    for path in remove(args.model, args.dir):
        print(f"removed {path}")
    return OK


def _probed(card: Card, mend: bool, quiet: bool) -> int:
    if mend and not needs_verdict(card):
        raise ConfigError(f"{card.name} ships with Saccade; --mend writes into the cards of added models only")
    report = _shown(card, quiet)
    if mend and report.mended:
        for finding in report.findings:
            print(f"  mended  {finding}")
        card = rewrite(card, report.edit)
        report = _shown(card, quiet)
    for line in _told(card, report):
        print(line)
    return OK if report.passed else FAILED


def _shown(card: Card, quiet: bool) -> Report:
    """Run the probe behind a bar; how far it is from its end is known for a model without faults only."""
    columns = (
        TextColumn("probing {task.fields[name]}"),
        BarColumn(),
        TextColumn("{task.fields[what]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:
        task = progress.add_task("", total=_PICTURES, name=card.name, what="")

        def shown(what: str) -> None:
            done = progress.tasks[0].completed + 1
            progress.update(task, completed=done, total=max(_PICTURES, done + 1), what=what)

        return prove(card, shown)


def _told(card: Card, report: Report) -> list[str]:
    """The verdict for people."""
    lines = [f"  {judged}" for judged in report.judged] + [f"  {note}" for note in report.notes]
    if report.passed:
        return [*lines, f"{card.name} passed; use it by that name, e.g. engine: {card.name}"]
    lines = [f"  {finding}" for finding in report.findings]
    if report.mended:
        how = f"With these edits of {card.path} it passes. To make them: saccade engine probe {card.path} --mend"
    else:
        how = f"It stays out of use. Add a new export, or edit {card.path} and run: saccade engine probe {card.path}"
    return [f"{card.name} is refused:", *lines, how]


def _folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dir", type=Path, default=added_cards(), metavar="DIR", help="folder of added models (default: %(default)s)"
    )


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    _folder(parser)
    parser.add_argument("--json", action="store_true", help="print as JSON")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--card", required=True, metavar="NAME|FILE", help=f"template: {', '.join(templates())}, or a file"
    )
    parser.add_argument(
        "--onnx", required=True, nargs="+", type=Path, metavar="FILE", help="the model, or its two graphs"
    )
    parser.add_argument("--name", default="", help="what to call it (default: the template's name)")
    _probe_options(parser)


def _probe_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="NAME|CARD", help="an added model, a shipped one, or the path of a card")
    _probe_options(parser)


def _probe_options(parser: argparse.ArgumentParser) -> None:
    _folder(parser)
    parser.add_argument("--mend", action="store_true", help="write what the probe suggests into the card")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _remove_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="NAME", help="an added model")
    _folder(parser)


_ACTIONS: dict[str, tuple[Callable[[argparse.Namespace], int], str, Callable[[argparse.ArgumentParser], None]]] = {
    "list": (_list, "which models there are, and what the probe said of them", _list_arguments),
    "add": (_add, "copy a foreign model in, give it a card and probe it", _add_arguments),
    "probe": (_probe, "show a model pairs of known disparity and keep the verdict", _probe_arguments),
    "remove": (_remove, "delete an added model", _remove_arguments),
}
