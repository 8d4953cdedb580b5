"""Adapt a shipped stereo network to what a robot sees, from its own recording; installed only if it is better there."""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from engines.card import Card, added_cards, load_card
from saccade.errors import ConfigError, SaccadeError

if TYPE_CHECKING:
    from training.adapt import Outcome
    from training.course import Tell
    from training.net import StereoNet

EXAMPLES = """examples:
  saccade adapt dive.mcap --card stereo-s                  # five minutes; installs stereo-s-dive if it is better
  saccade adapt dive.mcap --card stereo-s --name reef --minutes 15
  saccade adapt pairs/ --card stereo-s --dry-run           # left/ and right/, or *_left.png and *_right.png
  saccade adapt dive.mcap --card stereo-s --out reef/      # into a folder instead: --card reef/stereo-s-dive.yaml

A part of the recording is held out. What is not better there, by figures that were not trained on, is not installed,
and the exit code is 1. Ctrl-C ends the learning and judges what is there.
"""
_OURS = "adaptation needs one of our own networks in fp32, such as stereo-s"
_LEAST = 3
_SEEDS = 2**32
_MOST = 160
"""Pairs that are read: what 64 lessons, and those that are judged, are taken from."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade adapt`."""
    parser.add_argument("recording", type=Path, metavar="RECORDING|FOLDER", help="a recording, or a folder of pairs")
    parser.add_argument("--card", default="stereo-s", help="parent: a network of ours, by name or path of its card")
    parser.add_argument("--name", help="of the adapted network (default: the parent's and the recording's)")
    parser.add_argument("--out", type=Path, help="folder to write into (default: installed for this user)")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to learn (default 5)")
    parser.add_argument("--steps", type=int, default=0, help="learn for so many steps instead: repeats exactly")
    parser.add_argument("--rank", type=int, default=8, help="largest rank of a layer's adapter (default 8)")
    parser.add_argument("--budget", type=float, default=10.0, help="adapters' size, %% of the network's (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default 0)")
    parser.add_argument("--mapping", type=Path, help="YAML that says which topic is which")
    parser.add_argument("--dry-run", action="store_true", help="adapt and judge, but write nothing")


def run(args: argparse.Namespace) -> int:
    """Adapt, judge, install; exit code 0 when installed (or would be), 1 when refused."""
    from saccade.cli import FAILED, OK
    from saccade.cli.pairs import check_there, read_pairs

    parent = _parent(args.card)
    _check(args)
    name, folder = _name(args, parent), args.out or added_cards()
    _check_free(name, folder)
    _check_writable(folder)
    if find_spec("torch") is None or find_spec("onnx") is None:
        raise ConfigError("adaptation needs PyTorch and onnx; try: pip install 'saccade[train]'")
    check_there(args.recording)
    net = _network(parent)
    found = read_pairs(args.recording, args.mapping, _MOST, _LEAST)
    print(f"{args.recording}: {found.note}")
    from training.adapt import Plan, adapt
    from training.child import Facts, install
    from training.pool import Pair, coloured

    plan = Plan(minutes=args.minutes, steps=args.steps, seed=args.seed, share=args.budget / 100, max_rank=args.rank)
    pairs = [Pair(coloured(frame.left), coloured(frame.right)) for frame in found.frames]
    with _progress() as tell:
        outcome = adapt(net, pairs, plan, tell)
    print(_told(outcome, parent.name))
    if outcome.refusal:
        print(f"saccade adapt: not installed: {outcome.refusal}; {parent.name} stays as it is", file=sys.stderr)
        return FAILED
    if args.dry_run:
        print(f"{name} would be installed; this was a dry run")
        return OK
    facts = Facts(parent, name, found.name, len(found.frames), plan)
    try:
        cards, missing = install(net, outcome, facts, pairs, folder)
    except OSError as error:
        raise ConfigError(f"not installed: cannot write into {folder}: {error.strerror or error}") from error
    for card in cards:
        print(f"installed {card.name} ({card.path})")
    if missing:
        print(f"without an int8 twin: {missing}")
    print(f"use it: engine: {os.path.abspath(cards[0].path) if args.out else name} in the perception node's parameters")
    return OK


def _parent(name: str) -> Card:
    """The parent's card; ConfigError unless it is one of our own networks in fp32."""
    card = load_card(name)
    if card.kind != "stereo" or card.backend != "onnx":
        raise ConfigError(f"card {card.name!r} is no network ({card.backend}); {_OURS}")
    if card.output.confidence != "confidence" or (card.left, card.right) != ("left", "right"):
        raise ConfigError(f"card {card.name!r} is somebody else's network, which cannot be trained here; {_OURS}")
    return card


def _check(args: argparse.Namespace) -> None:
    """ConfigError for numbers that make no sense."""
    if not args.minutes > 0 or args.steps < 0 or args.rank < 1 or not 0 < args.budget <= 100:
        raise ConfigError(
            f"--minutes {args.minutes:g} --steps {args.steps} --rank {args.rank} --budget {args.budget:g}: expected "
            "minutes above 0, a rank of at least 1 and a budget of at most 100 %"
        )
    if not 0 <= args.seed < _SEEDS:
        raise ConfigError(f"--seed {args.seed}: expected a number of 0 to {_SEEDS - 1}")


def _name(args: argparse.Namespace, parent: Card) -> str:
    """What the adapted network will be called; ConfigError for a name that it cannot have."""
    from engines.added import check_name

    recording = Path(os.path.abspath(args.recording))  # of `.` too the name
    name: str = args.name or f"{parent.name}-{recording.stem}"
    check_name(name)
    if name == parent.name:
        raise ConfigError(f"--name {name!r} is the parent's, which stays as it is; expected another --name")
    return name


def _check_free(name: str, folder: Path) -> None:
    """ConfigError where a model of this name, or of its int8 twin's, is in the folder: it is not overwritten."""
    from engines.added import files_of

    for one in (name, f"{name}-int8"):
        if files := files_of(one, folder):
            away = f"saccade engine remove {one}" if folder == added_cards() else f"rm {' '.join(map(str, files))}"
            raise ConfigError(
                f"{files[0]} is there already and stays as it is; expected another --name, or first: {away}"
            )


def _check_writable(folder: Path) -> None:
    """ConfigError where nothing could be installed, before minutes are spent on what is to be."""
    try:
        nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        with tempfile.TemporaryDirectory(dir=nearest):
            pass
    except OSError as error:
        raise ConfigError(f"cannot write into {folder}: {error.strerror}; expected a folder for --out") from error


def _network(parent: Card) -> StereoNet:
    """The parent's network; ConfigError where its file does not hold one in fp32."""
    from training.weights import load

    try:
        return load(parent.beside(parent.onnx))
    except (OSError, SaccadeError) as error:
        raise ConfigError(f"card {parent.name!r} cannot be trained ({error}); {_OURS}") from error


@contextmanager
def _progress() -> Iterator[Tell]:
    """A bar with the loss and the change of the held-out error."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0, note="")

        def tell(what: str, done: float, loss: float, change: float) -> None:
            note = "" if math.isnan(loss) else f"loss {loss:.3f}"
            note += "" if math.isnan(change) else f", held out {100 * change:+.1f} %"
            bar.update(task, description=what, completed=done, note=note)

        yield tell


def _told(outcome: Outcome, parent: str) -> str:
    """What was done and what came of it, for people."""
    split, ranks, parts = outcome.split, outcome.ranks, Counter[str]()
    for name, rank in ranks.items():
        parts[name.partition(".")[0]] += rank
    lines = [
        f"{outcome.steps} steps on {len(split.learn)} pairs, judged by {len(split.judge)} others",
        f"{sum(ranks.values())} ranks in {len(ranks)} layers: {', '.join(f'{part} {n}' for part, n in parts.items())}",
        f"held out, {parent} -> adapted:",
        *(f"  {change}" for change in outcome.changes),
        f"  error on generated pairs {outcome.dry[0]:.2f} -> {outcome.dry[1]:.2f} px",
    ]
    return "\n".join(lines)
