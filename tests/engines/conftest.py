"""A tiny real stereo model in ONNX, block matching with hostile conventions, and pictures to feed it."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from stand_ins import approved

DISPARITIES = 12


def block_matching_graph() -> onnx.ModelProto:
    """left_bgr, right_bgr (1, 3, H, W) float32, normalised -> flow (1, 1, H, W) = minus the disparity, in px.

    Only the blue channel counts, so that a model fed RGB instead of BGR sees nothing.
    """
    nodes, inits = [], []

    def const(name, array):
        inits.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    axis, zero = const("axis", np.array([3], np.int64)), const("zero", np.array([0], np.int64))
    blue = const("blue", np.array([1, 0, 0], np.float32).reshape(1, 3, 1, 1))
    for side in ("left", "right"):
        nodes.append(helper.make_node("Mul", [f"{side}_bgr", blue], [f"{side}_blue"]))
        nodes.append(
            helper.make_node("ReduceSum", [f"{side}_blue", const(f"{side}_c", np.array([1], np.int64))], [side])
        )
    costs = []
    for d in range(DISPARITIES):
        moved = "right"
        if d:
            nodes.append(
                helper.make_node(
                    "Slice", ["right", zero, const(f"end{d}", np.array([-d], np.int64)), axis], [f"cut{d}"]
                )
            )
            pads = const(f"pads{d}", np.array([0, 0, 0, d, 0, 0, 0, 0], np.int64))
            nodes.append(helper.make_node("Pad", [f"cut{d}", pads, const(f"far{d}", np.float32(99))], [f"moved{d}"]))
            moved = f"moved{d}"
        nodes.append(helper.make_node("Sub", ["left", moved], [f"diff{d}"]))
        nodes.append(helper.make_node("Abs", [f"diff{d}"], [f"abs{d}"]))
        nodes.append(helper.make_node("AveragePool", [f"abs{d}"], [f"cost{d}"], kernel_shape=[5, 5], pads=[2, 2, 2, 2]))
        costs.append(f"cost{d}")
    nodes.append(helper.make_node("Concat", costs, ["volume"], axis=1))
    nodes.append(helper.make_node("ArgMin", ["volume"], ["best"], axis=1, keepdims=1))
    nodes.append(helper.make_node("Cast", ["best"], ["px"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("Neg", ["px"], ["flow"]))
    pictures = [
        helper.make_tensor_value_info(f"{s}_bgr", TensorProto.FLOAT, [1, 3, "H", "W"]) for s in ("left", "right")
    ]
    flow = helper.make_tensor_value_info("flow", TensorProto.FLOAT, [1, 1, "H", "W"])
    graph = helper.make_graph(nodes, "block_matching", pictures, [flow], inits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


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
