"""The true map of a world's floor: where a robot fits, how far it is from here to there, and what can be seen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from saccade.geometry import F64
from sim.things import Thing

CELL_M = 0.05
_STEPS = tuple((i, j, math.hypot(i, j)) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j)
Point: TypeAlias = tuple[float, float]
Cell: TypeAlias = tuple[int, int]


class Floor:
    """Distances (rows of y, columns of x) in metres from each cell's middle to the nearest thing or outer wall."""

    def __init__(self, size_m: tuple[float, float, float], things: Iterable[Thing]) -> None:
        length, width = size_m[:2]
        self._x0, self._y0 = -length / 2 + CELL_M / 2, -width / 2 + CELL_M / 2
        xs, ys = np.arange(self._x0, length / 2, CELL_M), np.arange(self._y0, width / 2, CELL_M)
        self.room_m: F64 = np.minimum(length / 2 - np.abs(xs)[None], width / 2 - np.abs(ys)[:, None])
        for thing in things:
            self.room_m = np.minimum(self.room_m, np.asarray(thing.distances_m(xs[None], ys[:, None]), np.float64))

    def cell(self, x: float, y: float) -> Cell:
        """Row and column of a point."""
        row, col = self._exact(x, y)
        return round(row), round(col)

    def _exact(self, x: float, y: float) -> Point:
        return (y - self._y0) / CELL_M, (x - self._x0) / CELL_M

    def point(self, cell: Cell) -> Point:
        """The middle of a cell."""
        return self._x0 + cell[1] * CELL_M, self._y0 + cell[0] * CELL_M

    def sees(self, a: Point, b: Point) -> bool:
        """Whether nothing stands on the straight line between two points."""
        steps = max(2, math.ceil(math.dist(a, b) / CELL_M * 2))
        x, y = np.linspace(a[0], b[0], steps), np.linspace(a[1], b[1], steps)
        rows, cols = np.rint((y - self._y0) / CELL_M).astype(int), np.rint((x - self._x0) / CELL_M).astype(int)
        return bool((self.room_m[rows, cols] > 0).all())

    def way(self, start: Point, goal: Point, within_m: float, radius_m: float) -> list[Point] | None:
        """The shortest way of a disc of this radius from a point to within `within_m` of another; None: there is none.

        A* on the grid, then corners are cut where the straight line is free.
        """
        free = (self.room_m >= radius_m).tolist()
        height, width = self.room_m.shape
        aim_row, aim_col, within = (*self._exact(*goal), within_m / CELL_M)
        origin = self.cell(*start)
        best: dict[Cell, float] = {origin: 0.0}
        parent: dict[Cell, Cell] = {}
        done: set[Cell] = set()
        heap: list[tuple[float, Cell]] = [(0.0, origin)]
        while heap:
            _, cell = heappop(heap)
            if cell in done:
                continue
            done.add(cell)
            row, col = cell
            if math.hypot(aim_row - row, aim_col - col) <= max(within, 0.71):
                return self._straight(cell, parent, radius_m, start)
            here = best[cell]
            for dr, dc, length in _STEPS:
                r, c = row + dr, col + dc
                if 0 <= r < height and 0 <= c < width and free[r][c]:
                    through = here + length
                    if through < best.get((r, c), math.inf):
                        best[r, c], parent[r, c] = through, cell
                        heappush(heap, (through + max(0.0, math.hypot(aim_row - r, aim_col - c) - within), (r, c)))
        return None

    def _straight(self, cell: Cell, parent: dict[Cell, Cell], radius_m: float, start: Point) -> list[Point]:
        points = [self.point(cell)]
        while cell in parent:
            cell = parent[cell]
            points.append(self.point(cell))
        points = [start, *points[-2::-1]]
        kept, i = [points[0]], 0
        while i < len(points) - 1:
            j = len(points) - 1
            while j > i + 1 and not self._fits(points[i], points[j], radius_m):
                j -= max(1, (j - i) // 8)
            i = max(j, i + 1)
            kept.append(points[i])
        return kept

    def _fits(self, a: Point, b: Point, radius_m: float) -> bool:
        steps = max(2, math.ceil(math.dist(a, b) / CELL_M * 2))
        x, y = np.linspace(a[0], b[0], steps), np.linspace(a[1], b[1], steps)
        rows, cols = np.rint((y - self._y0) / CELL_M).astype(int), np.rint((x - self._x0) / CELL_M).astype(int)
        return bool((self.room_m[rows, cols] >= radius_m - 0.01).all())


def length_m(way: list[Point]) -> float:
    """How long a way is."""
    return sum(math.dist(a, b) for a, b in pairwise(way))
