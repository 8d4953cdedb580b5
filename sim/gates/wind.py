"""Wind: a mean, and gusts that come and go (Ornstein-Uhlenbeck, the continuous form of Dryden's first-order model)."""

from __future__ import annotations

import math

import numpy as np

from saccade.geometry import F64

_GUST_S = 1.2
"""A gust's correlation time."""


class Wind:
    """What blows now, (3,) m/s; upwards it blows half as hard as along the ground."""

    def __init__(self, mean: tuple[float, float], gust: float, rng: np.random.Generator) -> None:
        self._mean = np.array([*mean, 0.0])
        self._sigma = gust * np.array([1.0, 1.0, 0.5])
        self._rng = rng
        self._gust = rng.normal(0.0, 1.0, 3) * self._sigma

    def blow(self, dt_s: float) -> F64:
        """The wind of the next interval."""
        kept = math.exp(-dt_s / _GUST_S)
        fresh = self._rng.normal(0.0, 1.0, 3) * self._sigma
        self._gust = kept * self._gust + math.sqrt(1.0 - kept * kept) * fresh
        now: F64 = self._mean + self._gust
        return now
