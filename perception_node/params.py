"""Parameters of the perception node, with defaults for a small indoor robot with a stereo pair at knee height."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class SyncParams:
    """Pairing: stamps of left and right may differ by `tolerance_ms`."""

    tolerance_ms: float = 5.0

    def __post_init__(self) -> None:
        if self.tolerance_ms < 0:
            raise ValueError(f"sync.tolerance_ms is {self.tolerance_ms}; expected at least 0")


@dataclass(frozen=True, slots=True)
class DepthParams:
    """Metric depth: what is kept, and what of it is sent.

    Every `publish_stride`-th pixel and row of the depth image is sent. `publish_disparity` is off because depth says
    the same.
    """

    min_m: float = 0.2
    max_m: float = 40.0
    publish_depth: bool = True
    publish_confidence: bool = True
    publish_disparity: bool = False
    publish_stride: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.min_m < self.max_m or self.publish_stride < 1:
            raise ValueError("depth: expected 0 < min_m < max_m and publish_stride of at least 1")


@dataclass(frozen=True, slots=True)
class PointsParams:
    """The point cloud `points`: every `step`-th pixel of every `step`-th row, at most `rate_hz` times a second."""

    publish: bool = True
    rate_hz: float = 5.0
    step: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.rate_hz <= 100 or self.step < 1:
            raise ValueError("points: expected 0 < rate_hz <= 100 and step of at least 1")


@dataclass(frozen=True, slots=True)
class MonitorParams:
    """Checks of the pictures themselves; the geometry of a pair is looked at every `geometry_period_s`."""

    geometry_period_s: float = 1.0
    max_row_offset_px: float = 1.5
    min_matches: int = 20
    frozen_frames: int = 3
    """Identical pictures in a row, while odometry says that the robot moves, that count as frozen."""
    stale_ms: float = 400.0
    """Silence after which missing pictures are reported."""


@dataclass(frozen=True, slots=True)
class MapParams:
    """The local map. Obstacles are what stands between `obstacle_min_m` and `obstacle_max_m` above the ground.

    `level`: heights are counted along gravity (odometry's z axis), or along the body's own z axis, which suits
    vehicles on slopes. The ground itself is not judged: holes and steps downwards are not seen.
    """

    size_m: float = 12.8
    resolution_m: float = 0.1
    level: Literal["gravity", "body"] = "gravity"
    obstacle_min_m: float = 0.10
    obstacle_max_m: float = 1.60
    robot_radius_m: float = 0.25
    """Where the robot's body is, nothing else can be: free at every frame."""
    blind_radius_m: float = 0.55
    """Set free once, when the map begins: the camera never sees the ground so near; start where this holds."""
    bearings: int = 96
    max_points: int = 20_000
    """Depth pixels looked at in a frame; the image is thinned evenly down to this."""
    min_points: int = 4
    """Depth pixels that an obstacle needs within one bearing, so that single wrong ones do not stop the robot."""
    min_confidence: int = 32
    min_seen: float = 0.5
    """Share of a bearing's rays that must be known to pass a place before it counts as free."""
    hit: float = 0.9
    miss: float = 0.45
    """Log-odds that one observation adds to an occupied cell, and takes from a free one."""
    half_life_s: float = 20.0
    """Time after which half of what was known is forgotten, outside the blind radius."""
    odom_wait_ms: float = 60.0
    """How long a frame waits for odometry to reach its stamp."""
    odom_ahead_ms: float = 25.0
    """How far odometry may be continued by its own twist instead of waiting."""
    occupancy_hz: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.resolution_m <= self.size_m / 8:
            raise ValueError("map: expected 0 < resolution_m <= size_m / 8")
        if not self.obstacle_min_m < self.obstacle_max_m:
            raise ValueError("map: expected obstacle_min_m < obstacle_max_m")
        if not 0 < self.robot_radius_m <= self.blind_radius_m < self.size_m / 2:
            raise ValueError("map: expected 0 < robot_radius_m <= blind_radius_m < size_m / 2")
        if self.hit <= 0 or self.miss <= 0 or self.half_life_s <= 0 or self.occupancy_hz <= 0:
            raise ValueError("map: hit, miss, half_life_s and occupancy_hz must be positive")
        if not 0 < self.min_seen <= 1 or min(self.bearings, self.max_points, self.min_points) < 1:
            raise ValueError("map: expected 0 < min_seen <= 1 and at least one bearing, point and min_points")


@dataclass(frozen=True, slots=True)
class PerceptionParams:
    """All of the node. `engine` is a card by name or path; see engines/cards."""

    engine: str = "sgbm"
    base_frame: str = "base_link"
    sync: SyncParams = field(default_factory=SyncParams)
    depth: DepthParams = field(default_factory=DepthParams)
    points: PointsParams = field(default_factory=PointsParams)
    monitor: MonitorParams = field(default_factory=MonitorParams)
    map: MapParams = field(default_factory=MapParams)
