"""A tiny real stereo model in ONNX: block matching with hostile conventions."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

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
