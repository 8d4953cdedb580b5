"""What an ONNX file asks for: inputs, operators, and what lies beyond itself; read without running it, without onnx."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from engines.engine import EngineError
from saccade.errors import choices

DOMAINS = ("ai.onnx", "ai.onnx.ml", "com.microsoft")
"""Sets of operators that ONNX Runtime brings along; others are code of somebody else's."""
# Field numbers of onnx.proto: what may hold nodes or tensors, by the message it stands in.
_MODEL_GRAPH, _MODEL_FUNCTIONS, _FUNCTION_DOMAIN, _FUNCTION_NODE, _FUNCTION_ATTRIBUTE = 7, 25, 10, 7, 11
_GRAPH_NODE, _GRAPH_TENSORS, _GRAPH_SPARSE = 1, (5,), (15,)
_NODE_DOMAIN, _NODE_OP, _NODE_ATTRIBUTE = 7, 4, 5
_ATTRIBUTE_TENSORS, _ATTRIBUTE_SPARSE, _ATTRIBUTE_GRAPHS = (5, 10), (22, 23), (6, 11)
_SPARSE_TENSORS = (1, 2)
_TENSOR_NAME, _TENSOR_EXTERNAL, _TENSOR_LOCATION = 8, 13, 14
_GRAPH_INPUT, _VALUE_NAME, _VALUE_TYPE, _TYPE_TENSOR, _TENSOR_SHAPE = 11, 1, 2, 1, 2
_SHAPE_DIM, _DIM_VALUE, _DIM_PARAM = 1, 1, 2

Field = tuple[int, "memoryview | int"]


def check_graph(path: Path) -> None:
    """EngineError, naming what and where, for a file that is no ONNX graph or one that needs other files or other code.

    Weights in other files would be read from wherever the graph says, without a hash.
    """
    try:
        data = memoryview(path.read_bytes())
    except OSError as error:
        raise EngineError(f"cannot read {path}: {error.strerror}") from error
    try:
        _check_model(data, path)
    except (IndexError, ValueError, UnicodeDecodeError, RecursionError) as error:
        raise EngineError(f"{path} is not an ONNX graph ({error}); expected a file made by an ONNX exporter") from error


def read_model(name: str, path: Path, sha256: str) -> bytes:
    """A model's file. EngineError where it cannot be read, or is another than the card of model `name` means."""
    try:
        model = path.read_bytes()
    except OSError as error:
        raise EngineError(f"{name}: cannot read {path}: {error.strerror}; the card says where to get it") from error
    if (found := hashlib.sha256(model).hexdigest()) != sha256.lower():
        raise EngineError(f"{name}: {path} has sha256 {found}, its card says {sha256}: not the model that was tested")
    return model


def graph_inputs(model: bytes) -> dict[str, tuple[int | str, ...]]:
    """Shapes of what a graph takes, by name: sizes, names of sizes, or -1 for one without a name."""
    graph = next(_messages(memoryview(model), _MODEL_GRAPH))
    constants = {_text(tensor, _TENSOR_NAME) for tensor in _messages(graph, _GRAPH_TENSORS[0])}
    inputs = {_text(value, _VALUE_NAME): value for value in _messages(graph, _GRAPH_INPUT)}
    return {name: _shape(value) for name, value in inputs.items() if name not in constants}


def operators(model: bytes) -> Counter[str]:
    """How often each operator stands in a graph, those in branches and loops left out."""
    graph = next(_messages(memoryview(model), _MODEL_GRAPH))
    return Counter(_text(node, _NODE_OP) for node in _messages(graph, _GRAPH_NODE))


def _shape(value: memoryview) -> tuple[int | str, ...]:
    message = value
    for number in (_VALUE_TYPE, _TYPE_TENSOR, _TENSOR_SHAPE):
        message = next(_messages(message, number), memoryview(b""))
    return tuple(_size(dim) for dim in _messages(message, _SHAPE_DIM))


def _size(dim: memoryview) -> int | str:
    given = next((value for number, value in _fields(dim) if number == _DIM_VALUE and isinstance(value, int)), -1)
    return given if given > 0 else _text(dim, _DIM_PARAM) or -1


def _check_model(model: memoryview, path: Path) -> None:
    fields = list(_fields(model))
    functions = [value for number, value in fields if number == _MODEL_FUNCTIONS and isinstance(value, memoryview)]
    own = {_text(function, _FUNCTION_DOMAIN) for function in functions}
    graphs = [value for number, value in fields if number == _MODEL_GRAPH and isinstance(value, memoryview)]
    if len(graphs) != 1:
        raise ValueError("it has no graph")
    for function in functions:
        for node in _messages(function, _FUNCTION_NODE):
            _check_node(node, path, own)
        for attribute in _messages(function, _FUNCTION_ATTRIBUTE):
            _check_attribute(attribute, path, own)
    _check_in_graph(graphs[0], path, own)


def _check_in_graph(graph: memoryview, path: Path, own: set[str]) -> None:
    for node in _messages(graph, _GRAPH_NODE):
        _check_node(node, path, own)
    _check_tensors(graph, _GRAPH_TENSORS, _GRAPH_SPARSE, path)


def _check_node(node: memoryview, path: Path, own: set[str]) -> None:
    domain = _text(node, _NODE_DOMAIN)
    if domain and domain not in DOMAINS and domain not in own:
        raise EngineError(
            f"{path}: operator {domain}::{_text(node, _NODE_OP)} is not ONNX Runtime's own. Export the model without "
            f"it. {choices(domain, DOMAINS)}"
        )
    for attribute in _messages(node, _NODE_ATTRIBUTE):
        _check_attribute(attribute, path, own)


def _check_attribute(attribute: memoryview, path: Path, own: set[str]) -> None:
    _check_tensors(attribute, _ATTRIBUTE_TENSORS, _ATTRIBUTE_SPARSE, path)
    for graph in _messages(attribute, *_ATTRIBUTE_GRAPHS):
        _check_in_graph(graph, path, own)


def _check_tensors(message: memoryview, dense: tuple[int, ...], sparse: tuple[int, ...], path: Path) -> None:
    """Tensors of a message, and the values and places that sparse ones are made of."""
    for tensor in _messages(message, *dense):
        _check_tensor(tensor, path)
    for pair in _messages(message, *sparse):
        for tensor in _messages(pair, *_SPARSE_TENSORS):
            _check_tensor(tensor, path)


def _check_tensor(tensor: memoryview, path: Path) -> None:
    for number, value in _fields(tensor):
        if number == _TENSOR_EXTERNAL or (number == _TENSOR_LOCATION and value == 1):
            raise EngineError(
                f"{path}: the weights of {_text(tensor, _TENSOR_NAME)!r} are in another file; expected all in one. "
                "Export with external_data=False"
            )


def _messages(message: memoryview, *wanted: int) -> Iterator[memoryview]:
    for number, value in _fields(message):
        if number in wanted and isinstance(value, memoryview):
            yield value


def _text(message: memoryview, wanted: int) -> str:
    return next((bytes(value).decode() for value in _messages(message, wanted)), "")


def _fields(message: memoryview) -> Iterator[Field]:
    """Number and value of each field of a protobuf message; ValueError or IndexError where it is none."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if number == 0 or at + size > len(message):
            raise ValueError("it ends too soon")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("an endless number")
