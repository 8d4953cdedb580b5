"""Minima along one axis: one pass of a distance transform, for the lines of the window that need it.

Squared distance is the minimum along an axis of what an earlier pass found plus the squared step (Saito and Toriwaki,
Pattern Recognition 1994). A line is the rows of values along z that have one place on the other axis in common; it is
worked out as a whole, a few rows of it at a time, in loops over values side by side, which compilers make vectors of.
That costs less than looking which values of a row a change may have touched, and as much whatever has changed. All
numbers are whole, so parts give the same bits as everything at once.
"""

from __future__ import annotations

import numpy as np

from map_node.volume.base import U16
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


@kernel(void, buffer(u16, 1), i64, i64, buffer(u16, 1), counted=False)
def _spread(padded: U16, depth: int, reach: int, out: U16) -> None:
    """Minima of a line, its rows of `depth` values one after the other, with `reach` rows of none before and after."""
    for begin in range(0, len(out), _ROWS * depth):
        part = out[begin : begin + _ROWS * depth]
        n, middle = len(part), begin + reach * depth
        here = padded[middle : middle + n]
        for i in range(n):
            part[i] = here[i]
        for step in range(1, reach):
            if step % 4 == 1:
                highest = np.uint16(0)
                for i in range(n):
                    highest = part[i] if part[i] > highest else highest
                if step * step >= highest:
                    break
            far, by = np.uint16(step * step), step * depth
            left, right = padded[middle - by : middle - by + n], padded[middle + by : middle + by + n]
            for i in range(n):
                a, b, now = left[i], right[i], part[i]
                other = np.uint16((a if a < b else b) + far)
                part[i] = other if other < now else now


@kernel(void, i64, i64, i64, array(u16, 3), array(u8, 1), i64, buffer(u16, 3), buffer(u8, 2))
def minima(begin: int, end: int, axis: int, given: U16, lines: U8, reach: int, squared: U16, changed: U8) -> None:
    """Work out those of the begin-th to the end-th lines along `axis` (0 or 1) that `lines` has marked.

    given, squared (X, Y, Z): values in and out, both under `reach` squared, which stands for none. `changed` (X, Y) is
    set to 1 where a row is not as it was.
    """
    rows, depth, none = given.shape[axis], given.shape[2], np.uint16(reach * reach)
    together = 1 if axis == 1 else _LINES
    padded = np.empty((together, rows + 2 * reach, depth), np.uint16)
    padded[:] = none
    out, least = np.empty((together, rows, depth), np.uint16), np.empty(together, np.uint16)
    for first in range(begin, end, together):
        many = min(together, end - first)
        least[:] = none
        for row in range(rows):
            for line in range(many):
                x, y = (first + line, row) if axis == 1 else (row, first + line)
                if lines[first + line]:
                    least[line] = min(least[line], _copy(given[x, y], padded[line, reach + row]))
        for line in range(many):
            if least[line] < none:
                _spread(padded[line].reshape(-1), depth, reach, out[line].reshape(-1))
            else:
                out[line] = none
        for row in range(rows):
            for line in range(many):
                x, y = (first + line, row) if axis == 1 else (row, first + line)
                if lines[first + line] and _replace(out[line, row], squared[x, y]):
                    changed[x, y] = 1
