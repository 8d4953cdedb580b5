"""An adapted network as a model of its own: ONNX in fp32 and int8, checked against torch and by the probe, with cards.

The cards say whence it came: parent and its hash, recording, pairs, seed, steps, ranks, and the figures before and
after by which it was judged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import yaml

from engines.card import Adapted, Card, load_card
from engines.engine import EngineError
from engines.open import open_unproven
from engines.prove import prove
from engines.stereo import StereoMatcher
from training.adapt import Outcome, Plan, thin
from training.net import STRIDE, StereoNet
from training.pool import Pair, look
from training.quantise import quantise
from training.ship import calibration
from training.weights import digest, export

_CALIBRATED, _CHECKED = 24, 3
"""Recorded pairs at most that int8 is calibrated on, besides the parent's, and that the files are checked with."""
_FILES = (".onnx", ".verdict.json", ".yaml")
"""Of a model, the card last: it names the others."""
_SAME_PX, _NEAR_PX = 0.02, 0.5
"""How far ONNX in fp32 may be from torch (99.9 % of the pixels), and int8 (median)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Whence a child comes."""

    parent: Card
    name: str
    recording: str
    pairs: int
    plan: Plan


def install(
    net: StereoNet, outcome: Outcome, facts: Facts, pairs: Sequence[Pair], folder: Path
) -> tuple[list[Card], str]:
    """Write NAME.onnx, its int8 twin and their cards into `folder`, probed; returns the cards, and what is missing.

    EngineError, and `folder` as it was, when the file does not do what torch does, the probe refuses it, or a model of
    that name is there; an int8 twin that is far off or refused is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".adapting-", dir=folder) as staged:  # inside: surely the same file system
        cards, missing = tested(net, outcome, facts, pairs, Path(staged))
        return move([Path(card.path) for card in cards], folder), missing


def tested(
    net: StereoNet, outcome: Outcome, facts: Facts, pairs: Sequence[Pair], folder: Path
) -> tuple[list[Card], str]:
    """The cards of the child, and of its twin where that is good enough, in a folder that nobody reads yet."""
    made = history(outcome, facts)
    exact, rough = (folder / f"{facts.name}{kind}.onnx" for kind in ("", "-int8"))
    tried = [pairs[i] for i in thin(outcome.split.judge, _CHECKED)]
    export(net, exact, {"saccade.adapted": json.dumps(asdict(made))})
    card = checked(facts.parent, exact, made, net, tried, 0.999, _SAME_PX)
    try:
        quantise(exact, rough, [*calibration(), *(cut(pairs[i]) for i in thin(outcome.split.learn, _CALIBRATED))])
        return [card, checked(facts.parent, rough, made, net, tried, 0.5, _NEAR_PX)], ""
    except EngineError as error:
        return [card], str(error)


def move(cards: Sequence[Path], folder: Path) -> list[Card]:
    """Move models with their verdicts and cards into `folder`, all or none.

    EngineError where files of these names are there.
    """
    files = [file for card in cards for end in _FILES if (file := card.with_suffix(end)).exists()]
    if there := [file.name for file in files if (folder / file.name).exists()]:
        raise EngineError(f"{folder} holds {', '.join(there)} already: not installed; expected another --name")
    moved: list[Path] = []
    try:
        for file in files:
            moved.append(file.replace(folder / file.name))
    except BaseException:  # Ctrl-C as well
        for file in moved:
            file.unlink()
        raise
    return [load_card(folder / card.name) for card in cards]


def history(outcome: Outcome, facts: Facts) -> Adapted:
    """What the card tells."""
    figures = {change.name: (change.before, change.after) for change in outcome.changes}
    figures["error on generated pairs px"] = outcome.dry
    before, after = ({name: round(pair[i], 4) for name, pair in figures.items()} for i in (0, 1))
    return Adapted(
        facts.parent.name, facts.parent.sha256, facts.recording, facts.pairs, len(outcome.split.learn),
        len(outcome.split.judge), facts.plan.seed, outcome.steps, outcome.ranks, before, after,
    )  # fmt: skip


def written(parent: Card, model: Path, made: Adapted) -> Card:
    """The card of a child's model, written beside it: the parent's but for what is its own."""
    document = yaml.safe_load(Path(parent.path).read_text())
    document.pop("golden", None)
    document |= {
        "name": model.stem, "source": f"adapted from {parent.name} to {made.recording} by saccade adapt",
        "onnx": model.name, "sha256": digest(model), "adapted": asdict(made),
    }  # fmt: skip
    path = model.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=118))
    return load_card(path)


def checked(
    parent: Card, model: Path, made: Adapted, net: StereoNet, pairs: Sequence[Pair], share: float, limit_px: float
) -> Card:
    """The card of a model that gives what `net` gives, for that share of the pixels, and passes the probe."""
    card = written(parent, model, made)
    with open_unproven(card) as engine:
        match = StereoMatcher(engine, card)
        for pair in pairs:
            want, got = look(net, pair)[0].left, match(*pair).disparity
            apart = float(np.quantile(np.abs(np.nan_to_num(got) - want), share))
            if apart > limit_px:
                raise EngineError(
                    f"{card.name}: ONNX Runtime is {apart:.2f} px from torch ({100 * share:g} % of the pixels); "
                    f"expected at most {limit_px:g} px: not installed"
                )
    report = prove(card)
    if not report.passed:
        raise EngineError(f"{card.name}: refused by the probe, not installed: {'; '.join(map(str, report.findings))}")
    return card


def cut(pair: Pair) -> Pair:
    """The pair without what exceeds multiples of 32."""
    height, width = (size // STRIDE * STRIDE for size in pair.left.shape[:2])
    return Pair(pair.left[:height, :width], pair.right[:height, :width])
