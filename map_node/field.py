"""Clearance for the gate in three dimensions: how far each place around the robot is from what is not known to be free.

Made from the volume's labels at every depth image. Two rules decide what is free besides what was seen to be:

- **What nobody can see.** A camera that looks ahead sees neither the robot nor what is beside, above and behind it when
  it starts. There, and there only, `blind_m` is taken for free: the operator vouches for that much room. A place is
  vouched for and not a moment, so that a process that is started again in flight does not take for free what it finds
  itself in. Nothing below the robot's lowest point is, since it stands on something. Later, what was free while the
  robot was within `blind_m` of it stays so until the robot has left, for it cannot be looked at again from there.
  Nothing else is ever taken for free: flying backwards or sideways ends where what was seen, or vouched for, ends.
- **What has just appeared.** A volume averages, and takes seconds to believe that something stands where all was free.
  A cell that the newest picture hits is therefore not free at once, until a picture sees through it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from map_node import field_kernels as kernels
from map_node.volume.base import BLOCK, I64, VolumeParams
from map_node.volume.esdf import Labels
from saccade.clearance import ClearanceField
from saccade.errors import ConfigError
from saccade.geometry import F64, SE3
from saccade.params import param
from saccade.types import Depth

UNIT_M = 0.01
_MOST_CELLS = 1_000_000
_COLUMNS = 320
"""Pictures are looked at with so many columns, or up to half as many more."""


@dataclass(frozen=True, slots=True)
class FieldParams:
    """Size of the field, and what the robot fills of it; ConfigError names what cannot be."""

    rate_hz: float = param(10.0, "fields a second, at most; 0 = none", low=0, high=100, live=True)
    size_m: tuple[float, float, float] = param((5.0, 5.0, 3.0), "of the box around the robot: x, y, z")
    cell_voxels: int = param(2, "voxels along the edge of a cell: 1, 2, 4 or 8", low=1, high=BLOCK)
    start_m: tuple[float, float, float] = param((0.0, 0.0, 0.0), "where base_link starts, in odometry's frame")
    blind_m: float = param(1.0, "taken for free around the start; what was free so near the robot stays so", low=0)
    body_m: float = param(0.3, "radius around base_link that the robot itself fills", low=0)
    below_m: float = param(0.1, "height of base_link above the robot's lowest point", low=0)
    pixels: int = param(3, "of the newest picture that hit a cell and make it not free at once", low=1, high=255)

    def __post_init__(self) -> None:
        if self.cell_voxels not in (1, 2, 4, BLOCK):
            raise ConfigError(f"cell_voxels is {self.cell_voxels}; expected 1, 2, 4 or {BLOCK}")
        if not all(0 < size < math.inf for size in self.size_m):
            raise ConfigError(f"size_m is {self.size_m}; expected three positive, finite lengths")
        if not (0 <= self.below_m < math.inf and 0 < self.body_m <= self.blind_m <= min(self.size_m) / 2):
            raise ConfigError(
                f"body_m is {self.body_m}, blind_m {self.blind_m}, below_m {self.below_m}; expected 0 < body_m <= "
                f"blind_m <= half of size_m {self.size_m}, and below_m 0 or more"
            )
        if not all(map(math.isfinite, self.start_m)):
            raise ConfigError(f"start_m is {self.start_m}; expected three finite numbers")
        if not 0 <= self.rate_hz <= 100:
            raise ConfigError(f"rate_hz is {self.rate_hz}; expected 0 to 100")
        if not 1 <= self.pixels <= 255:
            raise ConfigError(f"pixels is {self.pixels}; expected 1 to 255")


class Field:
    """Keeps what the rules above need to remember; every array is made once.

    The start is vouched for at the first update, and never after `forget`: once the pose has jumped nobody knows where
    the start is, only what is seen is free, and a robot in flight can do no more than turn until it has landed.
    """

    def __init__(self, volume: VolumeParams, params: FieldParams) -> None:
        self.params = params
        self._cell_m, self._memory_s = volume.voxel_m * params.cell_voxels, volume.forget_s
        self._shape = tuple(max(4, 2 * round(size / self._cell_m / 2)) for size in params.size_m)
        if math.prod(self._shape) > _MOST_CELLS:
            raise ConfigError(f"size_m {params.size_m} is {self._shape} cells of {self._cell_m} m; at most a million")
        self._marks, self._spare, self._free, self._hits = (np.zeros(self._shape, np.uint8) for _ in range(4))
        self._squared, self._along = (np.zeros(self._shape, np.uint16) for _ in range(2))
        reach = min(math.ceil(255 * UNIT_M / (self._cell_m / 2)), 181)  # sums of two squares are kept in 16 bits
        steps = np.sqrt(np.arange(reach**2 + 1)) * (self._cell_m / 2 / UNIT_M)
        self._units = np.minimum(np.floor(steps + 1e-9), 255).astype(np.uint8)
        self._low: I64 | None = None
        """Position of the box's lowest cell, in cells from the origin of the frame."""
        self._begin = True

    def forget(self) -> None:
        """Drop all that is remembered, as after a jump of the pose or of the clock."""
        self._low, self._begin = None, False

    def update(
        self, labels: Labels, depth: Depth, T_odom_from_camera: SE3, T_odom_from_base: SE3, frame_id: str
    ) -> ClearanceField:
        """The field after one more depth image, which `labels` and their volume have taken already.

        ValueError for a pose that is not finite.
        """
        centre = T_odom_from_base.t / self._cell_m
        if not (np.isfinite(centre).all() and np.isfinite(T_odom_from_camera.t).all()):
            raise ValueError(f"the field cannot be made around {T_odom_from_base.t}; expected finite metres")
        low = np.floor(centre).astype(np.int64) - np.array(self._shape) // 2
        self._move(low)
        self._look(depth, T_odom_from_camera, low)
        corner = np.array(labels.volume.corner, np.int64) * (BLOCK // self.params.cell_voxels)
        params, per_cell = self.params, 1 / self._cell_m
        kernels.free(
            labels.labels, params.cell_voxels, low - corner, centre - low, np.array(params.start_m) * per_cell - low,
            params.blind_m * per_cell, params.body_m * per_cell, params.below_m * per_cell, self._begin, self._marks,
            self._free,
        )  # fmt: skip
        self._begin = False
        clearance = np.empty(self._shape, np.uint8)
        kernels.distances(self._free, self._units, self._squared, self._along, clearance)
        x, y, z = (low * self._cell_m).tolist()
        return ClearanceField(depth.stamp_ns, frame_id, self._cell_m, (x, y, z), self._memory_s, UNIT_M, clearance)

    def _move(self, low: I64) -> None:
        """Let the box follow the robot by whole cells; what comes into it bears no mark."""
        if self._low is None:
            self._marks.fill(0)
        elif (moved := low - self._low).any():
            kept, to = ([], [])
            for d, n in zip(moved.tolist(), self._shape, strict=True):
                kept.append(slice(max(d, 0), max(n + min(d, 0), 0)))
                to.append(slice(max(-d, 0), max(n - max(d, 0), 0)))
            self._spare.fill(0)
            if (np.abs(moved) < self._shape).all():
                self._spare[tuple(to)] = self._marks[tuple(kept)]
            self._marks, self._spare = self._spare, self._marks
        self._low = low

    def _look(self, depth: Depth, T: SE3, low: I64) -> None:
        """Mark what the picture hits, and unmark what it sees through."""
        camera: F64 = np.array([depth.camera.fx, depth.camera.fy, depth.camera.cx, depth.camera.cy])
        R, t = np.ascontiguousarray(T.R) / self._cell_m, T.t / self._cell_m - low
        stride = max(1, depth.camera.width // _COLUMNS)
        kernels.hit(depth.depth_m, depth.confidence, R, t, camera, stride, self._hits)
        kernels.strike(
            depth.depth_m, depth.confidence, R, t, camera, self._cell_m, self._hits, self.params.pixels, self._marks
        )
