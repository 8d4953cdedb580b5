"""Depth that hangs in the air and is smaller than a thing: a mismatch, where a wall has nothing to match.

A matcher counts pixels when it drops specks, and a pixel half a metre away is a thirtieth of what it is at three.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from saccade.geometry import F32
from saccade.kernel import buffer, f32, i32, i64, kernel, u8, void
from saccade.types import U8, Depth

STEP_PX = 1.0
"""Neighbours whose disparities differ by more belong to two surfaces."""
I32 = npt.NDArray[np.int32]


class Specks:
    """Takes specks out of depth images; buffers are made once per size."""

    def __init__(self) -> None:
        self._visited: U8 = np.empty(0, np.uint8)
        self._blob: I32 = np.empty(0, np.int32)

    def drop(self, depth: Depth, baseline_m: float, least_m: float) -> None:
        """Set to NaN, and to no confidence, in place, each surface of less area than a square of edge `least_m`.

        Of depth from a pair with this baseline in metres: surfaces end where the disparity jumps.
        """
        if least_m <= 0.0:
            return
        shape, camera = depth.depth_m.shape, depth.camera
        if len(self._visited) != depth.depth_m.size:
            self._visited, self._blob = np.empty(depth.depth_m.size, np.uint8), np.empty(depth.depth_m.size, np.int32)
        step, least = STEP_PX / (camera.fx * baseline_m), least_m * least_m * camera.fx * camera.fy
        _drop(depth.depth_m.ravel(), depth.confidence.ravel(), shape[1], step, least, self._visited, self._blob)


@kernel(void, buffer(f32, 1), buffer(u8, 1), i64, f32, f32, buffer(u8, 1), buffer(i32, 1))
def _drop(depth_m: F32, confidence: U8, width: int, step: float, least: float, visited: U8, blob: I32) -> None:
    """Blobs of neighbours whose inverse depths differ by at most `step`; their size is their squared depths' sum.

    Images as their rows, one after the other (H width,).
    """
    pixels, beside = len(depth_m), np.empty(4, np.int32)
    for p in range(pixels):
        visited[p] = not depth_m[p] > 0.0
    for first in range(pixels):
        if visited[first]:
            continue
        visited[first] = 1
        blob[0], count, done, size = first, 1, 0, np.float32(0.0)
        while done < count:
            p = blob[done]
            done += 1
            z, column = depth_m[p], p % width
            size += z * z
            beside[0], beside[1] = p - width, p + width
            beside[2] = p - 1 if column > 0 else -1
            beside[3] = p + 1 if column < width - 1 else -1
            for k in range(4):
                q = beside[k]
                if 0 <= q < pixels and not visited[q] and abs(depth_m[q] - z) <= step * z * depth_m[q]:
                    visited[q] = 1
                    blob[count] = q
                    count += 1
        if size < least:
            for n in range(count):
                depth_m[blob[n]], confidence[blob[n]] = np.nan, 0
