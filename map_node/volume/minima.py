"""Minima along one axis: one pass of a distance transform, for the lines of the window that need it.

Squared distance is the minimum along an axis of what an earlier pass found plus the squared step (Saito and Toriwaki,
Pattern Recognition 1994). A line is the rows of values along z that have one place on the other axis in common; it is
worked out as far as a change reaches, a few rows of it at a time, in loops over values side by side, which compilers
make vectors of. That costs less than looking which values a change may have touched, and as much whatever has changed.
All numbers are whole, so parts give the same bits as everything at once.
"""

from __future__ import annotations

import numpy as np

from map_node.volume.base import I64, U16
from saccade.kernel import array, buffer, i64, kernel, u8, u16, void
from saccade.types import U8

_ROWS = 8
"""Rows that are worked out together: enough for long loops, and few, as all go as far as the farthest value asks."""
_LINES = 2
"""Lines along x that are copied together: their rows lie side by side."""


@kernel(u16, array(u16, 1), buffer(u16, 1), counted=False)
def _copy(given: U16, to: U16) -> int:
    """Copy a row; its least value."""
    least: int = np.uint16(65535)
    for z in range(len(given)):
        to[z] = value = given[z]
        least = value if value < least else least
    return least


@kernel(u16, array(u16, 1), buffer(u16, 1), counted=False)
def _replace(by: U16, row: U16) -> int:
    """Replace a row; 0 if it is as it was."""
    differs: int = np.uint16(0)
    for z in range(len(row)):
        differs = np.uint16(differs | (row[z] ^ by[z]))
        row[z] = by[z]
    return differs


@kernel(void, array(u16, 1), array(i64, 1), i64, i64, i64, i64, buffer(u16, 1), counted=False)
def _spread(padded: U16, full: I64, depth: int, reach: int, first: int, last: int, out: U16) -> None:
    """Minima of the rows from `first` to before `last` of a line, its rows of `depth` values one after the other.

    `padded` has `reach` rows of none before and after; `full`: how many of its rows before each have any value.
    """
    for begin in range(first, last, _ROWS):
        end = min(begin + _ROWS, last)
        n, middle = (end - begin) * depth, (begin + reach) * depth
        here, part = padded[middle : middle + n], out[begin * depth : end * depth]
        for i in range(n):
            part[i] = here[i]
        for step in range(1, reach):
            if step % 4 == 1:
                highest = np.uint16(0)
                for i in range(n):
                    highest = part[i] if part[i] > highest else highest
                if step * step >= highest:
                    break
            a, b = begin + reach - step, begin + reach + step
            if full[a] == full[a + end - begin] and full[b] == full[b + end - begin]:
                continue
            far = np.uint16(step * step)
            left, right = padded[a * depth : a * depth + n], padded[b * depth : b * depth + n]
            for i in range(n):
                one, other, now = left[i], right[i], part[i]
                least = np.uint16((one if one < other else other) + far)
                part[i] = least if least < now else now


@kernel(void, i64, i64, i64, array(u16, 3), array(u8, 2), i64, buffer(u16, 3), buffer(u8, 2))
def minima(begin: int, end: int, axis: int, given: U16, moved: U8, reach: int, squared: U16, changed: U8) -> None:
    """Work out those of the begin-th to the end-th lines along `axis` (0 or 1) in which rows of `given` have changed.

    given, squared (X, Y, Z): values in and out, both under `reach` squared, which stands for none. `moved` (X, Y):
    which rows of `given` are not as they were; `changed` (X, Y) is set to 1 where those of `squared` are not.
    """
    rows, depth, none = given.shape[axis], given.shape[2], np.uint16(reach * reach)
    together = 1 if axis == 1 else _LINES
    padded = np.empty((together, rows + 2 * reach, depth), np.uint16)
    padded[:] = none
    out = np.empty((together, rows, depth), np.uint16)
    full = np.zeros((together, rows + 2 * reach + 1), np.int64)
    span = np.empty((together, 2), np.int64)
    for first in range(begin, end, together):
        many = min(together, end - first)
        for line in range(many):  # what a change can reach
            low, high = rows, -1
            for row in range(rows):
                if moved[(first + line, row) if axis == 1 else (row, first + line)]:
                    low, high = min(low, row), row
            span[line, 0], span[line, 1] = max(low - reach + 1, 0), min(high + reach, rows) if high >= 0 else 0
        for row in range(rows):
            for line in range(many):
                if span[line, 1]:
                    x, y = (first + line, row) if axis == 1 else (row, first + line)
                    least = _copy(given[x, y], padded[line, reach + row])
                    full[line, reach + row + 1] = full[line, reach + row] + (least < none)
        for line in range(many):
            full[line, reach + rows :] = full[line, reach + rows]
            if span[line, 1]:
                low, high = span[line]
                _spread(padded[line].reshape(-1), full[line], depth, reach, low, high, out[line].reshape(-1))
        for row in range(rows):
            for line in range(many):
                x, y = (first + line, row) if axis == 1 else (row, first + line)
                if span[line, 0] <= row < span[line, 1] and _replace(out[line, row], squared[x, y]):
                    changed[x, y] = 1
