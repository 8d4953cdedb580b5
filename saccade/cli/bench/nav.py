"""Errands in the yard, many of them: how often the robot gets there, how directly, and whose fault it was if not.

Layouts, light, friction, latencies and drift are drawn by seed. Seeds below 1000 are for tuning, those from 10000 on
are held out: nothing was ever chosen on them. Every variant is given the same episodes. Success: it said that it was
done, within 1 m of the goal's edge (or of its start, with --back), in 30 s and 6 s a metre of the shortest way,
without a collision of its own doing and on its feet. SPL: success weighted by path length (Anderson et al. 2018),
against the shortest way on the true map. A person who walks into a robot that stands is counted apart, as struck.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saccade.cli.bench.arguments import count

if TYPE_CHECKING:
    from saccade.cli.episodes.episode import Episode

NAMES = ("stereo", "truth", "fast-only", "slow-only", "hold", "ensemble", "rtc", "guard")
"""Of the variants, for `--help`, which is not to load the runtime."""
HELD_OUT = 10_000
EXAMPLES = """examples:
  saccade bench nav --episodes 20                          # held-out seeds, all cores
  saccade bench nav --episodes 100 --variant stereo truth fast-only slow-only --json out/nav.json
  saccade bench nav --variant stereo stereo@3 --back       # and with a reasoner that takes 3 s; there and back
  saccade bench nav --fault freeze@5s+2s --episodes 10     # faults as in saccade replay --inject
"""


def add_arguments(nav: argparse.ArgumentParser) -> None:
    """Arguments of `saccade bench nav`."""
    nav.add_argument("--episodes", type=count, default=20, metavar="N", help="episodes of each variant (default 20)")
    nav.add_argument("--seed", type=int, default=HELD_OUT, metavar="S",
                     help=f"seed of the first (default {HELD_OUT}, held out)")  # fmt: skip
    nav.add_argument("--variant", nargs="+", action="extend", metavar="NAME",
                     help=f"what to compare (default stereo): {', '.join(NAMES)}; NAME@SECONDS: with a reasoner "
                          "that takes so long")  # fmt: skip
    nav.add_argument("--slow-latency", type=float, metavar="SECONDS", help="how long the reasoner takes for a plan")
    nav.add_argument("--back", action="store_true", help="the errand ends where it began")
    nav.add_argument("--fault", default="", metavar="FAULTS", help="faults, as in saccade replay --inject")
    nav.add_argument("--jobs", type=count, metavar="N", help="processes (default: as many as cores)")
    nav.add_argument("--json", type=Path, metavar="FILE", help="write every episode")
    nav.add_argument("--markdown", type=Path, metavar="FILE", help="write the table into its part of this page")
    nav.add_argument("--plot", type=Path, metavar="FILE", help="write a drawing (SVG)")
    nav.add_argument("--note", default="", help="circumstances to state on the page")


def run(args: argparse.Namespace) -> int:
    """Play, print, write; exit code 0 whatever the robot did."""
    from rich.console import Console

    from saccade.cli import OK
    from saccade.cli.bench.nav_report import PART, document_of, drawn, markdown, table
    from saccade.cli.episodes.episode import Episode
    from saccade.cli.episodes.variants import variant_of
    from saccade.cli.page import with_part
    from saccade.cli.progress import Bar

    names = list(dict.fromkeys(args.variant or ["stereo"]))
    variants = [variant_of(name, args.slow_latency) for name in names]
    episodes = [
        Episode("yard", "yard", args.seed + i, variant, args.back, args.fault)
        for i in range(args.episodes) for variant in variants
    ]  # fmt: skip
    outcomes: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with Bar("driving", 0, len(episodes), sys.stderr.isatty()) as bar:
        for done, (episode, outcome) in enumerate(zip(episodes, played(episodes, args.jobs), strict=True), start=1):
            outcomes[episode.variant.name].append(outcome)
            bar(done)
    settings = {
        "episodes": args.episodes, "seed": args.seed, "back": args.back, "slow_latency_s": args.slow_latency,
        "fault": args.fault, "note": args.note,
    }  # fmt: skip
    document = document_of(outcomes, settings)
    Console(width=None if sys.stdout.isatty() else 160).print(table(document))
    if args.json:
        _write(args.json, json.dumps(document, indent=1) + "\n")
    if args.plot:
        _write(args.plot, drawn(document))
    if args.markdown:
        page = args.markdown.read_text() if args.markdown.is_file() else ""
        _write(args.markdown, with_part(page, PART, markdown(document)))
    return OK


def played(episodes: Sequence[Episode], jobs: int | None = None) -> Iterator[dict[str, Any]]:
    """The outcomes in the order of the episodes, worked out by so many processes at a time; 1: by this one."""
    from saccade.cli.episodes.episode import play

    if jobs == 1:
        yield from map(play, episodes)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(play, episodes)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
