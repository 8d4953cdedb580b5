"""What the benches of errands share: the same episodes for every variant, over all cores, told as figures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saccade.cli.bench.arguments import count
from saccade.cli.fleet import ADDRESSES, map_jobs

if TYPE_CHECKING:
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
    parser.add_argument("--fault", default="", metavar="FAULTS", help="faults, as in saccade replay --inject")
    parser.add_argument("--jobs", type=count, metavar="N", help="processes (default: as many as cores)")
    parser.add_argument("--ray", default="", metavar="ADDRESS", help=f"on a Ray cluster: {ADDRESSES}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every episode")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into its part of this page")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a drawing (SVG)")
    parser.add_argument("--note", default="", help="circumstances to state on the page")


def run(args: argparse.Namespace, bench: ErrandBench, errand: Errand, options: str = "") -> int:
    """Play, print, write; exit code 0 whatever the robot did. `options` are those of its own that were given."""
    from rich.console import Console

    from saccade.cli import OK
    from saccade.cli.bench.errands_report import document_of, drawn, markdown, table
    from saccade.cli.episodes.episode import Episode
    from saccade.cli.episodes.variants import variant_of
    from saccade.cli.page import with_part
    from saccade.cli.progress import Bar

    names = list(dict.fromkeys(args.variant or bench.variants[:1]))
    variants = [variant_of(name, args.slow_latency, bench.variants) for name in names]
    seeds = range(args.seed, args.seed + args.episodes)
    episodes = [Episode(errand, seed, variant, args.fault) for seed in seeds for variant in variants]
    outcomes: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with Bar("playing", 0, len(episodes), sys.stderr.isatty()) as bar:
        for done, (episode, outcome) in enumerate(
            zip(episodes, played(episodes, args.jobs, args.ray), strict=True), start=1
        ):
            outcomes[episode.variant.name].append(outcome)
            bar(done)
    settings = {
        "episodes": args.episodes, "seed": args.seed, "options": options, "slow_latency_s": args.slow_latency,
        "fault": args.fault, "note": args.note,
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
    return OK


def played(episodes: Sequence[Episode], jobs: int | None = None, ray: str = "") -> Iterator[dict[str, Any]]:
    """The outcomes in the order of the episodes, worked out by so many processes at a time; see `map_jobs`."""
    from saccade.cli.episodes.episode import play

    return map_jobs(play, episodes, jobs, ray)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
