"""How well two surfaces agree, each given by points spread over it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from map_node.volume.base import I64
from saccade.errors import DataError
from saccade.geometry import F32, F64
from saccade.kernel import array, buffer, f32, f64, i64, kernel, void

_MOST_CELLS = 2**24


class Agreement(NamedTuple):
    """accuracy_m: median distance of the surface's points from the reference; completeness_m: of the reference's from
    it; precision and recall: their shares within the tolerance; f: the harmonic mean of the two (Knapitsch et al.,
    "Tanks and Temples", 2017)."""

    accuracy_m: float
    completeness_m: float
    precision: float
    recall: float
    f: float


def agreement(surface: F64, reference: F64, within_m: float) -> Agreement:
    """Compare the points (n, 3) and (m, 3) of two surfaces, in metres; DataError where one has none.

    Distances are counted up to three times `within_m`.
    """
    if not len(surface) or not len(reference):
        raise DataError(f"surfaces of {len(surface)} and {len(reference)} points; expected some of each to compare")
    there, back = (nearest_m(a, b, 3 * within_m) for a, b in ((surface, reference), (reference, surface)))
    precision, recall = float((there <= within_m).mean()), float((back <= within_m).mean())
    f = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return Agreement(float(np.median(there)), float(np.median(back)), precision, recall, f)


def nearest_m(points: F64, others: F64, at_most_m: float) -> F32:
    """Distance (n,) from points (n, 3) to the nearest of others (m, 3), at most so much: by a grid of such cells."""
    lowest = others.min(axis=0)
    cells = np.floor((others - lowest) / at_most_m).astype(np.int64)
    shape = cells.max(axis=0) + 1
    if math.prod(shape.tolist()) > _MOST_CELLS:
        raise DataError(f"points spread over {shape.tolist()} cells of {at_most_m} m; expected {_MOST_CELLS} at most")
    key = (cells[:, 0] * shape[1] + cells[:, 1]) * shape[2] + cells[:, 2]
    order = np.argsort(key, kind="stable")
    begins = np.searchsorted(key[order], np.arange(math.prod(shape.tolist()) + 1))
    found = np.empty(len(points), np.float32)
    _search(
        np.ascontiguousarray(points, np.float64), np.ascontiguousarray(others[order], np.float64),
        np.ascontiguousarray(lowest, np.float64), shape, begins, at_most_m, found,
    )  # fmt: skip
    return found


@kernel(void, array(f64, 2), array(f64, 2), array(f64, 1), array(i64, 1), array(i64, 1), f64, buffer(f32, 1))
def _search(points: F64, others: F64, lowest: F64, shape: I64, begins: I64, at_most_m: float, found: F32) -> None:
    for n in range(len(points)):
        least = at_most_m * at_most_m
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        i = math.floor((x - lowest[0]) / at_most_m)
        j = math.floor((y - lowest[1]) / at_most_m)
        k = math.floor((z - lowest[2]) / at_most_m)
        for a in range(max(i - 1, 0), min(i + 2, shape[0])):
            for b in range(max(j - 1, 0), min(j + 2, shape[1])):
                for c in range(max(k - 1, 0), min(k + 2, shape[2])):
                    cell = (a * shape[1] + b) * shape[2] + c
                    for m in range(begins[cell], begins[cell + 1]):
                        dx, dy, dz = others[m, 0] - x, others[m, 1] - y, others[m, 2] - z
                        least = min(least, dx * dx + dy * dy + dz * dz)
        found[n] = math.sqrt(least)
