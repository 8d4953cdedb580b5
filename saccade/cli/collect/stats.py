"""Statistics of features as LeRobot v3 stores them: min, max, mean, std, count and quantiles, by episode and of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saccade.geometry import F64
from saccade.types import U8

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
_MOST_PICTURES, _MOST_SIDE = 100, 150
Stats = dict[str, list[Any]]


def of_values(values: F64) -> Stats:
    """Of values (n, d)."""
    found = {
        "min": values.min(axis=0), "max": values.max(axis=0), "mean": values.mean(axis=0), "std": values.std(axis=0),
        **{name: np.quantile(values, q, axis=0) for name, q in QUANTILES.items()},
    }  # fmt: skip
    return {**{name: value.tolist() for name, value in found.items()}, "count": [len(values)]}


def of_pictures(pictures: Sequence[U8]) -> Stats:
    """Of pictures (h, w, 3) or (h, w), by channel, 0 to 1, each value as [[v]]: of some of them, and coarsely."""
    chosen = [pictures[i] for i in np.unique(np.linspace(0, len(pictures) - 1, _MOST_PICTURES).astype(int))]
    step = max(1, max(chosen[0].shape[:2]) // _MOST_SIDE)
    small = [p[::step, ::step] if p.ndim == 3 else np.repeat(p[::step, ::step, None], 3, axis=2) for p in chosen]
    stats = of_values(np.concatenate([p.reshape(-1, 3) for p in small]).astype(np.float64) / 255.0)
    shaped: Stats = {name: [[[v]] for v in value] for name, value in stats.items() if name != "count"}
    return {**shaped, "count": [len(chosen)]}


def together(parts: Sequence[Stats]) -> Stats:
    """Of all episodes from each one's: exact but for quantiles, which are weighted means, as LeRobot has them."""
    counts = np.array([part["count"][0] for part in parts], np.float64)
    weights = counts / counts.sum()

    def stacked(name: str) -> F64:
        return np.array([part[name] for part in parts], np.float64)

    def weighed(values: F64) -> F64:
        out: F64 = np.tensordot(weights, values, axes=1)
        return out

    mean = weighed(stacked("mean"))
    variance = weighed(stacked("std") ** 2 + (stacked("mean") - mean) ** 2)
    found = {
        "min": stacked("min").min(axis=0), "max": stacked("max").max(axis=0), "mean": mean, "std": np.sqrt(variance),
        **{name: weighed(stacked(name)) for name in QUANTILES},
    }  # fmt: skip
    return {**{name: value.tolist() for name, value in found.items()}, "count": [int(counts.sum())]}
