"""Depth that hangs in the air and is smaller than a thing: a mismatch, where a wall has nothing to match.

A matcher counts pixels when it drops specks, and a pixel half a metre away is a thirtieth of what it is at three.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from saccade.geometry import F32
from saccade.kernel import buffer, f32, f64, i32, kernel, u8, void
from saccade.types import U8, Depth

STEP_PX = 1.0
"""Neighbours whose disparities differ by more belong to two surfaces."""
I32 = npt.NDArray[np.int32]


class Specks:
    """Takes specks out of depth images; buffers are made once per size."""

    def __init__(self) -> None:
        self._visited: U8 = np.empty((0, 0), np.uint8)
        self._blob: I32 = np.empty(0, np.int32)

    def drop(self, depth: Depth, baseline_m: float, least_m: float) -> None:
        """Set to NaN, and to no confidence, in place, each surface of less area than a square of edge `least_m`.

        Of depth from a pair with this baseline in metres: surfaces end where the disparity jumps.
        """
        if least_m <= 0.0:
            return
        shape, camera = depth.depth_m.shape, depth.camera
        if self._visited.shape != shape:
            self._visited, self._blob = np.empty(shape, np.uint8), np.empty(depth.depth_m.size, np.int32)
        step, least = STEP_PX / (camera.fx * baseline_m), least_m * least_m * camera.fx * camera.fy
        _drop(depth.depth_m, depth.confidence, step, least, self._visited, self._blob)


@kernel(void, buffer(f32, 2), buffer(u8, 2), f64, f64, buffer(u8, 2), buffer(i32, 1))
def _drop(depth_m: F32, confidence: U8, step: float, least: float, visited: U8, blob: I32) -> None:
    """Blobs of neighbours whose inverse depths differ by at most `step`; their size is their squared depths' sum."""
    height, width = depth_m.shape
    visited[:] = 0
    for first in range(height * width):
        if visited[first // width, first % width] or not depth_m[first // width, first % width] > 0.0:
            continue
        visited[first // width, first % width] = 1
        blob[0], count, done, size = first, 1, 0, 0.0
        while done < count:
            i, j = blob[done] // width, blob[done] % width
            done += 1
            z = depth_m[i, j]
            size += z * z
            for k in range(4):
                r, c = i + (k == 0) - (k == 1), j + (k == 2) - (k == 3)
                if 0 <= r < height and 0 <= c < width and not visited[r, c]:
                    other = depth_m[r, c]
                    if other > 0.0 and abs(1.0 / other - 1.0 / z) <= step:
                        visited[r, c] = 1
                        blob[count] = r * width + c
                        count += 1
        if size < least:
            for n in range(count):
                depth_m[blob[n] // width, blob[n] % width] = np.nan
                confidence[blob[n] // width, blob[n] % width] = 0
