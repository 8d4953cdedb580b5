"""Gaussians drawn by gsplat, where there are CUDA and PyTorch (Ye et al. 2024): the same interface as on the CPU.

gsplat takes world-to-camera matrices, quaternions w x y z, and pixels whose centres are at halves; it lets alpha go to
0.999. It has not been run here: the tests hold the calls to its recorded signature.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from map_node.gaussians.base import Drawing, Gaussians
from saccade.errors import ConfigError
from saccade.geometry import SE3, Pinhole


class GsplatRenderer:
    """See `Renderer`. ConfigError where gsplat, PyTorch or a CUDA device is missing."""

    def __init__(self) -> None:
        try:
            import torch
            from gsplat import rasterization
        except ImportError as error:
            raise ConfigError(
                f"drawing on a GPU needs gsplat and PyTorch, which cannot be imported ({error}): "
                "pip install 'saccade[gsplat]', or draw on the CPU"
            ) from error
        if not torch.cuda.is_available():
            raise ConfigError("PyTorch sees no CUDA device; install its CUDA build, or draw on the CPU")
        self._torch: Any = torch
        self._rasterise: Any = rasterization

    def draw(
        self,
        gaussians: Gaussians,
        T_odom_from_cam: SE3,
        camera: Pinhole,
        background: tuple[float, float, float] = (0.0, 0.0, 0.0),
        near_m: float = 0.05,
    ) -> Drawing:
        """See `Renderer.draw`."""
        T, view = T_odom_from_cam.inverse(), np.eye(4)
        view[:3, :3], view[:3, 3] = T.R, T.t
        K = np.array([[camera.fx, 0, camera.cx + 0.5], [0, camera.fy, camera.cy + 0.5], [0, 0, 1]])
        with self._torch.no_grad():
            shown, alphas, _ = self._rasterise(
                means=self._device(gaussians.at), quats=self._device(gaussians.wxyz),
                scales=self._device(gaussians.scale_m), opacities=self._device(gaussians.opacity),
                colors=self._device(gaussians.rgb), viewmats=self._device(view[None]), Ks=self._device(K[None]),
                width=camera.width, height=camera.height, near_plane=near_m, render_mode="RGB+ED",
            )  # fmt: skip
        picture, alpha = shown[0].cpu().numpy(), alphas[0, ..., 0].cpu().numpy()
        depth_m = np.where(alpha > 0.5, picture[..., 3], np.float32(np.nan))
        behind = (1 - alpha)[..., None] * np.array(background, np.float32)
        return Drawing(picture[..., :3] + behind, alpha, depth_m)

    def _device(self, values: Any) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(values, np.float32)).to("cuda")
