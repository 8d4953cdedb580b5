"""Open3D's VoxelBlockGrid over frames in a file: run by `saccade bench map` as a process of another environment.

`PYTHON open3d_grid.py FRAMES.npz OUT.npz VOXEL_M TRUNCATION_VOXELS RANGE_M`: milliseconds a frame (wall and CPU),
bytes of the blocks in use, and the surface's triangles. It imports nothing of Saccade, which that environment lacks.
"""

import importlib
import sys
import time
from typing import Any

import numpy as np


def main(frames: str, out: str, voxel_m: float, truncation: float, range_m: float) -> None:
    """Integrate every frame, colours included, then take the surface."""
    o3d: Any = importlib.import_module("open3d")
    core, given = o3d.core, np.load(frames, allow_pickle=False)
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight", "color"), (core.float32, core.float32, core.float32), ((1), (1), (3)),
        voxel_size=voxel_m, block_resolution=8, block_count=50000, device=core.Device("CPU:0"),
    )  # fmt: skip
    K = core.Tensor(given["K"])
    wall_ms, cpu_ms = [], []
    for depth_mm, rgb, T in zip(given["depth_mm"], given["rgb"], given["T_cam_from_odom"], strict=True):
        depth = o3d.t.geometry.Image(core.Tensor(depth_mm))
        colour, E = o3d.t.geometry.Image(core.Tensor(rgb)), core.Tensor(T)
        wall, cpu = time.perf_counter(), time.process_time()
        blocks = grid.compute_unique_block_coordinates(depth, K, E, 1000.0, range_m, truncation)
        grid.integrate(blocks, depth, colour, K, K, E, 1000.0, range_m, truncation)
        wall_ms.append((time.perf_counter() - wall) * 1e3)
        cpu_ms.append((time.process_time() - cpu) * 1e3)
    surface = grid.extract_triangle_mesh(weight_threshold=1.0)
    in_use = grid.hashmap().size() * 8**3 * 5 * 4
    np.savez(
        out, wall_ms=np.array(wall_ms), cpu_ms=np.array(cpu_ms), bytes=np.array(in_use),
        vertices=surface.vertex.positions.numpy(), triangles=surface.triangle.indices.numpy(),
        version=np.array(o3d.__version__),
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:]))
