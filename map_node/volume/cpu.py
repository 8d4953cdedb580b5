"""The volume on the CPU: compiled kernels, each over slices of rows or blocks in a few threads."""

from __future__ import annotations

import numpy as np

from map_node.volume import kernels, marking
from map_node.volume.base import BLOCK, I32, I64, U16, Blocks, VolumeParams
from map_node.volume.pool import Frame, Pool, Slots
from saccade.geometry import F32, F64
from saccade.slices import Slices
from saccade.types import U8

_LEAST = 8
"""Rows or blocks that are worth a thread."""


class CpuVolume(Pool):
    """See `Volume` and `Pool`. The same bytes whatever the number of threads."""

    def __init__(self, params: VolumeParams) -> None:
        super().__init__(params)
        capacity = len(self._used)
        self._marked, self._frames = np.zeros(params.shape, np.int32), 0
        self._sdf_m = np.zeros((capacity, BLOCK**3), np.float32)
        self._weight = np.zeros((capacity, BLOCK**3), np.float32)
        self._rgb = np.zeros((capacity, BLOCK**3, 3), np.uint16)
        self._nearest_m, self._least = np.empty((0, 0), np.float32), np.empty((0, 0), np.uint8)
        self._slices = Slices(params.threads)

    def _mark(self, frame: Frame) -> I32:
        """See `Pool`. Threads may mark the same block: all write the same."""
        params, corner = self.params, np.array(self.corner)
        self._frames += 1
        rows = len(range(frame.stride // 2, frame.depth_m.shape[0], frame.stride))

        def some(begin: int, end: int) -> None:
            marking.mark(
                begin, end, frame.depth_m, frame.R_odom, frame.t_blocks, frame.rays, frame.stride,
                params.voxel_m * BLOCK, params.reach_m, params.max_range_m, corner, self._frames, self._marked,
            )  # fmt: skip

        self._slices.run(some, rows, _LEAST)
        found = np.unravel_index(np.flatnonzero(self._marked == self._frames), self._marked.shape)
        at: I32 = (np.stack(found, axis=1) + corner).astype(np.int32)
        return at

    def _fuse(self, frame: Frame, first_m: F64, slots: I32, fade: F32) -> None:
        """See `Pool`."""
        params = self.params
        if self._nearest_m.shape != frame.tiles:
            self._nearest_m, self._least = np.empty(frame.tiles, np.float32), np.empty(frame.tiles, np.uint8)

        def tiles(begin: int, end: int) -> None:
            kernels.tile(begin, end, frame.depth_m, frame.confidence, self._nearest_m, self._least)

        def blocks(begin: int, end: int) -> None:
            kernels.integrate(
                begin, end, frame.depth_m, frame.confidence, frame.rgb, self._nearest_m, self._least, frame.R_cam,
                frame.offsets, frame.pixels, params.voxel_m, params.reach_m, params.max_weight, params.yielding,
                first_m, slots, fade, self._sdf_m, self._weight, self._rgb,
            )  # fmt: skip

        self._slices.run(tiles, frame.tiles[0], _LEAST)
        self._slices.run(blocks, len(slots), _LEAST)

    def _empty(self, slots: I32) -> None:
        """See `Pool`."""
        self._sdf_m[slots], self._weight[slots], self._rgb[slots] = 0, 0, 0

    def _read(self, slots: Slots) -> tuple[F32, F32, U16]:
        """See `Pool`."""
        return self._sdf_m[slots], self._weight[slots], self._rgb[slots]

    def _write(self, slots: I32, blocks: Blocks) -> None:
        """See `Pool`."""
        self._sdf_m[slots], self._weight[slots], self._rgb[slots] = blocks.sdf_m, blocks.weight, blocks.rgb

    def _label(self, at: I32, slots: I32, corner: I64, labels: U8) -> None:
        """See `Pool`."""
        params = self.params
        kernels.label(
            0, len(at), at, slots, self._sdf_m, self._weight, corner, params.min_weight, params.voxel_m / 2,
            params.reach_m, labels,
        )  # fmt: skip
