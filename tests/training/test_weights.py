"""ONNX files hold the network and give it back; the shipped ones are checked against its definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network's definition needs torch")
ort = pytest.importorskip("onnxruntime")

from engines.card import CARDS, load_card  # noqa: E402
from training.net import StereoNet  # noqa: E402
from training.sample import sample  # noqa: E402
from training.weights import INPUTS, WeightsError, digest, export, fold, load, unfold  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter traces, and says so


@pytest.fixture
def net() -> StereoNet:
    """A network whose batch normalisation has seen something."""
    torch.manual_seed(0)
    net = StereoNet("s", 64).train()
    for _ in range(2):
        net(*(255 * torch.rand(2, 3, 64, 64) for _ in INPUTS))
    return net.eval()


def pair_of(*shape: int) -> list[object]:
    return [255 * torch.rand(1, 3, *shape) for _ in INPUTS]


def test_folding_changes_nothing_but_the_layers(net: StereoNet) -> None:
    folded, pair = fold(net), pair_of(64, 96)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    with torch.no_grad():
        for a, b in zip(net(*pair), folded(*pair), strict=True):
            assert torch.allclose(a, b, atol=1e-3)


def test_unfolding_changes_nothing_and_can_be_trained(net: StereoNet) -> None:
    seen = [255 * torch.rand(4, 3, 64, 96) for _ in INPUTS]
    folded, pair = fold(net), pair_of(64, 96)
    again = unfold(folded, *seen)
    with torch.no_grad():
        for a, b in zip(folded(*pair), again(*pair), strict=True):
            assert torch.allclose(a, b, atol=1e-2)
    assert [n for n, _ in again.named_parameters()] == [n for n, _ in net.named_parameters()]
    assert all(p.requires_grad for p in again.parameters())
    assert not any(m._forward_pre_hooks for m in again.modules())
    for name, norm in again.named_modules():  # what it normalises by is what was shown, and lengths are fresh ones'
        if name == "features.stem.0.1":
            conv = again.features.stem[0][0]
            seen_there = torch.nn.functional.conv2d(seen[0] / 255.0, conv.weight, None, 2, 1)
            assert torch.allclose(norm.running_mean, seen_there.mean((0, 2, 3)), atol=1e-4)
            assert torch.allclose(conv.weight.flatten(1).norm(dim=1), torch.tensor(3.0**-0.5), atol=1e-4)


def test_an_exported_network_comes_back_and_the_graph_agrees_with_it(net: StereoNet, tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    assert export(net, path, {"told": "so"}) == digest(path)
    back, pair = load(path), pair_of(96, 64)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["told"] == "so"
    graph = session.run(None, dict(zip(INPUTS, (p.numpy() for p in pair), strict=True)))
    with torch.no_grad():
        for a, b, c in zip(net(*pair), back(*pair), graph, strict=True):
            assert torch.allclose(a, b, atol=1e-3)
            assert np.abs(b.numpy() - c).max() < 1e-3


def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    graph = onnx.helper.make_graph([], "empty", [], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "other.onnx")
    with pytest.raises(WeightsError, match="names no"):
        load(tmp_path / "other.onnx")


@pytest.mark.parametrize("name", [p.stem for p in sorted(CARDS.glob("stereo-[sm].yaml"))])
def test_the_shipped_graph_gives_what_the_definition_gives(name: str) -> None:
    card = load_card(name)
    net = load(card.beside(card.onnx))
    s = sample(7_000_001, (128, 96), 48)
    pair = [np.ascontiguousarray(p.transpose(2, 0, 1)[None], np.float32) for p in (s.left, s.right)]
    graph = ort.InferenceSession(str(card.beside(card.onnx)), providers=["CPUExecutionProvider"])
    answers = graph.run(None, dict(zip(INPUTS, pair, strict=True)))
    with torch.no_grad():
        for a, b in zip(net(*(torch.from_numpy(p) for p in pair)), answers, strict=True):
            assert np.abs(a.numpy() - b).max() < 0.01
