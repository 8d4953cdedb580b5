"""The card of a tiny stereo model, and pictures to feed it."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from block_matching import block_matching_graph
from stand_ins import approved


def card_fields(sha256: str) -> dict:
    return {
        "name": "blocks", "kind": "stereo", "backend": "onnx", "source": "tests/engines", "licence": "Apache-2.0",
        "left": "left_bgr", "right": "right_bgr", "onnx": "blocks.onnx", "sha256": sha256,
        "colour": {"order": "bgr", "white": 1.0, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3],
                   "dtype": "float32", "layout": "nchw"},
        "size": {"rule": "pad", "stride": 16},
        "output": {"name": "flow", "sign": "negative"},
        "baked": {"f_times_b": 80.0},
        "golden": {"inputs": "in.npz", "outputs": "out.npz"},
    }  # fmt: skip


def textured_pair(shape=(50, 90), disparity=7, seed=3):
    """left, right (H, W, 3) RGB uint8 whose blue channel alone is textured, `disparity` px apart everywhere."""
    rng = np.random.default_rng(seed)
    blue = rng.integers(0, 256, (shape[0], shape[1] + disparity), np.uint8)
    left, right = np.full((2, *shape, 3), 90, np.uint8)
    left[..., 2], right[..., 2] = blue[:, :-disparity], blue[:, disparity:]
    return left, right


@pytest.fixture(scope="session")
def blocks_card(tmp_path_factory) -> Path:
    """Path of a card beside its model and golden arrays."""
    folder = tmp_path_factory.mktemp("blocks")
    model = block_matching_graph().SerializeToString()
    (folder / "blocks.onnx").write_bytes(model)
    rng = np.random.default_rng(1)
    scene = rng.standard_normal((1, 3, 32, 64 + 5)).astype(np.float32)
    np.savez(folder / "in.npz", left_bgr=scene[..., :-5].copy(), right_bgr=scene[..., 5:].copy())
    flow = np.full((1, 1, 32, 64), -5, np.float32)
    np.savez(folder / "out.npz", flow=flow)
    fields = card_fields(hashlib.sha256(model).hexdigest())
    # Left of column 5 nothing can match: the golden output is what the model says there, checked to be right elsewhere.
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    with np.load(folder / "in.npz") as arrays:
        seen = session.run(None, dict(arrays))[0]
    assert (seen[..., 7:] == flow[..., 7:]).all()
    np.savez(folder / "out.npz", flow=seen)
    (folder / "blocks.yaml").write_text(yaml.safe_dump(fields))
    return approved(folder / "blocks.yaml")
