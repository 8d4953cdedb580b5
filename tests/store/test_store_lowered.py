"""Fewer bits are judged on what will run them, where that compiles in seconds."""

import onnx
import own_compiler
import pytest
from compiled_cards import SIZE
from stand_ins import matcher, written

from engines.card import load_card, with_runtime
from engines.engine import EngineError
from engines.openvino import OpenVinoCompiler
from engines.store.cases import cases_for
from engines.store.gate import judge
from engines.store.key import models_of
from engines.store.lowered import lowered
from engines.store.shapes import plans

LEFT = "Conv_0"
"""The node of `matcher` that makes the left picture grey."""


def silent(what, share):
    pass


class Clumsy(own_compiler.Own):
    """Is 5 px off where it computes some nodes in eight bits; ONNX Runtime does all of them well."""

    bad_at = (LEFT,)

    def load(self, name, blob, plan):
        made = onnx.load_model_from_string(blob[len(own_compiler.MAGIC) :]).graph
        after = {node.output[0]: node.op_type for node in made.node}
        lowered_at = {n.name for n in made.node if after.get(n.input[0]) == "DequantizeLinear"}
        engine = super().load(name, blob, plan)
        return (
            own_compiler._Changed(engine, lambda array: array + 5) if lowered_at.intersection(self.bad_at) else engine
        )


class Slow(Clumsy):
    quick = False


class Hopeless(Clumsy):
    bad_at = (LEFT, "Conv_1")


class Refuses(Clumsy):
    """Cannot compile what `Clumsy` computes wrongly."""

    def load(self, name, blob, plan):
        engine = super().load(name, blob, plan)
        if isinstance(engine, own_compiler._Changed):
            raise EngineError("operator QLinearConv is not supported")
        return engine


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    graph = matcher(shape=(96, 160))
    for number, node in enumerate(graph.graph.node):
        node.name = f"{node.op_type}_{number}"
    path = written(tmp_path_factory.mktemp("lowered"), graph, size=SIZE, runtime="openvino")
    return with_runtime(load_card(path), precision="int8")


@pytest.mark.parametrize(("compiler", "kept"), [(Clumsy, [LEFT]), (Refuses, [LEFT]), (Slow, [])])
def test_layers_are_kept_for_what_will_run_them(card, compiler, kept):
    _, told = lowered(card, models_of(card), compiler(), (), silent)
    assert [line.split(" ")[0] for line in told] == kept


def test_a_refusal_says_what_speaks_against_the_least_and_against_all(card):
    with pytest.raises(
        EngineError, match=r"no part of this graph. With Conv_\d alone .* 2 runs.*FAIL.*With all"
    ) as said:
        lowered(card, models_of(card), Hopeless(), (), silent)
    assert str(said.value).count("max error") == 2


def test_openvino_s_eight_bits_pass_where_they_run(card):
    pytest.importorskip("openvino", reason="OpenVINO is not installed (an extra)")
    models, (plan,), compiler = models_of(card), plans(card, models_of(card)), OpenVinoCompiler()
    (made,), _ = lowered(card, models, compiler, (), silent)
    assert any(node.op_type == "QuantizeLinear" for node in onnx.load_model_from_string(made).graph.node)
    with compiler.load(card.name, compiler.build(made, plan, None, silent), plan) as engine:
        assert judge(card, engine, cases_for(card, models, silent)).passed
