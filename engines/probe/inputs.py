"""Why a model that matches nothing does not: its pictures may reach it in another way than it was trained with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from engines.card import Card
from engines.engine import EngineError
from engines.probe.edit import edited
from engines.probe.finding import Finding
from engines.probe.relation import Relation, agreement, relate
from engines.probe.run import Runs, scenes_for
from saccade.geometry import F32

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_RANGES: tuple[tuple[float, tuple[float, ...], tuple[float, ...]], ...] = (
    (1.0, (0.0,), (1.0,)),
    (255.0, (0.0,), (1.0,)),
    (1.0, _MEAN, _STD),
    (255.0, tuple(255 * m for m in _MEAN), tuple(255 * s for s in _STD)),
    (1.0, (0.5,), (0.5,)),
    (255.0, (127.5,), (127.5,)),
)
"""White, mean and std in use: plain, ImageNet's, and symmetric about zero."""


def unmatched(runs: Runs, card: Card, planes: list[F32], relation: Relation) -> Finding:
    """The finding for a model whose output has no relation to disparity, or only a rough one."""
    best, best_agreement = None, 0.5
    for finding in _other_inputs(card):
        try:
            share = _matches(runs, edited(card, finding.edit))
        except EngineError:
            continue
        if share > best_agreement + 0.05:
            best, best_agreement = finding, share
        if best_agreement > 0.9:
            break
    if best:
        return best
    if ignores_right(planes):
        text = "the output does not depend on the right picture, as that of a monocular head"
        return _another_output(runs, card, text) or Finding(
            "one-eyed", text, advice="export the stereo head; random weights look so too"
        )
    if relation.kind == "rough":
        shown = ", ".join(f"{np.nanmedian(scene.truth):.0f}" for scene in scenes_for(card).shifts)
        text = f"shifts of {shown} px come out as {', '.join(f'{px:.1f}' for px in relation.said)}"
        return Finding("accuracy", text, advice="it matches, but not well enough to be trusted, however it is fed")
    return _another_output(runs, card, "the output has no relation to disparity") or _hopeless(planes)


def range_edits(card: Card) -> Iterator[dict[str, Any]]:
    """Other white, mean and std than the card's."""
    colour = card.colour
    for white, mean, std in _RANGES if colour.dtype == "float32" else ():
        same = np.allclose(
            [white, *_three(mean), *_three(std)], [colour.white, *_three(colour.mean), *_three(colour.std)]
        )
        if not same and (colour.order != "grey" or len(mean) == 1):
            yield {"white": white, "mean": list(mean), "std": list(std)}


def ignores_right(planes: list[F32]) -> bool:
    """Whether pairs that share the left picture came out alike, though not as one number all over."""
    first = planes[0]
    if not np.isfinite(first).any():
        return False
    spread = float(np.nanpercentile(first, 95) - np.nanpercentile(first, 5))
    return spread > 0 and all(float(np.nanmedian(np.abs(p - first))) <= 0.02 * spread for p in planes[1:])


def _other_inputs(card: Card) -> Iterator[Finding]:
    """Ways to feed the model, those that change least first."""
    swaps: list[dict[str, Any]] = [{}, {"left": card.right, "right": card.left}]
    turned = {"rgb": "bgr", "bgr": "rgb"}.get(card.colour.order)
    orders: list[dict[str, Any]] = [{}, *([{"order": turned}] if turned else [])]
    ways = sorted(product(swaps, [{}, *range_edits(card)], orders), key=lambda way: sum(map(bool, way)))
    for swap, scaled, order in ways[1:]:
        names = [
            name for name, used in (("left and right", swap), ("value range", scaled), ("colour order", order)) if used
        ]
        edit = {**swap, **({"colour": {**scaled, **order}} if scaled or order else {})}
        yield Finding(", ".join(names), "the model matches nothing as it is fed now, and matches when fed so", edit)


def _matches(runs: Runs, card: Card) -> float:
    """Share of pixels on which three shifts come out in some linear relation; 0 where they do not."""
    scenes = scenes_for(card).shifts[:3]
    planes: list[F32] = []
    for scene in scenes[::-1]:  # the largest says most, and most cards fail at once
        planes.insert(0, runs.disparity(card, scene))
        if agreement(scene, planes[0]) < 0.5:
            return 0.0
    relation = relate(scenes, planes)
    return relation.agreement if relation.kind == "linear" else 0.0


def _another_output(runs: Runs, card: Card, text: str) -> Finding | None:
    for name in (tensor.name for tensor in runs.engine.spec.outputs):
        if name in (card.output.name, card.output.confidence):
            continue
        try:
            other = edited(card, {"output": {"name": name}})
            if _matches(runs, other) > 0.5:
                return Finding("output", f"{text}; that called {name} does", {"output": {"name": name}})
        except EngineError:
            continue
    return None


def _hopeless(planes: list[F32]) -> Finding:
    advice = "check the checkpoint and the export: weights that are missing or random look like this"
    known = np.concatenate([p[np.isfinite(p)] for p in planes])
    share = known.size / sum(p.size for p in planes)
    if share < 0.5:
        return Finding("NaN", f"{100 * (1 - share):.0f} % of the output is no number", advice=advice)
    if float(np.ptp(known)) <= 1e-6 * max(1.0, float(np.abs(known).max())):
        return Finding("constant", f"the output is {known[0]:.4g} everywhere, whatever is shown", advice=advice)
    text = "the model does not match: no relation between its output and the disparity, however it was fed"
    return Finding("no match", text, advice=advice)


def _three(values: tuple[float, ...]) -> tuple[float, ...]:
    return values if len(values) == 3 else values * 3
