"""msgpack of trees that hold arrays: packed without copying the arrays, unpacked within bounds.

https://github.com/msgpack/msgpack/blob/master/spec.md. How an array is written differs by protocol: a `Form` says it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgpack
import numpy as np

from vla_node.clients.base import Array
from vla_node.policies.base import PolicyError

Piece = bytes | memoryview
"""A part of a message, in order; a memoryview is of an array's own memory."""
Form = Callable[[Array], "tuple[Piece, ...]"]
"""How a protocol writes a C-contiguous array as msgpack."""
DEEPEST = 16
"""Levels of maps and lists in one message."""
_MOST_ENTRIES = 1 << 16
_DTYPE = re.compile(r"[<>|=]?[biufSU][0-9]{1,6}")


class Malformed(Exception):
    """Bytes that are not what the protocol sends; the text says what is wrong with them."""


def packed(tree: object, form: Form) -> list[Piece]:
    """A tree of maps, lists, texts, numbers and arrays as pieces of msgpack. PolicyError for anything else."""
    pieces: list[Piece] = []
    _pack(tree, form, pieces, "message", 0)
    return pieces


def size_of(pieces: list[Piece]) -> int:
    """Bytes of a message."""
    return sum(map(len, pieces))


def head_of_bin(size: int) -> bytes:
    """What stands before so many bytes of type bin."""
    if size < 1 << 8:
        return b"\xc4" + size.to_bytes(1, "big")
    if size < 1 << 16:
        return b"\xc5" + size.to_bytes(2, "big")
    return b"\xc6" + size.to_bytes(4, "big")


def memory_of(array: Array) -> memoryview:
    """The bytes of a C-contiguous array, not copied."""
    return array.reshape(-1).view(np.uint8).data


def unpacked(data: bytes | bytearray | memoryview, hook: Callable[[dict[Any, Any]], Any]) -> Any:
    """The tree in one message; `hook` turns a protocol's maps into arrays, and may raise Malformed. Malformed."""
    try:
        tree = msgpack.unpackb(
            data,
            object_hook=hook,
            strict_map_key=True,
            max_array_len=_MOST_ENTRIES,
            max_map_len=_MOST_ENTRIES,
            max_ext_len=0,
        )
    except Malformed:
        raise
    except Exception as error:  # msgpack raises its own, ValueError, UnicodeDecodeError, and what a hook lets through
        raise Malformed(f"not msgpack as it should be: {type(error).__name__} {error}") from error
    _check_depth(tree, 0)
    return tree


def array_of(data: object, dtype: object, shape: object, begin: int = 0) -> Array:
    """An array of the bytes that came, from the one at `begin` on, read-only.

    Malformed for a type other than numbers and text, or a size amiss.
    """
    kind = number_type(dtype)
    if not isinstance(data, bytes) or not isinstance(shape, (list, tuple)):
        raise Malformed(f"an array's data are {type(data).__name__} and its shape {type(shape).__name__}")
    if len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        raise Malformed(f"an array's shape is {shape!r:.80}; expected at most 32 whole numbers from 0")
    expected = math.prod(shape) * kind.itemsize
    came = len(data) - begin
    if expected != came:
        raise Malformed(f"an array of shape {shape!r:.80} and {kind} has {came} bytes instead of {expected}")
    if not came:
        return np.empty(shape, kind)
    return np.frombuffer(data, kind, offset=begin).reshape(shape)


def number_type(text: object) -> np.dtype[Any]:
    """The dtype that a protocol names: boolean, integer, float or text; never object, void or complex. Malformed."""
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise Malformed(f"an array's dtype is {text!r:.40}; valid are booleans, integers, floats and text")
    try:
        return np.dtype(text)
    except TypeError as error:
        raise Malformed(f"an array's dtype is {text!r}: {error}") from error


def _pack(tree: object, form: Form, pieces: list[Piece], where: str, depth: int) -> None:
    if depth > DEEPEST:
        raise PolicyError(f"{where} is nested more than {DEEPEST} deep; send it flatter")
    if isinstance(tree, np.ndarray):
        if not _DTYPE.fullmatch(tree.dtype.str):
            raise PolicyError(f"{where} has dtype {tree.dtype}; valid are booleans, integers, floats and text")
        pieces.extend(form(np.asarray(tree, order="C")))
    elif isinstance(tree, Mapping):
        pieces.append(_head(0x80, 0xDE, len(tree)))
        for key, value in tree.items():
            pieces.append(_plain(key, where))
            _pack(value, form, pieces, f"{where}[{key!r}]", depth + 1)
    elif isinstance(tree, (list, tuple)):
        pieces.append(_head(0x90, 0xDC, len(tree)))
        for i, value in enumerate(tree):
            _pack(value, form, pieces, f"{where}[{i}]", depth + 1)
    else:
        pieces.append(_plain(tree.item() if isinstance(tree, np.generic) else tree, where))


def _head(short: int, long: int, entries: int) -> bytes:
    """What stands before the entries of a map or list."""
    if entries < 1 << 4:
        return bytes([short | entries])
    return (
        bytes([long]) + entries.to_bytes(2, "big")
        if entries < 1 << 16
        else bytes([long + 1]) + entries.to_bytes(4, "big")
    )


def _plain(value: object, where: str) -> bytes:
    if not isinstance(value, (str, bytes, bool, int, float, type(None))):
        raise PolicyError(
            f"{where} is of type {type(value).__name__}; valid are arrays, texts, numbers and maps of them"
        )
    try:
        return msgpack.packb(value) or b""
    except (OverflowError, ValueError) as error:
        raise PolicyError(f"{where} cannot be sent: {error}") from error


def _check_depth(tree: object, depth: int) -> None:
    if isinstance(tree, (dict, list)):
        if depth > DEEPEST:
            raise Malformed(f"a message nested more than {DEEPEST} deep")
        for value in tree.values() if isinstance(tree, dict) else tree:
            _check_depth(value, depth + 1)
