"""Parameters of the map node, with defaults for a small indoor robot."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from map_node.field import FieldParams
from map_node.learned.params import LearnedParams
from map_node.volume.base import VolumeParams
from saccade.errors import ConfigError
from saccade.params import param


@dataclass(frozen=True, slots=True)
class MotionParams:
    """How a robot can move between two messages of odometry; what moves otherwise was not moved, and begins a new map.

    A step may be `jump_m` and `jump_rad`, and what `max_speed_m_s` and `max_turn_rad_s` give in the time between.
    """

    max_speed_m_s: float = param(3.0, "fastest that the robot moves", low=0, live=True)
    max_turn_rad_s: float = param(4.0, "fastest that the robot turns, about any axis", low=0, live=True)
    jump_m: float = param(0.15, "what odometry may correct itself by at once", low=0, live=True)
    jump_rad: float = param(0.15, "what odometry may correct its heading by at once", low=0, live=True)
    gap_s: float = param(1.0, "silence of odometry after which the map begins anew", low=0, live=True)
    settle_s: float = param(
        0.3, "time that odometry must go on, once it did not, before frames are used again", low=0, live=True
    )

    def __post_init__(self) -> None:
        least = min(self.max_speed_m_s, self.max_turn_rad_s, self.jump_m, self.jump_rad, self.settle_s)
        if not (least >= 0 and self.gap_s > 0):
            raise ValueError("motion: expected speeds, jumps and settle_s of at least 0 and gap_s above 0")


@dataclass(frozen=True, slots=True)
class MeshParams:
    """`map/mesh`: the surface for people. Where it has too many triangles, the nearest to the robot are sent."""

    rate_hz: float = param(0.2, "meshes a second, at most; 0 = none", low=0, high=10, live=True)
    max_triangles: int = param(40_000, "triangles of a message, at most; each is 120 bytes", low=1, live=True)

    def __post_init__(self) -> None:
        if not 0 <= self.rate_hz <= 10 or self.max_triangles < 1:
            raise ValueError("mesh: expected rate_hz of 0 to 10 and at least one triangle")


@dataclass(frozen=True, slots=True)
class OccupancyParams:
    """`map/occupancy`: the volume between two heights above the ground, seen from above."""

    rate_hz: float = param(2.0, "grids a second, at most; 0 = none", low=0, high=30, live=True)
    min_m: float = param(0.1, "what stands higher than this above the ground is an obstacle", live=True)
    max_m: float = param(1.6, "what hangs higher than this is none", live=True)
    min_known: float = param(0.25, "share of a column that must be known to be free", low=0, high=1, live=True)

    def __post_init__(self) -> None:
        if not 0 <= self.rate_hz <= 30 or not self.min_m < self.max_m or not 0 < self.min_known <= 1:
            raise ValueError("occupancy: expected rate_hz of 0 to 30, min_m < max_m and 0 < min_known <= 1")


@dataclass(frozen=True, slots=True)
class PicturesParams:
    """`map/birdseye` and `map/follow`: the map as Gaussians, refined against keyframes before each picture."""

    birdseye_hz: float = param(0.5, "pictures from above a second, at most; 0 = none", low=0, high=10, live=True)
    follow_hz: float = param(0.0, "pictures from behind the robot a second; 0 = none", low=0, high=10, live=True)
    px_per_m: float = param(50.0, "pixels to a metre of the picture from above", low=1, high=500)
    below_m: float = param(1.6, "what is higher than this above the ground is cut away from above")
    keyframes: int = param(16, "pictures that are kept to refine against, 320 pixels wide", low=1, high=256)
    steps: int = param(4, "steps of refinement before each picture, of one keyframe each", low=0, high=100)
    parts: int = param(2, "Gaussians along the edge of a voxel that the surface passes", low=1, high=8)
    most: int = param(100_000, "Gaussians at most, those nearest to the window's middle", low=1)
    draw: Literal["cpu", "gpu"] = param("cpu", "what draws: the CPU, or gsplat on a CUDA device")

    def __post_init__(self) -> None:
        if not (0 <= self.birdseye_hz <= 10 and 0 <= self.follow_hz <= 10 and 1 <= self.px_per_m <= 500):
            raise ValueError("pictures: expected rates of 0 to 10 and px_per_m of 1 to 500")
        if not (1 <= self.keyframes <= 256 and 0 <= self.steps <= 100 and 1 <= self.parts <= 8 and self.most >= 1):
            raise ValueError("pictures: expected 1 to 256 keyframes, 0 to 100 steps, 1 to 8 parts and most above 0")
        if not self.below_m > 0:
            raise ValueError(f"pictures: below_m is {self.below_m}; expected a height above 0")


@dataclass(frozen=True, slots=True)
class MapNodeParams:
    """All of the node. Files are read and written only where `load` and `save` say so, and nowhere else."""

    base_frame: str = param("base_link", "frame on the ground under the robot")
    rate_hz: float = param(10.0, "depth images a second that go into the map, at most; 0 = all", low=0, live=True)
    need_confidence: bool = param(
        True, "wait for depth/confidence; if not, all depth is taken to be sure, as that of a depth camera"
    )
    odom_wait_ms: float = param(60.0, "how long a frame waits for odometry to reach its stamp", low=0, live=True)
    odom_ahead_ms: float = param(25.0, "how far odometry may be continued by its own twist instead of waiting", low=0)
    height_m: float = param(1.0, "how far above the base the middle of the volume is")
    load: str = param("", "file to begin with, written by save or `saccade map --volume`; empty = none")
    save: str = param(
        "", "file that the volume is written to at the end, an .npz in a folder that exists; empty = none"
    )
    worker: Literal["thread", "modelled"] = param(
        "thread", "what is slow to make comes from a thread of its own, or, on virtual time, from a model of one"
    )
    worker_latency_s: float = param(0.2, "how long a modelled worker takes", low=0)
    volume: VolumeParams = field(default_factory=VolumeParams)
    motion: MotionParams = field(default_factory=MotionParams)
    clearance: FieldParams = field(default_factory=FieldParams)
    mesh: MeshParams = field(default_factory=MeshParams)
    occupancy: OccupancyParams = field(default_factory=OccupancyParams)
    pictures: PicturesParams = field(default_factory=PicturesParams)
    learned: LearnedParams = field(default_factory=LearnedParams)

    def __post_init__(self) -> None:
        if min(self.rate_hz, self.odom_wait_ms, self.odom_ahead_ms, self.worker_latency_s) < 0:
            raise ValueError("rate_hz, odom_wait_ms, odom_ahead_ms and worker_latency_s must be at least 0")
        for name, path in (("load", self.load), ("save", self.save)):
            if path and Path(path).suffix != ".npz":
                raise ConfigError(f"{name} is {path!r}; expected a file whose name ends with .npz")
