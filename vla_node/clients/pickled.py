"""Data in and out of pickles, without the module that runs them: nothing is imported, called or made but plain values.

A pickle is a program for a small stack machine (PEP 3154, and the text of `pickletools` in Python's library). This one
keeps what it is told to import as a name, and what it is told to call as a `Made`: a name with its arguments. Who reads
decides what those mean. Only the operations that data need are there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_OPERATIONS = 50_000
"""More than any chunk of actions needs, few enough to be over within a fraction of a second."""


class BadPickle(ValueError):
    """Bytes that are no pickle, or one of more than data; the text says what was found."""


@dataclass(slots=True, eq=False)
class Name:
    """Something a pickle wants imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Made:
    """What calling `of` with `args` would have made, and the state it would have been given."""

    of: Name
    args: tuple[Any, ...] = ()
    state: Any = None


def loads(data: bytes, allowed: Collection[str], begin: int = 0) -> tuple[Any, int]:
    """The value of the pickle that begins there, and where it ends. BadPickle, also for a name that is not allowed."""
    machine = _Machine(data, allowed, begin)
    try:
        return machine.run(), machine.at
    except BadPickle:
        raise
    except (IndexError, KeyError, ValueError, struct.error) as error:
        raise BadPickle(f"broken at byte {machine.at}: {type(error).__name__} {error}") from error


class _Machine:
    def __init__(self, data: bytes, allowed: Collection[str], begin: int) -> None:
        self._data, self._allowed, self.at = data, allowed, begin
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        for _ in range(MOST_OPERATIONS):
            code = self._data[self.at]
            self.at += 1
            if code == ord("."):
                return self._stack.pop()
            operation = _OPERATIONS.get(code)
            if operation is None:
                raise BadPickle(f"operation {bytes([code])!r} at byte {self.at - 1} is not for data")
            operation(self)
        raise BadPickle(f"more than {MOST_OPERATIONS} operations")

    def take(self, count: int) -> bytes:
        """The next so many bytes."""
        taken = self._data[self.at : self.at + count]
        if len(taken) != count:
            raise BadPickle(f"it ends within {count} bytes at {self.at}")
        self.at += count
        return taken

    def number(self, form: str) -> Any:
        """The next number, written as in `struct`."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        """The rest of the line."""
        end = self._data.index(b"\n", self.at)
        text = self.take(end - self.at).decode()
        self.at += 1
        return text

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def since_mark(self) -> list[Any]:
        mark = self._marks.pop()
        values, self._stack[mark:] = self._stack[mark:], []
        return values

    def mark(self) -> None:
        self._marks.append(len(self._stack))

    def last(self, count: int) -> tuple[Any, ...]:
        if count > len(self._stack):
            raise BadPickle("it takes more than there is")
        values = tuple(self._stack[len(self._stack) - count :])
        del self._stack[len(self._stack) - count :]
        return values

    def named(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str) or f"{module}.{name}" not in self._allowed:
            raise BadPickle(f"it asks for {module!s:.80}.{name!s:.80}, which is no data")
        self.push(Name(module, name))

    def call(self) -> None:
        of, args = self.last(2)
        if not isinstance(of, Name) or not isinstance(args, tuple):
            raise BadPickle("it calls what is no name")
        self.push(Made(of, args))

    def build(self) -> None:
        made, state = self.last(2)
        if not isinstance(made, Made) or made.state is not None:
            raise BadPickle("it gives a state to what has none")
        made.state = state
        self.push(made)

    def extend(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise BadPickle("it appends to what is no list")
        self._stack[-1].extend(values)

    def set_items(self, values: list[Any]) -> None:
        into = self._stack[-1]
        if not isinstance(into, dict) or len(values) % 2 or not all(isinstance(key, str) for key in values[::2]):
            raise BadPickle("it sets items of what is no dict with texts for keys")
        into.update(zip(values[::2], values[1::2], strict=True))

    def put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def memoize(self) -> None:
        self.put(len(self._memo))

    def get(self, index: int) -> None:
        self.push(self._memo[index])


_OPERATIONS: dict[int, Callable[[_Machine], object]] = {
    ord(code): operation
    for code, operation in {
        "\x80": lambda m: m.take(1), "\x95": lambda m: m.take(8), "(": _Machine.mark,
        "N": lambda m: m.push(None), "\x88": lambda m: m.push(True), "\x89": lambda m: m.push(False),
        "J": lambda m: m.push(m.number("<i")), "K": lambda m: m.push(m.number("<B")),
        "M": lambda m: m.push(m.number("<H")), "G": lambda m: m.push(m.number(">d")),
        "\x8a": lambda m: m.push(int.from_bytes(m.take(m.number("<B")), "little", signed=True)),
        "\x8c": lambda m: m.push(m.take(m.number("<B")).decode()),
        "X": lambda m: m.push(m.take(m.number("<I")).decode()),
        "C": lambda m: m.push(m.take(m.number("<B"))), "B": lambda m: m.push(m.take(m.number("<I"))),
        "\x8e": lambda m: m.push(m.take(m.number("<Q"))),
        "]": lambda m: m.push([]), "a": lambda m: m.extend(list(m.last(1))),
        "e": lambda m: m.extend(m.since_mark()),
        "}": lambda m: m.push({}), "s": lambda m: m.set_items(list(m.last(2))),
        "u": lambda m: m.set_items(m.since_mark()),
        ")": lambda m: m.push(()), "t": lambda m: m.push(tuple(m.since_mark())),
        "\x85": lambda m: m.push(m.last(1)), "\x86": lambda m: m.push(m.last(2)), "\x87": lambda m: m.push(m.last(3)),
        "q": lambda m: m.put(m.number("<B")), "r": lambda m: m.put(m.number("<I")), "\x94": _Machine.memoize,
        "h": lambda m: m.get(m.number("<B")), "j": lambda m: m.get(m.number("<I")),
        "c": lambda m: m.named(m.line(), m.line()), "\x93": lambda m: m.named(*m.last(2)),
        "R": _Machine.call, "\x81": _Machine.call, "b": _Machine.build,
        "Q": lambda m: m.push(Made(Name("", "persistent"), m.last(1))),
    }.items()
}  # fmt: skip


def dumps(value: object) -> bytes:
    """A pickle of plain values, texts and arrays, and of `Made` objects without arguments that are given a state."""
    pieces = [b"\x80\x03"]
    _write(value, pieces)
    return b"".join((*pieces, b"."))


def _write(value: object, out: list[bytes]) -> None:
    if value is None or isinstance(value, bool):
        out.append({None: b"N", True: b"\x88", False: b"\x89"}[value])
    elif isinstance(value, int):
        size = value.bit_length() // 8 + 1
        out.append(b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True))
    elif isinstance(value, float):
        out.append(b"G" + struct.pack(">d", value))
    elif isinstance(value, str):
        text = value.encode()
        out.append(b"X" + struct.pack("<I", len(text)) + text)
    elif isinstance(value, np.ndarray):
        _write_array(value, out)
    elif isinstance(value, Made):
        out.append(f"c{value.of.module}\n{value.of.name}\n)\x81".encode("latin-1"))
        _write(value.state, out)
        out.append(b"b")
    elif isinstance(value, Mapping):
        out.append(b"}(")
        for key, item in value.items():
            _write(key, out)
            _write(item, out)
        out.append(b"u")
    elif isinstance(value, list | tuple):
        out.append(b"(" if isinstance(value, tuple) else b"](")
        for item in value:
            _write(item, out)
        out.append(b"t" if isinstance(value, tuple) else b"e")
    else:
        raise TypeError(f"{type(value).__name__} is no plain value, text or array")


def _write_array(array: np.ndarray[Any, Any], out: list[bytes]) -> None:
    """As a call of numpy.ndarray with shape, dtype and bytes, which every numpy has under that name."""
    if array.dtype.kind not in "fiub":
        raise TypeError(f"an array of dtype {array.dtype}; expected numbers")
    out.append(b"cnumpy\nndarray\n(")
    _write(tuple(array.shape), out)
    _write(array.dtype.str, out)
    data = np.ascontiguousarray(array)
    out += [b"B" + struct.pack("<I", data.nbytes), data.tobytes(), b"tR"]
