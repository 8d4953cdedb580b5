"""int8 of the shipped network: what is lowered is decided by names, and a change of the network could break that."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from engines.card import CARDS
from training.pairs import SUBPIXEL, make
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


def bad_shares(name: str, pairs: list[np.ndarray]) -> tuple[float, float]:
    """Of the pixels that both cameras see, how many a model has wrong by more than 1 and 2 px, in percent."""
    session = onnxruntime.InferenceSession(str(MODELS / f"{name}.onnx"), providers=["CPUExecutionProvider"])
    bad = []
    for pair in pairs:
        planes = {side: pair[side].transpose(2, 0, 1)[None].astype(np.float32) for side in ("left", "right")}
        error = np.abs(session.run(["disparity"], planes)[0][0, 0] - pair["disparity"] / SUBPIXEL)[~pair["occluded"]]
        bad.append([100 * (error > px).mean() for px in (1, 2)])
    one, two = np.mean(bad, 0)
    return float(one), float(two)


@pytest.mark.slow
def test_eight_bits_cost_next_to_nothing_on_pairs_that_were_never_calibrated_on() -> None:
    """Lowering the stem and what reads the look-ups cost 1.4 and 1.1 points."""
    pairs = [make(seed) for seed in range(8_000_000, 8_000_012)]
    for exact, int8 in zip(bad_shares("stereo-s", pairs), bad_shares("stereo-s-int8", pairs), strict=True):
        assert int8 < exact + 0.7
