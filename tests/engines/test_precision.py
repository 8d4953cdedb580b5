"""fp16 and int8 in the graph: nothing changes but the bits, and what must stay exact is found."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from engines.engine import EngineError
from engines.options import OrtOptions
from engines.ort import OrtEngine
from engines.precision import prepare
from engines.precision.half import Half
from engines.precision.quantise import Quantised
from engines.precision.search import noise, runs_of

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
ONE = OrtOptions(intra_threads=1)
RNG = np.random.default_rng(4)
SAMPLES = [{"x": RNG.uniform(0, 1, (1, 3, 12, 16)).astype(np.float32)} for _ in range(3)]


def fragile_network():
    """x (1, 3, H, W) -> y: three convolutions, and between the second and third a step that only fp32 can do: it adds
    5000 and takes it away again, where fp16 holds multiples of 4.
    """
    rng = np.random.default_rng(1)
    nodes, constants = [], [numpy_helper.from_array(np.float32(5000), "much")]
    name = "x"
    for layer, (given, made) in {"first": (3, 8), "second": (8, 8), "last": (8, 2)}.items():
        weights = (rng.standard_normal((made, given, 3, 3)) / np.sqrt(9 * given)).astype(np.float32)
        constants.append(numpy_helper.from_array(weights, f"{layer}.weight"))
        constants.append(numpy_helper.from_array(np.full(made, 0.1, np.float32), f"{layer}.bias"))
        given_names = [name, f"{layer}.weight", f"{layer}.bias"]
        nodes.append(helper.make_node("Conv", given_names, [f"{layer}.c"], name=f"/{layer}/Conv", pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"{layer}.c"], [layer], name=f"/{layer}/Relu"))
        name = layer
        if layer == "second":
            nodes.append(helper.make_node("Add", ["second", "much"], ["high"], name="/ruler/Add"))
            nodes.append(helper.make_node("Sub", ["high", "much"], ["low"], name="/ruler/Sub"))
            name = "low"
    nodes.append(helper.make_node("Identity", ["last"], ["y"], name="/last/Identity"))
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, "H", "W"]) for n, c in (("x", 3), ("y", 2)))
    graph = helper.make_graph(nodes, "fragile", [x], [y], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.metadata_props.add(key="made", value="by a test")
    return model.SerializeToString()


MODEL = fragile_network()


def answers(model):
    with OrtEngine("m", model, "", ONE) as engine:
        return [{name: array.copy() for name, array in engine.infer(sample).items()} for sample in SAMPLES]


def close(model, most):
    return noise(answers(model), answers(MODEL)) <= most


class Cpu:
    """A trial on the CPU that allows so much noise."""

    def __init__(self, most):
        self._most = most

    def open(self, lowering, nodes):
        return OrtEngine("m", lowering.rehearsed(nodes), "", ONE)

    def against(self, engine):
        got = [{name: array.copy() for name, array in engine.infer(sample).items()} for sample in SAMPLES]
        off = noise(got, answers(MODEL))
        return f"moved by {off:.2g}" if off > self._most else ""


ANYTHING, NOTHING = Cpu(float("inf")), Cpu(-1.0)


def kinds(model, dtype):
    return [i.name for i in onnx.load_model_from_string(model).graph.initializer if i.data_type == dtype]


def quiet(what, share):
    pass


@pytest.fixture(scope="module", params=[True, False], ids=["portable", "cpu"])
def int8(request):
    return Quantised(MODEL, SAMPLES, portable=request.param)


def test_nothing_lowered_changes_nothing(int8):
    for lowering in (Half(MODEL), int8):
        for got, want in zip(answers(lowering.lowered(frozenset())), answers(MODEL), strict=True):
            np.testing.assert_array_equal(got["y"], want["y"])


def test_fp16_keeps_inputs_and_outputs_and_halves_the_weights():
    half = Half(MODEL)
    model = half.lowered(frozenset(half.nodes))
    onnx.checker.check_model(onnx.load_model_from_string(model))
    with OrtEngine("m", model, "", ONE) as engine:
        assert [t.dtype for t in (*engine.spec.inputs, *engine.spec.outputs)] == ["float32", "float32"]
    assert "first.weight" in kinds(model, TensorProto.FLOAT16)
    assert not kinds(model, TensorProto.FLOAT)


def test_what_is_blocked_stays_exact_between_itself():
    """The converter by itself would send every value between two exact nodes through fp16."""
    half = Half(MODEL)
    ruler = {"/ruler/Add", "/ruler/Sub"}
    nodes = frozenset(half.nodes)
    assert close(half.lowered(nodes - ruler), 0.01)
    exact = half.lowered(nodes - ruler)
    onnx.checker.check_model(onnx.load_model_from_string(exact))
    graph = onnx.load_model_from_string(exact).graph
    between = next(node for node in graph.node if node.name == "/ruler/Sub").input[0]
    assert between in next(node for node in graph.node if node.name == "/ruler/Add").output


def test_a_rehearsal_rounds_on_the_cpu_too():
    half = Half(MODEL)
    ruler, nodes = {"/ruler/Add", "/ruler/Sub"}, frozenset(half.nodes)
    onnx.checker.check_model(onnx.load_model_from_string(half.rehearsed(nodes)))
    assert not close(half.rehearsed(nodes), 0.5)
    assert close(half.rehearsed(nodes - ruler), 0.01)
    assert not close(half.rehearsed(nodes - ruler), 1e-6)
    assert close(half.rehearsed(frozenset()), 0)


def test_a_rehearsal_gives_what_numpy_gives_in_fp16():
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N"]) for n in ("x", "y"))
    constants = [numpy_helper.from_array(np.float32(0.1), "step"), numpy_helper.from_array(np.float32(3000), "much")]
    nodes = [helper.make_node("Mul", ["x", "step"], ["z"]), helper.make_node("Add", ["z", "much"], ["y"])]
    graph = helper.make_graph(nodes, "steps", [x], [y], constants)
    opsets = [helper.make_opsetid("", 17)]
    half = Half(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    given = np.linspace(0, 900, 50, dtype=np.float32)
    with OrtEngine("m", half.rehearsed(frozenset(half.nodes)), "", ONE) as engine:
        got = engine.infer({"x": given})["y"]
    want = (given.astype(np.float16) * np.float16(0.1)) + np.float16(3000)
    np.testing.assert_array_equal(got, want.astype(np.float32))


def test_a_constant_that_both_read_stays_exact_for_one():
    half = Half(MODEL)
    model = half.lowered(frozenset(half.nodes) - {"/ruler/Add"})
    assert kinds(model, TensorProto.FLOAT) == ["much_exact"]


def test_any_single_node_can_be_lowered_alone(int8):
    for lowering in (Half(MODEL), int8):
        for node in lowering.nodes:
            model = lowering.lowered(frozenset([node]))
            onnx.checker.check_model(onnx.load_model_from_string(model))
            answers(model)


def test_int8_takes_what_has_weights_and_what_follows(int8):
    assert set(int8.nodes) == {f"/{layer}/{op}" for layer in ("first", "second", "last") for op in ("Conv", "Relu")}
    model = int8.lowered(frozenset(int8.nodes))
    assert close(model, 0.1)
    assert any(node.op_type == "QuantizeLinear" for node in onnx.load_model_from_string(model).graph.node)
    assert [p.value for p in onnx.load_model_from_string(model).metadata_props] == ["by a test"]


def test_portable_int8_is_what_tensorrt_takes():
    """Zero points of 0, int8, and no bias in integers."""
    portable = Quantised(MODEL, SAMPLES)
    graph = onnx.load_model_from_string(portable.lowered(frozenset(portable.nodes))).graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    steps = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert steps
    for node in steps:
        assert constants[node.input[2]].dtype == np.int8
        assert not constants[node.input[2]].any()
    weights = [node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] in constants]
    assert {node.input[0] for node in weights} == {f"{layer}.weight" for layer in ("first", "second", "last")}


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_all_is_lowered_where_that_passes(precision):
    prepared = prepare(MODEL, precision, SAMPLES, ANYTHING, quiet)
    assert prepared.lowered == 1.0
    assert prepared.kept == ()


def test_the_layers_that_must_stay_are_found_and_told():
    told = []
    prepared = prepare(MODEL, "fp16", SAMPLES, Cpu(0.01), lambda what, share: told.append(share))
    assert [kept.layers for kept in prepared.kept] == ["/ruler"]
    assert prepared.kept[0].nodes == 2
    assert prepared.kept[0].error > 0.5
    assert "/ruler (2 nodes)" in str(prepared.kept[0])
    assert 0.5 < prepared.lowered < 1.0
    assert close(prepared.model, 0.01)
    assert told == sorted(told)


class Mute(Cpu):
    """Has no answers where the step that needs fp32 is lowered."""

    def open(self, lowering, nodes):
        if "/ruler/Add" in nodes:
            raise EngineError("not supported")
        return super().open(lowering, nodes)


def test_layers_that_cannot_be_lowered_at_all_are_kept_and_told():
    (kept,) = prepare(MODEL, "fp16", SAMPLES, Mute(0.01), quiet).kept
    assert str(kept) == "/ruler (2 nodes): alone it gives no numbers, or nothing"


def test_where_nothing_passes_it_says_so_instead_of_giving_fp32_back():
    with pytest.raises(
        EngineError, match=r"fp16 passes for no part.*still says: moved by .*With all lowered: moved by"
    ):
        prepare(MODEL, "fp16", SAMPLES, NOTHING, quiet)


def test_fp32_is_left_alone():
    assert prepare(MODEL, "fp32", (), NOTHING, quiet).model == MODEL


@pytest.mark.parametrize(("precision", "model", "samples", "words"), [
    ("int8", MODEL, [], "recording"),
    ("int8", MODEL, [{"x": np.zeros((1, 3, 4), np.float32)}], "do not fit"),
    ("int8", MODEL, [{"y": SAMPLES[0]["x"]}], "do not fit.*missing"),
    ("int8", b"junk", SAMPLES, "no ONNX graph"),
    ("fp16", b"junk", SAMPLES, "no ONNX graph"),
    ("fp16", MODEL, [], "without samples"),
])  # fmt: skip
def test_what_cannot_be_done_is_said(precision, model, samples, words):
    with pytest.raises(EngineError, match=words):
        prepare(model, precision, samples, NOTHING, quiet)


def test_runs_are_modules_wherever_their_nodes_stand():
    names = ("/eye/a/Conv", "/Mul", "/Add", "/eye/a/Conv_1", "/eye/b/Conv", "/Div", "/sure/Conv")
    runs = {run.name: run.nodes for run in runs_of(names)}
    assert runs["/eye/a"] == ("/eye/a/Conv", "/eye/a/Conv_1")
    assert sorted(name for nodes in runs.values() for name in nodes) == sorted(names)


@pytest.mark.parametrize("names", [[f"n{i}" for i in range(100)], [f"/m{i}/k/Conv" for i in range(100)]])
def test_there_are_never_too_many_runs(names):
    runs = runs_of(tuple(names), 8)
    assert 2 <= len(runs) <= 8
    assert [name for run in runs for name in run.nodes] == names


def test_noise_counts_a_missing_number_as_infinite():
    want = [{"y": np.arange(4.0)}]
    assert noise(want, want) == 0
    assert noise([{"y": np.array([0, 1, 2, np.nan])}], want) == np.inf
    assert noise([{"y": np.arange(4.0) + 1}], want) == pytest.approx(1.0)
