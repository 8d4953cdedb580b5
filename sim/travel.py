"""What the judges of errands that travel share: how far a robot went, how near it came, when, and what befell it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from saccade.clock import SEC, seconds
from saccade.geometry import F64

STUCK = (0.15, 0.05, 3)
"""Told to go at so many m/s, and not so many metres further after so many seconds."""


class Once:
    """The first instant at which something was so."""

    def __init__(self) -> None:
        self._ns: int | None = None

    def note(self, so: bool, elapsed_ns: int) -> None:
        """Whether it is so, `elapsed_ns` after the start."""
        if so and self._ns is None:
            self._ns = elapsed_ns

    def __bool__(self) -> bool:
        return self._ns is not None

    @property
    def s(self) -> float | None:
        """When, in s since the start."""
        return None if self._ns is None else seconds(self._ns)


class Travel:
    """Follows a robot's middle. Judges say what counts as `reached` and `returned`."""

    def __init__(self, start: Sequence[float] | F64) -> None:
        """`start` (d,): metres, level or in space."""
        self._start = self.here = start
        self.reached, self.returned = Once(), Once()
        self.left_m = self._closest_m = math.inf
        self._travelled_m = 0.0

    def see(self, here: Sequence[float] | F64, left_m: float) -> None:
        """Where it is now (d,), and how far from its goal."""
        self._travelled_m += math.dist(self.here, here)
        self.here = here
        self.left_m = left_m
        self._closest_m = min(self._closest_m, left_m)

    @property
    def from_start_m(self) -> float:
        """How far from the start it is, level."""
        return math.dist(self.here[:2], self._start[:2])

    def verdict(self) -> dict[str, Any]:
        """reached, returned (bool), when (s since the start or None), distances in metres."""
        return {
            "reached": bool(self.reached),
            "reached_s": self.reached.s,
            "returned": bool(self.returned),
            "returned_s": self.returned.s,
            "left_m": round(self.left_m, 3),
            "closest_m": round(self._closest_m, 3),
            "from_start_m": round(self.from_start_m, 3),
            "travelled_m": round(self._travelled_m, 3),
        }


class Safety:
    """Follows how near a robot of this radius comes to things, whether it is `fallen`, and whether it is stuck."""

    def __init__(self, start: Sequence[float] | F64, radius_m: float) -> None:
        self._radius_m = radius_m
        self._clearance_m = math.inf
        self._fallen, self._stuck = Once(), Once()
        self._push_from, self._push_ns = start, 0

    def see(
        self, here: Sequence[float] | F64, free_m: float, fallen: bool, told_m_s: float, elapsed_ns: int
    ) -> None:  # fmt: skip
        """Where its middle is, how far from anything, and how fast it was told to go."""
        self._clearance_m = min(self._clearance_m, free_m - self._radius_m)
        self._fallen.note(fallen, elapsed_ns)
        if told_m_s < STUCK[0] or math.dist(here, self._push_from) > STUCK[1]:
            self._push_from, self._push_ns = here, elapsed_ns
        self._stuck.note(elapsed_ns - self._push_ns >= STUCK[2] * SEC, elapsed_ns)

    def verdict(self, ran_into: Sequence[str], struck: int) -> dict[str, Any]:
        """`clearance_m` is the least, negative within the radius; times in s since the start or None."""
        return {
            "radius_m": self._radius_m,
            "clearance_m": round(self._clearance_m, 3),
            "collisions": len(ran_into),
            "hit": list(ran_into),
            "struck": struck,
            "fallen_s": self._fallen.s,
            "stuck_s": self._stuck.s,
        }
