"""Points of a picture worth following, and where they are in another picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from saccade.geometry import F32, F64, Pinhole
from saccade.types import U8

Bool = npt.NDArray[np.bool_]
_WINDOW, _LEVELS = (21, 21), 4
_BACK_PX = 0.7
"""How far from where it began a point may arrive that is followed there and back."""
_CELLS = (4, 6)


def corners(grey: U8, most: int, present: F32) -> F32:
    """Up to `most` corners (n, 2) float32 (Shi and Tomasi, 1994) spread over the cells, away from those `present`.

    Every cell gives its share, so that one textured thing cannot take them all.
    """
    height, width = grey.shape
    apart = max(5, width // 60)
    free = np.full(grey.shape, 255, np.uint8)
    for x, y in np.rint(present).astype(int).tolist():
        cv2.circle(free, (x, y), apart, 0, -1)
    rows, columns = _CELLS
    edge, share, found = 12, -(-most // (rows * columns)), []
    for i in range(rows):
        for j in range(columns):
            top, bottom = max(edge, height * i // rows), min(height - edge, height * (i + 1) // rows)
            left, right = max(edge, width * j // columns), min(width - edge, width * (j + 1) // columns)
            cell = np.s_[top:bottom, left:right]
            lacking = share - int(np.count_nonzero(_inside(present, left, top, right, bottom)))
            if lacking <= 0 or bottom - top < 8 or right - left < 8 or np.ptp(grey[cell]) < 12:
                continue
            here = cv2.goodFeaturesToTrack(grey[cell], lacking, 0.02, apart, mask=free[cell])
            if here is not None:
                found.append(here.reshape(-1, 2) + np.array([left, top], np.float32))
    return np.concatenate(found).astype(np.float32) if found else np.empty((0, 2), np.float32)


def follow(begin: U8, end: U8, points: F32, guess: F32) -> tuple[F32, Bool]:
    """Where points (n, 2) of `begin` are in `end`, near `guess`, and which of them are also found on the way back.

    Lucas and Kanade's method on pyramids (Bouguet, 2000).
    """
    if not len(points):
        return guess, np.zeros(0, np.bool_)
    there, seen = _flow(begin, end, points, guess)
    back, seen_back = _flow(end, begin, there, points)
    height, width = end.shape
    good = seen & seen_back & _inside(there, 0, 0, width - 1, height - 1)
    good &= np.linalg.norm(back - points, axis=1) < _BACK_PX
    return there, good


def _flow(begin: U8, end: U8, points: F32, guess: F32) -> tuple[F32, Bool]:
    found, seen, _ = cv2.calcOpticalFlowPyrLK(
        begin, end, points[:, None], guess[:, None].copy(), winSize=_WINDOW, maxLevel=_LEVELS,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )  # fmt: skip
    return np.asarray(found, np.float32)[:, 0], np.asarray(seen).ravel() > 0


def spread(points: F64, lens: Pinhole) -> float:
    """Share of the picture's cells that points (n, 2) touch."""
    rows, columns = _CELLS
    i = np.clip((points[:, 1] * rows / lens.height).astype(int), 0, rows - 1)
    j = np.clip((points[:, 0] * columns / lens.width).astype(int), 0, columns - 1)
    return len(np.unique(i * columns + j)) / (rows * columns)


def _inside(points: F32, left: int, top: int, right: int, bottom: int) -> Bool:
    x, y = points.T
    return np.asarray((x >= left) & (x < right) & (y >= top) & (y < bottom), np.bool_)
