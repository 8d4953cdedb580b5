"""The volume's interface, whatever it runs on, its parameters, and the blocks that pass through it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from saccade.errors import ConfigError
from saccade.geometry import F32, SE3
from saccade.params import param
from saccade.types import U8, Depth

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U16 = npt.NDArray[np.uint16]
BLOCK = 8
"""Voxels along the edge of a block: what is allocated, rolled, aged and forgotten as one."""
UNKNOWN, FREE, SURFACE = 0, 1, 2
"""Labels of voxels. SURFACE is from half a voxel in front of it; above, labels count how far behind it, in
`truncation / 253`."""


@dataclass(frozen=True, slots=True)
class VolumeParams:
    """Size, memory and memory span of a volume.

    The window of `size_m` (x, y, z) has its middle where it was last centred, to a block. A voxel's weight is the sum
    of confidences (1 = sure) up to `max_weight`; below `min_weight` it is unknown. `truncation_m` 0 means four voxels.
    Where a surface once was and rays now pass, its weight is multiplied by `yielding` with every frame; weights of what
    is out of sight halve in `half_life_s`, and blocks not seen for `forget_s` are dropped. `blocks` 0 means as many as
    the window has; with fewer, the blocks seen longest ago make room.
    """

    voxel_m: float = param(0.05, "edge of a voxel", low=0)
    size_m: tuple[float, float, float] = param((8.0, 8.0, 3.0), "size of the window that rolls with the robot, x y z")
    truncation_m: float = param(0.0, "largest distance that is kept beside a surface; 0 = four voxels", low=0)
    max_range_m: float = param(6.0, "depth beyond this is not used", low=0)
    max_weight: float = param(30.0, "observations after which newer ones count as much as all before", low=0)
    min_weight: float = param(1.0, "sure observations that a voxel needs to be known", low=0)
    yielding: float = param(0.5, "what is left of a surface's weight when a ray passes through it", low=0, high=1)
    half_life_s: float = param(30.0, "time in which the weights of what is out of sight halve", low=0)
    forget_s: float = param(120.0, "time after which what was not seen is dropped", low=0)
    blocks: int = param(0, "blocks of 8x8x8 voxels there is memory for; 0 = as many as the window has", low=0)
    device: Literal["cpu", "cuda"] = param("cpu", "what works it out; cuda has been run in a simulator only")
    threads: int = param(2, "threads on the CPU, at most; what comes out does not depend on it", low=1, high=64)

    def __post_init__(self) -> None:
        positive = (self.voxel_m, *self.size_m, self.max_range_m, self.min_weight, self.half_life_s, self.forget_s)
        if not all(math.isfinite(v) and v > 0 for v in positive):
            raise ConfigError(f"{self}: lengths, times and weights must be positive and finite")
        if self.truncation_m and not self.truncation_m >= 2 * self.voxel_m:
            raise ConfigError(
                f"truncation_m is {self.truncation_m}; expected two voxels or more, or 0 for four of them"
            )
        if not (self.max_weight >= self.min_weight and 0 < self.yielding <= 1 and self.blocks >= 0):
            raise ConfigError(f"{self}: expected min_weight <= max_weight, 0 < yielding <= 1 and blocks >= 0")
        if self.device not in ("cpu", "cuda"):
            raise ConfigError(f"device is {self.device!r}; expected cpu or cuda")
        if not 1 <= self.threads <= 64:
            raise ConfigError(f"threads is {self.threads}; expected 1 to 64")
        if math.prod(self.shape) > 2**22:
            raise ConfigError(f"{self}: {math.prod(self.shape)} blocks; expected at most {2**22}: larger voxels")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Blocks of the window along x, y and z."""
        x, y, z = (max(1, math.ceil(size / (self.voxel_m * BLOCK) - 1e-9)) for size in self.size_m)
        return x, y, z

    @property
    def reach_m(self) -> float:
        """The truncation distance."""
        return self.truncation_m or 4 * self.voxel_m


class Blocks(NamedTuple):
    """Blocks of voxels, in the order of their positions.

    at (n, 3) int32: position in blocks from the origin of the frame; sdf_m (n, 512) float32: signed distance along the
    ray, positive in front of the surface, at most the truncation; weight (n, 512) float32, 0 = never seen; rgb
    (n, 512, 3) uint16, 256ths of a grey level; seen_ns (n,) int64. Voxel (x, y, z) of a block is element
    (8 x + y) 8 + z and has its centre at (8 at + (x, y, z) + 0.5) voxel_m.
    """

    at: I32
    sdf_m: F32
    weight: F32
    rgb: U16
    seen_ns: I64


class Snapshot(NamedTuple):
    """What a volume knew at one moment: a copy, for work that takes longer than the volume stands still."""

    params: VolumeParams
    corner: tuple[int, int, int]
    stamp_ns: int
    known: Blocks

    def blocks(self) -> Blocks:
        """See `Volume.blocks`."""
        return self.known


class Change(NamedTuple):
    """What an update touched: `at` (n, 3) int32, positions of blocks; `everything` when all was replaced or forgotten.

    That the window moved is seen by its corner.
    """

    at: I32
    everything: bool


class Volume(Protocol):
    """A truncated signed distance field with colour around the robot (Curless and Levoy, SIGGRAPH 1996).

    Its frame is that of the poses it is given (odometry's). Nothing here raises on what a camera may see.
    """

    params: VolumeParams
    stamp_ns: int
    """Of the newest depth image; 0 before the first."""

    def integrate(self, depth: Depth, T_odom_from_cam: SE3, rgb: U8 | None = None) -> Change:
        """Add one depth image (optical axes), and the colours (H, W, 3) of its pixels where there are any.

        ValueError for arrays that do not fit each other, a pose that is not finite, or an image older than the last.
        """
        ...

    def centre(self, at_m: tuple[float, float, float]) -> Change:
        """Move the window's middle here, by whole blocks; what leaves it is forgotten. ValueError if not finite."""
        ...

    def clear(self) -> Change:
        """Forget everything, as after a jump of odometry."""
        ...

    @property
    def corner(self) -> tuple[int, int, int]:
        """Position of the window's lowest block."""
        ...

    def blocks(self) -> Blocks:
        """A copy of all that is known."""
        ...

    def restore(self, blocks: Blocks, corner: tuple[int, int, int], stamp_ns: int) -> Change:
        """Put blocks in place of all that is known; those outside of the window are left out."""
        ...

    def label(self, at: I32, labels: U8) -> None:
        """Write what each voxel of these blocks is into the window's labels, see esdf.py."""
        ...
