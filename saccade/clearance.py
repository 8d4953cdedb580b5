"""How far it is to what is not known to be free, in three dimensions: what the gate of a flying robot goes by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from saccade.geometry import F64
from saccade.kernel import array, f64, kernel, u8
from saccade.types import U8


@dataclass(frozen=True, slots=True, eq=False)
class ClearanceField:
    """A box of cells around the robot, its axes parallel to those of `frame_id`.

    clearance (X, Y, Z) uint8, in `unit_m`: from the cell's centre to the nearest place that is not known to be free,
    rounded down; 255 = at least that far. Past the box nothing is known. `origin_m` is the outer corner of cell
    [0, 0, 0]. `stamp_ns` is the capture time of the newest depth image in it, and no cell is free on the strength of a
    sight older than `memory_s`, save beside the robot (see map_node/field.py).
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
        """What `clearance_at` needs besides the cells: origin (3), resolution and unit, (5,) float64 metres."""
        return np.array([*self.origin_m, self.resolution_m, self.unit_m])

    def clearance_at(self, points: F64) -> F64:
        """Clearance (n,) in metres at points (n, 3) in `frame_id`; see the function of this name."""
        cells, scale = np.ascontiguousarray(self.clearance), self.scale
        return np.array([clearance_at(cells, scale, *point) for point in points.tolist()], np.float64)


@kernel(f64, array(u8, 3), array(f64, 1), f64, f64, f64, counted=False)
def clearance_at(cells: U8, scale: F64, x_m: float, y_m: float, z_m: float) -> float:
    """Clearance in metres at a point, trilinear between the cells' centres; `scale` as `ClearanceField.scale`.

    0 beyond the outermost centres and where a coordinate is not finite. Between centres and not in steps, because the
    gate has to tell whether a motion of millimetres makes things worse. Between centres it may be 0.87 of a cell above
    the truth: the farthest that a place can be from the centre of its cell.
    """
    x, y, z = ((x_m - scale[0]) / scale[3] - 0.5, (y_m - scale[1]) / scale[3] - 0.5, (z_m - scale[2]) / scale[3] - 0.5)
    if not (0.0 <= x < cells.shape[0] - 1 and 0.0 <= y < cells.shape[1] - 1 and 0.0 <= z < cells.shape[2] - 1):
        return 0.0
    i, j, k = int(x), int(y), int(z)
    total = 0.0
    for corner in range(8):
        a, b, c = corner // 4, corner // 2 % 2, corner % 2
        share = (x - i if a else i + 1 - x) * (y - j if b else j + 1 - y) * (z - k if c else k + 1 - z)
        total += share * cells[i + a, j + b, k + c]
    return float(total * scale[4])
