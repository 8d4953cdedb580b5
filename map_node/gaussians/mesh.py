"""The volume's mesh drawn like Gaussians: triangles with a z-buffer, colours between the corners."""

from __future__ import annotations

import math

import numpy as np

from map_node.gaussians.base import Drawing
from map_node.gaussians.cpu import lens
from map_node.volume.base import I32
from map_node.volume.mesh import Mesh
from saccade.geometry import F32, F64, SE3, Pinhole
from saccade.kernel import array, buffer, f32, f64, i32, kernel, u8, void
from saccade.types import U8


def draw_mesh(
    mesh: Mesh,
    T_odom_from_cam: SE3,
    camera: Pinhole,
    background: tuple[float, float, float] = (0.0, 0.0, 0.0),
    near_m: float = 0.05,
) -> Drawing:
    """See `Renderer.draw`; both sides of triangles are seen, those with a corner nearer than `near_m` are left out."""
    T, shape = T_odom_from_cam.inverse(), (camera.height, camera.width)
    at = (mesh.vertices.astype(np.float64) @ T.R.T + T.t).astype(np.float64)
    made = Drawing(np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32), np.full(shape, np.inf, np.float32))
    _rasterise(np.ascontiguousarray(at), mesh.rgb, mesh.triangles, lens(camera), near_m, made.rgb, made.depth_m)
    nothing = np.isinf(made.depth_m)
    made.alpha[~nothing], made.depth_m[nothing] = 1, np.nan
    made.rgb[nothing] = background
    return made


@kernel(void, array(f64, 2), array(u8, 2), array(i32, 2), array(f64, 1), f64, buffer(f32, 3), buffer(f32, 2))
def _rasterise(at: F64, rgb: U8, triangles: I32, camera: F64, near_m: float, drawn: F32, depth_m: F32) -> None:
    """Nearest triangle at each pixel's centre; 1 / z is linear in the picture, and what is divided by z."""
    u, v, w = np.empty(3), np.empty(3), np.empty(3)
    for corners in triangles:
        hidden = False
        for i in range(3):
            x, y, z = at[corners[i], 0], at[corners[i], 1], at[corners[i], 2]
            hidden = hidden or not z > near_m
            u[i], v[i], w[i] = camera[0] * x / z + camera[2], camera[1] * y / z + camera[3], 1 / z
        area = (u[1] - u[0]) * (v[2] - v[0]) - (u[2] - u[0]) * (v[1] - v[0])
        if hidden or area == 0:
            continue
        first, last = max(0, math.ceil(v.min())), min(depth_m.shape[0] - 1, math.floor(v.max()))
        left, right = max(0, math.ceil(u.min())), min(depth_m.shape[1] - 1, math.floor(u.max()))
        for row in range(first, last + 1):
            for column in range(left, right + 1):
                a = ((u[1] - column) * (v[2] - row) - (u[2] - column) * (v[1] - row)) / area
                b = ((u[2] - column) * (v[0] - row) - (u[0] - column) * (v[2] - row)) / area
                c = 1 - a - b
                if a >= 0 and b >= 0 and c >= 0:
                    z = 1 / (a * w[0] + b * w[1] + c * w[2])
                    if z < depth_m[row, column]:
                        depth_m[row, column] = z
                        a, b, c = a * w[0] * z / 255, b * w[1] * z / 255, c * w[2] * z / 255
                        for k in range(3):
                            drawn[row, column, k] = (
                                a * rgb[corners[0], k] + b * rgb[corners[1], k] + c * rgb[corners[2], k]
                            )
