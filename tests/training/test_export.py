"""Export helpers, on clones that are written here: small models with the classes and calls that the helpers rely on."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="exporting needs torch")
pytest.importorskip("onnx")

import onnxruntime  # noqa: E402

from saccade.errors import ConfigError, DataError  # noqa: E402
from training.export import (  # noqa: E402
    base,
    crestereo,
    depth_anything_3,
    depth_anything_v2,
    fast_foundation_stereo,
    foundation_stereo,
    raft_stereo,
    stereoadapter,
)
from training.export.base import Pair, pictures, write  # noqa: E402

RAFT = """
import torch
from torch import nn
class RAFTStereo(nn.Module):
    def __init__(self, args):
        super().__init__()
        self.args, self.conv = args, nn.Conv2d(3, 4, 3, padding=1)
    def forward(self, image1, image2, iters=12, flow_init=None, test_mode=False):
        flow = -(self.conv(image1) - self.conv(image2)).mean(1, keepdim=True) * iters
        return flow[..., ::4, ::4], flow
"""
CRESTEREO = """
from torch import nn
import torch.nn.functional as F
class Model(nn.Module):
    def __init__(self, max_disp, mixed_precision, test_mode):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
    def forward(self, left, right, iters=10, flow_init=None):
        flow = self.conv(left) - self.conv(right)
        return flow if flow_init is None else flow + 2 * F.interpolate(flow_init, scale_factor=2)
"""
V2 = """
from torch import nn
class DepthAnythingV2(nn.Module):
    def __init__(self, encoder, features, out_channels):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)
    def forward(self, x):
        return self.conv(x).relu().squeeze(1)
"""
V3 = """
from torch import nn
MODEL_REGISTRY = {"da3metric-large": "large"}
load_config = dict
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)
    def _process_mono_sky_estimation(self, output):
        raise AssertionError("random")
    def forward(self, x):
        return self._process_mono_sky_estimation({"depth": self.conv(x[:, 0])})
load_config = lambda path: path
create_object = lambda config: Net()
"""


@pytest.fixture(autouse=True)
def forget():
    """Modules of one clone do not stay for the next."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] in (
            "core",
            "nets",
            "depth_anything_v2",
            "depth_anything_3",
            "models",
            "utils",
            "omegaconf",
        ):
            del sys.modules[name]


def clone(tmp_path, **files):
    for name, text in files.items():
        path = tmp_path / "clone" / f"{name if '/' in name else name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(tmp_path / "clone")


def run(helper, repo, out, *more, size="64x96"):
    helper.main(["--repo", repo, "--untrained", "--size", size, "--out", str(out), *more])


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def names(path):
    opened = session(path)
    return [t.name for t in opened.get_inputs()], [t.name for t in opened.get_outputs()]


def test_raft_stereo_gives_the_full_flow(tmp_path, capsys):
    out = tmp_path / "out" / "raft.onnx"
    run(raft_stereo, clone(tmp_path, core__raft_stereo=RAFT), out, "--iterations", "3")
    assert names(out) == (["left", "right"], ["flow"])
    assert session(out).get_outputs()[0].shape == [1, 1, 64, 96]
    told = capsys.readouterr().out
    assert f"next: saccade engine add --card raft-stereo --onnx {out}" in told
    assert "96 x 64" in told


def test_crestereo_becomes_two_graphs(tmp_path, capsys):
    run(crestereo, clone(tmp_path, **{"nets/__init__": CRESTEREO}), tmp_path / "cre.onnx")
    first = tmp_path / "cre_without_flow.onnx"
    assert names(first) == (["left", "right"], ["output"])
    assert session(first).get_inputs()[0].shape == [1, 3, 32, 48]
    assert names(tmp_path / "cre.onnx") == (["left", "right", "flow_init"], ["output"])
    assert f"--onnx {first} {tmp_path / 'cre.onnx'}" in capsys.readouterr().out


def test_depth_anything(tmp_path):
    run(depth_anything_v2, clone(tmp_path, depth_anything_v2__dpt=V2), tmp_path / "v2.onnx", size="56x84")
    assert names(tmp_path / "v2.onnx") == (["image"], ["depth"])
    repo = clone(tmp_path / "3", src__depth_anything_3__cfg=V3, src__depth_anything_3__registry=V3)
    run(depth_anything_3, repo, tmp_path / "v3.onnx", size="56x84")
    assert names(tmp_path / "v3.onnx") == (["image"], ["depth"])
    assert session(tmp_path / "v3.onnx").get_outputs()[0].shape == [1, 56, 84]


FOUNDATION = """
from torch import nn
class FoundationStereo(nn.Module):
    def __init__(self, args):
        super().__init__()
        assert args.vit_size == "vitl" and args.mixed_precision is False
        self.conv = nn.Conv2d(3, 1, 3, padding=1)
    def forward(self, left, right, iters=12, test_mode=False):
        return self.conv(left) - self.conv(right)
"""
OMEGACONF = """
class Config(dict):
    __getattr__, __setattr__ = dict.__getitem__, dict.__setitem__
class OmegaConf:
    load = staticmethod(lambda path: Config())
"""


def test_foundation_stereo_needs_its_configuration(tmp_path):
    repo = clone(tmp_path, core__foundation_stereo=FOUNDATION, omegaconf=OMEGACONF)
    with pytest.raises(ConfigError, match=r"no cfg\.yaml"):
        run(foundation_stereo, repo, tmp_path / "f.onnx")
    (tmp_path / "cfg.yaml").write_text("{}")
    run(foundation_stereo, repo, tmp_path / "f.onnx", "--config", str(tmp_path / "cfg.yaml"))
    assert names(tmp_path / "f.onnx") == (["left", "right"], ["disp"])


FAST = """
import torch
from torch import nn
class Args:
    pass
class Fast(nn.Module):
    def __init__(self):
        super().__init__()
        self.args, self.cv_group, self.conv = Args(), 4, nn.Conv2d(3, 8, 3, padding=1)
class TrtFeatureRunner(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.conv = model.conv
    def forward(self, left, right):
        a, b = (nn.functional.avg_pool2d(self.conv(x), 4) for x in (left, right))
        return a, a[..., ::2, ::2], a[..., ::4, ::4], a[..., ::8, ::8], b, left[..., ::2, ::2]
class TrtPostRunner(nn.Module):
    def __init__(self, model):
        super().__init__()
        assert model.args.valid_iters == 8 and model.args.mixed_precision is False
    def forward(self, a, b, c, d, e, stem, gwc_volume):
        return gwc_volume.sum((1, 2))[None] + sum(x.mean() for x in (a, b, c, d, e, stem))
"""


def test_fast_foundation_stereo_is_unpickled_only_when_told_to(tmp_path, monkeypatch):
    repo = clone(tmp_path, core__foundation_stereo=FAST)
    monkeypatch.syspath_prepend(repo)
    from core.foundation_stereo import Fast

    torch.save(Fast(), tmp_path / "fast.pth")
    args = ["--repo", repo, "--checkpoint", str(tmp_path / "fast.pth"), "--size", "64x96"]
    args += ["--out", str(tmp_path / "x.onnx"), "--max-disparity", "32"]
    with pytest.raises(ConfigError, match="--trust-checkpoint"):
        fast_foundation_stereo.main(args)
    fast_foundation_stereo.main([*args, "--trust-checkpoint"])
    assert names(tmp_path / "feature_runner.onnx")[1] == list(fast_foundation_stereo.FEATURES)
    volume = session(tmp_path / "post_runner.onnx").get_inputs()[-1]
    assert (volume.name, volume.shape) == ("gwc_volume", [1, 4, 8, 16, 24])


def test_the_volume_is_the_runtimes(tmp_path):
    from engines.two_graphs import group_correlation, unit_groups

    features = torch.randn(2, 1, 8, 5, 9)
    left, right = features
    made = fast_foundation_stereo.correlated({"features_left_04": left, "features_right_04": right}, 4, 2)
    volume = np.empty((2, 4, 5, 9), np.float32)
    group_correlation(*(unit_groups(f.numpy(), 2)[0] for f in features), volume)
    np.testing.assert_allclose(made[0], volume, atol=1e-5)


MODELS = """
from torch import nn
class Networks(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 1, 3, padding=1)
class Model(nn.Module):
    def __init__(self, modes):
        super().__init__()
        self._networks, self.out_mode = Networks(), modes
    def inference_forward(self, inputs):
        import torch
        found = self._networks.conv(torch.cat([inputs["color_s"], inputs["color_o"]], 1))
        stereo = {"stereo_disp_0_s": found} if "Stereo" in self.out_mode else {}
        return {("disp", "s"): found * 0, **stereo}
def get_model_with_opts(options, device):
    return Model(options)
"""
OPTIONS = "read_yaml_options = lambda path: open(path).read().split()\n"


def test_stereoadapter_exports_the_stereo_head_whatever_comes_last(tmp_path):
    repo = clone(tmp_path, models__get_models=MODELS, utils__platform_loader=OPTIONS)
    (tmp_path / "clone" / "both.yaml").write_text("Mono Stereo Refine")
    (tmp_path / "clone" / "mono.yaml").write_text("Mono")
    out = tmp_path / "sa.onnx"
    run(stereoadapter, repo, out, "--exp-opts", "both.yaml", size="56x84")
    assert names(out) == (["left", "right"], ["disparity"])
    seen = session(out).run(
        None, {n: p.numpy() for n, p in zip(("left", "right"), pictures((56, 84), 1.0), strict=True)}
    )
    assert seen[0].std() > 0  # `disp`, the last head's, is 0 in this clone
    with pytest.raises(DataError, match="expected one with Stereo"):
        run(stereoadapter, repo, out, "--exp-opts", "mono.yaml", size="56x84")


def test_a_checkpoint_is_loaded_strictly_and_without_its_wrapper(tmp_path):
    repo, out, file = clone(tmp_path, core__raft_stereo=RAFT), tmp_path / "r.onnx", tmp_path / "c.pth"
    args = ["--repo", repo, "--checkpoint", str(file), "--size", "32x64", "--out", str(out)]
    weights = {"conv.weight": torch.full((4, 3, 3, 3), 0.5), "conv.bias": torch.zeros(4)}
    torch.save({f"module.{name}": value for name, value in weights.items()}, file)
    raft_stereo.main(args)
    ones = {"left": np.ones((1, 3, 32, 64), np.float32), "right": np.zeros((1, 3, 32, 64), np.float32)}
    assert session(out).run(None, ones)[0][0, 0, 16, 32] == pytest.approx(-0.5 * 27 * 16)
    torch.save({"module.conv.weight": weights["conv.weight"]}, file)
    with pytest.raises(DataError, match="does not fit"):
        raft_stereo.main(args)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--repo", "/absent"], "no folder"), (["--size", "60x96"], "multiples of 32"),
        (["--size", "64"], "HEIGHTxWIDTH"), (["--checkpoint", "/absent.pth"], "either"),
    ],
)  # fmt: skip
def test_wrong_use_says_what_is_valid(tmp_path, change, words):
    args = ["--repo", str(tmp_path), "--untrained", "--size", "64x96", "--out", str(tmp_path / "x.onnx"), *change]
    with pytest.raises(ConfigError, match=words):
        raft_stereo.main(args)


def test_a_graph_that_does_something_else_is_not_handed_out(tmp_path):
    class Moody(torch.nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return x * self.calls

    model = Pair(Moody(), lambda m, x: m(x))
    with pytest.raises(DataError, match="differs from torch"):
        write(model, {"x": torch.randn(1, 3, 8, 8)}, ["y"], tmp_path / "m.onnx")


HELPERS = sorted(path.stem for path in Path(base.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("helper", [name for name in HELPERS if name not in ("__init__", "base", "views")])
def test_a_helper_tells_wrong_use_without_a_traceback(helper, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{helper}.py", "--repo", "/absent", "--untrained", "--out", str(tmp_path / "x")])
    monkeypatch.delitem(sys.modules, f"training.export.{helper}", raising=False)
    with pytest.raises(SystemExit, match="2"):
        runpy.run_module(f"training.export.{helper}", run_name="__main__")
    told = capsys.readouterr().err
    assert told == f"{helper}: error: --repo /absent is no folder; expected a clone of the model's repository\n"


def test_helpers_are_commands(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["raft_stereo", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_module("training.export.raft_stereo", run_name="__main__")
    assert "--checkpoint" in capsys.readouterr().out
