"""ONNX graphs as conversions need them: every node named, every constant an initialiser, every type known, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import onnx
from onnx import shape_inference

from engines.engine import EngineError

FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


class Lowering(Protocol):
    """A graph of which any part can be computed with fewer bits."""

    nodes: tuple[str, ...]
    """Names of the nodes that the precision could hold, in the order in which they are computed."""

    def lowered(self, nodes: frozenset[str]) -> bytes:
        """The graph with these of `nodes` lowered and all others in fp32; inputs and outputs are fp32."""

    def rehearsed(self, nodes: frozenset[str]) -> bytes:
        """A graph whose answers on a CPU, which may lack that precision, are those of `lowered` where it is there."""


def parsed(model: bytes) -> onnx.ModelProto:
    """An ONNX file's graph, made ready to be converted. EngineError where it is none."""
    try:
        graph = onnx.load_model_from_string(model)
        _name_nodes(graph.graph)
        _constants_to_initialisers(graph.graph)
        return shape_inference.infer_shapes(graph, data_prop=True)
    except Exception as error:  # protobuf's and onnx's, which share no base class of their own
        raise EngineError(f"no ONNX graph that can be converted: {error}") from error


def floats(graph: onnx.GraphProto) -> frozenset[str]:
    """Names of the tensors that are fp32; those whose type is not known are not among them."""
    values = [*graph.input, *graph.value_info, *graph.output]
    return frozenset(v.name for v in values if v.type.tensor_type.elem_type == FLOAT) | {
        i.name for i in graph.initializer if i.data_type == FLOAT
    }


def rewired(graph: onnx.GraphProto, instead: dict[str, str]) -> None:
    """Let everything that reads a key of `instead` read its value."""
    for node in graph.node:
        for i, read in enumerate(node.input):
            name = read
            while name in instead:
                name = instead[name]
            node.input[i] = name
        for inner in _inner(node):
            rewired(inner, instead)


def sort(graph: onnx.GraphProto) -> None:
    """Put every node after those that it needs, as ONNX demands, and otherwise leave the order as it is."""
    made_here = {name for node in graph.node for name in node.output}
    waiting, done, ordered = list(graph.node), set[str](), list[onnx.NodeProto]()
    needs = {id(node): made_here.intersection(_read(node)) for node in waiting}
    while waiting:
        later = []
        for node in waiting:
            if needs[id(node)] <= done:
                ordered.append(node)
                done.update(node.output)
            else:
                later.append(node)
        if len(later) == len(waiting):
            raise EngineError(f"the graph goes in circles at {later[0].name!r}")
        waiting = later
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:]
    graph.node.extend(copies)


def _read(node: onnx.NodeProto) -> Iterator[str]:
    """Names of what a node reads, the graphs inside it too."""
    yield from node.input
    for inner in _inner(node):
        for each in inner.node:
            yield from _read(each)
        yield from (output.name for output in inner.output)


def _inner(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        yield from ([attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs)


def _name_nodes(graph: onnx.GraphProto) -> None:
    """Conversions know nodes by their names, which ONNX allows to be missing or double."""
    seen: set[str] = set()
    for number, node in enumerate(graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{number}"
            while node.name in seen:
                node.name += "_"
        seen.add(node.name)


def _constants_to_initialisers(graph: onnx.GraphProto) -> None:
    """A constant node would be rounded with its block even where what reads it stays in fp32."""
    kept = []
    for node in graph.node:
        value = next((a.t for a in node.attribute if a.name == "value"), None)
        if node.op_type == "Constant" and value is not None:
            tensor = graph.initializer.add()
            tensor.CopyFrom(value)
            tensor.name = node.output[0]
        else:
            kept.append(onnx.NodeProto.FromString(node.SerializeToString()))
    del graph.node[:]
    graph.node.extend(kept)
