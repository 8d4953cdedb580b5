"""Views worth keeping, in bounded memory: anchors spread over where cameras were and which way they looked.

Farthest-point sampling (Gonzalez 1985), as ZPressor (arXiv 2505.23734) chooses anchor views among all views, made
online: each view comes once, and what is dropped does not come back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from saccade.errors import ConfigError
from saccade.geometry import F64, SE3

P = TypeVar("P")
_PLACES = 32
"""Places that are remembered per anchor, without payload, so that it is known what dropping an anchor would uncover."""


@dataclass(frozen=True, slots=True)
class Anchor(Generic[P]):
    """A view that is kept: for itself, and for the others of the `views` that are assigned to it."""

    stamp_ns: int
    T_odom_from_cam: SE3
    payload: P
    views: int


class Keyframes(Generic[P]):
    """At most `budget` anchors of all views seen, the first among them.

    How far apart two views are: way in units of `apart_m`, or angle between the optical axes in units of `apart_rad`,
    whichever is more (a metric). A view less than 1 from an anchor is assigned to the nearest. One that is farther
    becomes an anchor; where that is one too many, the one goes without which the views seen stay nearest to anchors.
    """

    def __init__(self, budget: int, apart_m: float = 0.4, apart_rad: float = 0.4) -> None:
        if not (budget >= 1 and 0 < apart_m < np.inf and 0 < apart_rad < np.inf):
            raise ConfigError(f"{budget} keyframes, {apart_m} m or {apart_rad} rad apart; expected all positive")
        self.budget, self.apart_m, self.apart_rad = budget, apart_m, apart_rad
        self._anchors: list[Anchor[P]] = []
        self._places: F64 = np.empty((0, 6))
        self._spacing = 1.0

    def put(self, stamp_ns: int, T_odom_from_cam: SE3, payload: Callable[[], P]) -> bool:
        """Offer a view (optical axes); whether it was kept, and only then is its payload made.

        ValueError for a pose that is not finite.
        """
        place = _place(T_odom_from_cam)
        apart = self._apart(self._kept(), place)[:, 0]
        if len(apart) and apart.min() < 1:
            self._assign(int(apart.argmin()), 1)
            return False
        self._remember(place)
        out = self._least(np.vstack([self._kept(), place])) if len(apart) == self.budget else -1
        if out == self.budget:
            self._assign(int(apart.argmin()), 1)
            return False
        self._anchors.append(Anchor(stamp_ns, T_odom_from_cam, payload(), 1))
        if out >= 0:
            gone = self._anchors.pop(out)
            self._assign(int(self._apart(self._kept(), _place(gone.T_odom_from_cam)).argmin()), gone.views)
        return True

    def anchors(self) -> tuple[Anchor[P], ...]:
        """What is kept, in the order in which it came."""
        return tuple(self._anchors)

    def radius(self) -> float:
        """How far the views seen are from their nearest anchor at most, as far as they are remembered."""
        return float(self._apart(self._places, self._kept()).min(axis=1).max()) if self._anchors else 0.0

    def apart(self, a: SE3, b: SE3) -> float:
        """How far apart two views are."""
        return float(self._apart(_place(a), _place(b))[0, 0])

    def clear(self) -> None:
        """Forget them all."""
        self._anchors.clear()
        self._places, self._spacing = np.empty((0, 6)), 1.0

    def _kept(self) -> F64:
        return np.array([_place(anchor.T_odom_from_cam)[0] for anchor in self._anchors]).reshape(-1, 6)

    def _assign(self, to: int, views: int) -> None:
        self._anchors[to] = replace(self._anchors[to], views=self._anchors[to].views + views)

    def _apart(self, a: F64, b: F64) -> F64:
        """How far places (n, 6) are from places (m, 6): (n, m)."""
        way = np.linalg.norm(a[:, None, :3] - b[None, :, :3], axis=2)
        chord = np.linalg.norm(a[:, None, 3:] - b[None, :, 3:], axis=2)
        turn = 2 * np.arcsin(np.minimum(chord / 2, 1))
        return np.asarray(np.maximum(way / self.apart_m, turn / self.apart_rad))

    def _remember(self, place: F64) -> None:
        """Add a place unless one is nearby; where there are too many, twice as far apart (Charikar et al. 1997)."""
        if len(self._places) and self._apart(self._places, place).min() < self._spacing:
            return
        self._places = np.vstack([self._places, place])
        while len(self._places) > _PLACES * self.budget:
            self._spacing *= 2
            thinned = self._places[:1]
            for other in self._places[1:, None]:
                if self._apart(thinned, other).min() >= self._spacing:
                    thinned = np.vstack([thinned, other])
            self._places = thinned

    def _least(self, anchors: F64) -> int:
        """Which of these, but not the first, leaves the places that were nearest to it nearest to another."""
        if len(anchors) == 2:
            return 1
        apart = self._apart(self._places, anchors)
        nearest, second = apart.argmin(axis=1), np.partition(apart, 1, axis=1)[:, 1]
        uncovered = np.array([second[nearest == i].max(initial=0.0) for i in range(1, len(anchors))])
        return len(anchors) - 1 - int(uncovered[::-1].argmin())  # of equals the newest


def _place(T: SE3) -> F64:
    """Camera centre and optical axis (1, 6)."""
    if not (np.isfinite(T.R).all() and np.isfinite(T.t).all()):
        raise ValueError(f"the camera's pose is not finite: {T}")
    return np.concatenate([T.t, T.R[:, 2]])[None]
