"""How far it is to what is not known to be free, in three dimensions: what the gate of a flying robot goes by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.geometry import F64
from saccade.types import U8


@dataclass(frozen=True, slots=True, eq=False)
class ClearanceField:
    """A box of cells around the robot, its axes parallel to those of `frame_id`.

    clearance (X, Y, Z) uint8, in `unit_m`: from the cell's centre to the nearest place that is not known to be free,
    rounded down; 255 = at least that far. Past the box nothing is known. `origin_m` is the outer corner of cell
    [0, 0, 0]. `stamp_ns` is the capture time of the newest depth image in it, and no cell is free on the strength of a
    sight older than `memory_s`, save beside the robot (map_node/field.py).
    """

    stamp_ns: int
    frame_id: str
    resolution_m: float
    origin_m: tuple[float, float, float]
    memory_s: float
    unit_m: float
    clearance: U8

    @property
    def scale(self) -> F64:
        """Origin (3), resolution and unit, (5,) float64 metres."""
        return np.array([*self.origin_m, self.resolution_m, self.unit_m])

    def clearance_at(self, points: F64) -> F64:
        """Clearance (n,) in metres at points (n, 3) in `frame_id`, trilinear between the cells' centres.

        0 beyond the outermost centres and where a coordinate is not finite. Between centres it may be 0.87 of a cell
        above the truth: the farthest that a place can be from the centre of its cell.
        """
        at = (np.asarray(points, np.float64).reshape(-1, 3) - self.origin_m) / self.resolution_m - 0.5
        inside = ((at >= 0) & (at < np.array(self.clearance.shape) - 1)).all(axis=1)
        low = np.floor(at[inside]).astype(np.intp)
        part = at[inside] - low
        total = np.zeros(len(low))
        for corner in np.ndindex(2, 2, 2):
            share = np.where(corner, part, 1 - part).prod(axis=1)
            total += share * self.clearance[tuple((low + corner).T)]
        out = np.zeros(len(at))
        out[inside] = total * self.unit_m
        return out
