"""`saccade engine build` and `verify`: engines that are compiled for this machine."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from saccade.cli import OK
from saccade.cli.engine.action import Action, above_zero, bar, compiled_card, model_argument

if TYPE_CHECKING:
    from engines.card import Card
    from engines.engine import Array
    from engines.store.build import Job
    from engines.store.manifest import Manifest

_CALIBRATED_BY = 16
"""Pairs of a recording."""


def _build(args: argparse.Namespace) -> int:
    from engines.store.build import ensure, job

    card = compiled_card(args)
    calibration = _pairs(card, args.calibrate) if args.calibrate else ()
    work = job(card, limit_s=60.0 * args.limit_minutes, calibration=calibration)
    with bar(f"building {card.name}", _note(work), args.quiet) as progress:
        manifest = ensure(work.using(progress), again=args.again)
    _tell(work, manifest)
    return OK


def _verify(args: argparse.Namespace) -> int:
    from engines.store.build import job, verify

    work = job(compiled_card(args), limit_s=60.0 * args.limit_minutes)
    with bar(f"verifying {work.card.name}", "", args.quiet) as progress:
        manifest = verify(work.using(progress))
    _tell(work, manifest)
    return OK


def _note(work: Job) -> str:
    """How long it will take."""
    from engines.store.manifest import estimate_s

    took_s = estimate_s(work.card.runtime, work.card.build.precision, work.model_bytes)
    return f"about {took_s / 60:.1f} min" if took_s else "nothing like it was built here before: no estimate"


def _tell(work: Job, manifest: Manifest) -> None:
    name = f"{work.card.name}: {work.card.runtime} {manifest.precision}"
    print(f"{name}, built {manifest.built} in {manifest.build_s:.0f} s, {manifest.status}\n  {work.folder}")
    for line in (*manifest.judged, *(f"kept in fp32: {kept}" for kept in manifest.kept), *manifest.warnings):
        print(f"  {line}")


def _pairs(card: Card, path: Path) -> tuple[Mapping[str, Array], ...]:
    """Pairs of a recording, or of a folder of pictures, as the model is given them."""
    import numpy as np

    from engines.pictures import ModelInput
    from saccade.cli.pairs import read_pairs

    eyes = {card.left: "left", **({card.right: "right"} if card.kind == "stereo" else {})}
    inputs = {name: ModelInput(card.colour, card.size) for name in eyes}
    return tuple(
        {name: np.array(inputs[name](getattr(pair, eye))) for name, eye in eyes.items()}
        for pair in read_pairs(path, None, _CALIBRATED_BY, 1).frames
    )


def _build_arguments(parser: argparse.ArgumentParser) -> None:
    model_argument(parser)
    parser.add_argument("--again", action="store_true", help="even if it is there, or in quarantine")
    parser.add_argument(
        "--calibrate", type=Path, metavar="PATH", help="recording or folder of pairs that int8 takes its ranges from"
    )
    _common(parser)


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    model_argument(parser)
    _common(parser)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit-minutes", type=above_zero, metavar="MIN", default=120.0, help="give up after (default: %(default)s)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


ACTIONS = (
    Action("build", _build, "compile a model for this machine, and hold it to the CPU", _build_arguments),
    Action("verify", _verify, "hash a compiled engine anew, and hold it to the CPU again", _verify_arguments),
)
