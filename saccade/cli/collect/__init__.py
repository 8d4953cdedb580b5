"""Collect data unattended: errands in a world, cut into stages, verified, the good ones saved as a LeRobot v3 dataset.

Each episode is proposed by what is rare or fails so far, played through all nodes on virtual time, cut into stages by
its plans, and each stage is judged: by the simulation's truth, by pictures and map alone, and by a model if one is
named. Good stages become clips; the best of them a dataset, with plans, the gate's verdicts and all opinions beside it.
Run again with the same folder, it goes on where it was. See docs/collect.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saccade.cli.bench.arguments import count

if TYPE_CHECKING:
    from saccade.cli.collect.verify import Verifier

EXAMPLES = """examples:
  saccade collect yard --episodes 50 --out out/yard        # again with more episodes: it goes on
  saccade collect table --episodes 20 --seed 100 --out out/table --keep 40
  saccade collect yard --episodes 20 --out out/seen --by pictures   # as without a simulation's truth
  saccade collect hall --episodes 20 --out out/hall --model http://127.0.0.1:8000 --model-name aha-13b
"""
WORLDS = ("yard", "hall", "gates", "table")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade collect`."""
    parser.add_argument("world", metavar="WORLD", help=f"one of {', '.join(WORLDS)}")
    parser.add_argument(
        "--episodes", type=count, default=20, metavar="N", help="in all, with those that are there (20)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the first world (default 0)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to collect into, or go on in")
    parser.add_argument(
        "--keep", type=count, metavar="K", help="clips in the dataset: the best by quality and coverage"
    )
    parser.add_argument("--by", choices=("truth", "pictures", "model"), default="truth",
                        help="whose opinion decides what is kept (default truth); all are recorded")  # fmt: skip
    parser.add_argument("--fault", default="", metavar="FAULTS", help="faults, as in saccade replay --inject: without "
                        "stages that fail nobody knows what a verifier is worth")  # fmt: skip
    parser.add_argument("--model", metavar="URL", help="ask this server of chat completions about each stage, too")
    parser.add_argument("--model-name", default="default", metavar="NAME", help="of the model, as the server has it")
    parser.add_argument("--token-file", default="", metavar="FILE", help="with the server's bearer token")


def run(args: argparse.Namespace) -> int:
    """Collect, write the dataset, print a table; exit code 1 where no stage was good."""
    from rich.console import Console

    from saccade.cli import FAILED, OK
    from saccade.cli.collect.loop import Engine, Plan
    from saccade.cli.collect.report import table
    from saccade.wire.inject import parse_faults

    parse_faults(args.fault)  # so that a wrong one is told before anything is played
    engine = Engine(args.out, Plan(args.world, args.seed, args.by, faults=args.fault), _verifiers(args))
    with _Shown(args.episodes) as tell:
        engine.run(args.episodes, tell)
    summary = engine.finish(args.keep)
    Console(width=None if sys.stdout.isatty() else 160).print(table(summary))
    if summary["dataset"]:
        print(f"{len(summary['dataset'])} clips in {args.out / 'dataset'}")
    return OK if summary["dataset"] else FAILED


def _verifiers(args: argparse.Namespace) -> list[Verifier]:
    """The truth, the robot's own eyes, and a model where one is named."""
    from saccade.cli.collect.model import ask_model
    from saccade.cli.collect.pictures import PictureVerifier
    from saccade.cli.collect.truth import TruthVerifier
    from saccade.errors import ConfigError
    from vla_node.reasoners.params import ReasonerParams

    asked: list[Verifier] = [TruthVerifier(), PictureVerifier()]
    if args.model:
        try:
            params = ReasonerParams(
                kind="openai", address=args.model, model=args.model_name, dialect="aha", deadline_s=60.0,
                token_file=args.token_file,
            )  # fmt: skip
        except ValueError as error:
            raise ConfigError(f"--model: {error}") from error
        asked.append(ask_model(params))
    return asked


class _Shown:
    """Progress on the terminal, as `loop.Tell`; a context manager."""

    def __init__(self, episodes: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("collecting"), BarColumn(), TextColumn("{task.completed}/{task.total} episodes"),
            TimeElapsedColumn(), TextColumn("{task.description}"),
        )  # fmt: skip
        self._bar = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
        self._task = self._bar.add_task("", total=episodes)

    def __enter__(self) -> _Shown:
        self._bar.start()
        return self

    def __call__(self, done: int, about: str, at_s: float) -> None:
        self._bar.update(self._task, completed=done, description=f"{about}, {at_s:.0f} s")

    def __exit__(self, *error: Any) -> None:
        self._bar.stop()
