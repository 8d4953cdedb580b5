"""Pickles are read as data: what torch writes becomes arrays, and nothing that anybody writes is ever run."""

from __future__ import annotations

import builtins
import collections
import os
import pickle
import struct
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("grpc")  # the stand-in has a server
from lerobot_stand_in import HELPERS, Tensor, TimedAction, answer, names, python_reads, tensor_of

from vla_node.clients.pickled import BadPickle, Made, Name, dumps, loads
from vla_node.clients.torch_pickle import timed_actions

REAL = Path(__file__).parent / "data" / "lerobot-actions-torch-2.13.pkl"
"""Four TimedActions from timestep 7 on, made by torch 2.13: rows of arange(12).reshape(4, 3) / 8."""


def test_what_torch_writes_is_read() -> None:
    timestep, rows = timed_actions(REAL.read_bytes())
    assert timestep == 7
    assert rows.dtype == np.float64
    assert rows.tolist() == (np.arange(12).reshape(4, 3) / 8).tolist()


def test_the_stand_in_writes_what_torch_writes() -> None:
    assert (
        timed_actions(answer(7, np.arange(12).reshape(4, 3) / 8))[1].tolist()
        == timed_actions(REAL.read_bytes())[1].tolist()
    )


def pickled(tensor: Any, **fields: Any) -> bytes:
    with names():
        return pickle.dumps([TimedAction(**{"timestamp": 1.0, "timestep": 1, "action": tensor, **fields})])


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("FloatStorage", np.float32([1.5, -2, 3]).tobytes()), ("DoubleStorage", np.float64([1.5, -2, 3]).tobytes()),
        ("HalfStorage", np.float16([1.5, -2, 3]).tobytes()), ("BFloat16Storage", bytes.fromhex("c03f00c04040")),
    ],
)  # fmt: skip
def test_numbers_of_each_width_are_read(kind: str, data: bytes) -> None:
    assert timed_actions(pickled(Tensor(kind, data, 3, 0, (3,), (1,))))[1].tolist() == [[1.5, -2.0, 3.0]]


class Calls:
    """Pickled as a call of something."""

    def __init__(self, *call: Any) -> None:
        self._call = call

    def __reduce__(self) -> Any:
        return self._call


CALLED: list[str] = []


def called(*args: Any) -> None:
    CALLED.append("called")


EVIL: dict[str, Any] = {
    "os.system": Calls(os.system, ("touch /tmp/saccade-was-here",)),
    "eval": Calls(eval, ("__import__('os')",)),
    "exec": Calls(exec, ("1",)),
    "getattr": Calls(builtins.getattr, ("x", "__class__")),
    "subprocess": Calls(subprocess.Popen, (["true"],)),
    "our own": Calls(called, ()),
    "nested": [{"a": (1, [Calls(os.system, ("true",))])}],
    "in an argument": Tensor("FloatStorage", b"", 0, 0, Calls(os.system, ("true",)), (1,)),
    "a state setter": Calls(collections.OrderedDict, (), None, None, None, called),
    "an object array": np.array([Calls(os.system, ("true",))], object),
    "an array": np.zeros(3),
    "a numpy scalar": np.float32(1),
    "a set": {1, 2},
    "a complex": 1j,
    "a class": int,
    "reconstruct": Calls(python_reads, (pickle.dumps(1),)),
}


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.parametrize("protocol", range(6))
def test_nothing_else_is_read_and_nothing_is_run(name: str, protocol: int) -> None:
    with names():
        bare = pickle.dumps(EVIL[name], protocol)
        hidden = pickle.dumps([TimedAction(1.0, 1, EVIL[name])], protocol)
    for data in (bare, hidden):
        with pytest.raises(BadPickle):
            timed_actions(data)
    assert CALLED == []
    assert not Path("/tmp/saccade-was-here").exists()


def test_the_same_pickles_would_have_been_run_by_python() -> None:
    """The negative control: what is refused above does what it says in the module that runs pickles."""
    python_reads(pickle.dumps(EVIL["our own"]))
    assert CALLED.pop() == "called"


GLOBAL = f"c{HELPERS}\nTimedAction\n".encode()
BOMBS = {
    "names changed": GLOBAL + b"}X\x0c\x00\x00\x00__defaults__)sb.",
    "names built on": GLOBAL + b"N}X\x08\x00\x00\x00__call__Ns\x86b.",
    "endless": b"N" * 1_000_000,
    "deep": b"]" * 100_000 + b"a" * 99_999 + b".",
    "deep keys": b"}" + b")\x85" + b"\x85" * 100_000 + b"Ns.",
    "a promise of bytes": b"\x8e" + struct.pack("<Q", 2**62) + b"x.",
    "a promise of text": b"X\xff\xff\xff\xffx.",
    "a promise of more": b"B\xff\xff\xff\x7f.",
    "doubled": b"]q\x00" + b"(h\x00h\x00e" * 60_000 + b".",
    "from memory": b"h\x07.", "nothing": b"", "no end": b"N", "no stack": b".", "no mark": b"t.", "no call": b"NNR.",
    "extension": b"\x82\x01.", "instance": b"(ios\nsystem\n.", "persistent text": b"Pos.system\n.", "no line": b"cos",
    "old text": b"S'x'\n.",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once(name: str) -> None:
    with pytest.raises(BadPickle):
        timed_actions(BOMBS[name])


@pytest.mark.parametrize("data", [b"}NNs.", b"}(K\x01Nu.", b"N" * 100_000 + b"."])
def test_keys_are_texts_and_operations_are_counted(data: bytes) -> None:
    """A key that has to be hashed can be nested more deeply than the hash can go."""
    with pytest.raises(BadPickle, match=r"texts for keys|more than"):
        loads(data, ())


TORCH = {
    "beyond its storage": ("FloatStorage", bytes(12), 3, 1, (3,), (1,)),
    "beyond by stride": ("FloatStorage", bytes(12), 3, 0, (2,), (3,)),
    "before its storage": ("FloatStorage", bytes(12), 3, -1, (3,), (1,)),
    "backwards": ("FloatStorage", bytes(12), 3, 2, (3,), (-1,)),
    "a blown up stride": ("FloatStorage", bytes(12), 3, 0, (10**6, 10**6), (0, 0)),
    "a million of one": ("FloatStorage", bytes(12), 3, 0, (1_000_001,), (0,)),
    "too short": ("FloatStorage", bytes(11), 3, 0, (3,), (1,)),
    "too long": ("FloatStorage", bytes(16), 3, 0, (3,), (1,)),
    "negative": ("FloatStorage", bytes(12), -3, 0, (3,), (1,)),
    "empty": ("FloatStorage", b"", 0, 0, (0,), (1,)),
    "sizes that are none": ("FloatStorage", bytes(12), 3, 0, (1.5,), (1,)),
    "truth for a size": ("FloatStorage", bytes(12), 3, 0, (True,), (1,)),
    "lists": ("FloatStorage", bytes(12), 3, 0, [3], [1]),
    "two axes": ("FloatStorage", bytes(12), 3, 0, (1, 3), (3, 1)),
}


@pytest.mark.parametrize("name", TORCH)
def test_tensors_that_reach_beyond_their_storage_are_refused(name: str) -> None:
    with pytest.raises(BadPickle):
        timed_actions(pickled(Tensor(*TORCH[name])))


def test_many_rows_that_blow_up_one_number_take_no_memory_before_they_are_refused() -> None:
    blown_up = Tensor("FloatStorage", bytes(4), 1, 0, (1_000_000,), (0,))
    with names():
        data = pickle.dumps([TimedAction(0.0, 1 + i, blown_up) for i in range(50)])
    tracemalloc.start()
    try:
        with pytest.raises(BadPickle):
            timed_actions(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 20_000_000  # 50 times 4 MB otherwise


def test_actions_that_do_not_belong_together_are_refused() -> None:
    row = tensor_of([1, 2])
    with names():
        for actions in (
            [], [TimedAction(0.0, 1, row), TimedAction(0.0, 3, row)], [TimedAction(0.0, True, row)],
            [TimedAction(0.0, 1, row), TimedAction(0.0, 2, tensor_of([1, 2, 3]))], [row], TimedAction(0.0, 1, row),
        ):  # fmt: skip
            with pytest.raises(BadPickle):
                timed_actions(pickle.dumps(actions))


def test_storages_that_are_not_as_torch_writes_them_are_refused() -> None:
    good = answer(1, [[1.0, 2.0]])
    assert timed_actions(good)[1].tolist() == [[1.0, 2.0]]
    for old, new in (
        (b"\x8a\nl\xfc", b"\x8a\nm\xfc"), (b"M\xe9\x03.", b"M\xe8\x03."), (b"\x88X", b"\x89X"),
        (b"X\x02\x00\x00\x0094q\x01a.", b"X\x02\x00\x00\x0095q\x01a."),
    ):  # fmt: skip
        assert good.count(old) == 1
        with pytest.raises(BadPickle):
            timed_actions(good.replace(old, new))


@given(st.binary(max_size=400))
def test_no_bytes_do_anything_but_be_refused(data: bytes) -> None:
    with pytest.raises(BadPickle):
        timed_actions(data)


@given(st.integers(0, 1632), st.integers(1, 255))
def test_a_changed_byte_changes_numbers_or_is_refused(at: int, change: int) -> None:
    data = bytearray(REAL.read_bytes())
    data[at] ^= change
    try:
        timestep, rows = timed_actions(bytes(data))
    except BadPickle:
        return
    assert isinstance(timestep, int)
    assert rows.dtype == np.float64
    assert len(rows) == 4


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=9), inside, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(PLAIN)
def test_what_is_written_is_what_python_reads_and_what_is_read_back(value: Any) -> None:
    data = dumps(value)
    assert python_reads(data) == value
    assert loads(data, ()) == (value, len(data))


def test_arrays_and_objects_are_written_as_python_reads_them() -> None:
    for array in (np.arange(6, dtype=np.uint8).reshape(2, 3).T, np.float32([]), np.zeros((), np.int64)):
        read = python_reads(dumps({"a": array}))["a"]
        assert read.dtype == array.dtype
        assert read.tolist() == array.tolist()
    with names():
        action = python_reads(dumps(Made(Name(HELPERS, "TimedAction"), state={"timestep": 3})))
    assert type(action).__name__ == "TimedAction"
    assert action.timestep == 3
    for odd in (np.array([None]), {1: 2j}, object()):
        with pytest.raises(TypeError):
            dumps(odd)
