"""Scalable drawings in a few lines: tags, linear scales with round ticks, polylines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from saccade.geometry import F64


def tag(name: str, *children: str, **attributes: Any) -> str:
    """An element; children are markup already (see `text`), `class_` and `stroke_width` become class, stroke-width."""
    shown = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{shown}>{''.join(children)}</{name}>"


def text(value: object) -> str:
    """Any value as text that is safe inside of an element."""
    return escape(str(value), quote=False)


def title(value: object) -> str:
    """What shows when the pointer rests on the parent element."""
    return tag("title", text(value))


def drawing(width: float, height: float, *children: str, label: str) -> str:
    """An <svg> as wide as its place that keeps its proportions."""
    return tag("svg", *children, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=label)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps [low, high] to [start, end] linearly; an empty range maps to the middle."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a value lies."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Round values inside the range, in steps of 1, 2 or 5 times a power of ten."""
        span = self.high - self.low
        if not span > 0:
            return [self.low]
        power = 10.0 ** math.floor(math.log10(span / about))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power * about >= span * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]


def line(x: Scale, y: Scale, xs: F64, ys: F64, class_: str, bins: int = 800) -> str:
    """A curve through points (n,), broken where ys is NaN; of many points the lowest and highest in each bin."""
    xs, ys = envelope(xs, ys, bins)
    pieces, pen = [], "M"
    for px, py in zip(xs, ys, strict=True):
        if math.isfinite(py):
            pieces.append(f"{pen}{x(px):.1f} {y(py):.1f}")
            pen = "L"
        else:
            pen = "M"
    return tag("path", d="".join(pieces), class_=class_) if pieces else ""


def envelope(xs: F64, ys: F64, bins: int) -> tuple[F64, F64]:
    """At most about three points a bin that keep every peak and gap: the lowest, the highest, a NaN."""
    if len(xs) <= 2 * bins:
        return xs, ys
    keep: list[int] = []
    for chunk in np.array_split(np.arange(len(xs)), bins):
        part = ys[chunk]
        known = np.isfinite(part)
        chosen = {int(chunk[~known][0])} if not known.all() else set()
        if known.any():
            chosen |= {int(chunk[np.nanargmin(part)]), int(chunk[np.nanargmax(part)])}
        keep += sorted(chosen)
    return xs[keep], ys[keep]


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return escape(str(value))
