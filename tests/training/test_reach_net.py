"""The learned motion's network: what ships is what the definition computes, and a training begins and ends."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch (an extra: saccade[train])")
onnx = pytest.importorskip("onnx", reason="training needs onnx (an extra: saccade[train])")

from training.reach.__main__ import main  # noqa: E402
from training.reach.net import ReachNet  # noqa: E402
from vla_node.arms.mover import Mover, load_mover  # noqa: E402


def loaded(card, graph):
    net = ReachNet(card.speed, card.horizon)
    stored = {
        i.name: torch.from_numpy(onnx.numpy_helper.to_array(i).copy()) for i in onnx.load(graph).graph.initializer
    }
    net.load_state_dict({name: stored.get(name, value) for name, value in net.state_dict().items()})
    assert {name for name, _ in net.named_parameters()} <= set(stored)
    return net


def test_the_shipped_graph_is_the_network_that_is_defined():
    card, graph = load_mover("reach-ur5e")
    net, mover, rng = loaded(card, graph), Mover(card, graph), np.random.default_rng(0)
    for _ in range(20):
        q, v, off = rng.uniform(-2, 2, 6), rng.uniform(-0.3, 0.3, 6), rng.normal(0, 0.1, 6)
        with torch.no_grad():
            wanted = net(*(torch.from_numpy(x[None].astype(np.float32)) for x in (q, v, off)))[0].numpy()
        most = np.array(card.speed)
        np.testing.assert_allclose(mover.rows(q, v, off), np.clip(wanted, -most, most), atol=1e-4)


@pytest.mark.slow
def test_a_training_writes_a_graph_its_card_and_its_course(tmp_path):
    options = ["--rounds", "1", "--arms", "20", "--steps", "10", "--epochs", "2", "--width", "32"]
    main(["--out", str(tmp_path), "--name", "small", *options])
    card, graph = load_mover(str(tmp_path / "small.yaml"))
    shipped, _ = load_mover("reach-ur5e")
    assert card.joints == shipped.joints
    assert card.speed == shipped.speed
    assert Mover(card, graph).rows(np.zeros(6), np.zeros(6), np.zeros(6)).shape == (8, 6)
    assert (tmp_path / "small.csv").read_text().count("\n") == 3
