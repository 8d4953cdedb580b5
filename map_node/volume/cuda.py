"""The volume and its distances on a CUDA device, by numba's kernels. **Not yet run on a GPU**, in its simulator only.

Blocks are kept by the host (pool.py); voxels stay on the device, and what leaves it are labels of blocks that changed.
Distances are worked out anew with every change: that is what such a device is good at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cuda

from map_node.volume import cuda_kernels as kernels
from map_node.volume.base import BLOCK, I32, I64, U16, Blocks, VolumeParams
from map_node.volume.esdf import Esdf
from map_node.volume.pool import Frame, Pool, Slots
from saccade.geometry import F32, F64
from saccade.types import U8

_THREADS, _MOST_GROUPS = 128, 4096
"""Threads of a group, and groups of a launch: what is more is taken in turns."""


class CudaVolume(Pool):
    """See `Volume` and `Pool`."""

    def __init__(self, params: VolumeParams) -> None:
        super().__init__(params)
        capacity = len(self._used)
        self._marked, self._frames = cuda.to_device(np.zeros(params.shape, np.int32)), 0
        self._voxels = _voxels(capacity)
        self._frame_on_device: tuple[Any, Any, Any] | None = None

    def _mark(self, frame: Frame) -> I32:
        """See `Pool`."""
        params, corner = self.params, np.array(self.corner)
        self._frames += 1
        rgb = frame.rgb if frame.rgb.size else np.zeros((1, 1, 3), np.uint8)
        depth_m, confidence, rgb = (_up(part) for part in (frame.depth_m, frame.confidence, rgb))
        self._frame_on_device = depth_m, confidence, rgb
        rays = frame.depth_m.size // frame.stride**2
        kernels.mark[_groups(rays)](
            depth_m, _up(frame.R_odom), _up(frame.t_blocks), _up(frame.rays), frame.stride, params.voxel_m * BLOCK,
            params.reach_m, params.max_range_m, _up(corner), self._frames, self._marked,
        )  # fmt: skip
        at: I32 = (np.argwhere(self._marked.copy_to_host() == self._frames) + corner).astype(np.int32)
        return at

    def _fuse(self, frame: Frame, first_m: F64, slots: I32, fade: F32) -> None:
        """See `Pool`."""
        assert self._frame_on_device is not None
        if not len(slots):
            return
        params, (height, width) = self.params, frame.depth_m.shape
        depth_m, confidence, rgb = self._frame_on_device
        nearest_m, least = cuda.device_array(frame.tiles, np.float32), cuda.device_array(frame.tiles, np.uint8)
        kernels.tile[_groups(nearest_m.size)](depth_m, confidence, nearest_m, least)
        first, camera, sure = _up(first_m), _up(frame.pixels), cuda.device_array(len(slots), np.float32)
        kernels.front[_groups(len(slots))](
            _up(frame.R_cam), first, camera, params.voxel_m, params.reach_m, height, width, nearest_m, least, sure
        )
        kernels.fuse[_groups(len(slots) * BLOCK**3)](
            depth_m, confidence, rgb, sure, first, _up(frame.offsets), camera, np.float32(params.voxel_m),
            np.float32(params.reach_m), np.float32(params.max_weight), np.float32(params.yielding), _up(slots),
            _up(fade), *self._voxels,
        )  # fmt: skip

    def _empty(self, slots: I32) -> None:
        """See `Pool`."""
        if len(slots):
            kernels.empty[_groups(len(slots) * BLOCK**3)](_up(slots), *self._voxels)

    def _read(self, slots: Slots) -> tuple[F32, F32, U16]:
        """See `Pool`."""
        n = len(slots)
        if not n:
            none = np.empty((0, BLOCK**3), np.float32)
            return none, none, np.empty((0, BLOCK**3, 3), np.uint16)
        some = _voxels(n)
        kernels.carry[_groups(n * BLOCK**3)](_up(slots.astype(np.int32)), *self._voxels, *some, 0)
        sdf_m, weight, rgb = (part.copy_to_host() for part in some)
        return sdf_m, weight, rgb

    def _write(self, slots: I32, blocks: Blocks) -> None:
        """See `Pool`."""
        if len(slots):
            some = [_up(part) for part in (blocks.sdf_m, blocks.weight, blocks.rgb)]
            kernels.carry[_groups(len(slots) * BLOCK**3)](_up(slots), *self._voxels, *some, 1)

    def _label(self, at: I32, slots: I32, corner: I64, labels: U8) -> None:
        """See `Pool`."""
        params, known = self.params, slots >= 0
        found = np.zeros((len(slots), BLOCK**3), np.uint8)
        if known.any():
            told = cuda.device_array((int(known.sum()), BLOCK**3), np.uint8)
            kernels.label[_groups(told.size)](
                _up(slots[known]), *self._voxels[:2], np.float32(params.min_weight), np.float32(params.voxel_m / 2),
                np.float32(params.reach_m), told,
            )  # fmt: skip
            found[known] = told.copy_to_host()
        x, y, z = params.shape
        window = labels.reshape(x, BLOCK, y, BLOCK, z, BLOCK)
        i, j, k = (at - corner).T
        window[i, :, j, :, k, :] = found.reshape(-1, BLOCK, BLOCK, BLOCK)


class CudaEsdf(Esdf):
    """See `Esdf`. Labels go to the device whole; distances stay there, and come back when `squared` is asked for."""

    def _make(self) -> None:
        self._labels = cuda.to_device(self.labels)
        self._passes = [cuda.to_device(np.full(self.labels.shape, self.reach_voxels**2, np.uint16)) for _ in range(2)]
        self._copy: U16 | None = None

    @property
    def squared(self) -> U16:
        """See `Esdf`."""
        if self._copy is None:
            self._copy = self._passes[0].copy_to_host()
        return self._copy

    def _measure(self, blocks: U8) -> None:
        """See `Esdf`."""
        one, other = self._passes
        self._labels.copy_to_device(self.labels)
        kernels.columns[_groups(self.labels[:, :, 0].size)](self._labels, self.reach_voxels, one)
        kernels.minima[_groups(self.labels.size)](one, 1, self.reach_voxels, other)
        kernels.minima[_groups(self.labels.size)](other, 0, self.reach_voxels, one)
        self._copy = None

    def _interpolate(self, places: F64, distance: F32, gradient: F32) -> None:
        """See `Esdf`."""
        if len(places):
            found, params = cuda.device_array((len(places), 4), np.float32), self.volume.params
            kernels.interpolate[_groups(len(places))](
                _up(places), self._labels, self._passes[0], params.voxel_m, params.reach_m, found
            )
            told = found.copy_to_host()
            distance[:], gradient[:] = told[:, 0], told[:, 1:]


def _voxels(blocks: int) -> tuple[Any, Any, Any]:
    """Distances, weights and colours of so many blocks, on the device, of whatever values."""
    return (
        cuda.device_array((blocks, BLOCK**3), np.float32), cuda.device_array((blocks, BLOCK**3), np.float32),
        cuda.device_array((blocks, BLOCK**3, 3), np.uint16),
    )  # fmt: skip


def _up(array: npt.NDArray[Any]) -> Any:
    """A copy on the device."""
    return cuda.to_device(np.ascontiguousarray(array))


def _groups(n: int) -> tuple[int, int]:
    """How a kernel is launched for n elements."""
    return min(_MOST_GROUPS, -(-n // _THREADS)) or 1, _THREADS
