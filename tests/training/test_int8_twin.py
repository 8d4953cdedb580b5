"""int8 of the shipped network: what is lowered is decided by names, and a change of the network could break that."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from engines.card import CARDS
from training.quantise import quantise

MODELS = CARDS.parent / "models"


def lowered(path: Path) -> tuple[set[str], set[str]]:
    """Names of the constants held in eight bits, and of the values that are rounded to eight bits."""
    graph = onnx.load(path).graph
    constants = {i.name for i in graph.initializer}
    weights = {n.input[0] for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in constants}
    return weights, {n.input[0] for n in graph.node if n.op_type == "QuantizeLinear"}


@pytest.mark.slow
def test_what_ships_is_what_is_made_now(tmp_path: Path) -> None:
    left, right = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    quantise(MODELS / "stereo-s.onnx", tmp_path / "int8.onnx", [(left, right)])
    weights, values = lowered(tmp_path / "int8.onnx")
    assert len(weights) > 100
    assert (weights, values) == lowered(MODELS / "stereo-s-int8.onnx")
    notes = [{p.key for p in onnx.load(p).metadata_props} for p in (tmp_path / "int8.onnx", MODELS / "stereo-s.onnx")]
    assert notes[0] == notes[1] != set()
