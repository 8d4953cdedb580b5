"""Parameters of the perception node, with defaults for a small indoor robot with a stereo pair at knee height."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from saccade.errors import choices
from saccade.params import param
from saccade.topics import RIGS


@dataclass(frozen=True, slots=True)
class SyncParams:
    """Pairing: stamps of left and right may differ by `tolerance_ms`."""

    tolerance_ms: float = param(5.0, "how far the stamps of left and right may be apart", low=0)

    def __post_init__(self) -> None:
        if self.tolerance_ms < 0:
            raise ValueError(f"sync.tolerance_ms is {self.tolerance_ms}; expected at least 0")


@dataclass(frozen=True, slots=True)
class DepthParams:
    """Metric depth: what is kept, and what of it is sent. What is not kept is NaN, with confidence 0.

    The left-right check matches the mirrored, swapped pair as well, so it doubles the engine's time in those frames;
    OpenCV's engines check themselves, and are left alone. Every `publish_stride`-th pixel and row of the depth image is
    sent, and one pixel at least. `publish_disparity` is off because depth says the same.
    """

    min_m: float = param(0.2, "nearest depth that is kept", low=0, live=True)
    max_m: float = param(40.0, "farthest depth that is kept", low=0, live=True)
    min_confidence: int = param(32, "depth less sure than this is not kept; 255 = sure", low=0, high=255, live=True)
    speck_m: float = param(
        0.06, "a patch of stereo depth smaller than a square of this edge is a mismatch and not kept; 0 = all is",
        low=0, live=True,
    )  # fmt: skip
    left_right_every: int = param(
        0,
        "check every n-th frame of a network by matching it from the right, too; 1 = each, 0 = none",
        low=0,
        live=True,
    )
    left_right_px: float = param(1.5, "largest disagreement that the left-right check lets pass", low=0, live=True)
    publish_depth: bool = param(True, "send depth/image_rect", live=True)
    publish_confidence: bool = param(True, "send depth/confidence", live=True)
    publish_disparity: bool = param(False, "send disparity; off because depth says the same", live=True)
    publish_stride: int = param(1, "every n-th pixel and row of the depth image is sent", low=1, live=True)

    def __post_init__(self) -> None:
        if not 0 < self.min_m < self.max_m or self.publish_stride < 1:
            raise ValueError("depth: expected 0 < min_m < max_m and publish_stride of at least 1")
        if not 0 <= self.min_confidence <= 255 or self.left_right_every < 0 or self.left_right_px <= 0:
            raise ValueError("depth: expected min_confidence of 0 to 255, left_right_every >= 0, left_right_px > 0")


@dataclass(frozen=True, slots=True)
class PointsParams:
    """The point cloud `points`: every `step`-th pixel of every `step`-th row, at most `rate_hz` times a second."""

    publish: bool = param(True, "send points", live=True)
    rate_hz: float = param(5.0, "clouds a second, at most", low=0, high=100, live=True)
    step: int = param(4, "every n-th pixel of every n-th row", low=1, live=True)

    def __post_init__(self) -> None:
        if not 0 < self.rate_hz <= 100 or self.step < 1:
            raise ValueError("points: expected 0 < rate_hz <= 100 and step of at least 1")


@dataclass(frozen=True, slots=True)
class MonitorParams:
    """Checks of the pictures themselves; the geometry of a pair is looked at every `geometry_period_s`."""

    geometry_period_s: float = param(1.0, "how often the geometry of a pair is looked at", low=0)
    max_row_offset_px: float = param(1.5, "rows that matches of a pair may be apart", low=0)
    min_matches: int = param(20, "matches without which a pair's geometry is not judged", low=0)
    frozen_frames: int = param(
        3, "identical pictures in a row that count as frozen, while odometry says that the robot moves", low=2
    )
    stale_ms: float = param(400.0, "silence after which missing pictures are reported", low=0, live=True)

    def __post_init__(self) -> None:
        if not (0 <= self.geometry_period_s < math.inf and min(self.max_row_offset_px, self.stale_ms) > 0):
            raise ValueError("monitor: expected a finite geometry_period_s, max_row_offset_px and stale_ms above 0")
        if self.min_matches < 1 or self.frozen_frames < 2:
            raise ValueError("monitor: expected min_matches of at least 1 and frozen_frames of at least 2")


@dataclass(frozen=True, slots=True)
class SightParams:
    """Whether the pair still sees; figures are smoothed over `smooth_s`, findings are in diagnostics as `sight`.

    Below `min_matched` and `min_alike`, and where a camera shows 4 times less than `unsharp` allows, no depth goes out;
    all else is a warning.
    """

    smooth_s: float = param(1.0, "time over which figures are smoothed", low=0)
    min_matched: float = param(
        0.05, "share of what both cameras see that must be matched, or no depth goes out", low=0, high=1
    )
    min_alike: float = param(
        0.15, "correlation of matched gradients that must be reached, or no depth goes out", low=0, high=1
    )
    max_row_px: float = param(0.7, "rows that matched pictures may be apart before that is told", low=0)
    unsharp: float = param(2.5, "how many times less detail one camera may show than the other", low=1)
    dirt: float = param(2.5, "likewise in one place that stays the same while the robot moves", low=1)
    veil: float = param(0.5, "darkest grey value, as a share of the middle one, from which on there may be fog", low=0)
    spread: float = param(0.85, "range of grey values, as a share of the middle one, below which a veil is fog", low=0)
    water_red: float = param(0.6, "mean red, as a share of green or blue, below which a veil is water", low=0)

    def __post_init__(self) -> None:
        if min(self.smooth_s, self.max_row_px, self.veil, self.spread) <= 0 or min(self.unsharp, self.dirt) <= 1:
            raise ValueError("sight: smooth_s, max_row_px, veil and spread must be positive, unsharp and dirt above 1")
        if not (0 < self.min_matched < 0.5 and 0 <= self.min_alike < 1):
            raise ValueError("sight: expected 0 < min_matched < 0.5 and 0 <= min_alike < 1")


@dataclass(frozen=True, slots=True)
class MonoParams:
    """What is done while one camera of a pair is silent, frozen, covered or blinded.

    Without a `card` nothing: no depth goes out, and the robot stops. With one, of kind depth, depth comes from the
    camera that is left, at the scale of the last stereo depth, for at most `max_s`; see `perception_node/mono.py`.
    """

    card: str = param("", "monocular engine: a card of kind depth by name or path; empty = stop instead")
    max_s: float = param(3.0, "how old the stereo depth that gives the scale may be", low=0)
    after_ms: float = param(120.0, "silence of one camera after which the other is used alone", low=0)
    tolerance: float = param(0.1, "relative error at which a known depth still agrees", low=0, high=1)
    min_agree: float = param(0.6, "share of the known depths that must agree", low=0, high=1)

    def __post_init__(self) -> None:
        if min(self.max_s, self.after_ms) <= 0 or not (0 < self.tolerance < 1 and 0 < self.min_agree <= 1):
            raise ValueError("mono: expected max_s and after_ms above 0, tolerance and min_agree between 0 and 1")


@dataclass(frozen=True, slots=True)
class MapParams:
    """The local map. Obstacles are what stands between `obstacle_min_m` and `obstacle_max_m` above the ground.

    `level`: heights are counted along gravity (odometry's z axis), or along the body's own z axis, which suits
    vehicles on slopes. The ground itself is not judged: holes and steps downwards are not seen.
    """

    size_m: float = param(12.8, "edge of the square map", low=0)
    resolution_m: float = param(0.1, "edge of a cell", low=0)
    level: Literal["gravity", "body"] = param(
        "gravity", "heights are counted along gravity, or along the body's own z axis, which suits slopes"
    )
    obstacle_min_m: float = param(0.10, "what stands higher than this above the ground is an obstacle")
    obstacle_max_m: float = param(1.60, "what hangs higher than this is none")
    robot_radius_m: float = param(0.25, "where the robot's body is, nothing else can be: free at every frame", low=0)
    blind_radius_m: float = param(
        0.55,
        "set free once, when the map begins: the camera never sees the ground so near; start where this holds",
        low=0,
    )
    bearings: int = param(96, "rays of a scan", low=1)
    max_points: int = param(
        20_000, "depth pixels looked at in a frame; the image is thinned evenly down to this", low=1
    )
    min_points: int = param(
        4, "depth pixels an obstacle needs in one bearing, so that single wrong ones do not stop the robot", low=1
    )
    min_confidence: int = param(32, "depth that is surer than this is used; 255 = sure", low=0, high=255)
    min_seen: float = param(
        0.5, "share of a bearing's rays that must be known to pass a place before it counts as free", low=0, high=1
    )
    hit: float = param(0.9, "log-odds that one observation adds to an occupied cell", low=0)
    miss: float = param(0.45, "log-odds that one observation takes from a free cell", low=0)
    half_life_s: float = param(
        20.0, "time after which half of what was known is forgotten, outside the blind radius", low=0
    )
    passing_s: float = param(
        0.0, "time after which half of what appeared on free floor, and did not stay, is forgotten; 0 = as all", low=0
    )
    berth_m: float = param(
        0.0,
        "so far around what moves the floor is not free: what it walks while the robot comes to rest; 0 = off",
        low=0,
    )
    odom_wait_ms: float = param(60.0, "how long a frame waits for odometry to reach its stamp", low=0, live=True)
    odom_ahead_ms: float = param(25.0, "how far odometry may be continued by its own twist instead of waiting", low=0)
    occupancy_hz: float = param(2.0, "occupancy grids a second", low=0, live=True)

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
    """All of the node. `engine` is a card by name or path; see engines/cards, and docs/engines.md for what runs it.

    `rigs`, of `saccade.topics.RIGS`, are stereo pairs or RGB-D cameras beside the first one. Each runs the engine, too.
    """

    engine: str = param("sgbm", "stereo engine: a card of engines/cards by name, or a card's path")
    runtime: Literal["", "onnxruntime", "openvino", "tensorrt"] = param(
        "", "what runs the engine's graph on this machine; empty = what its card says"
    )
    precision: Literal["", "fp32", "bf16", "fp16", "int8"] = param(
        "", "precision of an engine that is compiled; empty = what its card says"
    )
    meanwhile: Literal["", "onnxruntime"] = param(
        "", "what runs while no verified engine is there: empty = nothing, the node does not start; or the CPU"
    )
    base_frame: str = param("base_link", "frame on the ground under the robot")
    rigs: tuple[str, ...] = param((), "further rigs that look into the map: side_left, side_right, rear")
    sync: SyncParams = field(default_factory=SyncParams)
    depth: DepthParams = field(default_factory=DepthParams)
    points: PointsParams = field(default_factory=PointsParams)
    monitor: MonitorParams = field(default_factory=MonitorParams)
    sight: SightParams = field(default_factory=SightParams)
    mono: MonoParams = field(default_factory=MonoParams)
    map: MapParams = field(default_factory=MapParams)

    def __post_init__(self) -> None:
        for rig in self.rigs:
            if rig not in RIGS or self.rigs.count(rig) > 1:
                raise ValueError(f"rigs names {rig!r}: {choices(rig, RIGS)}, each once")
