"""int8 of our network: which of its layers, and pairs to calibrate on; the rest is `engines.precision`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from engines.engine import Array
from engines.precision.quantise import Quantised
from saccade.types import U8

PARTS = ("/features", "/aggregation", "/state", "/rounds", "/sure", "/rise/weights", "/finish/weights")
"""Starts of the names of nodes that are quantised. Not what counts columns or holds disparities: there an addition in
eight bits moved the answer by a pixel."""
EXACT = (
    "/aggregation/cost", "/aggregation/raw", "/aggregation/Add", "/step",
    "/features/stem", "/features/down8", "/features/up8", "/features/up4", "/looked",
)  # fmt: skip
"""In whose names these are, they stay in floating point: scores, whose differences choose the disparity, and steps; the
way that fine detail takes through the features; and what reads the look-ups, which tell fractions of a pixel. Found on
generated pairs, one part at a time: the latter made nearly all that int8 cost, and save no time that was measured."""

Pair = tuple[U8, U8]


def quantise(path: Path, out: Path, pairs: Iterable[Pair]) -> None:
    """Write the int8 twin of a float network; `pairs` are (H, W, 3) RGB uint8, sizes multiples of 32.

    Weights are signed and have a scale for each channel; activations are unsigned.
    """
    lowering = Quantised(path.read_bytes(), map(_inputs, pairs), portable=False, wanted=_wanted)
    out.write_bytes(lowering.lowered(frozenset(lowering.nodes)))


def _wanted(name: str) -> bool:
    return name.startswith(PARTS) and not any(part in name for part in EXACT)


def _inputs(pair: Pair) -> dict[str, Array]:
    planes = [np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) for picture in pair]
    return dict(zip(("left", "right"), planes, strict=True))
