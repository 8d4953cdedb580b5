"""How wrong a picture of the Gaussians is, and which way each of them should change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from map_node.gaussians import cpu, kernels_back
from map_node.gaussians.base import Gaussians, View
from saccade.geometry import F64


class Slope(NamedTuple):
    """Derivatives of the loss, float64: rgb (n, 3), opacity (n,), along the normal per metre (n,), log scale (n, 3)."""

    loss: float
    rgb: F64
    opacity: F64
    normal: F64
    log_scale: F64


def slope(gaussians: Gaussians, view: View, near_m: float = 0.05) -> Slope:
    """The loss of one view: mean square error of its pixels that Gaussians cover more than half, and its derivatives.

    What the cover itself changes about which pixels count is left out.
    """
    projected = cpu.project(gaussians, view.T_odom_from_cam, view.camera, near_m)
    drawn = cpu.blend(gaussians, projected, view.camera, (0.0, 0.0, 0.0))
    error = (drawn.rgb - view.rgb / np.float32(255)) * (drawn.alpha > 0.5)[..., None]
    count = max(1, 3 * int((drawn.alpha > 0.5).sum()))
    back, shape = np.zeros((len(gaussians.at), 9)), np.empty((len(gaussians.at), 4))
    kernels_back.blend(
        projected.flat, gaussians.rgb, gaussians.opacity, projected.ends, projected.entries, drawn.rgb,
        (error * np.float32(2 / count)).astype(np.float32), back,
    )  # fmt: skip
    T_cam_from_odom = view.T_odom_from_cam.inverse()
    kernels_back.project(
        gaussians.at, gaussians.scale_m, gaussians.wxyz, np.ascontiguousarray(T_cam_from_odom.R), T_cam_from_odom.t,
        cpu.lens(view.camera), projected.flat, back, shape,
    )  # fmt: skip
    loss = float(np.square(error, dtype=np.float64).sum()) / count
    return Slope(loss, back[:, :3], back[:, 3], shape[:, 0], shape[:, 1:])
