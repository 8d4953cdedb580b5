"""Sizes and light: what a model does with pictures that have to be fitted, and with dark ones."""

from __future__ import annotations

from typing import Any

from engines.card import Card
from engines.engine import EngineError
from engines.pictures import fitted_shape, plane
from engines.probe.edit import edited
from engines.probe.finding import Finding
from engines.probe.inputs import range_edits
from engines.probe.relation import share_alike
from engines.probe.run import Runs, Shown, scenes_for
from engines.probe.scale import scale_fault
from engines.probe.scenes import Scene

_STRIDES = (8, 14, 16, 32, 64, 128)


def size_fault(runs: Runs, card: Card, scene: Scene, error: EngineError) -> Finding:
    """The finding for a model that cannot be run on a scene, or gives something of another size than was promised."""
    try:
        raw = plane(runs.outputs(card, scene)[card.output.name], card).shape
    except EngineError:
        return padding_fault(runs, card, str(error)) or Finding("size", str(error), advice="see the error")
    height, width = fitted_shape(card.size, scene.shape)
    if raw == (width, height):
        return Finding("orientation", f"the output is transposed: {error}", advice="transpose it within the graph")
    along, across = raw[0] / height, raw[1] / width
    if abs(along - across) < 0.02 * along and _is_plain(along):
        return Finding("resolution", str(error), {"output": {"resolution": along}})
    return padding_fault(runs, card, str(error)) or Finding("size", str(error), advice="see the error")


def resized_fault(runs: Runs, card: Card, shown: Shown) -> Finding | None:
    """What is wrong with pictures that have to be padded, resized or halved first."""
    scene = shown.resized
    try:
        judged = runs.judged(card, scene)
    except EngineError as error:
        return size_fault(runs, card, scene, error)
    if judged.passed:
        return None
    factor, alike = share_alike(scene, runs.disparity(card, scene))
    if alike > 0.5 and abs(factor - 1) > 0.03 and (fault := scale_fault(runs, card, shown, 1.0)).edit:
        return fault
    return padding_fault(runs, card, str(judged)) or Finding(
        "size", str(judged), advice="pictures of other sizes come out wrong; size.rule resize to one size may help"
    )


def light_fault(runs: Runs, card: Card, shown: Shown) -> Finding | None:
    """What is wrong with dark pictures: a value range that is off shows there first."""
    judged = runs.judged(card, shown.dim)
    if judged.passed:
        return None
    known = range_fault(runs, card, str(judged), ("dim", "board"))
    return known or Finding("light", str(judged), advice="the model sees nothing in dark pictures")


def range_fault(runs: Runs, card: Card, text: str, names: tuple[str, ...]) -> Finding | None:
    """The numbers for a picture's bytes with which these scenes come out right: a robust model is off by little."""
    for colour in range_edits(card):
        edit = {"colour": colour}
        if _passes(runs, edited(card, edit), names):
            return Finding("value range", f"{text}; in other numbers it comes out right", edit)
    return None


def padding_fault(runs: Runs, card: Card, text: str) -> Finding | None:
    """The padding, or the stride to resize to, with which pictures of every size come out right."""
    edits: list[dict[str, Any]] = [{"rule": "pad", "stride": stride} for stride in _STRIDES]
    edits += [{"rule": "resize", "stride": stride} for stride in (14, 32, 64)]
    for size in edits:
        edit = {"size": {**size, "width": 0, "height": 0, "max_pixels": 0, "short_side": 0}}
        if card.size.rule == size["rule"] and card.size.stride == size["stride"]:
            continue
        if _passes(runs, edited(card, edit), ("board", "slanted", "resized")):
            now = f"size.rule {card.size.rule}, stride {card.size.stride}"
            return Finding("padding", f"{text} (with {now})", edit)
    return None


def _passes(runs: Runs, card: Card, names: tuple[str, ...]) -> bool:
    shown = scenes_for(card)
    try:
        return all(runs.judged(card, getattr(shown, name)).passed for name in names)
    except EngineError:
        return False


def _is_plain(ratio: float) -> bool:
    return ratio == 1 or (ratio < 1 and abs(1 / ratio - round(1 / ratio)) < 1e-6)
