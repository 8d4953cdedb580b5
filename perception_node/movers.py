"""Who walks about: what appears where the floor was known to be free, and the room that is left to them.

The map takes the world to stand still, and a clearance that is right now is too little before somebody who comes on.
So around a thing that moves the floor does not count as free, as far as it may come before the robot stands.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from saccade.clock import MS
from saccade.geometry import F64

RANGE_M = 3.5
"""Beyond, stereo is a cell and more in error, and what stands still seems to move."""
_WINDOW_NS, _TOGETHER_M, _LEAST, _FRAMES = 500 * MS, 0.5, 5, 3
"""A mover appears in so many cells near each other within so long, and in so many frames of these."""
_HOLD_NS = 700 * MS


class Movers:
    """Where something moves, from the cells in which each frame shows something for the first time."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, F64]] = deque()
        self._moving: deque[tuple[int, F64]] = deque()

    def look(self, arrived_m: F64, stamp_ns: int) -> F64:
        """Places (k, 2) in odom, metres, around which to keep clear, after one more frame's arrivals (n, 2)."""
        while self._seen and not 0 <= stamp_ns - self._seen[0][0] < _WINDOW_NS:
            self._seen.popleft()
        while self._moving and not 0 <= stamp_ns - self._moving[0][0] < _HOLD_NS:
            self._moving.popleft()
        self._seen.append((stamp_ns, arrived_m))
        if len(arrived_m):
            cells = np.concatenate([cells for _, cells in self._seen])
            frame = np.repeat(np.arange(len(self._seen)), [len(cells) for _, cells in self._seen])
            for place in arrived_m:
                near = np.hypot(*(cells - place).T) <= _TOGETHER_M
                if near.sum() >= _LEAST and len(np.unique(frame[near])) >= _FRAMES:
                    self._moving.append((stamp_ns, cells[near & (frame == frame[-1])].mean(axis=0)))
                    break
        return np.array([place for _, place in self._moving]).reshape(-1, 2)
