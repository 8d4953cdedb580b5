"""gsplat behind the interface: its recorded signature, its conventions, and what is said where it is missing."""

import inspect
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from test_gaussians import splats

from map_node.gaussians.base import Gaussians
from map_node.gaussians.cpu import CpuRenderer
from map_node.gaussians.gpu import GsplatRenderer
from saccade.errors import ConfigError
from saccade.geometry import SE3, Pinhole

CAMERA = Pinhole(60.0, 50.0, 30.0, 21.0, 70, 45)
T = SE3.from_rpy(0.1, -0.2, 0.15, (0.05, -0.03, -0.2))


def rasterization(
    means, quats, scales, opacities, colors, viewmats, Ks, width, height, near_plane=0.01, far_plane=1e10,
    radius_clip=0.0, eps2d=0.3, sh_degree=None, packed=True, tile_size=16, backgrounds=None, render_mode="RGB",
    sparse_grad=False, absgrad=False, rasterize_mode="classic", channel_chunk=32, distributed=False,
    camera_model="pinhole",
):  # fmt: skip
    """As gsplat 1.4 and 1.5 have it, of one camera, expected depth alone; drawn by the CPU."""
    arrays = [tensor.array for tensor in (means, quats, scales, opacities, colors, viewmats, Ks)]
    assert all(array.dtype == np.float32 for array in arrays)
    assert all(tensor.place == "cuda" for tensor in (means, quats, scales, opacities, colors, viewmats, Ks))
    at, wxyz, scale, opacity, rgb, view, K = arrays
    n = len(at)
    assert [a.shape for a in arrays] == [(n, 3), (n, 4), (n, 3), (n,), (n, 3), (1, 4, 4), (1, 3, 3)]
    assert (backgrounds, sh_degree, render_mode) == (None, None, "RGB+ED")
    world_to_cam = SE3(view[0, :3, :3].astype(float), view[0, :3, 3].astype(float))
    camera = Pinhole(K[0, 0, 0], K[0, 1, 1], K[0, 0, 2] - 0.5, K[0, 1, 2] - 0.5, width, height)  # centres at halves
    one = CpuRenderer().draw(
        Gaussians(at, scale, wxyz, rgb, opacity), world_to_cam.inverse(), camera, near_m=near_plane
    )
    shown = np.concatenate([one.rgb, np.nan_to_num(one.depth_m, nan=7.0)[..., None]], axis=-1)
    return Tensor(shown[None]), Tensor(one.alpha[None, ..., None]), {}


class Tensor:
    def __init__(self, array, place="cuda"):
        self.array, self.place = array, place

    def to(self, place):
        return Tensor(self.array, place)

    def cpu(self):
        return Tensor(self.array, "cpu")

    def numpy(self):
        assert self.place == "cpu"
        return self.array

    def __getitem__(self, at):
        return Tensor(self.array[at], self.place)


@pytest.fixture
def gsplat(monkeypatch):
    class NoGrad:
        def __enter__(self):
            pass

        def __exit__(self, *_):
            pass

    torch, package = ModuleType("torch"), ModuleType("gsplat")
    torch.cuda = SimpleNamespace(is_available=lambda: True)
    torch.no_grad, torch.from_numpy = NoGrad, lambda array: Tensor(array, "cpu")
    package.rasterization = rasterization
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "gsplat", package)
    return torch


def test_it_draws_what_the_cpu_draws(gsplat):
    some = splats(30, 4)
    mine, theirs = (one.draw(some, T, CAMERA, (0.2, 0.3, 0.4), 0.4) for one in (CpuRenderer(), GsplatRenderer()))
    np.testing.assert_allclose(theirs.rgb, mine.rgb, atol=2e-3)  # poses go there in single precision
    np.testing.assert_allclose(theirs.alpha, mine.alpha, atol=2e-3)
    both = np.isfinite(mine.depth_m) & np.isfinite(theirs.depth_m)
    assert (np.isfinite(mine.depth_m) == np.isfinite(theirs.depth_m)).mean() > 0.99
    np.testing.assert_allclose(theirs.depth_m[both], mine.depth_m[both], atol=5e-3)


def test_both_renderers_are_called_alike():
    assert inspect.signature(CpuRenderer.draw) == inspect.signature(GsplatRenderer.draw)


def test_what_is_missing_is_named(gsplat, monkeypatch):
    gsplat.cuda.is_available = lambda: False
    with pytest.raises(ConfigError, match="sees no CUDA device"):
        GsplatRenderer()
    monkeypatch.setitem(sys.modules, "gsplat", None)
    with pytest.raises(ConfigError, match=r"saccade\[gsplat\]"):
        GsplatRenderer()
