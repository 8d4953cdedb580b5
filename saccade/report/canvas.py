"""One big map out of the many small ones that travelled with the robot."""

from __future__ import annotations

import numpy as np

from saccade.types import I8, LocalMap

_MAX_CELLS = 16_000_000
"""Beyond this many cells (an odometry jump, a resolution of millimetres) the canvas begins anew."""


class MapCanvas:
    """Known cells of all local maps pasted over each other, newest on top.

    `cells` (H, W) int8: -1 never known, 0..100 %; `origin_m` is the outer corner of cell [0, 0] in `frame_id`.
    """

    def __init__(self) -> None:
        self.cells: I8 = np.empty((0, 0), np.int8)
        self.resolution_m = 0.0
        self.frame_id = ""
        self._row = 0
        self._col = 0

    @property
    def origin_m(self) -> tuple[float, float]:
        """x and y of the outer corner of cell [0, 0], metres."""
        return self._col * self.resolution_m, self._row * self.resolution_m

    def paste(self, grid: LocalMap) -> None:
        """Lay a map's known cells over the canvas; a map in another frame or resolution begins a new canvas."""
        col, row = (round(origin / grid.resolution_m) for origin in grid.origin_m)
        height, width = grid.occupancy.shape
        if not self._reaches(grid, row, col):
            self.cells = np.full((height, width), -1, np.int8)
            self.resolution_m, self.frame_id = grid.resolution_m, grid.frame_id
            self._row, self._col = row, col
        top, left = row - self._row, col - self._col
        target = self.cells[top : top + height, left : left + width]
        np.copyto(target, grid.occupancy, where=grid.occupancy >= 0)

    def _reaches(self, grid: LocalMap, row: int, col: int) -> bool:
        """Whether the grid fits, after growing the canvas if it may grow that far."""
        if not self.cells.size or (grid.resolution_m, grid.frame_id) != (self.resolution_m, self.frame_id):
            return False
        height, width = grid.occupancy.shape
        # Growing by a whole map at a time keeps the copying in proportion to the ground covered.
        down, up = self._margin(self._row - row, height), self._margin(row + height - self._row_end, height)
        left, right = self._margin(self._col - col, width), self._margin(col + width - self._col_end, width)
        shape = (self.cells.shape[0] + down + up, self.cells.shape[1] + left + right)
        if shape[0] * shape[1] > _MAX_CELLS:
            return False
        if shape != self.cells.shape:
            self.cells = np.pad(self.cells, ((down, up), (left, right)), constant_values=-1)
            self._row, self._col = self._row - down, self._col - left
        return True

    @property
    def _row_end(self) -> int:
        return self._row + len(self.cells)

    @property
    def _col_end(self) -> int:
        return self._col + int(self.cells.shape[1])

    @staticmethod
    def _margin(lacking: int, size: int) -> int:
        return lacking + size if lacking > 0 else 0
