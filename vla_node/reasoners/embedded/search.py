"""Path search on the local map: A* over a coarse grid whose costs keep away from what is occupied or unknown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from saccade.geometry import F64
from saccade.kernel import array, buffer, f64, i64, kernel
from saccade.types import LocalMap

OCCUPIED = 50
"""Occupancy in per cent from which a cell counts as an obstacle."""
CELL_M = 0.10
"""Planning cells are at least this large: a path needs no finer ones, and the search shares its core."""
COMFORT_RADII = 1.0
"""Beyond the robot's radius, obstacles up to this many radii away still cost."""

_NEAR_COST, _TIGHT_COST, _START_COST = 4.0, 6.0, 10.0
_BEYOND_COST = 1.0 + _TIGHT_COST
"""Of a metre outside of the map: what is not known there is no better than inside, or a robot would leave each place
that it comes near to for one that is still beyond the edge."""
_OTHER_WAY, _BESIDE_M = 1.25, 0.3
"""How much dearer a way is than one that is followed already, and how far beside that one is still on it."""
_STEPS = tuple((dr, dc, math.hypot(dr, dc)) for dr in (-1, 0, 1) for dc in (-1, 0, 1) if dr or dc)
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class CostMap:
    """cost (H, W) float64 of crossing one cell, inf where the robot's centre may not be; `origin_m` as LocalMap.

    unknown (H, W) bool marks cells of which most is unseen.
    """

    cost: F64
    unknown: npt.NDArray[np.bool_]
    resolution_m: float
    origin_m: tuple[float, float]

    def cell(self, xy: F64) -> tuple[int, int]:
        """Row and column of a point (2,); may lie outside."""
        return (
            math.floor((xy[1] - self.origin_m[1]) / self.resolution_m),
            math.floor((xy[0] - self.origin_m[0]) / self.resolution_m),
        )

    def centre(self, row: int, col: int) -> tuple[float, float]:
        """x and y in metres of a cell's centre."""
        return self.origin_m[0] + (col + 0.5) * self.resolution_m, self.origin_m[1] + (row + 0.5) * self.resolution_m

    def at(self, xy: F64) -> tuple[F64, npt.NDArray[np.bool_]]:
        """Cost and unknown at points (n, 2); outside the map inf and unknown."""
        col, row = np.floor((xy - np.array(self.origin_m)) / self.resolution_m).astype(np.intp).T
        inside = (row >= 0) & (row < self.cost.shape[0]) & (col >= 0) & (col < self.cost.shape[1])
        cost, unknown = np.full(len(xy), np.inf), np.ones(len(xy), bool)
        cost[inside], unknown[inside] = self.cost[row[inside], col[inside]], self.unknown[row[inside], col[inside]]
        return cost, unknown

    def inside(self, row: int, col: int) -> bool:
        """Whether the cell exists."""
        height, width = self.cost.shape
        return 0 <= row < int(height) and 0 <= col < int(width)


def cost_map(
    grid: LocalMap, start: F64, radius_m: float, strict: bool = False, blind_m: float = 0.0
) -> CostMap:  # fmt: skip
    """Costs for a round robot at `start` (2,) metres in the grid's frame.

    Where there is too little room to what is not known to be free, the gate would stop the robot: such cells cost much,
    as coming nearer may show that they are free, and are closed if `strict`. What is unknown within `blind_m` of the
    start is below the camera's view, and coming nearer shows nothing: it counts as occupied. Cells around the start are
    always passable unless occupied, so that a robot that stands too near to something can leave.
    """
    step = max(1, round(CELL_M / grid.resolution_m))
    rows, cols = (n // step for n in grid.occupancy.shape)

    def coarse(cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return cells[: rows * step, : cols * step].reshape(rows, step, cols, step)

    occupied = np.asarray((coarse(grid.occupancy) >= OCCUPIED).any(axis=(1, 3)), np.bool_)
    unknown = np.asarray((coarse(grid.occupancy) < 0).mean(axis=(1, 3)) > 0.5, np.bool_)
    tight = coarse(grid.clearance_m).mean(axis=(1, 3)) < radius_m
    resolution_m = grid.resolution_m * step
    to_occupied_m = _distance_m(occupied, resolution_m)
    x = grid.origin_m[0] + (np.arange(cols) + 0.5) * resolution_m - start[0]
    y = grid.origin_m[1] + (np.arange(rows) + 0.5) * resolution_m - start[1]
    hidden = unknown & (np.hypot(x, y[:, None]) < blind_m)
    nearness = 1.0 - np.clip((to_occupied_m - radius_m) / (COMFORT_RADII * radius_m), 0.0, 1.0)
    cost = 1.0 + _NEAR_COST * nearness + np.where(tight, np.inf if strict else _TIGHT_COST, 0.0)
    cost[(to_occupied_m < radius_m) | (_distance_m(hidden, resolution_m) < radius_m)] = np.inf
    out = CostMap(cost, unknown, resolution_m, grid.origin_m)
    row, col = out.cell(start)
    reach = math.ceil(radius_m / resolution_m)
    window = np.s_[max(0, row - reach) : max(0, row + reach + 1), max(0, col - reach) : max(0, col + reach + 1)]
    cost[window] = np.where(occupied[window], np.inf, np.minimum(cost[window], _START_COST))
    return out


def _distance_m(cells: npt.NDArray[np.bool_], resolution_m: float) -> F64:
    """Distance from each cell's centre to the edge of the nearest marked cell, inf where there is none."""
    if not cells.any():
        return np.full(cells.shape, np.inf)
    pixels = cv2.distanceTransform((~cells).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return (pixels.astype(np.float64) - 0.5) * resolution_m


def stay_on(costs: CostMap, way: F64) -> None:
    """Make all other cells dearer than those of a way (n, 2+) in metres that is followed already.

    Of two ways that are about as good, what is seen from the one makes the other look better: a robot that always took
    the better one would go to and fro.
    """
    on = np.zeros(costs.cost.shape, np.uint8)
    cells = np.rint((way[:, :2] - np.array(costs.origin_m)) / costs.resolution_m - 0.5).astype(np.int32)
    cv2.polylines(on, [cells[:, None]], False, 1, 2 * round(_BESIDE_M / costs.resolution_m) + 1)
    costs.cost[on == 0] *= _OTHER_WAY


def find_path(costs: CostMap, start: F64, goal: F64, reach_m: float) -> F64 | None:
    """Cheapest path (n, 2) in metres from `start` to within `reach_m` of `goal`, both (2,); None when there is none.

    A goal outside the map is approached through the map's edge, from where the straight line is charged as unknown.
    """
    origin = costs.cell(start)
    if not costs.inside(*origin):
        return None
    cells = _search(costs, origin, goal, reach_m)
    if cells is None:
        return None
    kept = _straighten(costs, cells)
    path = np.array([tuple(start[:2]), *(costs.centre(*cell) for cell in kept[1:])], np.float64)
    if np.hypot(*(path[-1] - goal[:2])) <= costs.resolution_m:
        path[-1] = goal[:2]
    return path


def _search(costs: CostMap, origin: tuple[int, int], goal: F64, reach_m: float) -> list[tuple[int, int]] | None:
    """A* with the straight distance as heuristic; ties are broken by the order of discovery."""
    width = costs.cost.shape[1]
    goal_row = (float(goal[1]) - costs.origin_m[1]) / costs.resolution_m - 0.5
    goal_col = (float(goal[0]) - costs.origin_m[0]) / costs.resolution_m - 0.5
    horizon = math.inf if costs.inside(*costs.cell(goal)) else min(costs.cost.shape) / 2 - 1.0
    reach = max(reach_m / costs.resolution_m, 0.71)
    parent = np.full(costs.cost.size, -1, np.int64)
    cell = _a_star(costs.cost, origin[0] * width + origin[1], goal_row, goal_col, reach, horizon, parent)
    if cell < 0:
        return None
    cells = [divmod(cell, width)]
    while (cell := int(parent[cell])) >= 0:
        cells.append(divmod(cell, width))
    return cells[::-1]


@kernel(i64, array(f64, 2), i64, f64, f64, f64, f64, buffer(i64, 1))
def _a_star(
    price: F64, origin: int, goal_row: float, goal_col: float, reach: float, horizon: float, parent: I64
) -> int:  # fmt: skip
    """The cell, by its flat index, at which the cheapest way ends, -1 if there is none; `parent` leads back.

    A way to a goal outside ends at the map's edge or `horizon` cells from the origin: as far in each direction, so that
    the corners of the map draw no way to them. For a goal inside the horizon is infinite.
    """
    height, width = price.shape
    best = np.full(price.size, np.inf)
    done = np.zeros(price.size, np.bool_)
    best[origin] = 0.0
    heap = [(math.hypot(goal_row - origin // width, goal_col - origin % width), 0, origin)]
    count = 0
    while heap:
        _, _, cell = heappop(heap)
        if cell < 0:
            return -1 - cell  # over the edge, and straight on to a goal outside
        if done[cell]:
            continue
        done[cell] = True
        row, col = cell // width, cell % width
        left = math.hypot(goal_row - row, goal_col - col)
        if left <= reach:
            return cell
        edge = row == 0 or row == height - 1 or col == 0 or col == width - 1
        if horizon < math.inf and (edge or math.hypot(row - origin // width, col - origin % width) >= horizon):
            count += 1
            heappush(heap, (best[cell] + _BEYOND_COST * left, count, -1 - cell))
            continue
        for dr, dc, length in _STEPS:
            r, c = row + dr, col + dc
            if not (0 <= r < height and 0 <= c < width) or price[r, c] == np.inf:
                continue
            g = best[cell] + length * 0.5 * (min(price[row, col], _START_COST) + price[r, c])
            if g < best[r * width + c]:
                best[r * width + c], parent[r * width + c] = g, cell
                count += 1
                heappush(heap, (g + math.hypot(goal_row - r, goal_col - c), count, r * width + c))
    return -1


def _straighten(costs: CostMap, cells: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Keep the corners that matter: drop those where the straight line costs no more than the path it replaces."""
    along = [0.0]
    for (r0, c0), (r1, c1) in pairwise(cells):
        pair = 0.5 * (min(costs.cost[r0, c0], _START_COST) + costs.cost[r1, c1])
        along.append(along[-1] + float(math.hypot(r1 - r0, c1 - c0) * pair))
    corners = sorted({0, len(cells) - 1, *(i for i in range(1, len(cells) - 1) if _bends(cells, i))})
    kept, i = [cells[0]], 0
    while i < len(corners) - 1:
        j = len(corners) - 1
        while j > i + 1 and _line_cost(costs, cells[corners[i]], cells[corners[j]]) > 1.02 * (
            along[corners[j]] - along[corners[i]]
        ):
            j -= 1
        kept.append(cells[corners[j]])
        i = j
    return kept


def _bends(cells: list[tuple[int, int]], i: int) -> bool:
    (r0, c0), (r1, c1), (r2, c2) = cells[i - 1 : i + 2]
    return (r1 - r0, c1 - c0) != (r2 - r1, c2 - c1)


def _line_cost(costs: CostMap, a: tuple[int, int], b: tuple[int, int]) -> float:
    """Cost of the straight line between two cells, sampled twice a cell."""
    length = math.hypot(b[0] - a[0], b[1] - a[1])
    t = np.linspace(0.0, 1.0, max(2, math.ceil(2 * length) + 1))
    rows = np.rint(a[0] + t * (b[0] - a[0])).astype(np.intp)
    cols = np.rint(a[1] + t * (b[1] - a[1])).astype(np.intp)
    values = np.minimum(costs.cost[rows, cols], np.where(t == 0.0, _START_COST, np.inf))
    return float(length * values.mean())
