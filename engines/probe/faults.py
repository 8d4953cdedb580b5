"""From what a model made of the probe's pairs to the first thing that is wrong with it."""

from __future__ import annotations

import numpy as np

from engines.card import Card
from engines.engine import EngineError
from engines.probe.confidence import confidence_fault
from engines.probe.finding import Finding
from engines.probe.fit import light_fault, padding_fault, range_fault, resized_fault, size_fault
from engines.probe.inputs import unmatched
from engines.probe.interface import interface_fault
from engines.probe.relation import Relation, relate
from engines.probe.run import Judged, Runs, Shown, scenes_for
from engines.probe.scale import scale_fault
from engines.probe.scenes import Scene, board_only
from saccade.geometry import F32

_SAME = 0.025
"""Factors that differ by less are the same: what is left is accuracy."""
_UNDISTURBED, _DISTURBED = 0.9, 0.5
"""Shares of the dots under coloured noise: a model that sees grey finds nearly all, or few; a network some in both."""


def diagnose(runs: Runs, card: Card) -> Finding | None:
    """What has to be mended first, None where nothing has to be."""
    if fault := interface_fault(runs.engine.spec, card):
        return fault
    shown = scenes_for(card)
    try:
        planes = [runs.disparity(card, scene) for scene in shown.shifts]
    except EngineError as error:
        return size_fault(runs, card, shown.shifts[0], error)
    return (
        _unsteady(runs, card, shown.shifts[1])
        or _shift_fault(runs, card, shown, planes)
        or _board_fault(runs, card, shown)
        or _slant_fault(runs, card, shown)
        or resized_fault(runs, card, shown)
        or light_fault(runs, card, shown)
        or _colour_fault(runs, card, shown)
        or confidence_fault(runs, card, shown)
    )


def colours_told(runs: Runs, card: Card) -> str:
    """What can be told of the order of colours, in words."""
    if card.colour.order == "grey":
        return "the model is given grey"
    right, wrong = _grey_shares(runs, card, scenes_for(card))
    if right >= _UNDISTURBED and wrong < _DISTURBED:
        return f"{card.colour.order} is right: the model turns it into luminance"
    return (
        f"{card.colour.order} is what the card says; the model does not turn it into luminance, so no pair tells "
        "red from blue"
    )


def _unsteady(runs: Runs, card: Card, scene: Scene) -> Finding | None:
    if runs.steady:
        return None
    first = runs.disparity(card, scene)
    again = runs.disparity(card, scene, fresh=True)
    other = np.abs(first - again) > card.probe.median_px
    other |= np.isnan(first) != np.isnan(again)
    if other.mean() > 0.01:
        text = f"the same pair twice gave another output in {100 * other.mean():.0f} % of the pixels"
        return Finding("not repeatable", text, advice="take out what is random in it (dropout, noise) and export anew")
    runs.steady = True
    return None


def _shift_fault(runs: Runs, card: Card, shown: Shown, planes: list[F32]) -> Finding | None:
    judged = [runs.judged(card, scene) for scene in shown.shifts]
    if all(result.passed for result in judged):
        return None
    relation = relate(shown.shifts, planes)
    if relation.kind in ("rough", "none"):
        return unmatched(runs, card, planes, relation)
    if relation.kind == "inverse":
        text = f"output x disparity is {relation.factor:.4g} px throughout: a depth, expected a disparity"
        advice = "such a depth holds for one rig only; export the disparity that it was made of"
        return Finding("units", text, advice=advice)
    if relation.factor < 0:
        text = f"output is {relation.factor:.2f} x expected"
        if _of_right(runs, card, shown, relation):
            text = f"{text}, and shows what the right picture shows: the pictures change places"
            return Finding("left and right", text, {"left": card.right, "right": card.left})
        return Finding("sign", text, {"output": {"sign": _other_sign(card)}})
    if abs(relation.factor - 1) > _SAME:
        return scale_fault(runs, card, shown, relation.factor)
    if abs(relation.offset) > 0.8 * card.probe.median_px:
        offset = float(f"{card.output.offset_px - relation.offset:.3g}")
        text = f"output is the disparity {relation.offset:+.2f} px throughout"
        return Finding("offset", text, {"output": {"offset_px": offset}})
    return _short(card, shown, relation, judged)


def _short(card: Card, shown: Shown, relation: Relation, judged: list[Judged]) -> Finding:
    """The finding for a model that is right in principle and wrong at large disparities, or not exact enough."""
    lost = next((j for j, scene in zip(judged, shown.shifts, strict=True) if not j.passed), judged[-1])
    most = float(np.nanmedian(shown.shifts[-1].truth))
    if relation.reach < most:
        text = f"right up to {relation.reach:.0f} px, wrong at {most:.0f} px; nearer things come out as something else"
        known = {"max_disparity": max(8, int(relation.reach / 0.9))}
        return Finding("range", text, {"probe": known})
    text = f"{lost}; allowed are {card.probe.median_px:g} px and {100 * card.probe.bad_share:.0f} %"
    return Finding("accuracy", text, advice="it matches, but not well enough; probe.median_px is where this is said")


def _board_fault(runs: Runs, card: Card, shown: Shown) -> Finding | None:
    judged = runs.judged(card, shown.board)
    if _of_right(runs, card, shown, Relation("linear", 1.0)):
        text = "the output shows what the right picture shows: the pictures change places"
        edit = {"left": card.right, "right": card.left, "output": {"sign": _other_sign(card)}}
        return Finding("left and right", text, edit)
    if judged.passed:
        return None
    return _displaced(runs, card, shown.board, judged, "edges in depth come out wrong")


def _slant_fault(runs: Runs, card: Card, shown: Shown) -> Finding | None:
    judged = runs.judged(card, shown.slanted)
    if judged.passed:
        return None
    return _displaced(runs, card, shown.slanted, judged, "it matches planes that face the cameras and no others")


def _displaced(runs: Runs, card: Card, scene: Scene, judged: Judged, otherwise: str) -> Finding:
    """Whether an output is right but for lying in another way or elsewhere."""
    plane = runs.disparity(card, scene)
    ways = {"upside down": plane[::-1], "mirrored": plane[:, ::-1], "turned by half": plane[::-1, ::-1]}
    for way, turned in ways.items():
        error = np.abs(turned - scene.truth)
        if float(np.nanmedian(error)) <= card.probe.median_px:
            return Finding("orientation", f"the output is {way}", advice="turn it within the graph and export anew")
    known = range_fault(runs, card, str(judged), ("slanted", "board", "dim")) or padding_fault(runs, card, str(judged))
    return known or Finding("accuracy", str(judged), advice=otherwise)


def _of_right(runs: Runs, card: Card, shown: Shown, relation: Relation) -> bool:
    """Whether the board stands where the right picture has it."""
    scene = shown.board
    found = (runs.disparity(card, scene) - relation.offset) / relation.factor
    near = float(np.nanmax(scene.truth))
    at_near = np.abs(found - near) <= 1.5
    left, right = (float(at_near[only].mean()) if only.any() else 0.0 for only in board_only(scene))
    return right > 0.5 and right > left


def _colour_fault(runs: Runs, card: Card, shown: Shown) -> Finding | None:
    if card.colour.order == "grey":
        return None
    right, wrong = _grey_shares(runs, card, shown)
    if wrong < _UNDISTURBED or right >= _DISTURBED:
        return None
    turned = _turned(card)
    text = (
        f"noise without luminance disturbs the model (it matches {100 * right:.0f} %) unless the noise's red and blue "
        f"change places ({100 * wrong:.0f} %): it turns {turned} into luminance, and is given {card.colour.order}"
    )
    return Finding("colour order", text, {"colour": {"order": turned}})


def _grey_shares(runs: Runs, card: Card, shown: Shown) -> tuple[float, float]:
    """Shares of the dots under noise that come out right: noise without luminance in RGB, and in BGR.

    Pictures are RGB, so that only a card in the wrong order can make the second the greater one.
    """
    shares = []
    for scene in (shown.tinted["rgb"], shown.tinted["bgr"]):
        off = np.abs(runs.disparity(card, scene) - scene.truth)[np.isfinite(scene.truth)]
        shares.append(float((off <= 1.5).mean()))
    return shares[0], shares[1]


def _turned(card: Card) -> str:
    return "bgr" if card.colour.order == "rgb" else "rgb"


def _other_sign(card: Card) -> str:
    return "positive" if card.output.sign == "negative" else "negative"
