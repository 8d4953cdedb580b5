"""The mean of networks that were trained on from one: `python -m training.soup A.onnx B.onnx`.

Of runs that began with the same weights the mean may be better than each (model soups, Wortsman et al. 2022). Shares
are chosen on generated pairs of their own, never on real ones, and one member alone is chosen where no mean is better;
the result ships as `training.ship` does it, and its card names its members.
"""

from __future__ import annotations

import argparse
import copy
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from training.judge import JUDGED_FIRST, in_words, judge, judged_pairs
from training.net import StereoNet
from training.pairs import size_of
from training.ship import DATA, ENGINES, place
from training.weights import WeightsError, load, story_of

CHOSEN_FIRST = 5_500_000
"""Seed of the first pair that shares are chosen on: neither trained nor judged on."""
TRIED = (0.25, 0.5, 0.75)
"""Shares of one more member that are tried."""


def mean(nets: Sequence[StereoNet], shares: Sequence[float]) -> StereoNet:
    """The network whose weights are the mean of folded ones' with these shares, which add up to 1.

    WeightsError for networks that differ in size or range.
    """
    if len({(net.size, net.disparities) for net in nets}) > 1:
        told = ", ".join(f"{net.size} with {8 * net.disparities} px" for net in nets)
        raise WeightsError(f"only networks of one size and range have a mean; these are {told}")
    new, states = copy.deepcopy(nets[0]), [net.state_dict() for net in nets]
    new.load_state_dict(
        {
            name: torch.stack([share * state[name] for share, state in zip(shares, states, strict=True)]).sum(0)
            for name in states[0]
        }
    )
    return new


def choose(nets: Sequence[StereoNet], files: Sequence[Path]) -> list[float]:
    """Shares by greed: the best network first, then of each other one what makes bad-2 on these pairs smaller."""
    order = sorted(range(len(nets)), key=lambda k: judge(nets[k], files)["bad2"])
    shares = [float(k == order[0]) for k in range(len(nets))]
    least = judge(nets[order[0]], files)["bad2"]
    for more in order[1:]:
        begun = shares
        for part in TRIED:
            tried = [(1.0 - part) * share + part * (k == more) for k, share in enumerate(begun)]
            if (bad := judge(mean(nets, tried), files)["bad2"]) < least:
                shares, least = tried, bad
    return shares


def told_once(story: str) -> str:
    """A story in which a member that another one was trained on from is told once; the other says "from the former"."""
    again = re.compile(r"\((.+?)\) and ([\d.]+) of \(([^()]*), from \1\)")
    while (brief := again.sub(r"(\1) and \2 of (\3, from the former)", story)) != story:
        story = brief
    return story


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("members", type=Path, nargs="+", help="ONNX files of training.ship")
    parser.add_argument("--pairs", type=Path, default=Path("out/pairs"), help="folder of pairs to choose and judge on")
    parser.add_argument("--judged", type=int, default=64, help="pairs to choose on, and as many to judge on")
    parser.add_argument("--engines", type=Path, default=ENGINES, help="folder that gets models/ and cards/")
    args = parser.parse_args(arguments)
    if args.judged < 1:
        parser.error(f"--judged is {args.judged}; expected 1 or more")
    try:
        nets = [load(path).eval() for path in args.members]
        mean(nets, [1.0 / len(nets)] * len(nets))
    except (OSError, WeightsError) as error:
        parser.error(str(error))
    shares = choose(nets, judged_pairs(args.pairs / "chosen", CHOSEN_FIRST, args.judged))
    net = mean(nets, shares)
    judged = judge(net, judged_pairs(args.pairs / "judged", JUDGED_FIRST, args.judged))
    parts = [(share, story_of(path)) for share, path in zip(shares, args.members, strict=True) if share > 0.0]
    made = {
        "data": DATA,
        "started": told_once("the mean of " + " and ".join(f"{share:g} of ({story})" for share, story in parts)),
        "judged": in_words(judged, args.judged, size_of(args.pairs)),
    }
    for path, share in zip(args.members, shares, strict=True):
        print(f"{share:.3g} of {path}")
    print(made["judged"])
    print(*place(net, made, args.engines), sep="\n")


if __name__ == "__main__":
    main()
