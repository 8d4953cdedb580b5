"""Errands at the table, many of them: how often the arm does as it is told, how smoothly, and whose fault a failure is.

What lies where, shapes, sizes, masses, friction, the camera's place and noise, and which thing is wanted are drawn by
seed. Seeds below 1000 are for tuning, those from 10000 on are held out: nothing was ever chosen on them. Every variant
is given the same episodes, told in three ways in turn. Success: within 60 s it said that it was done, and the judge
finds the thing, and nothing else, on the tray (with --take: lifted and held), nothing else lifted or pushed by 3 cm,
and no finger on the table.
"""

from __future__ import annotations

import argparse

from saccade.cli.bench import errands

NAMES = ("camera", "exact", "learned-motion", "fast-only", "slow-only", "hold", "ensemble", "rtc", "guard")
"""Of the variants, for `--help`, which is not to load the runtime."""
BENCH = errands.ErrandBench("reach", "at the table", __doc__ or "", NAMES)
EXAMPLES = """examples:
  saccade bench reach --episodes 20                        # held-out seeds, all cores
  saccade bench reach --episodes 100 --variant camera exact camera@3 --json out/reach.json
  saccade bench reach --take --fault freeze@5s+2s          # only to take hold of it; a camera that freezes
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade bench reach`."""
    errands.add_arguments(parser, BENCH)
    parser.add_argument("--take", action="store_true", help="the errand ends when the thing is held up")


def run(args: argparse.Namespace) -> int:
    """Play, print, write; exit code 0 whatever the arm did."""
    from saccade.cli.episodes.reach import Reach

    return errands.run(args, BENCH, Reach(args.take), "--take" if args.take else "")
