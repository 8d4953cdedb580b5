"""fp16 made in the graph: ONNX Runtime's own converter, and what it leaves to be tidied.

onnxconverter-common, which it comes from, turned the stereo network into a graph that ONNX Runtime refuses to load.
"""

from __future__ import annotations

import copy

import numpy as np
import onnx
from onnxruntime.transformers import float16

from engines.engine import EngineError
from engines.precision.graph import floats, parsed, rewired, sort

UNFIT = frozenset(float16.DEFAULT_OP_BLOCK_LIST)
"""Operators that have no fp16 kernel everywhere."""


class Half:
    """A graph of which any part can be made fp16. See `Lowering`."""

    def __init__(self, model: bytes) -> None:
        self._graph = parsed(model)
        known = floats(self._graph.graph)
        self.nodes = tuple(
            node.name for node in self._graph.graph.node
            if node.op_type not in UNFIT and known.intersection((*node.input, *node.output))
        )  # fmt: skip
        if not self.nodes:
            raise EngineError("nothing in this graph is computed in fp32, so that there is nothing to make fp16")

    def lowered(self, nodes: frozenset[str]) -> bytes:
        """See `Lowering.lowered`."""
        made = copy.deepcopy(self._graph)
        lowered = nodes.intersection(self.nodes)
        _part(made.graph, lowered)
        blocked = [node.name for node in made.graph.node if node.name not in lowered]
        try:
            made = float16.convert_float_to_float16(
                made, keep_io_types=True, disable_shape_infer=True, node_block_list=blocked
            )
        except Exception as error:
            raise EngineError(f"this graph cannot be made fp16: {error}") from error
        _tidy(made.graph)
        return bytes(made.SerializeToString())

    def rehearsed(self, nodes: frozenset[str]) -> bytes:
        """See `Lowering.rehearsed`: fp32 operators whose constants and results are rounded to fp16.

        ONNX Runtime's CPU runs an fp16 graph in fp32 and rounds only here and there, which would pass for better.
        """
        made = copy.deepcopy(self._graph)
        known = floats(made.graph)
        lowered = nodes.intersection(self.nodes)
        _part(made.graph, lowered)
        read = {name for node in made.graph.node if node.name in lowered for name in node.input}
        for constant in made.graph.initializer:
            if constant.data_type == onnx.TensorProto.FLOAT and constant.name in read:
                exact = onnx.numpy_helper.to_array(constant)
                rounded = float16.convert_np_to_float16(exact.ravel()).astype(np.float32)  # it takes no scalars
                constant.CopyFrom(onnx.numpy_helper.from_array(rounded.reshape(exact.shape), constant.name))
        _round(made.graph, lowered, known)
        return bytes(made.SerializeToString())


def _round(graph: onnx.GraphProto, lowered: frozenset[str], known: frozenset[str]) -> None:
    """Send each fp32 result of a lowered node through fp16, and each fp32 input of the graph that one reads."""
    given = {value.name for value in graph.input if value.name in known}
    nodes = [cast for name in sorted(given) for cast in _casts(name, f"{name}_rounded")]
    for node in graph.node:
        casts: list[onnx.NodeProto] = []
        if node.name in lowered:
            node.input[:] = [f"{name}_rounded" if name in given else name for name in node.input]
            for i, name in enumerate(node.output):
                if name in known:
                    node.output[i] = f"{name}_unrounded"
                    casts += _casts(node.output[i], name)
        nodes += [onnx.NodeProto.FromString(node.SerializeToString()), *casts]
    del graph.node[:]
    graph.node.extend(nodes)


def _casts(exact: str, rounded: str) -> list[onnx.NodeProto]:
    half = f"{exact}_half"
    return [
        onnx.helper.make_node("Cast", [exact], [half], name=f"{exact}_down", to=onnx.TensorProto.FLOAT16),
        onnx.helper.make_node("Cast", [half], [rounded], name=f"{exact}_up", to=onnx.TensorProto.FLOAT),
    ]


def _part(graph: onnx.GraphProto, lowered: frozenset[str]) -> None:
    """Give what stays in fp32 a copy of each constant that it shares: the converter would round both to fp16."""
    rough = {name for node in graph.node if node.name in lowered for name in node.input}
    shared = {i.name: i for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT and i.name in rough}
    copied: set[str] = set()
    for node in graph.node:
        if node.name in lowered:
            continue
        for i, name in enumerate(node.input):
            if name in shared:
                node.input[i] = f"{name}_exact"
                copied.add(name)
    for name in sorted(copied):
        exact = graph.initializer.add()
        exact.CopyFrom(shared[name])
        exact.name = f"{name}_exact"


def _tidy(graph: onnx.GraphProto) -> None:
    """One cast of a tensor instead of one for each reader, and none between two nodes that both stayed in fp32.

    The converter names the casts of a tensor alike, which no backend loads, and sends what one exact node gives another
    through fp16.
    """
    down = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "Cast" and _made_by_converter(n)}
    outputs = {output.name for output in graph.output}
    instead: dict[str, str] = {}
    kept: dict[str, onnx.NodeProto] = {}
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in down and _casts_to(node) == onnx.TensorProto.FLOAT:
            if node.output[0] in outputs:
                node.input[0] = down[node.input[0]]
            else:
                instead[node.output[0]] = down[node.input[0]]
                continue
        kept.setdefault(node.output[0], node)
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept.values()]
    del graph.node[:]
    graph.node.extend(nodes)
    rewired(graph, instead)
    read = {name for node in graph.node for name in node.input} | outputs
    for node in [n for n in graph.node if n.op_type == "Cast" and n.output[0] in down and n.output[0] not in read]:
        graph.node.remove(node)
    sort(graph)


def _made_by_converter(cast: onnx.NodeProto) -> bool:
    """Whether a cast to fp16 was put where fp32 goes into lowered nodes."""
    return cast.name.endswith("_cast_to_fp16_node") or cast.name.startswith("graph_input_cast")


def _casts_to(cast: onnx.NodeProto) -> int:
    return int(next(a.i for a in cast.attribute if a.name == "to"))
