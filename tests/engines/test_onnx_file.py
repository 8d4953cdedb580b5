"""An ONNX file that needs other files, or other people's code, is refused before it is loaded."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from stand_ins import matcher

from engines.engine import EngineError
from engines.onnx_file import check_graph


def file(tmp_path, model):
    path = tmp_path / "m.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def one_node(node, initializers=(), **more):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([node], "g", values[:1], values[1:], list(initializers))
    return helper.make_model(graph, ir_version=8, **more)


def external():
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")
    return tensor


def test_a_plain_graph_is_let_through(tmp_path):
    check_graph(file(tmp_path, matcher()))


def test_weights_elsewhere_are_refused_by_name(tmp_path):
    with pytest.raises(EngineError, match=r"weights of 'weights' are in another file.*external_data=False"):
        check_graph(file(tmp_path, one_node(helper.make_node("Identity", ["x"], ["y"]), [external()])))


@pytest.mark.parametrize("field", ["data_location", "external_data"])
def test_either_sign_of_weights_elsewhere_is_enough(tmp_path, field):
    tensor = external()
    tensor.ClearField(field)
    with pytest.raises(EngineError, match="another file"):
        check_graph(file(tmp_path, one_node(helper.make_node("Identity", ["x"], ["y"]), [tensor])))


def test_weights_elsewhere_are_found_in_attributes(tmp_path):
    with pytest.raises(EngineError, match="another file"):
        check_graph(file(tmp_path, one_node(helper.make_node("Constant", [], ["y"], value=external()))))


def sparse():
    """Two of four weights, in another file."""
    values = external()
    values.dims[:] = [2]
    return helper.make_sparse_tensor(values, helper.make_tensor("at", TensorProto.INT64, [2], [0, 2]), [4])


def with_sparse_weights():
    model = one_node(helper.make_node("Identity", ["x"], ["y"]))
    model.graph.sparse_initializer.append(sparse())
    return model


def with_sparse_constant():
    return one_node(helper.make_node("Constant", [], ["y"], sparse_value=sparse()))


def with_default_of_a_function():
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    constant = helper.make_node("Constant", [], ["b"])
    constant.attribute.add(name="value", ref_attr_name="weights", type=onnx.AttributeProto.TENSOR)
    function = helper.make_function("own", "Do", ["a"], ["b"], [constant], opsets)
    function.attribute_proto.append(helper.make_attribute("weights", external()))
    return one_node(helper.make_node("Do", ["x"], ["y"], domain="own"), functions=[function], opset_imports=opsets)


@pytest.mark.parametrize("made", [with_sparse_weights, with_sparse_constant, with_default_of_a_function])
def test_weights_elsewhere_are_found_where_few_graphs_have_any(tmp_path, made):
    with pytest.raises(EngineError, match=r"weights of 'weights' are in another file"):
        check_graph(file(tmp_path, made()))


def test_operators_of_others_are_refused_by_name(tmp_path):
    with pytest.raises(EngineError, match=r"evil\.ops::Run is not ONNX Runtime's own"):
        check_graph(file(tmp_path, one_node(helper.make_node("Run", ["x"], ["y"], domain="evil.ops"))))


def test_operators_of_others_are_found_in_branches(tmp_path):
    inner = helper.make_graph(
        [helper.make_node("Run", [], ["z"], domain="evil.ops")], "b", [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    node = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    with pytest.raises(EngineError, match=r"evil\.ops::Run"):
        check_graph(file(tmp_path, one_node(node)))


def test_functions_of_the_models_own_are_looked_into(tmp_path):
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]

    def model(domain):
        body = [helper.make_node("Identity" if not domain else "Run", ["a"], ["b"], domain=domain)]
        function = helper.make_function("own", "Do", ["a"], ["b"], body, opsets)
        node = helper.make_node("Do", ["x"], ["y"], domain="own")
        return one_node(node, functions=[function], opset_imports=opsets)

    check_graph(file(tmp_path, model("")))
    with pytest.raises(EngineError, match=r"evil\.ops::Run"):
        check_graph(file(tmp_path, model("evil.ops")))


@pytest.mark.parametrize("data", [b"", b"hello, world", b"\x00" * 64, b"\xff" * 64, b"PK\x03\x04" + bytes(100)])
def test_what_is_no_graph_is_refused(tmp_path, data):
    with pytest.raises(EngineError, match="not an ONNX graph"):
        check_graph(file(tmp_path, data))


def test_graphs_within_graphs_without_end_are_refused(tmp_path):
    data = b""
    for field in 500 * [b"\x32", b"\x2a", b"\x0a"] + [b"\x3a"]:  # a graph, its attribute, its node; the model's graph
        size = len(data)
        data = field + bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + data
    with pytest.raises(EngineError, match="not an ONNX graph"):
        check_graph(file(tmp_path, data))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(EngineError, match=r"cannot read .*absent\.onnx"):
        check_graph(tmp_path / "absent.onnx")


MODEL = one_node(helper.make_node("Run", ["x"], ["y"], domain="evil.ops"), [external()]).SerializeToString()


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, len(MODEL)), at=st.integers(0, len(MODEL) - 1), byte=st.integers(0, 255))
def test_broken_files_raise_nothing_else(tmp_path_factory, cut, at, byte):
    data = bytearray(MODEL)
    data[at] = byte
    path = file(tmp_path_factory.mktemp("broken"), bytes(data[:cut]))
    try:
        check_graph(path)
    except EngineError:
        return
    onnx.load_from_string(bytes(data[:cut]))  # whatever is let through, protobuf can read
