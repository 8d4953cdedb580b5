"""What to write into a card so that a model's numbers become pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engines.card import Card
from engines.engine import EngineError
from engines.pictures import fitted_shape
from engines.probe.finding import Finding
from engines.probe.relation import share_alike
from engines.probe.run import Runs, Shown


def scale_fault(runs: Runs, card: Card, shown: Shown, factor: float) -> Finding:
    """The finding for an output that is `factor` times the disparity at the model's own size."""
    widths = [float(fitted_shape(card.size, scene.shape)[1]) for scene in (shown.board, shown.resized)]
    factors = [factor]
    try:
        other, alike = share_alike(shown.resized, runs.disparity(card, shown.resized))
    except EngineError:
        other, alike = math.nan, 0.0
    # At another width another factor: that tells pixels of an inner size, or shares of the width, from a mere scale.
    if alike > 0.5 and other > 0 and widths[0] != widths[1]:
        factors.append(other)
    text = f"output is {_shown(factor)} x expected"
    if len(factors) == 2 and abs(factors[1] / factors[0] - 1) > 0.03:
        text += f", and {_shown(factors[1])} x on a picture {shown.resized.shape[1]} wide"
    edit = _edit(card, factors, widths)
    if edit is None:
        advice = "export it so that it gives pixels of its input"
        return Finding("scale", f"{text}, which follows neither the width nor the output's size", advice=advice)
    return Finding("units" if {"unit", "unit_at"} & set(edit) else "scale", text, {"output": edit})


def _edit(card: Card, factors: list[float], widths: list[float]) -> dict[str, Any] | None:
    """The unit, and if need be the scale, that turn every factor into one."""
    output = card.output
    units = {("px", "input"): [1.0, 1.0], ("width_fraction", "input"): widths}
    if output.resolution != 1:
        units["px", "output"] = [1 / output.resolution] * 2
    now = (output.unit, output.unit_at if output.unit == "px" else "input")
    if now not in units:
        now = ("px", "input")
    found: list[tuple[bool, bool, float, str, str]] = []
    for (unit, at), per_unit in units.items():
        scales = [output.scale * old / f / new for f, old, new in zip(factors, units[now], per_unit, strict=False)]
        if max(scales) / min(scales) < 1.05:
            plain = abs(scales[0] - 1) < 0.03
            found.append((not plain, (unit, at) != now, 1.0 if plain else _round(scales[0]), unit, at))
    if not found:
        return None
    _, _, scale, unit, at = min(found, key=lambda way: way[:2])
    wanted = {"unit": unit, "unit_at": at, "scale": scale}
    return {key: value for key, value in wanted.items() if value != getattr(output, key)}


def _round(scale: float) -> float:
    """A whole number, or one over it, where that is what is meant; else four digits."""
    for value, back in ((scale, float), (1 / scale, lambda n: 1 / n)):
        whole = round(value)
        if 1 <= whole <= 4096 and abs(value / whole - 1) < 0.004:
            return float(f"{back(whole):.6g}")
    return float(f"{scale:.4g}")


def _shown(factor: float) -> str:
    return f"{factor:.2f}" if 0.1 <= abs(factor) < 1000 else np.format_float_positional(factor, 3, fractional=False)
