"""What an action of `saccade engine` is, and what several of them share.

What runs an action imports what it needs: for arguments and help nothing heavy is loaded.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from engines.options import PRECISIONS
from engines.store.compilers import COMPILERS
from saccade.errors import ConfigError

if TYPE_CHECKING:
    from engines.card import Card
    from engines.compiler import Progress as Told


class Action(NamedTuple):
    """One word after `saccade engine`."""

    name: str
    run: Callable[[argparse.Namespace], int]
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]


def model_argument(parser: argparse.ArgumentParser) -> None:
    """Which model, and how it is to run here."""
    parser.add_argument("model", metavar="NAME|CARD", help="a model by name, or the path of a card")
    parser.add_argument("--runtime", choices=sorted(COMPILERS), help="instead of what the card says")
    parser.add_argument("--precision", choices=PRECISIONS, help="instead of what the card says")


def compiled_card(args: argparse.Namespace) -> Card:
    """The card that was asked for, with a runtime that compiles; ConfigError where it has none."""
    from engines.card import load_card, with_runtime

    card = with_runtime(load_card(args.model), args.runtime or "", args.precision or "")
    if card.runtime == "onnxruntime":
        how = f"--runtime {' or '.join(sorted(COMPILERS))}, or `runtime:` in its card"
        raise ConfigError(f"{card.name} runs on onnxruntime, for which nothing is built; {how}")
    return card


def above_zero(text: str) -> float:
    """A number for an argument that only has a meaning above 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def count(text: str) -> int:
    """How many times something is done: at least once."""
    if not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


@contextmanager
def bar(name: str, note: str, quiet: bool) -> Iterator[Told]:
    """A progress bar on stderr; what the `with` gives moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(), TextColumn("{task.fields[what]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:
        task = progress.add_task(f"{name} ({note})" if note else name, total=1.0, what="")
        yield lambda what, share: progress.update(task, completed=share, what=what)
