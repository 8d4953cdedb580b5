"""The script that others are measured against computes the same network in PyTorch as in ONNX Runtime."""

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the script in PyTorch needs torch")
sys.path.append(str(Path(__file__).parents[2]))  # bench

from bench.plain_stereo import onnx_runtime, pytorch  # noqa: E402
from engines.card import load_card  # noqa: E402


@pytest.mark.parametrize("name", ["stereo-s", "stereo-m"])
def test_both_scripts_answer_alike(name):
    card = load_card(name)
    scene = np.random.default_rng(0).integers(0, 256, (1, 3, 96, 160 + 9)).astype(np.float32)
    pair = scene[..., :-9].copy(), scene[..., 9:].copy()
    wanted, found = (make(card.beside(card.onnx), 1)(*pair) for make in (onnx_runtime, pytorch))
    for one, other in zip(wanted, found, strict=True):
        assert one.shape == other.shape
        assert np.median(np.abs(one - other)) < 1e-3
    assert abs(np.median(found[0]) - 9) < 0.5


def test_a_device_that_is_not_here_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="no CUDA device"):
        pytorch(load_card("stereo-s").beside("stereo-s.onnx"), 1, "cuda")
