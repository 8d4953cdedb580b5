"""Errands in the yard, many of them: how often the robot gets there, how directly, and whose fault it was if not.

Layouts, light, friction, latencies and drift are drawn by seed. Seeds below 1000 are for tuning, those from 10000 on
are held out: nothing was ever chosen on them. Every variant is given the same episodes. Success: it said that it was
done, within 1 m of the goal's edge (or of its start, with --back), in 30 s and 6 s a metre of the shortest way,
without a collision of its own doing and on its feet. SPL: success weighted by path length (Anderson et al. 2018),
against the shortest way on the true map. A person who walks into a robot that stands is counted apart, as struck,
and so is whatever the robot is pushed against.
"""

from __future__ import annotations

import argparse

from saccade.cli.bench import errands

NAMES = (
    "stereo",
    "truth",
    "ahead",
    "narrow",
    "fast-only",
    "slow-only",
    "unchecked",
    "hold",
    "ensemble",
    "rtc",
    "guard",
    "learned",
)
"""Of the variants, for `--help`, which is not to load the runtime."""
BENCH = errands.ErrandBench("nav", "in the yard", __doc__ or "", NAMES)
MOST = 12
"""So many leave each other room in 16 by 12 m."""
EXAMPLES = """examples:
  saccade bench nav --episodes 20                          # held-out seeds, all cores
  saccade bench nav --episodes 100 --variant stereo truth fast-only slow-only --json out/nav.json
  saccade bench nav --variant stereo stereo@3 --back       # and with a reasoner that takes 3 s; there and back
  saccade bench nav --episodes 1000 --ray 10.0.0.5:6379    # on a Ray cluster
  saccade bench nav --people 6 --variant stereo slow-only  # in a crowd; two people walk in a yard otherwise
  saccade bench nav --fault freeze@5s+2s --episodes 10     # faults as in saccade replay --inject
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade bench nav`."""
    errands.add_arguments(parser, BENCH)
    parser.add_argument("--back", action="store_true", help="the errand ends where it began")
    parser.add_argument("--people", type=people, metavar="N", help=f"so many walk about (default 2, at most {MOST})")


def run(args: argparse.Namespace) -> int:
    """Play, print, write; exit code 0 whatever the robot did."""
    from saccade.cli.episodes.nav import Nav

    said = [*(["--back"] if args.back else []), *([] if args.people is None else [f"--people {args.people}"])]
    asks = "" if args.people is None else f"&people={args.people}"
    return errands.run(args, BENCH, Nav(args.back), " ".join(said), asks)


def people(text: str) -> int:
    """A number of people."""
    if not text.isdecimal() or int(text) > MOST:
        raise argparse.ArgumentTypeError(f"expected 0 to {MOST} people, not {text!r}")
    return int(text)
