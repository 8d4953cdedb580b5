"""JSON with arrays as the package json-numpy writes them: {"__numpy__": base64, "dtype": "<f4", "shape": [2, 3]}."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np

from vla_node.clients.base import Array, Observation, Unreachable

_KINDS = "fiub"
"""Of dtypes that are read: floats, integers, booleans. Objects would be pickles."""


def dumps(value: Observation | Mapping[str, Observation]) -> bytes:
    """Arrays, texts and mappings of them as JSON in UTF-8."""
    return json.dumps(value, default=_array, separators=(",", ":")).encode()


def loads(data: bytes) -> Any:
    """The inverse of `dumps`; Unreachable for what is not such a document."""
    try:
        return json.loads(data, object_hook=_hook)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise Unreachable(f"not JSON with arrays: {error}") from error


def arrays(value: Any) -> dict[str, Array]:
    """An answer's arrays by name: of a mapping, lists of numbers too; a bare array or list is `actions`."""
    named = value if isinstance(value, dict) else {"actions": value}
    out: dict[str, Array] = {}
    for name, item in named.items():
        if isinstance(item, list | int | float | np.ndarray):
            try:
                array = np.asarray(item)
            except ValueError:  # a list of lists of several lengths
                continue
            if array.dtype.kind in _KINDS:
                out[str(name)] = array
    return out


def _array(value: Any) -> dict[str, Any]:
    if not isinstance(value, np.ndarray | np.generic):
        raise TypeError(f"{type(value).__name__} is no array, text or mapping")
    data = np.ascontiguousarray(value)
    return {"__numpy__": b64encode(data.data).decode(), "dtype": value.dtype.str, "shape": value.shape}


def _hook(found: dict[str, Any]) -> Any:
    if "__numpy__" not in found:
        return found
    dtype = np.dtype(str(found["dtype"]))
    if dtype.kind not in _KINDS:
        raise ValueError(f"an array of dtype {dtype}; expected numbers")
    flat = np.frombuffer(b64decode(found["__numpy__"], validate=True), dtype)
    return flat.reshape([int(size) for size in found["shape"]])
