"""Export helpers for models of several views, on clones that are written here."""

import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="exporting needs torch")
pytest.importorskip("onnx")

import onnxruntime  # noqa: E402

from training.export import depth_anything_3_views, vggt  # noqa: E402
from training.export.views import in_eight_bits, views_of_a_room  # noqa: E402

HEADS = """
import torch
def create_uv_grid(width, height):
    return torch.cartesian_prod(torch.arange(height).double(), torch.arange(width).double())
def position_grid_to_embed(grid, width, height):
    return torch.einsum("ni,i->n", grid, torch.tensor([0.01, 0.02]).double()).view(height, width).float()
"""
VGGT = """
import torch
from torch import nn
from vggt.heads import dpt_head
class Embed(nn.Module):
    def __init__(self):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.randn(1, 3, 8, 8))
    def interpolate_pos_encoding(self, x, w, h):
        return nn.functional.interpolate(self.pos_embed, size=(w, h), mode="bicubic", antialias=True)
    def forward(self, x):
        return x + self.interpolate_pos_encoding(x, *x.shape[-2:])
class Aggregator(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed = Embed()
        self.position_getter = lambda n, height, width: torch.cartesian_prod(torch.arange(height), torch.arange(width))
        self.linear = nn.Linear(3, 32)
    def forward(self, images):
        tokens = self.linear(self.patch_embed(images[0]).permute(0, 2, 3, 1))
        return tokens + self.position_getter(1, 2, 3).sum()
class VGGT(nn.Module):
    def __init__(self):
        super().__init__()
        self.aggregator, self.pose = Aggregator(), nn.Linear(32, 9)
        self.point_head = self.track_head = nn.Linear(9, 9)
    def forward(self, images):
        assert self.point_head is None and self.track_head is None
        tokens = self.aggregator(images)
        height, width = images.shape[-2:]
        grid = dpt_head.position_grid_to_embed(dpt_head.create_uv_grid(width, height), width, height)
        depth = (tokens.mean(-1) + grid).exp()
        return {"pose_enc": self.pose(tokens.mean((1, 2)))[None], "depth": depth[None, ..., None],
                "depth_conf": 1 + depth[None], "world_points": depth}
"""
V3 = """
import torch
from torch import nn
MODEL_REGISTRY = {"da3-base": "base"}
load_config = lambda path: path
class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.position_getter = None
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
    def interpolate_pos_encoding(self, x, w, h):
        return nn.functional.interpolate(torch.ones(1, 4, 8, 8), size=(w, h), mode="bicubic", antialias=True)
    def forward(self, x):
        return self.conv(x) + self.interpolate_pos_encoding(x, *x.shape[-2:])
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.pretrained = Transformer()
    def forward(self, x, ref_view_strategy="saddle_balanced"):
        assert ref_view_strategy == "first"
        found = self.backbone.pretrained(x[0])
        T = found.mean((2, 3))[:, :, None] * torch.eye(4)
        depth = found.mean(1)[None]
        return {"extrinsics": T.mT[None], "intrinsics": T[None, :, :3, :3], "depth": depth, "depth_conf": depth + 1,
                "aux": {}}
create_object = lambda config: Net()
"""


@pytest.fixture(autouse=True)
def forget():
    """Modules of one clone do not stay for the next."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("vggt", "depth_anything_3"):
            del sys.modules[name]


def clone(folder, **files):
    for name, text in files.items():
        path = folder / "clone" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(folder / "clone")


def exported(helper, repo, out, *more):
    torch.manual_seed(0)
    helper.main(["--repo", repo, "--untrained", "--size", "28x42", "--views", "2", "--out", str(out), *more])
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    shapes = {t.name: t.shape for t in (*session.get_inputs(), *session.get_outputs())}
    assert shapes["images"] == [1, 2, 3, 28, 42]
    return shapes, session


def test_vggt_in_eight_bits_and_in_all(tmp_path, capsys):
    repo = clone(tmp_path, vggt__heads__dpt_head=HEADS, vggt__models__vggt=VGGT)
    shapes, small = exported(vggt, repo, tmp_path / "small.onnx")
    assert (shapes["pose_enc"], shapes["depth_conf"]) == ([1, 2, 9], [1, 2, 28, 42])
    said = capsys.readouterr().out
    assert "eight bits a weight: depth differs by" in said
    assert "saccade engine add --card vggt" in said
    dpt = sys.modules["vggt.heads.dpt_head"]
    assert dpt.create_uv_grid(42, 28) is dpt.create_uv_grid(42, 28), "worked out once"
    _, whole = exported(vggt, repo, tmp_path / "whole.onnx", "--weights", "float32")
    images = {"images": views_of_a_room((28, 42), 2).numpy()}
    a, b = (session.run(["depth"], images)[0] for session in (small, whole))
    assert 0 < np.abs(a / b - 1).max() < 0.02


def test_eight_bits_are_what_is_stored():
    model = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(5, 7)), torch.nn.LayerNorm(7))
    x = torch.randn(3, 5)
    before = model(x)
    in_eight_bits(model)
    assert [v.dtype for v in model.state_dict().values() if v.shape == (7, 5)] == [torch.int8]
    assert torch.allclose(model(x), before, atol=0.05)


def test_depth_anything_3_takes_the_first_view_for_reference(tmp_path, capsys):
    repo = clone(tmp_path, src__depth_anything_3__cfg=V3, src__depth_anything_3__registry=V3)
    shapes, _ = exported(depth_anything_3_views, repo, tmp_path / "v3.onnx")
    assert shapes["extrinsics"] == [1, 2, 4, 4]
    assert shapes["depth"] == [1, 2, 28, 42]
    assert "saccade engine add --card da3" in capsys.readouterr().out
