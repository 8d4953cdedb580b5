"""msgpack with arrays: what either protocol writes it reads again, and nothing else."""

from __future__ import annotations

from contextlib import suppress

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vla_node.clients import gr00t, openpi
from vla_node.clients.packing import DEEPEST, Malformed, packed, size_of, unpacked
from vla_node.policies.base import PolicyError

FORMS = {"openpi": openpi, "gr00t": gr00t}
DTYPES = ["<f2", "<f4", ">f8", "|b1", "|u1", "<i8", ">u2", "<U5", "|S3"]
arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(np.dtype(dtype), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)
leaves = st.one_of(arrays, st.text(max_size=5), st.integers(-(2**40), 2**40), st.floats(allow_nan=False), st.none())
trees = st.recursive(leaves, lambda inner: st.dictionaries(st.text(max_size=9), inner, max_size=17), max_leaves=8)


def same(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and np.ascontiguousarray(a).tobytes() == b.tobytes()
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return a == b


@pytest.mark.parametrize("name", FORMS)
@given(tree=trees)
@settings(max_examples=40, deadline=None)
def test_whatever_is_written_is_read_again(name: str, tree: object) -> None:
    form = FORMS[name]
    pieces = packed(tree, form.array_form)
    data = b"".join(pieces)
    assert size_of(pieces) == len(data)
    assert same(tree, unpacked(data, form.array_hook))


@pytest.mark.parametrize("name", FORMS)
@given(array=arrays, cut=st.floats(0, 0.999), flipped=st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_truncated_or_altered_bytes_are_refused_or_read_as_an_array(
    name: str, array: np.ndarray, cut: float, flipped: int
) -> None:
    form = FORMS[name]
    data = b"".join(packed({"a": array}, form.array_form))
    with pytest.raises(Malformed):
        unpacked(data[: int(cut * len(data))], form.array_hook)
    altered = bytearray(data)
    altered[flipped % len(data)] ^= 1 << flipped % 8
    with suppress(Malformed):
        unpacked(altered, form.array_hook)


@pytest.mark.parametrize("name", FORMS)
@given(data=st.binary(max_size=200))
@settings(max_examples=40, deadline=None)
def test_any_bytes_are_refused_or_a_tree(name: str, data: bytes) -> None:
    with suppress(Malformed):
        unpacked(data, FORMS[name].array_hook)


@pytest.mark.parametrize("array", [np.array([None]), np.zeros(2, complex), np.zeros(2, "i4,f4"), np.zeros(2, "M8[s]")])
@pytest.mark.parametrize("name", FORMS)
def test_arrays_of_other_things_than_numbers_are_not_sent(name: str, array: np.ndarray) -> None:
    with pytest.raises(PolicyError, match=r"message\['a'\] has dtype"):
        packed({"a": array}, FORMS[name].array_form)


def openpi_array(dtype: object = "<f4", data: object = b"\0" * 8, shape: object = (2,)) -> bytes:
    return msgpack.packb({b"__ndarray__": True, b"data": data, b"dtype": dtype, b"shape": shape})


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ({"dtype": "|O"}, "dtype"),
        ({"dtype": "<c8"}, "dtype"),
        ({"dtype": "|V4"}, "dtype"),
        ({"dtype": "f4,f4"}, "dtype"),
        ({"dtype": 7}, "dtype"),
        ({"dtype": "<f3"}, "dtype"),
        ({"shape": (3,)}, "8 bytes instead of 12"),
        ({"shape": (-2, -1)}, "whole numbers"),
        ({"shape": (2**40, 2**40)}, "instead of"),
        ({"shape": (1.0, 2)}, "whole numbers"),
        ({"shape": (True, 2)}, "whole numbers"),
        ({"shape": (1,) * 40 + (2,)}, "whole numbers"),
        ({"shape": None}, "shape"),
        ({"data": "text"}, "data"),
    ],
)
def test_openpi_arrays_that_are_not_what_they_say(entries: dict[str, object], why: str) -> None:
    assert unpacked(openpi_array(), openpi.array_hook).shape == (2,)
    with pytest.raises(Malformed, match=why):
        unpacked(openpi_array(**entries), openpi.array_hook)


@pytest.mark.parametrize(
    "head",
    [
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }",
        "__import__('os').getcwd()",
        "{'descr': '<f4', 'fortran_order': False}",
        "",
    ],
)
def test_npy_files_that_are_not_what_they_say(head: str) -> None:
    text = head.encode().ljust(117) + b"\n"
    npy = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + b"\0" * 8
    with pytest.raises(Malformed):
        unpacked(msgpack.packb({"__ndarray_class__": True, "as_npy": npy}), gr00t.array_hook)


@pytest.mark.parametrize("depth", [DEEPEST + 2, 400, 100_000])
def test_nested_too_deep(depth: int) -> None:
    with pytest.raises(Malformed):
        unpacked(b"\x91" * depth + b"\xc0", openpi.array_hook)
    tree: object = 0
    for _ in range(min(depth, 400)):
        tree = {"a": tree}
    with pytest.raises(PolicyError, match="deep"):
        packed(tree, openpi.array_form)


@pytest.mark.parametrize(
    "head", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc7\x01\x05a"]
)
def test_sizes_that_are_only_claimed(head: bytes) -> None:
    with pytest.raises(Malformed):
        unpacked(head + b"\xc0" * 100, openpi.array_hook)


def test_what_cannot_be_sent_is_named() -> None:
    with pytest.raises(PolicyError, match=r"message\['a'\]\[1\] is of type object"):
        packed({"a": [1, object()]}, openpi.array_form)
    with pytest.raises(PolicyError, match="cannot be sent"):
        packed({"a": 2**70}, openpi.array_form)
    assert msgpack.unpackb(b"".join(packed(np.float32(0.5), openpi.array_form))) == 0.5


def test_an_array_is_not_copied() -> None:
    array = np.zeros((100, 100), np.uint8)
    views = [piece for piece in packed({"a": array}, openpi.array_form) if isinstance(piece, memoryview)]
    array[3, 4] = 7
    assert views[0][304] == 7
