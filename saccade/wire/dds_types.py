"""CycloneDDS topics for ROS 2 message types that carry their bytes untouched and announce no type information.

cyclonedds-python can only make topics that serialise in Python and that announce XTypes type information; CycloneDDS
0.10.x peers with typed endpoints (Unitree firmware, for one) have been seen to crash on looking that information up.
So the type is generated from the real message definition, registered once under a name that is never announced, and
from it the C library builds the same kind of topic that rmw_cyclonedds has: matched by type name alone, its CDR checked
against the definition and brought to native byte order in C, its bytes read and written as they are.

The layout of `dds_topic_descriptor_t` and the `ddsi_serdata` calls are not public API of CycloneDDS: the version is
pinned in package.xml and tests/dds/test_dds_types.py notices when one of them changes.
"""

from __future__ import annotations

import ctypes as ct
from functools import cache
from typing import Any

from cyclonedds.core import DDSException, Entity
from cyclonedds.domain import Domain, DomainParticipant
from cyclonedds.idl import make_idl_struct
from cyclonedds.idl import types as idl
from cyclonedds.internal import DDS
from cyclonedds.topic import Topic as TypedTopic
from rosbags.interfaces import Nodetype

from saccade.wire.codec import codec

LIB = ct.CDLL(DDS._dll_handle._name)  # a handle of our own: argument types set here are not the binding's
_SCOPE_LOCAL_DOMAIN = 1
_XTYPES_METADATA = 1 << 6
_WORKSHOP = 60_000  # a domain id beyond those that RTPS has ports for
_BASE: dict[str, Any] = {
    "bool": bool, "string": str, "byte": idl.uint8, "char": idl.uint8, "float32": idl.float32, "float64": idl.float64,
    **{f"{sign}int{bits}": getattr(idl, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip


class _MetaSer(ct.Structure):
    _fields_ = (("data", ct.c_void_p), ("sz", ct.c_uint32))


class Descriptor(ct.Structure):
    """`dds_topic_descriptor_t` of CycloneDDS 11.0."""

    _fields_ = (
        ("size", ct.c_uint32), ("align", ct.c_uint32), ("flagset", ct.c_uint32), ("nkeys", ct.c_uint32),
        ("typename", ct.c_char_p), ("keys", ct.c_void_p), ("nops", ct.c_uint32), ("ops", ct.c_void_p),
        ("meta", ct.c_char_p), ("type_information", _MetaSer), ("type_mapping", _MetaSer),
        ("restrict_data_representation", ct.c_uint32),
    )  # fmt: skip


LIB.dds_get_typeinfo.argtypes = [ct.c_int32, ct.POINTER(ct.c_void_p)]
LIB.dds_free_typeinfo.argtypes = [ct.c_void_p]
LIB.dds_create_topic_descriptor.argtypes = [
    ct.c_int, ct.c_int32, ct.c_void_p, ct.c_int64, ct.POINTER(ct.POINTER(Descriptor)),
]  # fmt: skip
LIB.dds_create_topic.argtypes = [ct.c_int32, ct.POINTER(Descriptor), ct.c_char_p, ct.c_void_p, ct.c_void_p]


def dds_typename(msgtype: str) -> str:
    """The name ROS 2 gives a message type on DDS.

    >>> dds_typename("sensor_msgs/msg/Image")
    'sensor_msgs::msg::dds_::Image_'
    """
    package, kind, name = msgtype.split("/")
    return f"{package}::{kind}::dds_::{name}_"


@cache
def idl_class(msgtype: str) -> Any:
    """The message's IdlStruct class, members named and ordered as in its .msg file; final, without keys.

    Half of a service has the header of requests and replies in front; see dds_services.
    """
    half = "/msg/" not in msgtype and msgtype.endswith(("_Request", "_Response"))
    fields = {"guid_": idl.uint64, "sequence_": idl.int64} if half else {}  # no ROS member ends with an underscore
    fields |= {name: _idl_type(field) for name, field in codec().fields(msgtype)}
    return make_idl_struct(msgtype.rpartition("/")[2] + "_", dds_typename(msgtype).replace("::", "."), fields)


def _idl_type(field: Any) -> Any:
    kind, what = field
    if kind is Nodetype.BASE:
        name, bound = what
        return idl.bounded_str[bound] if name == "string" and bound else _BASE[name]
    if kind is Nodetype.NAME:
        return idl_class(what)
    element, count = what
    if kind is Nodetype.ARRAY:
        return idl.array[_idl_type(element), count]
    return idl.sequence[_idl_type(element), count] if count else idl.sequence[_idl_type(element)]


class RawTopic(TypedTopic[Any]):  # type: ignore[misc]
    """A DDS topic whose readers and writers move CDR bytes; usable wherever cyclonedds-python takes a Topic."""

    def __init__(self, participant: DomainParticipant, dds_name: str, msgtype: str) -> None:
        self.data_type = idl_class(msgtype)
        ref = LIB.dds_create_topic(participant._ref, descriptor(msgtype), dds_name.encode(), None, None)
        Entity.__init__(self, check(ref, f"topic {dds_name} of type {msgtype}"))
        self._keepalive_entities = [participant]


@cache
def descriptor(msgtype: str) -> Any:
    """Pointer to what C needs to know of a message type, without type information; made once in a process and kept."""
    participant = _workshop()[1]
    typed = TypedTopic(participant, msgtype.replace("/", "_"), idl_class(msgtype))
    _workshop().append(typed)  # CycloneDDS 11.0.1 crashes now and then when types come and go
    info, made = ct.c_void_p(), ct.POINTER(Descriptor)()
    check(LIB.dds_get_typeinfo(typed._ref, ct.byref(info)), f"no type information of {msgtype}")
    code = LIB.dds_create_topic_descriptor(_SCOPE_LOCAL_DOMAIN, participant._ref, info, 0, ct.byref(made))
    LIB.dds_free_typeinfo(info)
    check(code, f"no topic descriptor of {msgtype}")
    made.contents.flagset &= ~_XTYPES_METADATA
    return made


@cache
def _workshop() -> list[Entity]:
    """A domain without a network, its participant, and the typed topics that were made there."""
    domain = Domain(
        _WORKSHOP, "<CycloneDDS><Domain><General><Transport>none</Transport></General></Domain></CycloneDDS>"
    )
    return [domain, DomainParticipant(_WORKSHOP)]


def check(code: int, what: str) -> int:
    """The return code of a C call, or DDSException when it tells of an error."""
    if code < 0:
        raise DDSException(code, what)
    return code
