"""GatherElements for OpenVINO, which looks them up one by one where its Gather takes many at once.

Our network's two look-ups took a tenth of its time at 1248x384 in bfloat16 (docs/decisions.md). Only what lies where is
changed, so results stay the same to the bit.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np


def flatten(graph: Any, ov: Any) -> int:
    """Make one Gather, of all rows laid end to end, of each GatherElements along them; returns how many were.

    `graph` is an openvino.Model whose shapes are fixed, `ov` the package. Left as they are: those along another axis,
    and those whose indices may be negative, that is counted from a row's end.
    """
    found = [node for node in graph.get_ordered_ops() if node.get_type_name() == "GatherElements"]
    return sum(_flatten(node, ov.opset8) for node in found)


def _flatten(node: Any, op: Any) -> bool:
    data, index = node.input_value(0), node.input_value(1)
    if data.get_partial_shape().is_dynamic or index.get_partial_shape().is_dynamic:
        return False
    *rows, columns = data.get_shape()
    last = node.get_attributes()["axis"] % (len(rows) + 1) == len(rows)
    if not last or _least(index) < 0:
        return False
    count, dtype = int(np.prod(rows)), index.get_element_type().to_dtype()
    if count * columns > np.iinfo(np.int32).max:  # the processor's indices, whatever the graph's
        return False
    begins = (np.arange(count) * columns).astype(dtype).reshape(*rows, 1)
    flat = op.reshape(data, np.array([-1]), False)
    gathered = op.gather(flat, op.add(index, begins), np.array(0))
    gathered.set_friendly_name(node.get_friendly_name())
    node.output(0).replace(gathered.output(0))
    return True


def _least(value: Any) -> float:
    """A bound that no element of a tensor is below, as far as a graph shows it without being run."""
    node = value.get_node()
    inputs = [node.input_value(k) for k in range(node.get_input_size())]
    kind = node.get_type_name()
    if kind == "Constant":
        return float(node.get_data().min()) if node.get_data().size else inf
    if kind == "Maximum":
        return max(map(_least, inputs))
    if kind == "Minimum":
        return min(map(_least, inputs))
    if kind == "Add":
        return sum(map(_least, inputs))
    if kind in ("Reshape", "Unsqueeze", "Squeeze", "Broadcast", "Transpose"):
        return _least(inputs[0])
    if kind == "Convert":  # a narrower integer would wrap around
        before, after = (side.get_element_type().to_dtype() for side in (inputs[0], node.output(0)))
        return _least(inputs[0]) if np.can_cast(before, after) else -inf
    return -inf
