"""What volumes share, whatever they run on: which blocks there are, where each is kept, and when it goes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from map_node.volume.base import BLOCK, I32, I64, U16, Blocks, Change, VolumeParams
from map_node.volume.kernels import TILE
from saccade.clock import SEC
from saccade.geometry import F32, F64, SE3
from saccade.types import U8, Depth

_VOXELS = np.indices((BLOCK, BLOCK, BLOCK)).reshape(3, -1)
_NO_COLOURS = np.empty((0, 0, 3), np.uint8)
_NONE = np.empty((0, 3), np.int32)
Slots = np.ndarray[tuple[int, ...], np.dtype[np.intp]]


class Frame(NamedTuple):
    """One depth image as kernels take it.

    rgb is empty where there are no colours. R_odom, t_blocks: camera to odometry, in blocks; R_cam, t_cam: odometry to
    camera, in metres. offsets (3, 512): a block's voxels from its first, in the camera's axes. `rays`: fx, fy, cx, cy
    as `walk` takes them; `pixels` as `pixel` does. Rays are walked along from every `stride`-th pixel of every
    `stride`-th row; tiles (rows, columns).
    """

    depth_m: F32
    confidence: U8
    rgb: U8
    R_odom: F64
    t_blocks: F64
    R_cam: F64
    t_cam: F64
    offsets: F32
    rays: F64
    pixels: F32
    stride: int
    tiles: tuple[int, int]


class Pool(ABC):
    """See `Volume`. Every array is made once, so memory does not grow; pages are touched when blocks are first used.

    The table of the window and what is known of each block are on the host; where voxels are, and what is done to them,
    subclasses know. Slots are given to blocks in the order of their positions, so two runs do the same.
    """

    def __init__(self, params: VolumeParams) -> None:
        self.params = params
        self.stamp_ns = 0
        self._corner: tuple[int, int, int] | None = None
        n = math.prod(params.shape)
        capacity = min(params.blocks, n) or n
        self._slot = np.full(params.shape, -1, np.int32)
        self._at = np.zeros((capacity, 3), np.int32)
        self._seen_ns = np.zeros(capacity, np.int64)
        self._used = np.zeros(capacity, np.bool_)

    @abstractmethod
    def _mark(self, frame: Frame) -> I32:
        """Positions (n, 3) of the blocks in the window that the picture says something of, in order."""

    @abstractmethod
    def _fuse(self, frame: Frame, first_m: F64, slots: I32, fade: F32) -> None:
        """Average the frame that was marked last into blocks, whose weights are to be multiplied by `fade` before.

        first_m (n, 3): their first voxels' centres, in the camera's axes.
        """

    @abstractmethod
    def _empty(self, slots: I32) -> None:
        """Make nothing known in these slots."""

    @abstractmethod
    def _read(self, slots: Slots) -> tuple[F32, F32, U16]:
        """Copies of distances, weights and colours, see `Blocks`."""

    @abstractmethod
    def _write(self, slots: I32, blocks: Blocks) -> None:
        """Put blocks into slots."""

    @abstractmethod
    def _label(self, at: I32, slots: I32, corner: I64, labels: U8) -> None:
        """See `Volume.label`; slot -1 is a block of which nothing is known."""

    @property
    def corner(self) -> tuple[int, int, int]:
        """Position of the window's lowest block."""
        return self._corner or self._around(np.zeros(3))

    def integrate(self, depth: Depth, T_odom_from_cam: SE3, rgb: U8 | None = None) -> Change:
        """See `Volume.integrate`. Before the first `centre` the window's middle is the first camera."""
        self._check(depth, T_odom_from_cam, rgb)
        if self._corner is None:
            self._corner = self._around(T_odom_from_cam.t)
        gone = self._forget(depth.stamp_ns - int(self.params.forget_s * SEC))
        frame = self._frame(depth, T_odom_from_cam, _NO_COLOURS if rgb is None else rgb)
        found = self._mark(frame)
        dropped = self._make_room(found)
        found, slots = self._slots(found)
        age_s = np.maximum(depth.stamp_ns - self._seen_ns[slots], 0) / SEC
        first_m = _turned(frame.R_cam, (found * BLOCK + 0.5).T * self.params.voxel_m) + frame.t_cam[:, None]
        fade = np.exp2(-age_s / self.params.half_life_s).astype(np.float32)
        self._fuse(frame, np.ascontiguousarray(first_m.T), slots, fade)
        self._seen_ns[slots] = self.stamp_ns = depth.stamp_ns
        return Change(np.concatenate([gone, dropped, found]), False)

    def centre(self, at_m: tuple[float, float, float]) -> Change:
        """See `Volume.centre`."""
        if not all(map(math.isfinite, at_m)):
            raise ValueError(f"the window cannot be centred at {at_m}; expected finite metres")
        corner, before = self._around(np.array(at_m, np.float64)), self._corner
        if corner == before:
            return Change(_NONE, False)
        self._corner = corner
        within = self._within(self._at)
        self._free(np.flatnonzero(self._used & ~within))
        self._slot.fill(-1)
        kept = np.flatnonzero(self._used)
        self._slot[tuple((self._at[kept] - corner).T)] = kept
        return Change(_NONE, False)

    def clear(self) -> Change:
        """See `Volume.clear`."""
        self._corner, self.stamp_ns = None, 0
        self._free(np.flatnonzero(self._used))
        self._slot.fill(-1)
        return Change(_NONE, True)

    def blocks(self) -> Blocks:
        """See `Volume.blocks`."""
        used = np.flatnonzero(self._used)
        used = used[np.lexsort(self._at[used].T[::-1])]
        return Blocks(self._at[used], *self._read(used), self._seen_ns[used])

    def restore(self, blocks: Blocks, corner: tuple[int, int, int], stamp_ns: int) -> Change:
        """See `Volume.restore`."""
        self.clear()
        self._corner, self.stamp_ns = corner, stamp_ns
        order = np.argsort(-blocks.seen_ns, kind="stable")  # where there is no room for all, the newest
        order = order[self._within(blocks.at[order])][: len(self._used)]
        kept = Blocks._make(part[order] for part in blocks)
        at, slots = self._slots(np.ascontiguousarray(kept.at))
        self._write(slots, kept)
        self._seen_ns[slots] = kept.seen_ns
        return Change(at, True)

    def label(self, at: I32, labels: U8) -> None:
        """See `Volume.label`."""
        at = np.ascontiguousarray(at[self._within(at)])
        self._label(at, self._slot[tuple((at - self.corner).T)], np.array(self.corner), labels)

    def _check(self, depth: Depth, T_odom_from_cam: SE3, rgb: U8 | None) -> None:
        shape = depth.camera.height, depth.camera.width
        if not depth.depth_m.shape == depth.confidence.shape == shape:
            raise ValueError(f"depth {depth.depth_m.shape}, confidence {depth.confidence.shape}, camera {depth.camera}")
        if rgb is not None and rgb.shape != (*shape, 3):
            raise ValueError(f"colours {rgb.shape} for depth {shape}; expected (H, W, 3) of the same pixels")
        if not (np.isfinite(T_odom_from_cam.R).all() and np.isfinite(T_odom_from_cam.t).all()):
            raise ValueError(f"the camera's pose is not finite: {T_odom_from_cam}")
        if depth.stamp_ns < self.stamp_ns:
            raise ValueError(f"depth of {depth.stamp_ns} ns comes after that of {self.stamp_ns} ns; clear() to go back")

    def _around(self, at_m: F64) -> tuple[int, int, int]:
        """Corner of the window that has the block of a point in its middle."""
        x, y, z = (
            math.floor(float(at) / (self.params.voxel_m * BLOCK)) - n // 2
            for at, n in zip(at_m, self.params.shape, strict=True)
        )
        return x, y, z

    def _within(self, at: I32) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        relative = at - np.array(self.corner, np.int32)
        return np.asarray(((relative >= 0) & (relative < self.params.shape)).all(axis=1))

    def _frame(self, depth: Depth, T_odom_from_cam: SE3, rgb: U8) -> Frame:
        params, camera, T_cam_from_odom = self.params, depth.camera, T_odom_from_cam.inverse()
        block_m = params.voxel_m * BLOCK
        return Frame(
            depth.depth_m, depth.confidence, rgb,
            np.ascontiguousarray(T_odom_from_cam.R), T_odom_from_cam.t / block_m,
            np.ascontiguousarray(T_cam_from_odom.R), T_cam_from_odom.t,
            (_turned(T_cam_from_odom.R, _VOXELS) * params.voxel_m).astype(np.float32),
            np.array([camera.fx, camera.fy, camera.cx, camera.cy]),
            np.array([camera.fx, camera.fy, camera.cx + 0.5, camera.cy + 0.5], np.float32),
            # A block at the end of the range is hit by two rays each way, nearer ones by more.
            max(1, min(8, int(camera.fx * block_m / params.max_range_m / 2))),
            (math.ceil(camera.height / TILE), math.ceil(camera.width / TILE)),
        )  # fmt: skip

    def _forget(self, before_ns: int) -> I32:
        old = np.flatnonzero(self._used & (self._seen_ns < before_ns))
        return self._drop(old)

    def _make_room(self, found: I32) -> I32:
        """Drop the blocks seen longest ago where there are not enough for those found; returns their positions."""
        here = self._slot[tuple((found - self.corner).T)]
        missing = int((here < 0).sum()) - int((~self._used).sum())
        if missing <= 0:
            return _NONE
        idle = self._used.copy()
        idle[here[here >= 0]] = False
        oldest = np.flatnonzero(idle)
        return self._drop(oldest[np.argsort(self._seen_ns[oldest], kind="stable")[:missing]])

    def _drop(self, slots: Slots) -> I32:
        at: I32 = self._at[slots]
        self._slot[tuple((at - self.corner).T)] = -1
        self._free(slots)
        return at

    def _free(self, slots: Slots) -> None:
        self._used[slots] = False

    def _slots(self, found: I32) -> tuple[I32, I32]:
        """Positions and slots of blocks, made where they are missing; those without room are left out."""
        where = tuple((found - self.corner).T)
        slots = self._slot[where]
        new = np.flatnonzero(slots < 0)
        free = np.flatnonzero(~self._used)[: len(new)].astype(np.int32)
        new = new[: len(free)]
        slots[new] = free
        self._used[free], self._at[free], self._seen_ns[free] = True, found[new], self.stamp_ns
        self._empty(free)
        self._slot[where] = slots
        kept = slots >= 0
        return found[kept], slots[kept]


def _turned(R: F64, points: npt.NDArray[Any]) -> F64:
    """R points, for points (3, n), without the threads that a matrix product may start."""
    turned: F64 = R[:, :1] * points[0] + R[:, 1:2] * points[1] + R[:, 2:] * points[2]
    return turned
