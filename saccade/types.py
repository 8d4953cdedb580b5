"""What the rooms say to each other: frozen values, SI units, integer nanoseconds, no middleware class."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from saccade.geometry import F32, F64, SE3, Pinhole

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
_FAR_M = 1e3
"""Clearances are cut off here, so that a map without any obstacle (infinite clearance) can be interpolated."""


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A picture: data (H, W) grey or (H, W, 3) RGB, uint8; `stamp_ns` is the capture time."""

    stamp_ns: int
    frame_id: str
    data: U8


@dataclass(frozen=True, slots=True, eq=False)
class CameraModel:
    """sensor_msgs/CameraInfo as values: K (3, 3), D (n,), R (3, 3), P (3, 4), size in pixels."""

    frame_id: str
    width: int
    height: int
    distortion_model: str
    D: F64
    K: F64
    R: F64
    P: F64


@dataclass(frozen=True, slots=True, eq=False)
class StereoPair:
    """Two rectified pictures of one instant: (H, W) or (H, W, 3) uint8, rows aligned.

    `camera` is the left camera's; `cx_right` the right principal point in pixels; `baseline_m` > 0.
    """

    stamp_ns: int
    frame_id: str
    left: U8
    right: U8
    camera: Pinhole
    cx_right: float
    baseline_m: float


@dataclass(frozen=True, slots=True, eq=False)
class Depth:
    """Metric depth along the optical axis.

    depth_m (H, W) float32 metres, NaN = none; confidence (H, W) uint8, 255 = sure.
    """

    stamp_ns: int
    frame_id: str
    depth_m: F32
    confidence: U8
    camera: Pinhole


@dataclass(frozen=True, slots=True, eq=False)
class RobotState:
    """Odometry: pose of the body in `frame_id` and body-frame twist (vx vy vz m/s, wx wy wz rad/s), (6,) float64."""

    stamp_ns: int
    frame_id: str
    T_odom_from_body: SE3
    twist: F64


@dataclass(frozen=True, slots=True, eq=False)
class LocalMap:
    """A robot-centred grid with axes parallel to `frame_id`.

    occupancy (H, W) int8: -1 unknown, 0..100 %; clearance_m (H, W) float32: metres from the cell's centre to the
    nearest cell that is not known to be free. Row index grows with y, column with x; `origin_m` is the outer corner
    of cell [0, 0].
    """

    stamp_ns: int
    frame_id: str
    resolution_m: float
    origin_m: tuple[float, float]
    occupancy: I8
    clearance_m: F32

    @property
    def scale(self) -> F64:
        """Origin (2) and resolution, (3,) float64 metres."""
        return np.array([*self.origin_m, self.resolution_m])

    def cell(self, x_m: F64 | float, y_m: F64 | float) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Row and column of points in `frame_id`; may lie outside the grid."""
        col = np.floor((np.asarray(x_m) - self.origin_m[0]) / self.resolution_m).astype(np.intp)
        row = np.floor((np.asarray(y_m) - self.origin_m[1]) / self.resolution_m).astype(np.intp)
        return row, col

    def clearance_at(self, x_m: F64, y_m: F64) -> F64:
        """Clearance in metres at points (n,) in `frame_id`, bilinear between the cells' centres, as the gate reads it.

        0 beyond the outermost centres, where nothing is known to be free, and where a coordinate is not finite.
        """
        height, width = self.clearance_m.shape
        column = (np.asarray(x_m, np.float64) - self.origin_m[0]) / self.resolution_m - 0.5
        row = (np.asarray(y_m, np.float64) - self.origin_m[1]) / self.resolution_m - 0.5
        inside = (column >= 0) & (column < width - 1) & (row >= 0) & (row < height - 1)
        out = np.zeros(np.shape(column), np.float64)
        column, row = column[inside], row[inside]
        j, i = column.astype(np.intp), row.astype(np.intp)
        right, up = column - j, row - i
        cells = self.clearance_m[[i, i, i + 1, i + 1], [j, j + 1, j, j + 1]].astype(np.float64)
        low_left, low_right, up_left, up_right = np.minimum(cells, _FAR_M)
        low, high = low_left + right * (low_right - low_left), up_left + right * (up_right - up_left)
        out[inside] = np.fmax(0.0, low + up * (high - low))
        return out


class PlanKind(IntEnum):
    """What a plan's numbers mean; values as in saccade_msgs/Plan."""

    TEXT = 0
    WAYPOINTS = 1
    PIXEL_GOAL = 2
    LATENT = 3
    VELOCITY = 4
    STOP = 5


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The slow reasoner's answer, tied to the image it was made from.

    waypoints (n, 3) metres in `frame_id`; values by kind: VELOCITY vx vy wz, PIXEL_GOAL u v. `obs_stamp_ns` is the
    image's capture time and `obs_pose` the robot's pose then; the plan expires at `obs_stamp_ns + valid_for_ns`.
    `progress` is the share of the instruction's steps that are done, 0..1.
    """

    id: int
    epoch: int
    instruction: str
    kind: PlanKind
    obs_stamp_ns: int
    obs_pose: SE3
    inference_ns: int
    valid_for_ns: int
    frame_id: str
    waypoints: F64
    values: F64
    confidence: float
    final: bool
    text: str
    progress: float = 0.0

    def expired(self, now_ns: int) -> bool:
        """Whether the plan may no longer be acted on."""
        return now_ns >= self.obs_stamp_ns + self.valid_for_ns


@dataclass(frozen=True, slots=True, eq=False)
class ActionChunk:
    """Actions on absolute time: actions (k, d) float64, m/s and rad/s by axis name.

    Row i applies on [t0 + i dt, t0 + (i + 1) dt).
    """

    obs_stamp_ns: int
    t0_ns: int
    dt_ns: int
    axes: tuple[str, ...]
    actions: F64
    plan_id: int
    epoch: int

    @property
    def end_ns(self) -> int:
        """First instant that the chunk no longer covers."""
        return self.t0_ns + len(self.actions) * self.dt_ns

    def at(self, now_ns: int) -> F64 | None:
        """The action (d,) for this instant, or None before the first and after the last."""
        if not self.t0_ns <= now_ns < self.end_ns:
            return None
        action: F64 = self.actions[(now_ns - self.t0_ns) // self.dt_ns]
        return action


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """What is sent to the robot: values (d,) float64, m/s and rad/s by axis name (vx vy vz wx wy wz, or joints)."""

    stamp_ns: int
    axes: tuple[str, ...]
    values: F64


class Decision(IntEnum):
    """What the gate did with a request; values as in saccade_msgs/Verdict."""

    PASS = 0
    LIMITED = 1
    STOP = 2


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """The gate's word at one tick: requested (NaN where nothing valid was asked) and granted, (d,) float64."""

    stamp_ns: int
    decision: Decision
    reason: str
    axes: tuple[str, ...]
    requested: F64
    granted: F64
    ratio: float
    clearance_m: float
    obs_stamp_ns: int
    plan_id: int
    epoch: int
