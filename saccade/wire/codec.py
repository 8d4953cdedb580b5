"""CDR bytes to messages and back.

One codec serves DDS samples, bag records and rclpy's raw bytes, because they are the same bytes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from functools import lru_cache
from typing import Any, Literal

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_typestore

from saccade.errors import ConfigError, DataError
from saccade.paths import share
from saccade.wire.interfaces import read_messages, read_types

Distro = Literal["humble", "jazzy"]
_STORES = {"humble": Stores.ROS2_HUMBLE, "jazzy": Stores.ROS2_JAZZY}


class Codec:
    """Encodes and decodes the messages of one ROS 2 distribution, plus those whose interface files ship.

    These are saccade_msgs, and what robots that bridge_node drives speak (config/interfaces).
    A service's or action's parts are messages too, by the names that rosidl gives them: `…/srv/X_Request`.
    """

    def __init__(self, distro: Distro = "jazzy") -> None:
        if distro not in _STORES:
            raise ConfigError(f"unknown ROS distribution {distro!r}; valid: {', '.join(_STORES)}")
        self.distro = distro
        self._prepared: set[str] = set()
        self._store = get_typestore(_STORES[distro])
        self._store.fielddefs = {
            name: (constants, [(member, _without_char(field)) for member, field in fields])
            for name, (constants, fields) in self._store.fielddefs.items()
        }
        files = [path for kind in ("msg", "srv", "action") for path in sorted(share(kind).glob(f"*.{kind}"))]
        types = read_types("saccade_msgs", files, self.knows("service_msgs/msg/ServiceEventInfo"))
        self._store.register(types | read_messages(share("config") / "interfaces"))

    def prepare(self, msgtypes: Iterable[str]) -> None:
        """Generate the code for these types and all that they are made of, so that no first message has to wait."""
        waiting = [name for name in msgtypes if self.knows(name)]
        while waiting:
            name = waiting.pop()
            if name not in self._prepared:
                self._prepared.add(name)
                self._store.get_msgdef(name)
                waiting += _names(self._store.fielddefs[name], self._store.fielddefs)

    def decode(self, msgtype: str, cdr: bytes | memoryview) -> Any:
        """Message of `msgtype` from CDR bytes; arrays are read-only views. DataError if the bytes are not one."""
        try:
            return self._store.deserialize_cdr(cdr, msgtype)
        except KeyError:
            raise DataError(f"message type {msgtype!r} is not known to ROS 2 {self.distro} nor to Saccade") from None
        except Exception as error:  # rosbags raises whatever the broken bytes lead to
            raise DataError(f"{len(cdr)} bytes are not a {msgtype}: {type(error).__name__}: {error}") from error

    def encode(self, msg: Any) -> bytes | memoryview:
        """CDR bytes (little-endian, with encapsulation header) of a message made by `new`."""
        return self._store.serialize_cdr(msg, msg.__msgtype__)

    def new(self, msgtype: str, **fields: Any) -> Any:
        """A message with these fields; every field must be given, as rosbags has no defaults."""
        try:
            return self._store.types[msgtype](**fields)
        except KeyError:
            raise ConfigError(f"message type {msgtype!r} is not known to ROS 2 {self.distro} nor to Saccade") from None

    def from_ros1(self, msgtype: str, raw: bytes | memoryview) -> memoryview:
        """CDR bytes of a ROS 1 message, converted without decoding it. DataError if the bytes are not one."""
        try:
            return self._store.ros1_to_cdr(raw, msgtype)
        except Exception as error:  # rosbags raises whatever the broken bytes lead to
            raise DataError(f"{len(raw)} bytes are not a ROS 1 {msgtype}: {type(error).__name__}: {error}") from error

    def definition(self, msgtype: str) -> tuple[str, str]:
        """(concatenated .msg text, RIHS01 type hash) of a message as bags carry them."""
        text, _ = self._store.generate_msgdef(msgtype, ros_version=2)
        return text, self.type_hash(msgtype)

    def type_hash(self, msgtype: str) -> str:
        """RIHS01 hash of a message, service or action (REP 2016), as DDS endpoints announce it."""
        return self._store.hash_rihs01(msgtype)

    def fields(self, msgtype: str) -> list[tuple[str, Any]]:
        """(name, rosbags field descriptor) of each member, for wires that announce the type and not only its bytes."""
        return list(self._store.fielddefs[msgtype][1])

    def knows(self, msgtype: str) -> bool:
        """Whether this message type can be encoded and decoded."""
        return msgtype in self._store.fielddefs


def _names(part: Any, known: Container[str]) -> Iterator[str]:
    """The types named anywhere in rosbags' nested description of a type."""
    if isinstance(part, str):
        if part in known:
            yield part
    elif isinstance(part, tuple | list):
        for inner in part:
            yield from _names(inner, known)


def _without_char(field: Any) -> Any:
    """A field as rosidl has it: `char` of a .msg file is an uint8, which the type hash shows."""
    kind, what = field
    if kind is Nodetype.BASE:
        return (kind, ("uint8", 0)) if what[0] == "char" else field
    return field if kind is Nodetype.NAME else (kind, (_without_char(what[0]), what[1]))


@lru_cache
def codec(distro: Distro = "jazzy") -> Codec:
    """The shared codec of a distribution; building one takes a tenth of a second."""
    return Codec(distro)
