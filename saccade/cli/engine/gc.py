"""`saccade engine gc`: removing engines that are of no more use."""

from __future__ import annotations

import argparse

from saccade.cli import OK
from saccade.cli.engine.action import Action, above_zero


def _gc(args: argparse.Namespace) -> int:
    from engines.store.clean import remove, waste

    found = waste(None if args.keep_mb is None else round(args.keep_mb * 1e6))
    freed = 0
    for one in found:
        done = "would remove" if not args.yes else "removed" if remove(one) else "being built, kept"
        freed += one.size if done != "being built, kept" else 0
        print(f"{done}  {one.size / 1e6:.1f} MB  {one.path}: {one.why}")
    how = "" if args.yes or not found else "; to do it: saccade engine gc --yes"
    print(f"{freed / 1e6:.1f} MB {'freed' if args.yes else 'can be freed'}{how}")
    return OK


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-mb", type=above_zero, metavar="MB", help="and what was used longest ago, down to this size"
    )
    parser.add_argument("--yes", action="store_true", help="remove it; without this it is only told")


ACTIONS = (Action("gc", _gc, "remove engines that are of no more use here", _arguments),)
