"""`saccade engine add`, `probe` and `remove`: models of somebody else's."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from saccade.cli import FAILED, OK
from saccade.cli.engine.action import Action
from saccade.errors import ConfigError

if TYPE_CHECKING:
    from engines.card import Card
    from engines.probe import Report

_PICTURES = 12
"""Pictures that a model is shown in which nothing is wrong."""


def _add(args: argparse.Namespace) -> int:
    from engines.added import add

    card = add(args.card, args.onnx, args.name, folder(args))
    print(f"{card.name}: licence {card.licence}\n  {card.path}")
    return _probed(card, args.mend, args.quiet)


def _probe(args: argparse.Namespace) -> int:
    from engines.card import load_card

    path = folder(args) / f"{args.model}.yaml"
    return _probed(load_card(path if path.is_file() else args.model), args.mend, args.quiet)


def _remove(args: argparse.Namespace) -> int:
    from engines.added import remove

    for path in remove(args.model, folder(args)):
        print(f"removed {path}")
    return OK


def _probed(card: Card, mend: bool, quiet: bool) -> int:
    from engines.added import rewrite
    from engines.verdict import needs_verdict

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
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from engines.prove import prove

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
    from engines.store.advice import called

    lines = [f"  {judged}" for judged in report.judged] + [f"  {note}" for note in report.notes]
    if report.passed:
        given = called(card.name, card.path)
        how = "by that name" if given == card.name else "by its card"
        return [*lines, f"{card.name} passed; use it {how}, e.g. engine: {given}"]
    lines = [f"  {finding}" for finding in report.findings]
    if report.mended:
        how = f"With these edits of {card.path} it passes. To make them: saccade engine probe {card.path} --mend"
    else:
        how = f"It stays out of use. Add a new export, or edit {card.path} and run: saccade engine probe {card.path}"
    return [f"{card.name} is refused:", *lines, how]


def folder_argument(parser: argparse.ArgumentParser) -> None:
    """Where added models are."""
    parser.add_argument("--dir", type=Path, metavar="DIR", help="folder of added models (default: the user's own)")


def folder(args: argparse.Namespace) -> Path:
    """What was said of it, or the user's own."""
    from engines.card import added_cards

    return args.dir or added_cards()


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--card",
        required=True,
        metavar="NAME|FILE",
        help="template, of those that `saccade engine list` names, or a file",
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
    folder_argument(parser)
    parser.add_argument("--mend", action="store_true", help="write what the probe suggests into the card")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _remove_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="NAME", help="an added model")
    folder_argument(parser)


ACTIONS = (
    Action("add", _add, "copy a foreign model in, give it a card and probe it", _add_arguments),
    Action("probe", _probe, "show a model pairs of known disparity and keep the verdict", _probe_arguments),
    Action("remove", _remove, "delete an added model", _remove_arguments),
)
