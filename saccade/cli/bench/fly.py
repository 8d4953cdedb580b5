"""Errands among gates, many of them: how often a quadrotor flies them, how directly, and whose fault it was if not.

Layouts, light, wind, load, latencies and drift are drawn by seed. Seeds below 1000 are for tuning, those from 10000 on
are held out: nothing was ever chosen on them. Every variant is given the same episodes: two or three gates by colour,
then a post, or back with --back. Success: it said that it was done, flew through all gates in their order, and hovers
within 1.5 m of the post's edge (or of the place where it began), in 40 s and 6 s a metre of the straight lines, having
touched nothing. SPL: success weighted by path length (Anderson et al. 2018), against the straight lines from the start
through the gates' middles to the post.
"""

from __future__ import annotations

import argparse

from saccade.cli.bench import errands

NAMES = ("stereo", "truth", "fast-only", "slow-only", "unchecked", "hold", "ensemble", "rtc", "guard")
"""Of the variants, for `--help`, which is not to load the runtime."""
BENCH = errands.ErrandBench("fly", "among gates", __doc__ or "", NAMES)
EXAMPLES = """examples:
  saccade bench fly --episodes 20                          # held-out seeds, all cores
  saccade bench fly --episodes 100 --variant stereo truth stereo@3 --json out/fly.json
  saccade bench fly --back --fault freeze@5s+2s            # there and back; a camera that freezes
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `saccade bench fly`."""
    errands.add_arguments(parser, BENCH)
    parser.add_argument("--back", action="store_true", help="the errand ends where it began")


def run(args: argparse.Namespace) -> int:
    """Play, print, write; exit code 0 whatever the robot did."""
    from saccade.cli.episodes.fly import Fly

    return errands.run(args, BENCH, Fly(args.back), "--back" if args.back else "")
