"""What the benches of errands share: the same episodes for every variant, over all cores, told as figures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saccade.cli.bench.arguments import count
from saccade.cli.fleet import ADDRESSES, as_they_end
from saccade.errors import ConfigError

if TYPE_CHECKING:
    from saccade.cli.bench.journal import Journal
    from saccade.cli.episodes.episode import Episode
    from saccade.cli.episodes.errand import Errand

HELD_OUT = 10_000


@dataclass(frozen=True, slots=True)
class ErrandBench:
    """`saccade bench NAME`: where its errands are, what is said about it, and its variants, the usual one first."""

    name: str
    where: str
    about: str
    variants: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser, bench: ErrandBench) -> None:
    """Arguments that every bench of errands has."""
    usual = bench.variants[0]
    parser.add_argument("--episodes", type=count, default=20, metavar="N",
                        help="episodes of each variant (default 20)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=HELD_OUT, metavar="S",
                        help=f"seed of the first (default {HELD_OUT}, held out)")  # fmt: skip
    parser.add_argument("--variant", nargs="+", action="extend", metavar="NAME",
                        help=f"what to compare (default {usual}): {', '.join(bench.variants)}; NAME@SECONDS: with a "
                             "reasoner that takes so long")  # fmt: skip
    parser.add_argument("--slow-latency", type=float, metavar="SECONDS", help="how long the reasoner takes for a plan")
    parser.add_argument("--robot", default="", metavar="NAME|FILE",
                        help="a robot's file in place of the world's own: another reasoner, policy, engine or "
                             "gate")  # fmt: skip
    parser.add_argument("--fault", default="", metavar="FAULTS", help="faults, as in saccade replay --inject")
    parser.add_argument("--jobs", type=count, metavar="N", help="processes (default: as many as cores)")
    parser.add_argument("--ray", default="", metavar="ADDRESS", help=f"on a Ray cluster: {ADDRESSES}")
    parser.add_argument("--json", type=Path, metavar="FILE",
                        help="write every episode; until the last one is over they are kept in FILE.part, from which "
                             "a bench that was ended goes on when it is called again")  # fmt: skip
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into its part of this page")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a drawing (SVG)")
    parser.add_argument("--note", default="", help="circumstances to state on the page")


def run(args: argparse.Namespace, bench: ErrandBench, errand: Errand, options: str = "", asks: str = "") -> int:
    """Play, print, write; exit code 0 whatever the robot did.

    `options` are those of its own that were given, `asks` what they add to the world's address, such as `&people=6`.
    """
    from saccade.cli import OK
    from saccade.cli.bench.journal import Journal, key_of
    from saccade.cli.episodes.episode import Episode
    from saccade.cli.episodes.variants import variant_of

    if args.robot:
        errand = replace(errand, robot=_robot(args.robot, args.ray))  # type: ignore[type-var]
    names = list(dict.fromkeys(args.variant or bench.variants[:1]))
    variants = [variant_of(name, args.slow_latency, bench.variants) for name in names]
    variants = [replace(variant, world=variant.world + asks) for variant in variants]
    seeds = range(args.seed, args.seed + args.episodes)
    episodes = [Episode(errand, seed, variant, args.fault) for seed in seeds for variant in variants]
    part = args.json.with_name(f"{args.json.name}.part") if args.json else None
    with Journal(part, bench.name, episodes) as journal:
        _play(episodes, journal, args)
        outcomes = {
            name: [journal.outcomes[key_of(episode)] for episode in episodes if episode.variant.name == name]
            for name in names
        }
        _tell(args, bench, outcomes, options)
        journal.remove()
    return OK


def _robot(robot: str, ray: str) -> str:
    """The name of a robot, or the whole path of its file; ConfigError where the players would not find it."""
    from saccade.robots import robot_file

    path = robot_file(robot)
    if path.suffix != Path(robot).suffix:
        return robot
    if not path.is_file():
        raise ConfigError(
            f"no robot file {path}; give a robot's name, or a parameter file like config/robots/yard.yaml"
        )
    if ray not in ("", "local"):
        raise ConfigError(f"--robot {robot} is a file here, which a cluster's workers do not have; leave out --ray")
    return str(path.resolve())


def _play(episodes: Sequence[Episode], journal: Journal, args: argparse.Namespace) -> None:
    """Play what is not in the journal yet, and put it there."""
    from saccade.cli.bench.journal import key_of
    from saccade.cli.bench.tally import Tally
    from saccade.cli.episodes.episode import play

    left = []
    with Tally(dict.fromkeys(episode.variant.name for episode in episodes), len(episodes)) as tally:
        for episode in episodes:
            if (known := journal.outcomes.get(key_of(episode))) is not None:
                tally(episode.variant.name, known["success"])
            else:
                left.append(episode)
        for index, outcome in as_they_end(play, left, args.jobs, args.ray):
            journal.add(left[index], outcome)
            tally(left[index].variant.name, outcome["success"])


def _tell(
    args: argparse.Namespace, bench: ErrandBench, outcomes: dict[str, list[dict[str, Any]]], options: str
) -> None:
    """Print the table, and write the files that were asked for."""
    from rich.console import Console

    from saccade.cli.bench.errands_report import document_of, drawn, markdown, table
    from saccade.cli.page import with_part

    settings = {
        "episodes": args.episodes, "seed": args.seed, "options": options, "slow_latency_s": args.slow_latency,
        "fault": args.fault, "note": args.note, "robot": args.robot,
    }  # fmt: skip
    document = document_of(bench, outcomes, settings)
    Console(width=None if sys.stdout.isatty() else 160).print(table(document))
    if args.json:
        _write(args.json, json.dumps(document, indent=1) + "\n")
    if args.plot:
        _write(args.plot, drawn(document))
    if args.markdown:
        page = args.markdown.read_text() if args.markdown.is_file() else ""
        _write(args.markdown, with_part(page, f"saccade bench {bench.name}", markdown(document)))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; give another place") from error
