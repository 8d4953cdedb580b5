"""What takes the place of OpenVINO's GatherElements gives the same, and where it would not, nothing does."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engines.card import card_names, load_card
from engines.openvino_gather import flatten

openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed (an extra)")
ROWS, COLUMNS = (2, 3, 4), 7


def look_up(clip=None, plus=(0,), axis=-1, most=None):
    """data gathered at the indices, or at max(indices, clip), or at min(that, most), plus a constant."""
    nodes, at, initialisers = [], "index", [numpy_helper.from_array(np.array(plus, np.int64), "plus")]
    if clip is not None:
        initialisers.append(numpy_helper.from_array(np.array(clip, np.int64), "clip"))
        nodes.append(helper.make_node("Max", [at, "clip"], ["clipped"]))
        at = "clipped"
    if most is not None:
        initialisers.append(numpy_helper.from_array(np.array(most, np.int64), "most"))
        nodes.append(helper.make_node("Min", [at, "most"], ["bounded"]))
        at = "bounded"
    nodes.append(helper.make_node("Add", [at, "plus"], ["at"]))
    nodes.append(helper.make_node("GatherElements", ["data", "at"], ["found"], axis=axis))
    dims = ["a", "b", "c", "d"]
    inputs = [helper.make_tensor_value_info("data", TensorProto.FLOAT, dims),
              helper.make_tensor_value_info("index", TensorProto.INT64, ["e", "f", "g", "h"])]  # fmt: skip
    found = helper.make_tensor_value_info("found", TensorProto.FLOAT, ["e", "f", "g", "h"])
    graph = helper.make_graph(nodes, "look-up", inputs, [found], initialisers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def run(model, data, index, flat):
    """What OpenVINO finds, and how many look-ups were made flat before."""
    core = openvino.Core()
    graph = core.read_model(model)
    graph.reshape({"data": list(data.shape), "index": list(index.shape)})
    count = flatten(graph, openvino) if flat else 0
    found = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})({"data": data, "index": index})
    return found["found"].copy(), count


def drawn(least, most, count=5):
    rng = np.random.default_rng(3)
    return rng.standard_normal((*ROWS, COLUMNS)).astype(np.float32), rng.integers(least, most, (*ROWS, count))


@pytest.mark.parametrize(("asked", "least", "most"), [
    ({"clip": 0}, -9, COLUMNS),
    ({"clip": -2, "plus": (2,)}, -9, COLUMNS - 2),
    ({"clip": -2, "plus": (2, 3, 2, 4, 2)}, -9, COLUMNS - 4),
    ({"clip": 0, "axis": 3}, 0, COLUMNS),
    ({"clip": 0, "most": COLUMNS}, 0, COLUMNS),
])  # fmt: skip
def test_a_look_up_along_rows_is_made_flat(asked, least, most):
    model, (data, index) = look_up(**asked), drawn(least, most)
    found, count = run(model, data, index, flat=True)
    assert count == 1
    np.testing.assert_array_equal(found, run(model, data, index, flat=False)[0])
    at = np.maximum(index, asked["clip"]) + np.array(asked.get("plus", (0,)))
    np.testing.assert_array_equal(found, np.take_along_axis(data, at, -1))


@pytest.mark.parametrize(("asked", "drawing"), [
    ({}, (-COLUMNS, COLUMNS)),  # counted from the end
    ({"clip": -3}, (-COLUMNS, COLUMNS)),
    ({"clip": 0, "most": -1}, (0, COLUMNS)),
    ({"clip": 0, "plus": (0, -1, 0, 0, 0)}, (0, COLUMNS)),
    ({"clip": 0, "axis": 2}, (0, ROWS[2])),
])  # fmt: skip
def test_what_would_come_out_otherwise_is_left_alone(asked, drawing):
    model, (data, index) = look_up(**asked), drawn(*drawing, count=COLUMNS if asked.get("axis") == 2 else 5)
    found, count = run(model, data, index, flat=True)
    assert count == 0
    np.testing.assert_array_equal(found, run(model, data, index, flat=False)[0])


def test_an_index_that_may_wrap_around_is_left_alone():
    """300 as a signed byte is 44, and 200 is -56."""
    model = look_up(clip=0)
    wide = onnx.load_from_string(model)
    cast = [helper.make_node("Cast", ["clipped"], ["narrow"], to=TensorProto.INT8),
            helper.make_node("Cast", ["narrow"], ["wide"], to=TensorProto.INT64)]  # fmt: skip
    wide.graph.node[1].input[0] = "wide"
    for k, node in enumerate(cast):
        wide.graph.node.insert(1 + k, node)
    data, index = drawn(0, COLUMNS)
    assert run(wide.SerializeToString(), data, index, flat=True)[1] == 0
    assert run(model, data, index, flat=True)[1] == 1


def test_shapes_that_are_not_fixed_are_left_alone():
    graph = openvino.Core().read_model(look_up(clip=0))
    assert flatten(graph, openvino) == 0


@pytest.mark.skipif("stereo-s" not in card_names(), reason="no weights in engines/cards")
def test_the_look_ups_of_our_network_are_made_flat():
    card = load_card("stereo-s")
    graph = openvino.Core().read_model(card.beside(card.onnx))
    graph.reshape({"left": [1, 3, 64, 96], "right": [1, 3, 64, 96]})
    assert flatten(graph, openvino) == 2
    assert not [node for node in graph.get_ops() if node.get_type_name() == "GatherElements"]
