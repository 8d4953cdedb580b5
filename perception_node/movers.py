"""Who walks about: what appears where the floor was known to be free, and the room that is left to them.

The map takes the world to stand still, and a clearance that is right now is too little before somebody who comes on.
So around a thing that moves the floor does not count as free, as far as it may come before the robot stands. Who has
walked out of the picture is taken to walk on as before for a while: turning away does not make a robot alone.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saccade.clock import MS, seconds
from saccade.geometry import F64

RANGE_M = 3.5
"""Beyond, stereo is a cell and more in error, and what stands still seems to move."""
_WINDOW_NS, _TOGETHER_M, _LEAST, _FRAMES = 500 * MS, 0.5, 5, 3
"""A mover appears in so many cells near each other within so long, and in so many frames of these."""
_HOLD_NS, _UNSEEN_NS = 700 * MS, 2500 * MS
"""How long it is believed in where the camera would show it, and where it cannot."""
_SAME_M = 0.8
"""So near to where it was expected it is the same one."""
_TRUST, _STEADY = 0.5, 0.25
"""Shares of what a sighting differs by that its place, and its velocity, are changed by (an alpha-beta filter)."""
_FASTEST_M_S = 1.5


@dataclass(slots=True)
class _Mover:
    """Place (2,) and velocity (2,) in odom at a stamp, and when it was seen last."""

    place: F64
    velocity: F64
    stamp_ns: int
    seen_ns: int

    def move(self, stamp_ns: int) -> None:
        self.place = self.place + self.velocity * seconds(stamp_ns - self.stamp_ns)
        self.stamp_ns = stamp_ns

    def meet(self, place: F64) -> None:
        """Correct what was expected, a frame at least after the last sighting, by where it is."""
        since_s = max(0.1, seconds(self.stamp_ns - self.seen_ns))
        off = place - self.place
        self.place, self.velocity = self.place + _TRUST * off, self.velocity + _STEADY / since_s * off
        speed = math.hypot(*self.velocity.tolist())
        self.velocity = self.velocity * min(1.0, _FASTEST_M_S / max(1e-9, speed))
        self.seen_ns = self.stamp_ns


class Movers:
    """Where something moves, from the cells in which each frame shows something for the first time."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, F64]] = deque()
        self._movers: list[_Mover] = []

    def look(self, arrived_m: F64, stamp_ns: int, shows: Callable[[F64], bool]) -> F64:
        """Places (k, 2) in odom, metres, around which to keep clear, after one more frame's arrivals (n, 2).

        `shows` says whether the camera would show what stands at a place (2,).
        """
        while self._seen and not 0 <= stamp_ns - self._seen[0][0] < _WINDOW_NS:
            self._seen.popleft()
        self._movers = [m for m in self._movers if m.stamp_ns <= stamp_ns]
        for mover in self._movers:
            mover.move(stamp_ns)
        self._seen.append((stamp_ns, arrived_m))
        place = self._found(arrived_m)
        if place is not None:
            self._note(place, stamp_ns)
        self._movers = [m for m in self._movers if stamp_ns - m.seen_ns < (_HOLD_NS if shows(m.place) else _UNSEEN_NS)]
        return np.array([mover.place for mover in self._movers]).reshape(-1, 2)

    def _found(self, arrived_m: F64) -> F64 | None:
        """Where this frame shows a mover, or None."""
        if not len(arrived_m):
            return None
        cells = np.concatenate([cells for _, cells in self._seen])
        frame = np.repeat(np.arange(len(self._seen)), [len(cells) for _, cells in self._seen])
        for place in arrived_m:
            near = np.hypot(*(cells - place).T) <= _TOGETHER_M
            if near.sum() >= _LEAST and len(np.unique(frame[near])) >= _FRAMES:
                middle: F64 = cells[near & (frame == frame[-1])].mean(axis=0)
                return middle
        return None

    def _note(self, place: F64, stamp_ns: int) -> None:
        off = [math.dist(place, mover.place) for mover in self._movers]
        if off and min(off) <= _SAME_M:
            self._movers[int(np.argmin(off))].meet(place)
        else:
            self._movers.append(_Mover(place, np.zeros(2), stamp_ns, stamp_ns))
