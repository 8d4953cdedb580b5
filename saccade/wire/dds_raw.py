"""CDR bytes in and out of CycloneDDS readers and writers, and waiting for them, without a copy where it counts.

Everything here calls the C library with the interpreter lock released, so a node's worker threads run meanwhile.
"""

from __future__ import annotations

import ctypes as ct
import weakref
from functools import lru_cache
from typing import Any

import numpy as np
from cyclonedds.core import DDSException
from cyclonedds.domain import DomainParticipant
from cyclonedds.internal import dds_c_t
from cyclonedds.pub import DataWriter
from cyclonedds.qos import Policy
from cyclonedds.sub import DataReader

from saccade.errors import DataError
from saccade.wire.dds_types import LIB, check

_ANY_STATE = 0x7F  # every sample, view and instance state
_SDK_DATA = 2
_HEADER = 4  # bytes of RTPS encapsulation in front of a CDR
_PADDING = (ct.c_uint8 * 4)()
_LEND_FROM = 64 * 1024
"""Samples of at least this many bytes are lent, smaller ones copied; those under 256 go back to a pool of their domain,
so they must not outlive it."""


class _IoVec(ct.Structure):
    _fields_ = (("base", ct.c_void_p), ("len", ct.c_size_t))


_entity, _pointer = ct.c_int32, ct.c_void_p
_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "dds_create_readcondition": (_entity, [_entity, ct.c_uint32]),
    "dds_create_guardcondition": (_entity, [_entity]),
    "dds_set_guardcondition": (ct.c_int32, [_entity, ct.c_bool]),
    "dds_create_waitset": (_entity, [_entity]),
    "dds_waitset_attach": (ct.c_int32, [_entity, _entity, ct.c_ssize_t]),
    "dds_waitset_wait": (ct.c_int32, [_entity, ct.POINTER(ct.c_ssize_t), ct.c_size_t, ct.c_int64]),
    "dds_get_entity_sertype": (ct.c_int32, [_entity, ct.POINTER(_pointer)]),
    "dds_writecdr": (ct.c_int32, [_entity, _pointer]),
    "dds_takecdr": (
        ct.c_int32, [_entity, ct.POINTER(_pointer), ct.c_uint32, ct.POINTER(dds_c_t.sample_info), ct.c_uint32],
    ),
    "ddsi_serdata_from_ser_iov": (_pointer, [_pointer, ct.c_int, ct.c_size_t, ct.POINTER(_IoVec), ct.c_size_t]),
    "ddsi_serdata_size": (ct.c_uint32, [_pointer]),
    "ddsi_serdata_to_ser_ref": (_pointer, [_pointer, ct.c_size_t, ct.c_size_t, ct.POINTER(_IoVec)]),
    "ddsi_serdata_to_ser_unref": (None, [_pointer, ct.POINTER(_IoVec)]),
    "ddsi_serdata_unref": (None, [_pointer]),
}  # fmt: skip
for _name, (_result, _arguments) in _SIGNATURES.items():
    getattr(LIB, _name).restype = _result
    getattr(LIB, _name).argtypes = _arguments


class RawWriter:
    """Writes CDR bytes; never waits for a slow reader."""

    def __init__(self, writer: DataWriter[Any]) -> None:
        self.entity = writer
        self._sertype = ct.c_void_p()
        check(LIB.dds_get_entity_sertype(writer._ref, ct.byref(self._sertype)), "no type of a writer")
        self._parts, self._header = (_IoVec * 3)(), (ct.c_uint8 * _HEADER)()
        self.dropped = 0
        """Messages that could not be sent because a reliable reader held the line."""

    def write(self, cdr: bytes | memoryview) -> None:
        """Send one message; DataError when the bytes are not a CDR of the topic's type."""
        size = len(cdr)
        sample = self._sample(cdr, size) if size >= _HEADER else None
        if not sample:
            topic = self.entity.topic
            raise DataError(f"{size} bytes for {topic.name} are not the CDR of a {topic.typename}")
        code = LIB.dds_writecdr(self.entity._ref, sample)
        if code == DDSException.DDS_RETCODE_TIMEOUT:
            self.dropped += 1
        else:
            check(code, f"writing {self.entity.topic.name}")

    def _sample(self, cdr: bytes | memoryview, size: int) -> int | None:
        """A C sample of these bytes, None if they are no CDR of the type.

        RTPS wants multiples of four bytes; how many are padding the encapsulation header says (XTypes 1.3, 7.6.3.1.2).
        """
        start = np.frombuffer(cdr, np.uint8).__array_interface__["data"][0]
        padding = -size % 4
        ct.memmove(self._header, start, _HEADER)
        self._header[3] |= padding
        header, rest, zeros = self._parts
        header.base, header.len = ct.addressof(self._header), _HEADER
        rest.base, rest.len = start + _HEADER, size - _HEADER
        zeros.base, zeros.len = ct.addressof(_PADDING), padding
        made: int | None = LIB.ddsi_serdata_from_ser_iov(self._sertype, _SDK_DATA, 3, self._parts, size + padding)
        return made


class RawReader:
    """Takes CDR bytes; the reader's history in C is the only queue there is."""

    def __init__(self, reader: DataReader[Any]) -> None:
        self.entity = reader
        self.condition = check(LIB.dds_create_readcondition(reader._ref, _ANY_STATE), "no read condition")
        self._sample, self._info = ct.c_void_p(), dds_c_t.sample_info()

    def take(self) -> bytes | memoryview | None:
        """The oldest message not taken yet, or None; news that carry no data (a writer has gone) are passed over."""
        while True:
            sample = self._sample
            n = LIB.dds_takecdr(self.entity._ref, ct.byref(sample), 1, ct.byref(self._info), _ANY_STATE)
            if check(n, f"reading {self.entity.topic.name}") == 0:
                return None
            if self._info.valid_data:
                return _bytes_of(sample.value)
            LIB.ddsi_serdata_unref(sample)


class VolatileReader(RawReader):
    """Takes what writers send that keep nothing for late joiners; those that do keep it are heard by another reader."""

    def __init__(self, reader: DataReader[Any]) -> None:
        super().__init__(reader)
        self._keeps: dict[int, bool] = {}

    def take(self) -> bytes | memoryview | None:
        """See `RawReader.take`."""
        while (cdr := super().take()) is not None:
            if not self._is_kept(self._info.publication_handle):
                break
        return cdr

    def _is_kept(self, handle: int) -> bool:
        """Whether the writer keeps its messages; False for one that has gone."""
        if handle not in self._keeps:
            writer = self.entity.get_matched_publication_data(handle)
            if writer is None:
                return False
            self._keeps[handle] = writer.qos[Policy.Durability] != Policy.Durability.Volatile
        return self._keeps[handle]


def _bytes_of(sample: int | None) -> bytes | memoryview:
    """A sample's CDR, and the end of our reference to it: at once when copied, with the last view of it when lent."""
    size, part = LIB.ddsi_serdata_size(sample), _IoVec()
    again = LIB.ddsi_serdata_to_ser_ref(sample, 0, size, ct.byref(part))
    LIB.ddsi_serdata_to_ser_unref(again, ct.byref(part))  # one of the two references is enough
    assert part.base is not None
    header = ct.string_at(part.base, _HEADER)
    padding = header[3] & 3
    if size < _LEND_FROM or padding:
        cdr = header[:3] + bytes((header[3] ^ padding,)) + ct.string_at(part.base + _HEADER, size - _HEADER - padding)
        LIB.ddsi_serdata_unref(sample)
        return cdr
    lent = _array_type(size).from_address(part.base)
    weakref.finalize(lent, LIB.ddsi_serdata_unref, sample).atexit = False
    return memoryview(lent).cast("B").toreadonly()


@lru_cache(maxsize=64)
def _array_type(size: int) -> type[ct.Array[ct.c_uint8]]:
    return ct.c_uint8 * size


class Waiter:
    """Waits for any of several readers, or for `interrupt`, which any thread may call."""

    def __init__(self, participant: DomainParticipant, readers: list[RawReader]) -> None:
        self._set = check(LIB.dds_create_waitset(participant._ref), "no wait set")
        self._guard = check(LIB.dds_create_guardcondition(participant._ref), "no guard condition")
        self._count, self._last = len(readers), 0
        for index, condition in enumerate([*(reader.condition for reader in readers), self._guard]):
            check(LIB.dds_waitset_attach(self._set, condition, index), "cannot wait for a reader")
        self._ready = (ct.c_ssize_t * (self._count + 1))()

    def wait(self, timeout_ns: int) -> int | None:
        """Index of a reader that has something, each in its turn; None after `timeout_ns` or once interrupted."""
        n = check(LIB.dds_waitset_wait(self._set, self._ready, len(self._ready), timeout_ns), "waiting for messages")
        ready = self._ready[:n]
        if not ready or self._count in ready:
            return None
        self._last = min(ready, key=lambda index: (index - self._last - 1) % self._count)
        return self._last

    def interrupt(self) -> None:
        """End this wait and every later one at once."""
        check(LIB.dds_set_guardcondition(self._guard, True), "cannot interrupt a wait")
